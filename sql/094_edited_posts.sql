-- A published post whose words were changed on its platform is told of, like one that was removed there.

SET LOCAL ROLE cliply_owner;

CREATE FUNCTION app.on_post_edited() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    PERFORM app.write_event(NEW.workspace_id, NEW.upload_id, 'post.edited',
        jsonb_build_object('post', NEW.id, 'clip', NEW.clip_id, 'account', NEW.account_id, 'platform', NEW.platform,
                           'url', NEW.url, 'fields', (
                               SELECT coalesce(jsonb_agg(given.key ORDER BY given.key), '[]') FROM jsonb_each(NEW.content) given
                               WHERE given.value IS DISTINCT FROM OLD.content -> given.key)));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER posts_tell_when_edited AFTER UPDATE OF content ON posts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.state = 'published' AND NEW.content IS DISTINCT FROM OLD.content) EXECUTE FUNCTION app.on_post_edited();
