-- Rendering fans out: an upload is complete once every one of its clips is made, and not while one is being made, or failed.

SET LOCAL ROLE cliply_owner;

DROP TRIGGER upload_steps_complete_uploads ON upload_steps;
DROP TRIGGER new_upload_steps_complete_uploads ON upload_steps;

CREATE OR REPLACE FUNCTION app.on_renders_finished() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    made boolean := NEW.state IN ('completed', 'skipped') AND NOT EXISTS (
        SELECT FROM upload_steps
        WHERE workspace_id = NEW.workspace_id AND upload_id = NEW.upload_id AND step = 'renders'
          AND state NOT IN ('completed', 'skipped'));
BEGIN
    UPDATE uploads SET completed_at = CASE WHEN made THEN now() END
    WHERE workspace_id = NEW.workspace_id AND id = NEW.upload_id AND (completed_at IS NULL) = made;
    RETURN NULL;
END
$$;
CREATE TRIGGER upload_steps_complete_uploads AFTER UPDATE OF state ON upload_steps
    FOR EACH ROW WHEN (NEW.step = 'renders' AND NEW.state IS DISTINCT FROM OLD.state)
    EXECUTE FUNCTION app.on_renders_finished();
CREATE TRIGGER new_upload_steps_complete_uploads AFTER INSERT ON upload_steps
    FOR EACH ROW WHEN (NEW.step = 'renders')
    EXECUTE FUNCTION app.on_renders_finished();
