-- What the web application adds to publishing: the time zone that people plan in, and what platforms tell by themselves.

SET LOCAL ROLE cliply_owner;

ALTER TABLE workspaces
    ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC',
    ADD CONSTRAINT workspaces_time_zone_has_a_name CHECK (time_zone <> '');
COMMENT ON COLUMN workspaces.time_zone IS 'An IANA name; local times without a zone of their own are meant there.';

ALTER TABLE posts ADD COLUMN told_at timestamptz;
COMMENT ON COLUMN posts.told_at IS 'The platform''s own time of the newest thing that it told of this post; what is older is late, and changes nothing.';
-- A platform names a post by its id or by the handle of what was begun.
CREATE INDEX posts_by_remote_id ON posts (workspace_id, account_id, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX posts_by_handle ON posts (workspace_id, account_id, handle) WHERE handle IS NOT NULL;
CREATE INDEX posts_made ON posts (workspace_id, created_at);

CREATE TABLE platform_events (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    account_id uuid NOT NULL,
    event_id text NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    handle text,
    remote_id text,
    reason text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'waiting',
    post_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, account_id, event_id),
    FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT platform_events_state_is_known CHECK (state IN ('waiting', 'matched', 'unmatched'))
);
COMMENT ON TABLE platform_events IS 'What platforms told by webhook, once for each account that it is about; what fits no post yet waits an hour for one.';
COMMENT ON COLUMN platform_events.at IS 'The platform''s own time.';
CREATE INDEX platform_events_waiting ON platform_events (created_at) WHERE state = 'waiting';
ALTER TABLE platform_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE platform_events FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace reaches only its own platform events" ON platform_events
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON platform_events TO cliply_api;
GRANT SELECT ON platform_events TO cliply_pipeline;


CREATE FUNCTION app.on_post_removed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    PERFORM app.write_event(NEW.workspace_id, NEW.upload_id, 'post.removed',
        jsonb_build_object('post', NEW.id, 'clip', NEW.clip_id, 'account', NEW.account_id, 'platform', NEW.platform,
                           'removed_at', NEW.removed_at, 'url', NEW.url));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER posts_tell_when_removed AFTER UPDATE OF removed_at ON posts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL) EXECUTE FUNCTION app.on_post_removed();
