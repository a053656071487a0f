-- Which prepared posts a publisher takes in hand shortly before they are due; reviewed like 006_functions.sql.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
GRANT SELECT (worker) ON posts TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.posts_to_hold(moment timestamptz, at_most integer) RETURNS TABLE (workspace_id uuid, post_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.workspace_id, p.id FROM public.posts p
    WHERE p.wake_at IS NOT NULL AND p.wake_at <= moment AND p.state = 'prepared' AND p.worker IS NULL
    ORDER BY p.due_at, p.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.posts_to_hold(timestamptz, integer) IS 'Prepared posts that nobody holds, due by then, the earliest first.';

GRANT EXECUTE ON FUNCTION app.posts_to_hold(timestamptz, integer) TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
