-- Who else is told what happens: webhooks to other programs, and tickets with which a browser opens a socket.
--
-- Deliveries are written by a trigger in the transaction that writes the event: an event that happened is never without them, and
-- one that was undone has none. They carry what is sent, so that every attempt sends the same bytes.

SET LOCAL ROLE cliply_owner;

CREATE TABLE webhook_endpoints (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    url text NOT NULL,
    description text NOT NULL DEFAULT '',
    events text[] NOT NULL,
    secret text NOT NULL,
    previous_secret text,
    previous_secret_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    failing_since timestamptz,
    disabled_at timestamptz,
    disabled_reason text,
    PRIMARY KEY (workspace_id, id),
    CONSTRAINT webhook_endpoints_want_something CHECK (cardinality(events) > 0),
    CONSTRAINT webhook_endpoints_previous_secret_ends CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
);
COMMENT ON COLUMN webhook_endpoints.events IS 'Kinds such as clip.approved, families such as clip.*, or * for everything.';
COMMENT ON COLUMN webhook_endpoints.failing_since IS 'The first failure since the last success.';

CREATE TABLE webhook_deliveries (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    seq bigint,
    kind text NOT NULL,
    upload_id uuid,
    payload jsonb NOT NULL DEFAULT '{}',
    occurred_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'pending',
    attempts integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    attempted_at timestamptz,
    delivered_at timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, endpoint_id, event_id),
    FOREIGN KEY (workspace_id, endpoint_id) REFERENCES webhook_endpoints (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_state_is_known CHECK (state IN ('pending', 'delivered', 'failed'))
);
COMMENT ON COLUMN webhook_deliveries.attempts IS 'Counts up with every claim; a result is only written by the claim that is still the newest.';
COMMENT ON COLUMN webhook_deliveries.failures IS 'How far along the retries it is; a replay starts again from nothing.';
COMMENT ON COLUMN webhook_deliveries.due_at IS 'While it is being sent, when somebody else may take over.';
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (workspace_id, endpoint_id, due_at, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (workspace_id, endpoint_id, created_at DESC, id DESC);

CREATE TABLE webhook_attempts (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    ms integer NOT NULL,
    status integer,
    error text,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, delivery_id) REFERENCES webhook_deliveries (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_attempts_of_delivery ON webhook_attempts (workspace_id, delivery_id, number);

CREATE TABLE event_tickets (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    ticket_hash bytea NOT NULL,
    upload_id uuid NOT NULL,
    user_id uuid NOT NULL,
    session_id uuid,
    token_id uuid,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, ticket_hash),
    FOREIGN KEY (workspace_id, upload_id) REFERENCES uploads (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE event_tickets IS 'Each opens one socket, once, within half a minute.';
CREATE INDEX event_tickets_of_upload ON event_tickets (workspace_id, upload_id);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['webhook_endpoints', 'webhook_deliveries', 'webhook_attempts', 'event_tickets'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY %I ON %I TO cliply_api, cliply_pipeline '
                       'USING (workspace_id = (SELECT app.workspace_id())) WITH CHECK (workspace_id = (SELECT app.workspace_id()))',
                       'a workspace reaches only its own ' || name, name);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints, webhook_deliveries TO cliply_api;
GRANT SELECT, INSERT ON webhook_attempts TO cliply_api;
GRANT SELECT, INSERT, DELETE ON event_tickets TO cliply_api;
-- The pipeline's events become deliveries, too; their secrets are none of its business.
GRANT SELECT (workspace_id, id, events, disabled_at) ON webhook_endpoints TO cliply_pipeline;
GRANT INSERT (workspace_id, endpoint_id, event_id, seq, kind, upload_id, payload, occurred_at) ON webhook_deliveries TO cliply_pipeline;


CREATE FUNCTION app.on_event() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    INSERT INTO webhook_deliveries (workspace_id, endpoint_id, event_id, seq, kind, upload_id, payload, occurred_at)
    SELECT NEW.workspace_id, e.id, NEW.id, NEW.seq, NEW.kind, NEW.upload_id, NEW.payload, NEW.created_at
    FROM webhook_endpoints e
    WHERE e.workspace_id = NEW.workspace_id AND e.disabled_at IS NULL
      AND e.events && ARRAY['*', NEW.kind, split_part(NEW.kind, '.', 1) || '.*'];
    RETURN NULL;
END
$$;
CREATE TRIGGER events_become_deliveries AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION app.on_event();
