-- Work that failed and that nobody will try again by itself: to be looked at, tried again or put away.

SET LOCAL ROLE cliply_owner;

ALTER TABLE upload_steps ADD COLUMN discarded_at timestamptz;
COMMENT ON COLUMN upload_steps.discarded_at IS 'When somebody decided that this failure needs nothing more; trying again takes that back.';
GRANT UPDATE (discarded_at) ON upload_steps TO cliply_api;

CREATE INDEX upload_steps_failed ON upload_steps (ended_at) WHERE state = 'failed' AND discarded_at IS NULL;

CREATE VIEW dead_letters WITH (security_invoker = true) AS
SELECT s.workspace_id, s.upload_id, s.step, s.part, u.title, s.reason, s.raw_error, s.attempt, s.max_attempts, s.run_id,
       s.started_at, s.ended_at
FROM upload_steps s
JOIN uploads u ON u.workspace_id = s.workspace_id AND u.id = s.upload_id
WHERE s.state = 'failed' AND s.discarded_at IS NULL
  AND u.cancelled_at IS NULL AND u.paused_at IS NULL AND u.deleted_at IS NULL AND u.retry_at IS NULL
  AND NOT EXISTS (
      SELECT FROM upload_runs r
      WHERE r.workspace_id = s.workspace_id AND r.upload_id = s.upload_id AND r.state IN ('asked', 'running'));
COMMENT ON VIEW dead_letters IS 'Steps that failed and that no run is going to try again, of uploads that are still wanted.';
GRANT SELECT ON dead_letters TO cliply_api, cliply_pipeline;

CREATE FUNCTION app.on_step_tried_again() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.discarded_at := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER upload_steps_count_again_when_tried BEFORE UPDATE OF state ON upload_steps
    FOR EACH ROW WHEN (OLD.discarded_at IS NOT NULL AND NEW.state = 'running') EXECUTE FUNCTION app.on_step_tried_again();
