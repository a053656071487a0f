-- Accounts on platforms, and posts: what is published where and when, and every call that was made for it.
--
-- Secrets (tokens, upload sessions) are sealed by cliply_resources/vault.py before they come here.

SET LOCAL ROLE cliply_owner;

CREATE TABLE accounts (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    platform text NOT NULL,
    remote_id text NOT NULL,
    name text NOT NULL,
    username text NOT NULL DEFAULT '',
    avatar_url text,
    url text,
    kind text NOT NULL DEFAULT 'person',
    facts jsonb NOT NULL DEFAULT '{}',
    limits jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'ok',
    reason text,
    tokens bytea,
    scopes text[] NOT NULL DEFAULT '{}',
    token_expires_at timestamptz,
    refresh_expires_at timestamptz,
    refreshed_at timestamptz,
    refresh_failures integer NOT NULL DEFAULT 0,
    refresh_at timestamptz,
    parked_until timestamptz,
    posts_per_day integer,
    min_gap_seconds integer NOT NULL DEFAULT 0,
    connected_by uuid,
    connected_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, platform, remote_id),
    CONSTRAINT accounts_state_is_known CHECK (state IN ('ok', 'reconnect', 'disconnected')),
    CONSTRAINT accounts_disconnected_keep_no_token CHECK (state <> 'disconnected' OR tokens IS NULL),
    CONSTRAINT accounts_caps_are_positive CHECK (posts_per_day > 0 AND min_gap_seconds >= 0)
);
COMMENT ON COLUMN accounts.tokens IS 'Sealed; bound to workspace, account and this column.';
COMMENT ON COLUMN accounts.limits IS 'What the platform said this account may do, when it was last asked.';
COMMENT ON COLUMN accounts.refresh_at IS 'When the schedule renews the sign-in; NULL where there is nothing to renew.';
COMMENT ON COLUMN accounts.parked_until IS 'The platform''s cap for this account is reached until then.';
COMMENT ON COLUMN accounts.posts_per_day IS 'In any 24 hours; NULL leaves it to the platform.';
-- Several accounts of one platform may be connected; the schedule asks for those whose sign-in ends soon.
CREATE INDEX accounts_to_refresh ON accounts (refresh_at) WHERE refresh_at IS NOT NULL;

CREATE TABLE oauth_states (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    state_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    platform text NOT NULL,
    account_id uuid,
    redirect_uri text NOT NULL,
    verifier bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, state_hash)
);
COMMENT ON TABLE oauth_states IS 'Each answers one callback, of the same user, within ten minutes; it is deleted by being used.';
COMMENT ON COLUMN oauth_states.account_id IS 'The account that is being connected anew.';
COMMENT ON COLUMN oauth_states.verifier IS 'Of PKCE, sealed.';

CREATE TABLE publish_defaults (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    platform text NOT NULL,
    content jsonb NOT NULL DEFAULT '{}',
    account_ids uuid[] NOT NULL DEFAULT '{}',
    tolerance_seconds integer,
    gap_seconds integer,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, platform),
    CONSTRAINT publish_defaults_times_are_positive CHECK (tolerance_seconds > 0 AND gap_seconds >= 0)
);
COMMENT ON COLUMN publish_defaults.content IS 'Visibility, and templates of title and caption.';
COMMENT ON COLUMN publish_defaults.gap_seconds IS 'Posts that are scheduled together for one account are spread so far apart.';

CREATE TABLE platform_switches (
    platform text PRIMARY KEY,
    reason text NOT NULL,
    off_since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE platform_switches IS 'A row stops publishing to this platform in the whole installation, at once and without a deploy.';
ALTER TABLE platform_switches ENABLE ROW LEVEL SECURITY;
ALTER TABLE platform_switches FORCE ROW LEVEL SECURITY;
CREATE POLICY "everybody may know which platform is stopped" ON platform_switches
    FOR SELECT TO cliply_api, cliply_pipeline USING (true);
CREATE POLICY "operators stop and start a platform" ON platform_switches
    TO cliply_identity USING (true) WITH CHECK (true);
GRANT SELECT ON platform_switches TO cliply_api, cliply_pipeline;
GRANT SELECT, INSERT, DELETE ON platform_switches TO cliply_identity;

CREATE TABLE posts (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    account_id uuid NOT NULL,
    platform text NOT NULL,
    upload_id uuid,
    clip_id uuid,
    object_key text NOT NULL,
    video jsonb NOT NULL,
    content jsonb NOT NULL,
    due_at timestamptz NOT NULL,
    tolerance_seconds integer NOT NULL,
    state text NOT NULL DEFAULT 'due',
    reason text,
    code text NOT NULL DEFAULT '',
    revision integer NOT NULL DEFAULT 1,
    wake_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    restarts integer NOT NULL DEFAULT 0,
    reauthorized boolean NOT NULL DEFAULT false,
    committed_at timestamptz,
    progress bytea,
    handle text,
    lease bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    worker uuid,
    remote_id text,
    url text,
    visibility text,
    published_at timestamptz,
    removed_at timestamptz,
    created_by uuid,
    approved_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, upload_id) REFERENCES uploads (workspace_id, id) ON DELETE SET NULL (upload_id),
    FOREIGN KEY (workspace_id, clip_id) REFERENCES clips (workspace_id, id) ON DELETE SET NULL (clip_id),
    CONSTRAINT posts_state_is_known CHECK (state IN (
        'requested', 'declined', 'held', 'due', 'claimed', 'prepared', 'committing', 'confirming', 'unknown', 'asking',
        'published', 'rejected', 'missed', 'cancelled')),
    CONSTRAINT posts_tolerance_is_positive CHECK (tolerance_seconds > 0),
    CONSTRAINT posts_with_a_doubt_know_since_when
        CHECK (committed_at IS NOT NULL OR state NOT IN ('committing', 'confirming', 'unknown')),
    CONSTRAINT posts_published_say_when CHECK ((published_at IS NOT NULL) OR state <> 'published'),
    CONSTRAINT posts_leases_have_an_end CHECK ((worker IS NULL) = (lease_until IS NULL))
);
COMMENT ON COLUMN posts.wake_at IS 'When the publisher looks at it next; NULL: never by itself.';
COMMENT ON COLUMN posts.revision IS 'Counts up with every change by people; the publisher commits to one revision only.';
COMMENT ON COLUMN posts.committed_at IS 'When the intent was recorded whose outcome is open, or whose effect is being confirmed.';
COMMENT ON COLUMN posts.progress IS 'The adapter''s publish state, sealed; upload URLs in it are secrets.';
COMMENT ON COLUMN posts.lease IS 'The fencing token: counts up with every claim, and only its holder may write.';

