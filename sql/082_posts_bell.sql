-- A post that is new or moved rings, so that a publisher is started for it without anybody asking over and over.

SET LOCAL ROLE cliply_owner;

CREATE FUNCTION app.on_post_due() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('cliply_runs', json_build_object('workspace', NEW.workspace_id, 'post', NEW.id)::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER posts_ring_when_due AFTER INSERT OR UPDATE OF due_at, wake_at ON posts
    FOR EACH ROW WHEN (NEW.state = 'due' AND NEW.wake_at IS NOT NULL) EXECUTE FUNCTION app.on_post_due();
