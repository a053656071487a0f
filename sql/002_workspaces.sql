-- The tenant: every other row belongs to one of these.

SET LOCAL ROLE cliply_owner;

CREATE TABLE workspaces (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workspaces_name_is_given CHECK (name <> '')
);
ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspaces FORCE ROW LEVEL SECURITY;

CREATE POLICY "a workspace sees only itself" ON workspaces
    TO cliply_api, cliply_pipeline
    USING (id = (SELECT app.workspace_id()))
    WITH CHECK (id = (SELECT app.workspace_id()));

CREATE POLICY "the local workspace is made by a reviewed function" ON workspaces
    FOR INSERT TO cliply_definer WITH CHECK (id = '00000000-0000-7000-8000-000000000001');

GRANT SELECT, INSERT, UPDATE (name) ON workspaces TO cliply_api;
GRANT SELECT ON workspaces TO cliply_pipeline;
GRANT INSERT (id, name) ON workspaces TO cliply_definer;
