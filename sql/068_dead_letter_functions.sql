-- SECURITY DEFINER functions about dead letters; reviewed together with 006, whose rules they keep. The second returns a sum.

SET LOCAL ROLE cliply_owner;
GRANT SELECT (discarded_at) ON upload_steps TO cliply_definer;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.uploads_with_dead_letters(since timestamptz, of_step text, at_most integer)
RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.workspace_id, s.upload_id
    FROM public.upload_steps s
    JOIN public.uploads u ON u.workspace_id = s.workspace_id AND u.id = s.upload_id
    WHERE s.state = 'failed' AND s.discarded_at IS NULL
      AND (since IS NULL OR s.ended_at >= since) AND (of_step IS NULL OR s.step = of_step)
      AND u.cancelled_at IS NULL AND u.paused_at IS NULL AND u.deleted_at IS NULL AND u.retry_at IS NULL
      AND NOT EXISTS (
          SELECT FROM public.upload_runs r
          WHERE r.workspace_id = s.workspace_id AND r.upload_id = s.upload_id AND r.state IN ('asked', 'running'))
    GROUP BY s.workspace_id, s.upload_id
    ORDER BY max(s.ended_at) DESC NULLS LAST, s.upload_id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_with_dead_letters(timestamptz, text, integer) IS
    'Uploads with a failed step that no run is going to try again, the newest failure first.';

CREATE FUNCTION app.count_dead_letters() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*)
    FROM public.upload_steps s
    JOIN public.uploads u ON u.workspace_id = s.workspace_id AND u.id = s.upload_id
    WHERE s.state = 'failed' AND s.discarded_at IS NULL
      AND u.cancelled_at IS NULL AND u.paused_at IS NULL AND u.deleted_at IS NULL AND u.retry_at IS NULL
      AND NOT EXISTS (
          SELECT FROM public.upload_runs r
          WHERE r.workspace_id = s.workspace_id AND r.upload_id = s.upload_id AND r.state IN ('asked', 'running'))
$$;
COMMENT ON FUNCTION app.count_dead_letters() IS 'How many failed steps wait for somebody, over all workspaces.';

GRANT EXECUTE ON FUNCTION app.uploads_with_dead_letters(timestamptz, text, integer), app.count_dead_letters()
    TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
