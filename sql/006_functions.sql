-- Every question that spans workspaces, and there are no others: the SECURITY DEFINER functions, to be reviewed as one file.
--
-- Each belongs to cliply_definer, which may read ids and states but no user's text; returns ids only; pins its search_path; and
-- may be called by the serving roles alone. A test compares this file with the database.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE FUNCTION app.workspace_of_upload(wanted uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT workspace_id FROM public.uploads WHERE id = wanted AND deleted_at IS NULL $$;
COMMENT ON FUNCTION app.workspace_of_upload(uuid) IS 'Whose upload this is; NULL where there is none.';

CREATE FUNCTION app.workspace_of_clip(wanted uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT workspace_id FROM public.clips WHERE id = wanted $$;
COMMENT ON FUNCTION app.workspace_of_clip(uuid) IS 'Whose clip this is; NULL where there is none.';

CREATE FUNCTION app.uploads_to_start(at_most integer) RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT waiting.workspace_id, waiting.id
    FROM (
        SELECT u.workspace_id, u.id, u.created_at,
               row_number() OVER (PARTITION BY u.workspace_id ORDER BY u.created_at, u.id) AS turn
        FROM public.uploads u
        WHERE u.completed_at IS NULL AND u.cancelled_at IS NULL AND u.paused_at IS NULL AND u.deleted_at IS NULL
          AND NOT EXISTS (
              SELECT FROM public.upload_steps s
              WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id AND s.state <> 'pending')
    ) waiting
    ORDER BY waiting.turn, waiting.created_at, waiting.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_to_start(integer) IS
    'Uploads that nobody has begun, each workspace''s oldest before anybody''s second.';

CREATE FUNCTION app.ensure_local_workspace() RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO public.workspaces (id, name) VALUES ('00000000-0000-7000-8000-000000000001', 'Local') ON CONFLICT DO NOTHING;
    SELECT '00000000-0000-7000-8000-000000000001'::uuid;
$$;
COMMENT ON FUNCTION app.ensure_local_workspace() IS 'The one workspace of an installation for a single user, made if need be.';

GRANT EXECUTE ON FUNCTION
    app.workspace_of_upload(uuid), app.workspace_of_clip(uuid), app.uploads_to_start(integer), app.ensure_local_workspace()
    TO cliply_api, cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
-- The first two functions know an id only.
CREATE INDEX uploads_by_id ON uploads (id);
CREATE INDEX clips_by_id ON clips (id);
