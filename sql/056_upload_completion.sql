-- When the work on an upload was finished: its clips are made. Asking for it again takes that back.

SET LOCAL ROLE cliply_owner;

CREATE FUNCTION app.on_renders_finished() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    UPDATE uploads SET completed_at = CASE WHEN NEW.state = 'completed' THEN now() END
    WHERE workspace_id = NEW.workspace_id AND id = NEW.upload_id AND (completed_at IS NULL) = (NEW.state = 'completed');
    RETURN NULL;
END
$$;
CREATE TRIGGER upload_steps_complete_uploads AFTER UPDATE OF state ON upload_steps
    FOR EACH ROW WHEN (NEW.step = 'renders' AND NEW.part = '' AND NEW.state IS DISTINCT FROM OLD.state)
    EXECUTE FUNCTION app.on_renders_finished();
CREATE TRIGGER new_upload_steps_complete_uploads AFTER INSERT ON upload_steps
    FOR EACH ROW WHEN (NEW.step = 'renders' AND NEW.part = '' AND NEW.state = 'completed')
    EXECUTE FUNCTION app.on_renders_finished();

CREATE FUNCTION app.on_upload_asked_again() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.completed_at := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER uploads_are_open_when_asked_again BEFORE UPDATE OF attempt ON uploads
    FOR EACH ROW WHEN (NEW.attempt > OLD.attempt) EXECUTE FUNCTION app.on_upload_asked_again();

COMMENT ON COLUMN uploads.completed_at IS 'When its last run had made the clips; NULL while there is something to do. Kept by triggers.';
COMMENT ON COLUMN uploads.request_id IS 'The web request that asked for the work last: created, confirmed, resumed or retried it.';
