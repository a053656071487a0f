-- Moments that were kept, and the versions of their media.

SET LOCAL ROLE cliply_owner;

CREATE TABLE clips (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    upload_id uuid NOT NULL,
    rank integer NOT NULL,
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    score double precision NOT NULL,
    subscores jsonb NOT NULL DEFAULT '{}',
    title text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    hashtags text[] NOT NULL DEFAULT '{}',
    reasons text[] NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'proposed',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, upload_id, start_s, end_s),
    FOREIGN KEY (workspace_id, upload_id) REFERENCES uploads (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT clips_state_is_known CHECK (state IN ('proposed', 'approved', 'rejected')),
    CONSTRAINT clips_span_is_forward CHECK (start_s >= 0 AND end_s > start_s),
    CONSTRAINT clips_rank_starts_at_one CHECK (rank >= 1)
);
COMMENT ON COLUMN clips.start_s IS 'Seconds from the start of the source; the span is [start_s, end_s).';

ALTER TABLE clips ENABLE ROW LEVEL SECURITY;
ALTER TABLE clips FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own clips" ON clips
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
CREATE POLICY "reviewed functions find clips of every workspace" ON clips
    FOR SELECT TO cliply_definer USING (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON clips TO cliply_api, cliply_pipeline;
GRANT SELECT (workspace_id, id) ON clips TO cliply_definer;


CREATE TABLE renders (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    clip_id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    aspect text NOT NULL,
    style text NOT NULL,
    spec_digest text,
    state text NOT NULL DEFAULT 'pending',
    objects jsonb NOT NULL DEFAULT '{}',
    sha256 text,
    duration double precision,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, clip_id, version, aspect),
    UNIQUE (workspace_id, clip_id, spec_digest),
    FOREIGN KEY (workspace_id, clip_id) REFERENCES clips (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT renders_state_is_known CHECK (state IN ('pending', 'running', 'ready', 'failed')),
    CONSTRAINT renders_version_starts_at_one CHECK (version >= 1),
    CONSTRAINT renders_sha256_is_hex CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT renders_ready_means_made CHECK (state <> 'ready' OR (sha256 IS NOT NULL AND spec_digest IS NOT NULL))
);
COMMENT ON COLUMN renders.spec_digest IS 'Of the render spec; unknown until the step has planned the render.';
COMMENT ON COLUMN renders.objects IS 'Name of each stored object to its key, size and sha256.';

ALTER TABLE renders ENABLE ROW LEVEL SECURITY;
ALTER TABLE renders FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own renders" ON renders
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));

GRANT SELECT, INSERT, UPDATE, DELETE ON renders TO cliply_api, cliply_pipeline;
