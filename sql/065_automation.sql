-- Which runs were asked for an upload, and what became of each. The database decides who may start one.

SET LOCAL ROLE cliply_owner;

ALTER TABLE workspaces
    ADD COLUMN plan text NOT NULL DEFAULT 'standard',
    ADD CONSTRAINT workspaces_plan_is_a_name CHECK (plan ~ '^[a-z][a-z_]{0,30}$');
COMMENT ON COLUMN workspaces.plan IS 'How many uploads are worked on at once, and how many may wait; the numbers are in the program.';

ALTER TABLE uploads ADD COLUMN started_attempt integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN uploads.started_attempt IS 'The newest attempt that a run was asked for; while it is below attempt, the upload waits for one.';
ALTER TABLE uploads NO FORCE ROW LEVEL SECURITY;
ALTER TABLE upload_steps NO FORCE ROW LEVEL SECURITY;
UPDATE uploads u SET started_attempt = u.attempt
WHERE u.retry_at IS NULL AND EXISTS (
    SELECT FROM upload_steps s WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id AND s.state <> 'pending');
ALTER TABLE uploads FORCE ROW LEVEL SECURITY;
ALTER TABLE upload_steps FORCE ROW LEVEL SECURITY;

-- Only what waits is in here, however many uploads there are.
CREATE INDEX uploads_waiting ON uploads (workspace_id, created_at, id)
    WHERE started_attempt < attempt AND cancelled_at IS NULL AND paused_at IS NULL AND deleted_at IS NULL
      AND completed_at IS NULL;
DROP INDEX uploads_open;


CREATE TABLE upload_runs (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id(),
    upload_id uuid NOT NULL,
    number integer NOT NULL,
    attempt integer NOT NULL,
    state text NOT NULL DEFAULT 'asked',
    run_id text,
    asked_at timestamptz NOT NULL DEFAULT now(),
    begun_at timestamptz,
    ended_at timestamptz,
    reason text,
    PRIMARY KEY (workspace_id, upload_id, number),
    FOREIGN KEY (workspace_id, upload_id) REFERENCES uploads (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT upload_runs_state_is_known CHECK (state IN ('asked', 'running', 'succeeded', 'failed', 'halted', 'lost')),
    CONSTRAINT upload_runs_are_counted CHECK (number >= 1 AND attempt >= 1),
    CONSTRAINT upload_runs_are_over_when_they_ended CHECK ((ended_at IS NULL) = (state IN ('asked', 'running')))
);
COMMENT ON TABLE upload_runs IS 'Each run that was asked for an upload, and what became of it.';
COMMENT ON COLUMN upload_runs.number IS 'Part of the run''s key: a run that is asked for anew is another run.';
COMMENT ON COLUMN upload_runs.run_id IS 'Dagster''s newest run for it; one whose process died is followed by its retry.';

-- Two ticks at once cannot both start an upload. Few rows are in here at any time.
CREATE UNIQUE INDEX upload_runs_one_at_a_time ON upload_runs (workspace_id, upload_id) WHERE state IN ('asked', 'running');
-- How long a run takes is told from the last ones.
CREATE INDEX upload_runs_succeeded ON upload_runs (ended_at) WHERE state = 'succeeded';

ALTER TABLE upload_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE upload_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own runs" ON upload_runs
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT ON upload_runs TO cliply_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON upload_runs TO cliply_pipeline;


-- Whoever starts, stops or follows runs waits for this bell instead of asking over and over.
CREATE FUNCTION app.ring_for_runs() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('cliply_runs', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER uploads_ring_when_new AFTER INSERT ON uploads
    FOR EACH STATEMENT EXECUTE FUNCTION app.ring_for_runs();
CREATE TRIGGER uploads_ring_when_asked_of
    AFTER UPDATE OF confirmed_at, attempt, started_attempt, cancelled_at, paused_at, deleted_at ON uploads
    FOR EACH STATEMENT EXECUTE FUNCTION app.ring_for_runs();
CREATE TRIGGER runs_ring_when_they_end AFTER UPDATE OF ended_at ON upload_runs
    FOR EACH STATEMENT EXECUTE FUNCTION app.ring_for_runs();
