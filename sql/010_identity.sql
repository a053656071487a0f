-- Who somebody is: accounts, sign-ins, tokens. None of it belongs to a workspace, so none of it is within reach of the roles
-- that serve workspaces: a role of its own, cliply_identity, reads and writes it, and owns nothing and bypasses nothing either.

DO $$
BEGIN
    BEGIN
        CREATE ROLE cliply_identity LOGIN NOINHERIT;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- another database of this server has made it
    END;
    IF NOT pg_has_role(session_user, 'cliply_identity', 'SET') THEN
        EXECUTE format('GRANT cliply_identity TO %I WITH SET TRUE, INHERIT FALSE', session_user);
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO cliply_identity', current_database());
END
$$;
GRANT USAGE ON SCHEMA public TO cliply_identity;
GRANT SELECT ON public.schema_migrations TO cliply_identity;

SET LOCAL ROLE cliply_owner;
GRANT USAGE ON SCHEMA app TO cliply_identity;


CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    email text NOT NULL UNIQUE,
    name text NOT NULL DEFAULT '',
    password_hash text NOT NULL,
    email_verified_at timestamptz,
    is_admin boolean NOT NULL DEFAULT false,
    suspended_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_email_is_folded CHECK (email = lower(email) AND email LIKE '%_@_%')
);
COMMENT ON COLUMN users.is_admin IS 'Looks after the whole installation; set from the command line only.';

CREATE TABLE sessions (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind text NOT NULL,
    workspace_id uuid REFERENCES workspaces (id) ON DELETE CASCADE,
    actor_id uuid REFERENCES users (id) ON DELETE CASCADE,
    cookie_hash bytea UNIQUE,
    address text NOT NULL DEFAULT '',
    agent text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text,
    CONSTRAINT sessions_kind_is_known CHECK (kind IN ('program', 'browser', 'impersonation')),
    CONSTRAINT sessions_only_browsers_have_cookies CHECK ((kind = 'browser') = (cookie_hash IS NOT NULL)),
    CONSTRAINT sessions_only_impersonation_has_an_actor
        CHECK ((kind = 'impersonation') = (actor_id IS NOT NULL) AND (actor_id IS NULL OR workspace_id IS NOT NULL))
);
COMMENT ON TABLE sessions IS 'One sign-in; a program''s is the family of its refresh tokens.';
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_of_workspace ON sessions (workspace_id) WHERE workspace_id IS NOT NULL;
CREATE INDEX sessions_of_actor ON sessions (actor_id) WHERE actor_id IS NOT NULL;
CREATE INDEX sessions_to_sweep ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    salt bytea NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    expires_at timestamptz NOT NULL
);
COMMENT ON COLUMN refresh_tokens.salt IS 'With the token itself it yields the successor; neither alone does.';
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);

CREATE TABLE api_tokens (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    workspace_id uuid NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name text NOT NULL,
    start text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_tokens_have_scopes CHECK (cardinality(scopes) > 0)
);
COMMENT ON COLUMN api_tokens.start IS 'Its first characters, so that a person can tell one from another.';
CREATE INDEX api_tokens_of_user ON api_tokens (user_id);
CREATE INDEX api_tokens_of_workspace ON api_tokens (workspace_id);

CREATE TABLE mail_tokens (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose text NOT NULL,
    email text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT mail_tokens_purpose_is_known CHECK (purpose IN ('verify_email', 'reset_password'))
);
COMMENT ON COLUMN mail_tokens.email IS 'Where it was sent; it proves nothing about an address that came later.';
CREATE INDEX mail_tokens_of_user ON mail_tokens (user_id);

CREATE TABLE members (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role text NOT NULL,
    joined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, user_id),
    CONSTRAINT members_role_is_known CHECK (role IN ('viewer', 'editor', 'admin', 'owner'))
);
CREATE INDEX members_by_user ON members (user_id, joined_at);

