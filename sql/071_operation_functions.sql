-- SECURITY DEFINER functions for operators; reviewed together with 006. The first ones return ids, as its rules demand; the last
-- two return sums over all workspaces, in which no workspace can be told from another.

SET LOCAL ROLE cliply_owner;
GRANT SELECT (step, started_at, ended_at) ON upload_steps TO cliply_definer;
GRANT SELECT (expired_at, forgotten_at) ON uploads TO cliply_definer;
GRANT SELECT (workspace_id, day, objects, bytes) ON storage_tallies TO cliply_definer;
GRANT SELECT (id) ON workspaces TO cliply_definer;
CREATE POLICY "reviewed functions add up what all workspaces store" ON storage_tallies
    FOR SELECT TO cliply_definer USING (true);
CREATE POLICY "reviewed functions list the ids of all workspaces" ON workspaces FOR SELECT TO cliply_definer USING (true);
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.workspaces_after(last_seen uuid, at_most integer) RETURNS TABLE (workspace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.id FROM public.workspaces w WHERE last_seen IS NULL OR w.id > last_seen
    ORDER BY w.id LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.workspaces_after(uuid, integer) IS 'All workspaces, a page at a time.';

CREATE FUNCTION app.uploads_to_expire(ended_before timestamptz, at_most integer)
RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.workspace_id, u.id FROM public.uploads u
    WHERE u.expired_at IS NULL AND u.created_at < ended_before AND u.confirmed_at IS NOT NULL
      AND (u.retry_at IS NULL OR u.cancelled_at IS NOT NULL OR u.deleted_at IS NOT NULL)
      -- One that is paused is to go on, and needs what it has.
      AND (u.paused_at IS NULL OR u.cancelled_at IS NOT NULL OR u.deleted_at IS NOT NULL)
      -- One that nobody has begun waits; a cancelled or deleted one does not.
      AND (coalesce(u.cancelled_at, u.deleted_at) < ended_before
           OR EXISTS (SELECT FROM public.upload_steps s
                      WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id AND s.state <> 'pending'))
      AND NOT EXISTS (
          SELECT FROM public.upload_steps s
          WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id
            AND (s.state = 'running' OR s.ended_at >= ended_before OR s.started_at >= ended_before))
    ORDER BY u.created_at, u.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_to_expire(timestamptz, integer) IS
    'Uploads whose last work ended before that moment, and whose source and intermediate objects are still kept.';

CREATE FUNCTION app.uploads_to_forget(expired_before timestamptz, at_most integer)
RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.workspace_id, u.id FROM public.uploads u
    WHERE u.expired_at < expired_before AND u.forgotten_at IS NULL
    ORDER BY u.expired_at, u.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_to_forget(timestamptz, integer) IS 'Uploads that expired before that moment and still have steps.';

CREATE FUNCTION app.uploads_with_running_steps(started_before timestamptz, at_most integer)
RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.workspace_id, s.upload_id FROM public.upload_steps s
    WHERE s.state = 'running' AND s.started_at < started_before
    GROUP BY s.workspace_id, s.upload_id
    ORDER BY min(s.started_at), s.upload_id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_with_running_steps(timestamptz, integer) IS
    'Uploads with a step that has been running since before that moment, the longest first.';

CREATE FUNCTION app.uploads_to_backfill(since timestamptz, of_workspace uuid, after_step text, at_most integer)
RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.workspace_id, u.id FROM public.uploads u
    WHERE u.expired_at IS NULL AND u.created_at >= since AND (of_workspace IS NULL OR u.workspace_id = of_workspace)
      AND u.cancelled_at IS NULL AND u.paused_at IS NULL AND u.deleted_at IS NULL AND u.retry_at IS NULL
      AND EXISTS (
          SELECT FROM public.upload_steps s
          WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id AND s.step = after_step AND s.state = 'completed')
      AND NOT EXISTS (
          SELECT FROM public.upload_steps s
          WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id AND s.state = 'running')
    ORDER BY u.created_at DESC, u.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_to_backfill(timestamptz, uuid, text, integer) IS
    'Uploads since that moment that nobody works on, that have finished that step, and whose objects are kept; the newest first.';


CREATE FUNCTION app.pipeline_gauges() RETURNS TABLE (name text, label text, value double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH waiting AS MATERIALIZED (
        SELECT u.created_at, u.confirmed_at, u.retry_at
        FROM app.uploads_to_start(1000) w
        JOIN public.uploads u ON u.workspace_id = w.workspace_id AND u.id = w.upload_id
    ), running AS MATERIALIZED (
        SELECT s.step, s.deadline_at FROM public.upload_steps s WHERE s.state = 'running'
    )
    SELECT 'uploads_waiting', '', count(*)::double precision FROM waiting
    UNION ALL
    SELECT 'upload_wait_seconds', '',
        coalesce(max(extract(epoch FROM now() - coalesce(retry_at, greatest(created_at, confirmed_at)))), 0) FROM waiting
    UNION ALL SELECT 'steps_running', step, count(*) FROM running GROUP BY step
    UNION ALL SELECT 'steps_overdue', '', count(*) FROM running WHERE deadline_at < now() - interval '1 minute'
    UNION ALL
    SELECT unnest(ARRAY['storage_bytes', 'storage_objects']), '', unnest(ARRAY[coalesce(sum(bytes), 0), coalesce(sum(objects), 0)])
    FROM (SELECT DISTINCT ON (t.workspace_id) t.bytes, t.objects FROM public.storage_tallies t
          WHERE t.day > current_date - 7 ORDER BY t.workspace_id, t.day DESC) newest
$$;
COMMENT ON FUNCTION app.pipeline_gauges() IS 'Sums over all workspaces: what waits, what runs, what is stored. Counts at most 1000 waiting.';

CREATE FUNCTION app.step_durations(since timestamptz)
RETURNS TABLE (step text, state text, up_to double precision, number bigint, seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH ended AS (
        SELECT s.step, s.state, greatest(extract(epoch FROM s.ended_at - s.started_at), 0)::double precision AS took
        FROM public.upload_steps s
        WHERE s.ended_at >= since AND s.started_at IS NOT NULL AND s.state IN ('completed', 'failed')
    ), bounds AS (
        SELECT unnest(ARRAY[0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 'infinity']::double precision[]) AS up_to
    )
    SELECT e.step, e.state, b.up_to, count(*) FILTER (WHERE e.took <= b.up_to), sum(e.took)
    FROM ended e CROSS JOIN bounds b GROUP BY e.step, e.state, b.up_to ORDER BY e.step, e.state, b.up_to
$$;
COMMENT ON FUNCTION app.step_durations(timestamptz) IS
    'How many steps of each kind and outcome that ended since then took up to so many seconds, over all workspaces.';

GRANT EXECUTE ON FUNCTION
    app.workspaces_after(uuid, integer), app.uploads_to_expire(timestamptz, integer),
    app.uploads_to_forget(timestamptz, integer), app.uploads_with_running_steps(timestamptz, integer),
    app.uploads_to_backfill(timestamptz, uuid, text, integer)
    TO cliply_pipeline;
GRANT EXECUTE ON FUNCTION app.pipeline_gauges(), app.step_durations(timestamptz) TO cliply_pipeline, cliply_api;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
