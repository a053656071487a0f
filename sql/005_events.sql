-- What happened, in order, for whoever must know: rows are the truth, NOTIFY is only the doorbell.
--
-- Events are written by deferred triggers, that is while the transaction commits. So the lock that makes a workspace's numbers
-- gapless and in commit order is held for the commit alone, comes after every row lock (no deadlock can arise from it), and a
-- reader that saw number n has seen or can see every number below it.

SET LOCAL ROLE cliply_owner;

CREATE TABLE event_heads (
    workspace_id uuid PRIMARY KEY DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    last_seq bigint NOT NULL
);
COMMENT ON TABLE event_heads IS 'The number of each workspace''s newest event; its row is the lock that orders them.';
ALTER TABLE event_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE event_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace counts only its own events" ON event_heads
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT, INSERT, UPDATE ON event_heads TO cliply_api, cliply_pipeline;


CREATE TABLE events (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    seq bigint NOT NULL,
    id uuid NOT NULL DEFAULT uuidv7(),
    upload_id uuid,
    kind text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, seq),
    UNIQUE (workspace_id, id),
    FOREIGN KEY (workspace_id, upload_id) REFERENCES uploads (workspace_id, id) ON DELETE SET NULL (upload_id)
);
COMMENT ON COLUMN events.id IS 'Consumers that must act once remember it.';
CREATE INDEX events_of_upload ON events (workspace_id, upload_id, seq) WHERE upload_id IS NOT NULL;

ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace reads and writes only its own events" ON events
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
-- What happened is not rewritten; only the retention sweep removes what is old.
GRANT SELECT, INSERT ON events TO cliply_api, cliply_pipeline;
GRANT DELETE ON events TO cliply_pipeline;


CREATE FUNCTION app.write_event(workspace uuid, upload uuid, what text, facts jsonb) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    number bigint;
BEGIN
    IF upload IS NOT NULL AND NOT EXISTS (SELECT FROM uploads u WHERE u.workspace_id = workspace AND u.id = upload) THEN
        RETURN NULL;  -- deleted for good in the same transaction: there is nobody left to tell about
    END IF;
    INSERT INTO event_heads AS head (workspace_id, last_seq) VALUES (workspace, 1)
    ON CONFLICT (workspace_id) DO UPDATE SET last_seq = head.last_seq + 1
    RETURNING last_seq INTO number;
    INSERT INTO events (workspace_id, seq, upload_id, kind, payload) VALUES (workspace, number, upload, what, facts);
    PERFORM pg_notify('cliply_events', json_build_object('workspace', workspace, 'seq', number)::text);
    RETURN number;
END
$$;
COMMENT ON FUNCTION app.write_event(uuid, uuid, text, jsonb) IS
    'Appends one event. Call it last in a transaction: it holds the workspace''s event lock until the commit.';
GRANT EXECUTE ON FUNCTION app.write_event(uuid, uuid, text, jsonb) TO cliply_api, cliply_pipeline;


CREATE FUNCTION app.on_upload_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.id, 'upload.created', '{}');
        RETURN NULL;
    END IF;
    IF (OLD.cancelled_at IS NULL) AND (NEW.cancelled_at IS NOT NULL) THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.id, 'upload.cancelled', '{}');
    END IF;
    IF (OLD.paused_at IS NULL) <> (NEW.paused_at IS NULL) THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.id,
            CASE WHEN NEW.paused_at IS NULL THEN 'upload.resumed' ELSE 'upload.paused' END, '{}');
    END IF;
    IF (OLD.completed_at IS NULL) <> (NEW.completed_at IS NULL) THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.id,
            CASE WHEN NEW.completed_at IS NULL THEN 'upload.reopened' ELSE 'upload.completed' END, '{}');
    END IF;
    IF (OLD.deleted_at IS NULL) AND (NEW.deleted_at IS NOT NULL) THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.id, 'upload.deleted', '{}');
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER uploads_tell_when_new AFTER INSERT ON uploads
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_upload_change();
CREATE CONSTRAINT TRIGGER uploads_tell_their_state AFTER UPDATE OF cancelled_at, paused_at, completed_at, deleted_at ON uploads
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_upload_change();


CREATE FUNCTION app.on_step_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = NEW.state AND OLD.attempt = NEW.attempt THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM app.write_event(NEW.workspace_id, NEW.upload_id, 'step.' || NEW.state,
        jsonb_build_object('step', NEW.step, 'part', NEW.part, 'state', NEW.state, 'attempt', NEW.attempt, 'reason', NEW.reason));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER steps_tell_when_new AFTER INSERT ON upload_steps
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_step_change();
CREATE CONSTRAINT TRIGGER steps_tell_their_state AFTER UPDATE OF state, attempt ON upload_steps
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_step_change();

-- Percentages tick many times a second: they ring, but leave no row behind.
CREATE FUNCTION app.on_step_progress() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('cliply_progress',
        json_build_object('workspace', NEW.workspace_id, 'upload', NEW.upload_id, 'step', NEW.step, 'part', NEW.part)::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER steps_ring_as_they_go AFTER UPDATE OF percent ON upload_steps
    FOR EACH ROW WHEN (floor(OLD.percent) IS DISTINCT FROM floor(NEW.percent)) EXECUTE FUNCTION app.on_step_progress();


CREATE FUNCTION app.on_clip_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = NEW.state THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM app.write_event(NEW.workspace_id, NEW.upload_id, 'clip.' || NEW.state,
        jsonb_build_object('clip', NEW.id, 'state', NEW.state));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER clips_tell_when_new AFTER INSERT ON clips
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_clip_change();
CREATE CONSTRAINT TRIGGER clips_tell_their_state AFTER UPDATE OF state ON clips
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_clip_change();


CREATE FUNCTION app.on_render_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    of_upload uuid;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = NEW.state THEN
            RETURN NULL;
        END IF;
    END IF;
    SELECT upload_id INTO of_upload FROM clips WHERE workspace_id = NEW.workspace_id AND id = NEW.clip_id;
    IF NOT FOUND THEN
        RETURN NULL;  -- deleted in the same transaction, together with its clip
    END IF;
    PERFORM app.write_event(NEW.workspace_id, of_upload, 'render.' || NEW.state,
        jsonb_build_object('render', NEW.id, 'clip', NEW.clip_id, 'version', NEW.version, 'aspect', NEW.aspect,
                           'state', NEW.state, 'reason', NEW.reason));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER renders_tell_when_new AFTER INSERT ON renders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_render_change();
CREATE CONSTRAINT TRIGGER renders_tell_their_state AFTER UPDATE OF state ON renders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_render_change();
