-- What people decide about clips, what they change of them, and what they say about them.

SET LOCAL ROLE cliply_owner;

ALTER TABLE clips
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN decided_by uuid,
    ADD COLUMN reject_reason text NOT NULL DEFAULT '',
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN deleted_at timestamptz;
COMMENT ON COLUMN clips.edited_at IS 'When a person last changed it; from then on no new analysis changes or removes it.';
COMMENT ON COLUMN clips.deleted_at IS 'The row stays, so that the same moment does not come back as a new proposal.';

CREATE INDEX clips_newest ON clips (workspace_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX clips_of_upload ON clips (workspace_id, upload_id, rank, id) WHERE deleted_at IS NULL;


CREATE TABLE clip_comments (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    clip_id uuid NOT NULL,
    source_s double precision,
    body text NOT NULL,
    author_id uuid NOT NULL,
    author_name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    edited_at timestamptz,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, clip_id) REFERENCES clips (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT clip_comments_source_s_is_not_negative CHECK (source_s >= 0),
    CONSTRAINT clip_comments_say_something CHECK (body <> '')
);
COMMENT ON COLUMN clip_comments.source_s IS
    'Seconds from the start of the source, so that it stays on its picture when the clip is cut anew; NULL: the whole clip.';
CREATE INDEX clip_comments_of_clip ON clip_comments (workspace_id, clip_id, source_s NULLS FIRST, id);

ALTER TABLE clip_comments ENABLE ROW LEVEL SECURITY;
ALTER TABLE clip_comments FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own comments" ON clip_comments
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON clip_comments TO cliply_api;
GRANT SELECT ON clip_comments TO cliply_pipeline;


CREATE FUNCTION app.on_clip_touch() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF NEW.deleted_at IS DISTINCT FROM OLD.deleted_at THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.upload_id, 'clip.deleted', jsonb_build_object('clip', NEW.id));
    ELSIF NEW.edited_at IS DISTINCT FROM OLD.edited_at THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.upload_id, 'clip.edited', jsonb_build_object('clip', NEW.id));
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER clips_tell_when_touched AFTER UPDATE OF deleted_at, edited_at ON clips
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_clip_touch();
