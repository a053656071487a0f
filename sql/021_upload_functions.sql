-- SECURITY DEFINER functions about uploads; reviewed together with 006, whose rules they keep.

SET LOCAL ROLE cliply_owner;
GRANT SELECT (confirmed_at, incoming_until, retry_at) ON uploads TO cliply_definer;
GRANT SELECT (deadline_at) ON upload_steps TO cliply_definer;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE OR REPLACE FUNCTION app.uploads_to_start(at_most integer) RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT waiting.workspace_id, waiting.id
    FROM (
        SELECT u.workspace_id, u.id, u.created_at,
               row_number() OVER (PARTITION BY u.workspace_id ORDER BY u.created_at, u.id) AS turn
        FROM public.uploads u
        WHERE u.completed_at IS NULL AND u.cancelled_at IS NULL AND u.paused_at IS NULL AND u.deleted_at IS NULL
          AND u.confirmed_at IS NOT NULL
          -- One that is to go on has steps that ended. It waits for those still at work; past its deadline none is.
          AND NOT EXISTS (
              SELECT FROM public.upload_steps s
              WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id
                AND CASE WHEN u.retry_at IS NULL THEN s.state <> 'pending'
                         ELSE s.state = 'running' AND coalesce(s.deadline_at > now(), true) END)
    ) waiting
    ORDER BY waiting.turn, waiting.created_at, waiting.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_to_start(integer) IS
    'Uploads that nobody has begun, or that are to go on, each workspace''s oldest before anybody''s second.';

CREATE FUNCTION app.uploads_to_tidy(links_ended_before timestamptz, at_most integer)
RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.workspace_id, u.id FROM public.uploads u
    WHERE u.incoming_until < links_ended_before
    ORDER BY u.incoming_until, u.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_to_tidy(timestamptz, integer) IS
    'Uploads whose signed link ended long ago, the longest first: what came through it and was not taken is to go.';

GRANT EXECUTE ON FUNCTION app.uploads_to_tidy(timestamptz, integer) TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
