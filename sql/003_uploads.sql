-- What a user gave us and asked for, and how far each step of the work on it is.

SET LOCAL ROLE cliply_owner;

CREATE TABLE uploads (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    title text NOT NULL DEFAULT '',
    source_kind text NOT NULL,
    source_uri text NOT NULL,
    source_sha256 text,
    source_size bigint,
    settings jsonb NOT NULL DEFAULT '{}',
    settings_digest text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    cancelled_at timestamptz,
    paused_at timestamptz,
    completed_at timestamptz,
    request_id text,
    deleted_at timestamptz,
    PRIMARY KEY (workspace_id, id),
    CONSTRAINT uploads_source_kind_is_known CHECK (source_kind IN ('file', 'url', 'stored')),
    CONSTRAINT uploads_sha256_is_hex CHECK (source_sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT uploads_size_is_not_negative CHECK (source_size >= 0)
);
COMMENT ON COLUMN uploads.source_uri IS 'A path (file), an address (url) or an object key (stored).';

-- The same bytes with the same settings are the same work, until that upload is deleted.
CREATE UNIQUE INDEX uploads_same_bytes_once ON uploads (workspace_id, source_sha256, settings_digest)
    WHERE source_sha256 IS NOT NULL AND deleted_at IS NULL AND source_kind = 'file';
-- The sensor's question "what is to be started" spans workspaces: only open uploads are in this index, so it stays small.
CREATE INDEX uploads_open ON uploads (created_at)
    WHERE completed_at IS NULL AND cancelled_at IS NULL AND paused_at IS NULL AND deleted_at IS NULL;
CREATE INDEX uploads_newest ON uploads (workspace_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE uploads FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own uploads" ON uploads
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
CREATE POLICY "reviewed functions find uploads of every workspace" ON uploads
    FOR SELECT TO cliply_definer USING (true);

GRANT SELECT, INSERT, UPDATE ON uploads TO cliply_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON uploads TO cliply_pipeline;
GRANT SELECT (workspace_id, id, created_at, cancelled_at, paused_at, completed_at, deleted_at) ON uploads TO cliply_definer;


CREATE TABLE upload_steps (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id(),
    upload_id uuid NOT NULL,
    step text NOT NULL,
    part text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'pending',
    percent real NOT NULL DEFAULT 0,
    doing text NOT NULL DEFAULT '',
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 1,
    deadline_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    worker text,
    run_id text,
    reason text,
    raw_error text,
    input_digest text,
    output jsonb NOT NULL DEFAULT '{}',
    summary jsonb NOT NULL DEFAULT '{}',
    reused_from uuid,
    usage jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (workspace_id, upload_id, step, part),
    FOREIGN KEY (workspace_id, upload_id) REFERENCES uploads (workspace_id, id) ON DELETE CASCADE,
    -- The upload whose stored objects this step points at instead of having made its own.
    FOREIGN KEY (workspace_id, reused_from) REFERENCES uploads (workspace_id, id) ON DELETE SET NULL (reused_from),
    CONSTRAINT upload_steps_state_is_known
        CHECK (state IN ('pending', 'running', 'completed', 'failed', 'skipped', 'cancelled')),
    CONSTRAINT upload_steps_percent_is_a_percentage CHECK (percent BETWEEN 0 AND 100),
    CONSTRAINT upload_steps_attempts_are_counted CHECK (attempt >= 0 AND max_attempts >= 1)
);
COMMENT ON COLUMN upload_steps.part IS 'Empty for a whole step; a clip id where a step fans out.';
COMMENT ON COLUMN upload_steps.reason IS 'A sentence for the user; raw_error is for operators.';
COMMENT ON COLUMN upload_steps.output IS 'Name of each stored object to its key, size and sha256.';

CREATE INDEX upload_steps_same_input ON upload_steps (workspace_id, step, input_digest) WHERE state = 'completed';
CREATE INDEX upload_steps_reused_from ON upload_steps (workspace_id, reused_from) WHERE reused_from IS NOT NULL;

ALTER TABLE upload_steps ENABLE ROW LEVEL SECURITY;
ALTER TABLE upload_steps FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own steps" ON upload_steps
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
CREATE POLICY "reviewed functions see which uploads have started" ON upload_steps
    FOR SELECT TO cliply_definer USING (true);

GRANT SELECT ON upload_steps TO cliply_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON upload_steps TO cliply_pipeline;
GRANT SELECT (workspace_id, upload_id, state) ON upload_steps TO cliply_definer;
