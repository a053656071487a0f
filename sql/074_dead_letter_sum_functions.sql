-- What counts as failed for good is decided in one place, the dead letters; this counts uploads by it. Reviewed together with 071.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE OR REPLACE FUNCTION app.failed_uploads() RETURNS TABLE (number bigint, lately bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_regprocedure('app.uploads_with_dead_letters(timestamptz, text, integer)') IS NULL THEN
        RETURN QUERY
        SELECT count(*), count(*) FILTER (WHERE failed.ended_at > now() - interval '1 hour')
        FROM (SELECT s.workspace_id, s.upload_id, max(s.ended_at) AS ended_at
              FROM public.upload_steps s
              WHERE s.state = 'failed' AND s.step <> 'frame_index'
              GROUP BY s.workspace_id, s.upload_id) failed
        JOIN public.uploads u ON u.workspace_id = failed.workspace_id AND u.id = failed.upload_id
        WHERE u.retry_at IS NULL AND u.cancelled_at IS NULL AND u.deleted_at IS NULL AND u.expired_at IS NULL
          AND NOT EXISTS (
              SELECT FROM public.upload_steps s
              WHERE s.workspace_id = failed.workspace_id AND s.upload_id = failed.upload_id AND s.state = 'running');
        RETURN;
    END IF;
    RETURN QUERY
    SELECT (SELECT count(*) FROM app.uploads_with_dead_letters(NULL, NULL, 100000)),
           (SELECT count(*) FROM app.uploads_with_dead_letters(now() - interval '1 hour', NULL, 100000));
END
$$;
COMMENT ON FUNCTION app.failed_uploads() IS
    'How many uploads failed and were neither retried nor put away, over all workspaces, and how many of them within an hour.';

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
