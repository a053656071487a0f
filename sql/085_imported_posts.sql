-- An account's own earlier posts, as sources for posting them elsewhere; what Cliply published itself is in posts.

SET LOCAL ROLE cliply_owner;

CREATE TABLE imported_posts (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    account_id uuid NOT NULL,
    platform text NOT NULL,
    remote_id text NOT NULL,
    published_at timestamptz NOT NULL,
    title text NOT NULL DEFAULT '',
    caption text NOT NULL DEFAULT '',
    url text,
    duration double precision,
    width integer,
    height integer,
    cover_url text,
    views bigint,
    likes bigint,
    comments bigint,
    shares bigint,
    upload_id uuid,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, account_id, remote_id),
    FOREIGN KEY (workspace_id, account_id) REFERENCES accounts (workspace_id, id) ON DELETE CASCADE,
    FOREIGN KEY (workspace_id, upload_id) REFERENCES uploads (workspace_id, id) ON DELETE SET NULL (upload_id)
);
COMMENT ON COLUMN imported_posts.upload_id IS 'The upload that was made of it, where somebody took it as a source.';
COMMENT ON COLUMN imported_posts.views IS 'As when it was found.';
CREATE INDEX imported_posts_of_upload ON imported_posts (workspace_id, upload_id);
CREATE INDEX imported_posts_newest ON imported_posts (workspace_id, account_id, published_at DESC, id);
ALTER TABLE imported_posts ENABLE ROW LEVEL SECURITY;
ALTER TABLE imported_posts FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace reaches only its own imported posts" ON imported_posts
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT, UPDATE ON imported_posts TO cliply_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON imported_posts TO cliply_pipeline;