-- The same clip on the same account for the same moment is one post, however often it is asked for.
CREATE UNIQUE INDEX posts_once_a_slot ON posts (workspace_id, account_id, clip_id, due_at)
    WHERE state NOT IN ('cancelled', 'declined', 'rejected', 'missed');
CREATE INDEX posts_of_account ON posts (workspace_id, account_id, due_at, id);
CREATE INDEX posts_of_upload ON posts (workspace_id, upload_id);
CREATE INDEX posts_of_clip ON posts (workspace_id, clip_id);
CREATE INDEX posts_calendar ON posts (workspace_id, due_at, id);
-- The publisher's question spans workspaces: what is over is not in this index, so it stays small.
CREATE INDEX posts_to_wake ON posts (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE post_attempts (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    post_id uuid NOT NULL,
    lease bigint NOT NULL,
    revision integer NOT NULL,
    step text NOT NULL,
    kind text NOT NULL,
    outcome text,
    resolution text,
    code text NOT NULL DEFAULT '',
    reason text,
    raw text NOT NULL DEFAULT '',
    handle text,
    sent_bytes bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, post_id) REFERENCES posts (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT post_attempts_kind_is_known CHECK (kind IN ('prepare', 'commit', 'confirm', 'reconcile', 'refresh', 'person')),
    CONSTRAINT post_attempts_resolution_is_known CHECK (resolution IN ('applied', 'not_applied')),
    CONSTRAINT post_attempts_only_intents_are_resolved CHECK (kind = 'commit' OR resolution IS NULL)
);
COMMENT ON TABLE post_attempts IS 'One call to a platform each; one of kind commit is written before its call is made, and is the intent.';
COMMENT ON COLUMN post_attempts.resolution IS 'What became of an intent; NULL: not known yet.';
CREATE INDEX post_attempts_of_post ON post_attempts (workspace_id, post_id, id);
-- The promise itself: an intent that was not refuted excludes every other.
CREATE UNIQUE INDEX post_attempts_one_intent ON post_attempts (workspace_id, post_id)
    WHERE kind = 'commit' AND (resolution IS NULL OR resolution = 'applied');

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['accounts', 'oauth_states', 'publish_defaults', 'posts', 'post_attempts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY %I ON %I TO cliply_api, cliply_pipeline '
                       'USING (workspace_id = (SELECT app.workspace_id())) WITH CHECK (workspace_id = (SELECT app.workspace_id()))',
                       'a workspace reaches only its own ' || name, name);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE ON accounts, posts TO cliply_api, cliply_pipeline;
GRANT SELECT, INSERT, DELETE ON oauth_states TO cliply_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON publish_defaults TO cliply_api;
GRANT SELECT ON publish_defaults TO cliply_pipeline;
GRANT SELECT, INSERT, UPDATE ON post_attempts TO cliply_api, cliply_pipeline;


CREATE FUNCTION app.on_post_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = NEW.state AND OLD.due_at = NEW.due_at AND OLD.remote_id IS NOT DISTINCT FROM NEW.remote_id THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM app.write_event(NEW.workspace_id, NEW.upload_id, 'post.' || NEW.state,
        jsonb_build_object('post', NEW.id, 'clip', NEW.clip_id, 'account', NEW.account_id, 'platform', NEW.platform,
                           'state', NEW.state, 'due_at', NEW.due_at, 'reason', NEW.reason, 'url', NEW.url));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER posts_tell_when_new AFTER INSERT ON posts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_post_change();
CREATE CONSTRAINT TRIGGER posts_tell_their_state AFTER UPDATE OF state, due_at, remote_id ON posts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.state NOT IN ('claimed', 'prepared', 'committing')) EXECUTE FUNCTION app.on_post_change();

CREATE FUNCTION app.on_account_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = NEW.state THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM app.write_event(NEW.workspace_id, NULL, 'account.' || NEW.state,
        jsonb_build_object('account', NEW.id, 'platform', NEW.platform, 'name', NEW.name, 'state', NEW.state,
                           'reason', NEW.reason));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER accounts_tell_when_new AFTER INSERT ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_account_change();
CREATE CONSTRAINT TRIGGER accounts_tell_their_state AFTER UPDATE OF state ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_account_change();
