-- What people want rendered again: a row is the wish, the pipeline fulfils it, and its state says how far that is.

SET LOCAL ROLE cliply_owner;

ALTER TABLE clips
    ADD COLUMN cut_start_s double precision,
    ADD COLUMN cut_end_s double precision,
    ADD CONSTRAINT clips_cut_is_whole_and_forward
        CHECK ((cut_start_s IS NULL) = (cut_end_s IS NULL) AND cut_start_s >= 0 AND cut_end_s > cut_start_s);
COMMENT ON COLUMN clips.cut_start_s IS 'Where people moved the cut to; start_s and end_s stay what was proposed. NULL: there.';


CREATE TABLE render_wishes (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    clip_id uuid NOT NULL,
    aspects text[] NOT NULL,
    style text NOT NULL,
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    recut boolean NOT NULL DEFAULT false,
    settings_digest text NOT NULL,
    state text NOT NULL DEFAULT 'open',
    attempt integer NOT NULL DEFAULT 0,
    deadline_at timestamptz,
    versions jsonb NOT NULL DEFAULT '{}',
    reason text,
    asked_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, clip_id) REFERENCES clips (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT render_wishes_state_is_known CHECK (state IN ('open', 'claimed', 'running', 'done', 'failed')),
    CONSTRAINT render_wishes_span_is_forward CHECK (start_s >= 0 AND end_s > start_s),
    CONSTRAINT render_wishes_name_an_aspect CHECK (cardinality(aspects) >= 1),
    CONSTRAINT render_wishes_are_over_when_they_ended CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'failed')))
);
COMMENT ON COLUMN render_wishes.recut IS 'Whether the clip keeps this span once it is rendered.';
COMMENT ON COLUMN render_wishes.attempt IS 'How often a run was asked for; only the newest may fulfil it.';
COMMENT ON COLUMN render_wishes.deadline_at IS 'When the run that claimed it counts as lost.';
COMMENT ON COLUMN render_wishes.versions IS 'Aspect ratio to the number of the version that fulfils it.';

-- Asked for twice is wanted once.
CREATE UNIQUE INDEX render_wishes_open_once ON render_wishes (workspace_id, clip_id, settings_digest)
    WHERE state IN ('open', 'claimed', 'running');
CREATE INDEX render_wishes_of_clip ON render_wishes (workspace_id, clip_id, id DESC);
-- The sensor's question spans workspaces: only unfinished wishes are in this index, so it stays small.
CREATE INDEX render_wishes_unfinished ON render_wishes (created_at) WHERE state IN ('open', 'claimed', 'running');

ALTER TABLE render_wishes ENABLE ROW LEVEL SECURITY;
ALTER TABLE render_wishes FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own wishes" ON render_wishes
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
CREATE POLICY "reviewed functions find wishes of every workspace" ON render_wishes
    FOR SELECT TO cliply_definer USING (true);
GRANT SELECT, INSERT ON render_wishes TO cliply_api;
GRANT SELECT, UPDATE ON render_wishes TO cliply_pipeline;
GRANT SELECT (workspace_id, id, state, created_at, deadline_at) ON render_wishes TO cliply_definer;


CREATE FUNCTION app.on_render_wish_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    of_upload uuid;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = NEW.state THEN
            RETURN NULL;
        END IF;
    END IF;
    SELECT upload_id INTO of_upload FROM clips WHERE workspace_id = NEW.workspace_id AND id = NEW.clip_id;
    IF NOT FOUND THEN
        RETURN NULL;  -- deleted in the same transaction, together with its clip
    END IF;
    PERFORM app.write_event(NEW.workspace_id, of_upload, 'rerender.' || NEW.state,
        jsonb_build_object('rerender', NEW.id, 'clip', NEW.clip_id, 'state', NEW.state, 'reason', NEW.reason));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER render_wishes_tell_when_new AFTER INSERT ON render_wishes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_render_wish_change();
CREATE CONSTRAINT TRIGGER render_wishes_tell_their_state AFTER UPDATE OF state ON render_wishes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_render_wish_change();
