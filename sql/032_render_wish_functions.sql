-- SECURITY DEFINER functions about render wishes; reviewed together with 006, whose rules they keep.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.render_wishes_to_start(at_most integer) RETURNS TABLE (workspace_id uuid, wish_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT waiting.workspace_id, waiting.id
    FROM (
        SELECT w.workspace_id, w.id, w.created_at,
               row_number() OVER (PARTITION BY w.workspace_id ORDER BY w.created_at, w.id) AS turn
        FROM public.render_wishes w
        WHERE w.state IN ('open', 'claimed', 'running')
          AND (w.state = 'open' OR w.deadline_at < now())
    ) waiting
    ORDER BY waiting.turn, waiting.created_at, waiting.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.render_wishes_to_start(integer) IS
    'Wishes that no run has claimed, or whose run is lost; each workspace''s oldest before anybody''s second.';

GRANT EXECUTE ON FUNCTION app.render_wishes_to_start(integer) TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
