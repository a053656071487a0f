-- Feeds by which a platform tells of an account's new posts (YouTube's WebSub): asked for, confirmed by the platform's hub at an address
-- of their own, and renewed before the lease ends.

SET LOCAL ROLE cliply_owner;

CREATE TABLE feed_subscriptions (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL,
    secret bytea NOT NULL,
    state text NOT NULL DEFAULT 'asked',
    failures integer NOT NULL DEFAULT 0,
    reason text,
    asked_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    lease_until timestamptz,
    next_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, account_id),
    FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT feed_subscriptions_state_is_known CHECK (state IN ('asked', 'active', 'leaving')),
    CONSTRAINT feed_subscriptions_active_have_a_lease CHECK (state <> 'active' OR lease_until IS NOT NULL)
);
COMMENT ON COLUMN feed_subscriptions.id IS 'Stands in the address that the hub calls, so it cannot be guessed.';
COMMENT ON COLUMN feed_subscriptions.secret IS 'What the hub signs with, sealed; bound to workspace, subscription and this column.';
COMMENT ON COLUMN feed_subscriptions.failures IS 'Times it was asked for since it was confirmed last.';
COMMENT ON COLUMN feed_subscriptions.next_at IS 'When it is asked for again: before the lease ends, or since nobody confirmed it.';
CREATE INDEX feed_subscriptions_by_id ON feed_subscriptions (id);

ALTER TABLE feed_subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE feed_subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace reaches only its own feed subscriptions" ON feed_subscriptions
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT, UPDATE, DELETE ON feed_subscriptions TO cliply_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON feed_subscriptions TO cliply_pipeline;

-- The feed of an account that was just disconnected is left at the next look, not at the next renewal.
CREATE FUNCTION app.on_account_left() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    UPDATE feed_subscriptions SET next_at = now() WHERE workspace_id = NEW.workspace_id AND account_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER accounts_change_their_feed AFTER UPDATE OF state ON accounts FOR EACH ROW
    WHEN (NEW.state IS DISTINCT FROM OLD.state AND 'disconnected' IN (NEW.state, OLD.state)) EXECUTE FUNCTION app.on_account_left();
