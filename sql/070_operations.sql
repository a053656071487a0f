-- What operators keep an eye on: when an upload's bytes were let go, and how much each workspace stores.

SET LOCAL ROLE cliply_owner;

ALTER TABLE uploads
    ADD COLUMN expired_at timestamptz,
    ADD COLUMN forgotten_at timestamptz;
COMMENT ON COLUMN uploads.expired_at IS 'When its source and intermediate objects were deleted; work on it afterwards makes new ones.';
COMMENT ON COLUMN uploads.forgotten_at IS 'When its steps and documents were deleted, too; only its clips remain.';

-- The sweep's two questions span workspaces: the first index holds what is young, the second what waits for its second turn.
CREATE INDEX uploads_unexpired ON uploads (created_at) WHERE expired_at IS NULL;
CREATE INDEX uploads_expired ON uploads (expired_at) WHERE expired_at IS NOT NULL AND forgotten_at IS NULL;
-- Few at any time.
CREATE INDEX upload_steps_running ON upload_steps (started_at) WHERE state = 'running';
CREATE INDEX upload_steps_ended ON upload_steps (ended_at) WHERE ended_at IS NOT NULL;


CREATE FUNCTION app.on_work_after_expiry() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    UPDATE uploads SET expired_at = NULL, forgotten_at = NULL
    WHERE workspace_id = NEW.workspace_id AND id = NEW.upload_id AND expired_at IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION app.on_work_after_expiry() IS 'What is made now is to be let go again later.';
CREATE TRIGGER upload_steps_unexpire_when_begun AFTER INSERT ON upload_steps
    FOR EACH ROW WHEN (NEW.state = 'running') EXECUTE FUNCTION app.on_work_after_expiry();
CREATE TRIGGER upload_steps_unexpire_when_begun_again AFTER UPDATE OF state ON upload_steps
    FOR EACH ROW WHEN (NEW.state = 'running') EXECUTE FUNCTION app.on_work_after_expiry();


CREATE TABLE storage_tallies (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    day date NOT NULL,
    objects bigint NOT NULL,
    bytes bigint NOT NULL,
    source_bytes bigint NOT NULL,
    analysis_bytes bigint NOT NULL,
    clip_bytes bigint NOT NULL,
    counted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, day),
    CONSTRAINT storage_tallies_parts_fit_the_whole
        CHECK (objects >= 0 AND source_bytes >= 0 AND analysis_bytes >= 0 AND clip_bytes >= 0
               AND bytes >= source_bytes + analysis_bytes + clip_bytes)
);
COMMENT ON TABLE storage_tallies IS 'What each workspace stored, counted once a day; the rest of bytes is the search index and the like.';
ALTER TABLE storage_tallies ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage_tallies FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace reaches only its own storage tallies" ON storage_tallies
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT ON storage_tallies TO cliply_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON storage_tallies TO cliply_pipeline;