CREATE TABLE invitations (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    workspace_id uuid NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    email text NOT NULL,
    role text NOT NULL,
    invited_by uuid REFERENCES users (id) ON DELETE SET NULL,
    token_hash bytea UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by uuid REFERENCES users (id) ON DELETE SET NULL,
    revoked_at timestamptz,
    CONSTRAINT invitations_role_is_known CHECK (role IN ('viewer', 'editor', 'admin', 'owner'))
);
CREATE INDEX invitations_of_workspace ON invitations (workspace_id, created_at DESC);
CREATE INDEX invitations_by_inviter ON invitations (invited_by);
CREATE INDEX invitations_by_accepter ON invitations (accepted_by);
CREATE UNIQUE INDEX invitations_one_open_each ON invitations (workspace_id, email)
    WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE mail_queue (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    purpose text NOT NULL,
    recipient text NOT NULL,
    user_id uuid REFERENCES users (id) ON DELETE CASCADE,
    invitation_id uuid REFERENCES invitations (id) ON DELETE CASCADE,
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT mail_queue_purpose_is_known
        CHECK (purpose IN ('verify_email', 'reset_password', 'invitation', 'already_registered', 'password_changed'))
);
COMMENT ON TABLE mail_queue IS 'Wishes to send a mail. Secrets are made when it is sent, so none waits here.';
CREATE INDEX mail_queue_due ON mail_queue (due_at);
CREATE INDEX mail_queue_of_user ON mail_queue (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX mail_queue_of_invitation ON mail_queue (invitation_id) WHERE invitation_id IS NOT NULL;

CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    signs_from timestamptz NOT NULL,
    retires_at timestamptz
);
COMMENT ON COLUMN signing_keys.signs_from IS 'A little after its birth, when every process has read it.';

