-- How published posts are doing: snapshots of their counters, when each is measured next, and how much each platform may be asked.

SET LOCAL ROLE cliply_owner;

CREATE TABLE post_metrics (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    post_id uuid NOT NULL,
    at timestamptz NOT NULL,
    views bigint,
    likes bigint,
    comments bigint,
    shares bigint,
    saves bigint,
    reach bigint,
    watch_seconds double precision,
    average_watch_seconds double precision,
    extra jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (workspace_id, post_id, at),
    FOREIGN KEY (workspace_id, post_id) REFERENCES posts (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE post_metrics IS 'Totals since publishing, as the platform told them at that time; NULL where it does not tell.';
CREATE INDEX post_metrics_by_time ON post_metrics (workspace_id, at);

CREATE TABLE post_measures (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    post_id uuid NOT NULL,
    account_id uuid NOT NULL,
    next_at timestamptz,
    measured_at timestamptz,
    misses integer NOT NULL DEFAULT 0,
    reason text,
    PRIMARY KEY (workspace_id, post_id),
    FOREIGN KEY (workspace_id, post_id) REFERENCES posts (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN post_measures.next_at IS 'When the post is measured next; NULL: never again, and reason says why.';
COMMENT ON COLUMN post_measures.misses IS 'How often in a row the platform did not know the post.';
CREATE INDEX post_measures_due ON post_measures (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX post_measures_of_account ON post_measures (workspace_id, account_id, next_at);

CREATE TABLE account_readings (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    account_id uuid NOT NULL,
    parked_until timestamptz,
    reason text,
    import_seconds integer,
    import_next_at timestamptz DEFAULT now(),
    import_cursor text,
    imported_at timestamptz,
    import_quiet integer NOT NULL DEFAULT 0,
    import_failures integer NOT NULL DEFAULT 0,
    import_reason text,
    PRIMARY KEY (workspace_id, account_id),
    FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT account_readings_interval_is_positive CHECK (import_seconds > 0)
);
COMMENT ON TABLE account_readings IS 'What is read from an account besides publishing: counters, and its own earlier posts.';
COMMENT ON COLUMN account_readings.parked_until IS 'Nothing is read until then; publishing goes on.';
COMMENT ON COLUMN account_readings.import_seconds IS 'Between two looks at the account''s own posts; NULL: by how often it posts.';
COMMENT ON COLUMN account_readings.import_next_at IS 'NULL: its posts are not imported.';
COMMENT ON COLUMN account_readings.import_cursor IS 'Where the first import goes on; NULL: at the newest.';
COMMENT ON COLUMN account_readings.import_quiet IS 'Looks in a row that found nothing new.';
CREATE INDEX account_readings_to_import ON account_readings (import_next_at) WHERE import_next_at IS NOT NULL;

CREATE TABLE reading_budgets (
    platform text PRIMARY KEY,
    day date NOT NULL,
    calls integer NOT NULL
);
COMMENT ON TABLE reading_budgets IS 'Calls for reading that the installation has made to a platform on its latest day (UTC).';
ALTER TABLE reading_budgets ENABLE ROW LEVEL SECURITY;
ALTER TABLE reading_budgets FORCE ROW LEVEL SECURITY;
CREATE POLICY "the pipeline counts the calls of the installation" ON reading_budgets
    TO cliply_pipeline USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON reading_budgets TO cliply_pipeline;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['post_metrics', 'post_measures', 'account_readings'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY %I ON %I TO cliply_api, cliply_pipeline '
                       'USING (workspace_id = (SELECT app.workspace_id())) WITH CHECK (workspace_id = (SELECT app.workspace_id()))',
                       'a workspace reaches only its own ' || name, name);
    END LOOP;
END
$$;
GRANT SELECT ON post_metrics TO cliply_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON post_metrics TO cliply_pipeline;
-- The web application writes them, too, where a person says that a post is there, or connects an account.
GRANT SELECT, INSERT, UPDATE ON post_measures, account_readings TO cliply_api, cliply_pipeline;


CREATE FUNCTION app.on_post_to_measure() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF NEW.removed_at IS NULL THEN
        INSERT INTO post_measures (workspace_id, post_id, account_id, next_at)
        VALUES (NEW.workspace_id, NEW.id, NEW.account_id, NEW.published_at + interval '15 min')
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE post_measures SET next_at = NULL, reason = 'The post was removed.'
        WHERE workspace_id = NEW.workspace_id AND post_id = NEW.id AND next_at IS NOT NULL;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER posts_are_measured AFTER INSERT OR UPDATE OF state, remote_id, removed_at ON posts
    FOR EACH ROW WHEN (NEW.state = 'published' AND NEW.remote_id IS NOT NULL) EXECUTE FUNCTION app.on_post_to_measure();

CREATE FUNCTION app.on_account_to_read() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    INSERT INTO account_readings (workspace_id, account_id) VALUES (NEW.workspace_id, NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER accounts_are_read AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION app.on_account_to_read();

-- What was published and connected before; the owner sees every row for as long as that takes.
ALTER TABLE posts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE accounts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE post_measures NO FORCE ROW LEVEL SECURITY;
ALTER TABLE account_readings NO FORCE ROW LEVEL SECURITY;
INSERT INTO post_measures (workspace_id, post_id, account_id, next_at)
SELECT workspace_id, id, account_id, now() FROM posts
WHERE state = 'published' AND remote_id IS NOT NULL AND removed_at IS NULL;
INSERT INTO account_readings (workspace_id, account_id) SELECT workspace_id, id FROM accounts;
ALTER TABLE posts FORCE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
ALTER TABLE post_measures FORCE ROW LEVEL SECURITY;
ALTER TABLE account_readings FORCE ROW LEVEL SECURITY;