-- Lost in a crash, and that is all right: everybody's bucket is full again.
CREATE UNLOGGED TABLE rate_limits (
    bucket text PRIMARY KEY,
    refilled_at timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN rate_limits.refilled_at IS 'When the bucket will be full again if nothing more is taken.';

CREATE TABLE identity_log (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    user_id uuid,
    actor_id uuid,
    address text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT '',
    facts jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE identity_log IS 'What was done to accounts and by system admins; outlives the accounts it names.';
CREATE INDEX identity_log_by_time ON identity_log (at);
CREATE INDEX identity_log_of_user ON identity_log (user_id, at DESC);

CREATE TABLE audit_log (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid,
    actor_name text NOT NULL DEFAULT '',
    action text NOT NULL,
    subject text NOT NULL DEFAULT '',
    address text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT '',
    facts jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (workspace_id, id)
);
COMMENT ON TABLE audit_log IS 'What people did in a workspace; the sweep removes rows after 90 days.';
CREATE INDEX audit_log_newest ON audit_log (workspace_id, at DESC);
CREATE INDEX audit_log_by_time ON audit_log (at);

-- The same request with the same key has one effect and one answer; see cliply_api/web/idempotency.py.
CREATE TABLE idempotency_keys (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    owner_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    state text NOT NULL DEFAULT 'running',
    status integer,
    headers jsonb NOT NULL DEFAULT '{}',
    body bytea,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, owner_id, key),
    CONSTRAINT idempotency_keys_state_is_known CHECK (state IN ('running', 'done')),
    CONSTRAINT idempotency_keys_done_has_an_answer CHECK (state = 'running' OR (status IS NOT NULL AND body IS NOT NULL))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE account_idempotency_keys (LIKE idempotency_keys INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE account_idempotency_keys DROP COLUMN workspace_id, ADD PRIMARY KEY (owner_id, key);
COMMENT ON TABLE account_idempotency_keys IS 'The same for requests outside of any workspace; the owner is a user.';
CREATE INDEX account_idempotency_keys_by_age ON account_idempotency_keys (created_at);

ALTER TABLE workspaces
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN requests_per_minute integer;
COMMENT ON COLUMN workspaces.requests_per_minute IS 'Its budget of requests; NULL is the installation''s default.';


DO $$
DECLARE
    identity_only text[] := ARRAY['users', 'sessions', 'refresh_tokens', 'api_tokens', 'mail_tokens', 'invitations', 'mail_queue',
                                  'signing_keys', 'rate_limits', 'identity_log', 'account_idempotency_keys'];
    of_workspaces text[] := ARRAY['members', 'audit_log', 'idempotency_keys'];
    name text;
BEGIN
    FOREACH name IN ARRAY identity_only || of_workspaces LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY %I ON %I TO cliply_identity USING (true) WITH CHECK (true)',
                       'only the identity role reaches ' || name, name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO cliply_identity', name);
    END LOOP;
    FOREACH name IN ARRAY of_workspaces LOOP
        EXECUTE format('ALTER POLICY %I ON %I RENAME TO %I', 'only the identity role reaches ' || name, name,
                       'the identity role keeps ' || name || ' of every workspace');
        EXECUTE format('CREATE POLICY %I ON %I TO cliply_api, cliply_pipeline '
                       'USING (workspace_id = (SELECT app.workspace_id())) WITH CHECK (workspace_id = (SELECT app.workspace_id()))',
                       'a workspace reaches only its own ' || name, name);
    END LOOP;
END
$$;
-- What accounts did is not rewritten.
REVOKE UPDATE ON identity_log, audit_log FROM cliply_identity;
GRANT SELECT ON members TO cliply_api, cliply_pipeline;
GRANT SELECT, INSERT ON audit_log TO cliply_api, cliply_pipeline;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO cliply_api;
GRANT SELECT ON idempotency_keys TO cliply_pipeline;

CREATE POLICY "the identity role keeps workspaces of every user" ON workspaces
    TO cliply_identity USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON workspaces TO cliply_identity;
GRANT EXECUTE ON FUNCTION app.workspace_id() TO cliply_identity;
-- A workspace is renamed by itself, but neither suspends nor unsuspends itself.
REVOKE INSERT ON workspaces FROM cliply_api;


CREATE FUNCTION app.keep_an_owner() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    -- The row lock makes two owners who leave at once come one after the other.
    PERFORM FROM workspaces WHERE id = OLD.workspace_id FOR UPDATE;
    IF FOUND AND NOT EXISTS (SELECT FROM members WHERE workspace_id = OLD.workspace_id AND role = 'owner') THEN
        RAISE EXCEPTION 'workspace % would be left without an owner', OLD.workspace_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'members_keep_an_owner';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER members_keep_an_owner AFTER UPDATE OF role OR DELETE ON members
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION app.keep_an_owner();


CREATE FUNCTION app.take(wanted_bucket text, per_period integer, period interval) RETURNS double precision
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    step interval := period / per_period;
    moment timestamptz := clock_timestamp();
    taken timestamptz;
BEGIN
    -- Atomic: the row is locked from the conflict on, and whoever waited for it judges its newest state.
    INSERT INTO rate_limits AS bucket (bucket, refilled_at) VALUES (wanted_bucket, moment + step)
    ON CONFLICT (bucket) DO UPDATE SET refilled_at = greatest(bucket.refilled_at, moment) + step
        WHERE greatest(bucket.refilled_at, moment) + step <= moment + period
    RETURNING refilled_at INTO taken;
    IF taken IS NOT NULL THEN
        RETURN 0;
    END IF;
    SELECT refilled_at INTO taken FROM rate_limits WHERE bucket = wanted_bucket;
    RETURN greatest(extract(epoch FROM (taken + step) - (moment + period)), 0.001);
END
$$;
COMMENT ON FUNCTION app.take(text, integer, interval) IS
    'Takes one of per_period from a bucket that refills evenly: 0, or the seconds after which there is one again.';


CREATE FUNCTION app.admit(
    how text, by_session uuid, by_hash bytea, wanted_workspace uuid, per_user integer, per_workspace integer
) RETURNS TABLE (
    user_id uuid, session_id uuid, token_id uuid, scopes text[], actor_id uuid, is_admin boolean, email text, name text,
    verified boolean, suspended boolean, workspace_id uuid, role text, workspace_suspended boolean,
    fixed_workspace boolean, wait_seconds double precision
)
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    who record;
    account users;
    place uuid;
    rank text;
    closed boolean := false;
    budget integer;
    wait double precision;
BEGIN
    IF how = 'token' THEN
        SELECT t.user_id, NULL::uuid AS session_id, t.id AS token_id, t.scopes, NULL::uuid AS actor_id, t.workspace_id, t.last_used_at
        INTO who FROM api_tokens t
        WHERE t.token_hash = by_hash AND t.revoked_at IS NULL AND t.expires_at > now();
    ELSE
        SELECT s.user_id, s.id AS session_id, NULL::uuid AS token_id, NULL::text[] AS scopes, s.actor_id, s.workspace_id, s.last_used_at
        INTO who FROM sessions s
        WHERE (CASE WHEN how = 'cookie' THEN s.cookie_hash = by_hash ELSE s.id = by_session AND s.kind <> 'browser' END)
          AND s.revoked_at IS NULL AND s.expires_at > now();
    END IF;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO account FROM users u WHERE u.id = who.user_id;

    place := coalesce(wanted_workspace, who.workspace_id);
    IF place IS NULL THEN
        SELECT m.workspace_id, m.role INTO place, rank FROM members m
        WHERE m.user_id = account.id ORDER BY m.joined_at, m.workspace_id LIMIT 1;
    ELSIF who.workspace_id IS NULL OR who.workspace_id = place THEN
        SELECT m.role INTO rank FROM members m WHERE m.workspace_id = place AND m.user_id = account.id;
    END IF;
    IF rank IS NOT NULL THEN
        SELECT w.suspended_at IS NOT NULL, coalesce(w.requests_per_minute, per_workspace) INTO closed, budget
        FROM workspaces w WHERE w.id = place;
    END IF;

    wait := app.take('user:' || account.id, per_user, '1 minute');
    IF wait = 0 AND rank IS NOT NULL THEN
        wait := app.take('workspace:' || place, budget, '1 minute');
    END IF;

    -- To the minute is enough, and spares a write on every request.
    IF who.last_used_at IS NULL OR who.last_used_at < now() - interval '1 minute' THEN
        UPDATE api_tokens SET last_used_at = now() WHERE id = who.token_id;
        UPDATE sessions SET last_used_at = now() WHERE id = who.session_id;
    END IF;

    RETURN QUERY SELECT account.id, who.session_id, who.token_id, who.scopes, who.actor_id, account.is_admin, account.email,
        account.name, account.email_verified_at IS NOT NULL, account.suspended_at IS NOT NULL,
        CASE WHEN rank IS NULL THEN NULL ELSE place END, rank, closed, who.workspace_id IS NOT NULL, wait;
END
$$;
COMMENT ON FUNCTION app.admit(text, uuid, bytea, uuid, integer, integer) IS
    'Whose request this is and what it may touch, in one round trip; no row where the proof is not (or no longer) valid.';


CREATE FUNCTION app.sweep_identity(keep_audit interval, keep_idempotency interval) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM audit_log WHERE at < now() - keep_audit;
    DELETE FROM identity_log WHERE at < now() - keep_audit;
    DELETE FROM idempotency_keys WHERE created_at < now() - keep_idempotency;
    DELETE FROM account_idempotency_keys WHERE created_at < now() - keep_idempotency;
    DELETE FROM rate_limits WHERE refilled_at < now() - interval '1 hour';
    -- Spent refresh tokens stay until the family's natural end: they are the evidence of reuse.
    DELETE FROM sessions WHERE expires_at < now() - interval '1 day';
    DELETE FROM mail_tokens WHERE expires_at < now() - interval '1 day';
    DELETE FROM signing_keys WHERE retires_at < now();
$$;
COMMENT ON FUNCTION app.sweep_identity(interval, interval) IS 'Forgets what nobody may or needs to know any more.';

GRANT EXECUTE ON FUNCTION app.take(text, integer, interval), app.admit(text, uuid, bytea, uuid, integer, integer),
    app.sweep_identity(interval, interval) TO cliply_identity;
