-- SECURITY DEFINER functions about runs; reviewed together with 006, whose rules they keep. The last three return sums, in which
-- no workspace can be told from another.

SET LOCAL ROLE cliply_owner;
GRANT SELECT (plan) ON workspaces TO cliply_definer;
GRANT SELECT (attempt, started_attempt) ON uploads TO cliply_definer;
GRANT SELECT (workspace_id, upload_id, number, state, asked_at, begun_at, ended_at) ON upload_runs TO cliply_definer;
CREATE POLICY "reviewed functions find runs of every workspace" ON upload_runs FOR SELECT TO cliply_definer USING (true);
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

-- From one workspace with waiting uploads to the next by the index, so that the cost is that of what is returned.
CREATE FUNCTION app.upload_queue(of_each integer) RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE next_one (workspace) AS (
        (SELECT u.workspace_id FROM public.uploads u
         WHERE u.started_attempt < u.attempt AND u.cancelled_at IS NULL AND u.paused_at IS NULL AND u.deleted_at IS NULL
           AND u.completed_at IS NULL
         ORDER BY u.workspace_id LIMIT 1)
        UNION ALL
        SELECT (SELECT u.workspace_id FROM public.uploads u
                WHERE u.started_attempt < u.attempt AND u.cancelled_at IS NULL AND u.paused_at IS NULL
                  AND u.deleted_at IS NULL AND u.completed_at IS NULL AND u.workspace_id > n.workspace
                ORDER BY u.workspace_id LIMIT 1)
        FROM next_one n WHERE n.workspace IS NOT NULL
    )
    SELECT n.workspace, w.id
    FROM next_one n
    CROSS JOIN LATERAL (
        SELECT u.id FROM public.uploads u
        WHERE u.workspace_id = n.workspace AND u.started_attempt < u.attempt AND u.cancelled_at IS NULL
          AND u.paused_at IS NULL AND u.deleted_at IS NULL AND u.completed_at IS NULL
          AND u.confirmed_at IS NOT NULL
          AND NOT EXISTS (
              SELECT FROM public.upload_runs r
              WHERE r.workspace_id = u.workspace_id AND r.upload_id = u.id AND r.state IN ('asked', 'running'))
          -- One that is to go on has steps that ended. It waits for those still at work; past its deadline none is.
          AND NOT EXISTS (
              SELECT FROM public.upload_steps s
              WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id
                AND CASE WHEN u.retry_at IS NULL THEN s.state <> 'pending'
                         ELSE s.state = 'running' AND coalesce(s.deadline_at > now(), true) END)
        ORDER BY u.created_at, u.id
        LIMIT greatest(of_each, 0)
    ) w
    WHERE n.workspace IS NOT NULL
$$;
COMMENT ON FUNCTION app.upload_queue(integer) IS 'The oldest uploads of each workspace that wait for a run.';

CREATE OR REPLACE FUNCTION app.uploads_to_start(at_most integer) RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT waiting.workspace_id, waiting.upload_id
    FROM (
        SELECT q.workspace_id, q.upload_id, u.created_at,
               row_number() OVER (PARTITION BY q.workspace_id ORDER BY u.created_at, q.upload_id) AS turn
        FROM app.upload_queue(greatest(at_most, 0)) q
        JOIN public.uploads u ON u.workspace_id = q.workspace_id AND u.id = q.upload_id
    ) waiting
    ORDER BY waiting.turn, waiting.created_at, waiting.upload_id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.uploads_to_start(integer) IS
    'Uploads that nobody has begun, or that are to go on, each workspace''s oldest before anybody''s second.';

CREATE FUNCTION app.unfinished_runs(at_most integer) RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.workspace_id, r.upload_id FROM public.upload_runs r
    WHERE r.state IN ('asked', 'running')
    ORDER BY r.asked_at, r.upload_id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.unfinished_runs(integer) IS 'Uploads whose run was asked for and has not ended, the longest first.';

CREATE FUNCTION app.queue_facts(at_most integer) RETURNS TABLE (
    workspace_id uuid, upload_id uuid, plan text, waits_since timestamptz, unfinished bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT q.workspace_id, q.upload_id, w.plan, coalesce(u.retry_at, u.confirmed_at, u.created_at),
           (SELECT count(*) FROM public.upload_runs r
            WHERE r.workspace_id = q.workspace_id AND r.state IN ('asked', 'running'))
    FROM app.upload_queue(at_most) q
    JOIN public.workspaces w ON w.id = q.workspace_id
    JOIN public.uploads u ON u.workspace_id = q.workspace_id AND u.id = q.upload_id
$$;
COMMENT ON FUNCTION app.queue_facts(integer) IS 'The same as upload_queue, with what decides whose turn it is.';

CREATE FUNCTION app.queue_lengths(for_workspace uuid) RETURNS TABLE (mine boolean, plan text, waiting bigint, unfinished bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(waits.workspace_id, works.workspace_id) = for_workspace, w.plan,
           coalesce(waits.number, 0), coalesce(works.number, 0)
    FROM (SELECT u.workspace_id, count(*) AS number FROM public.uploads u
          WHERE u.started_attempt < u.attempt AND u.cancelled_at IS NULL AND u.paused_at IS NULL AND u.deleted_at IS NULL
            AND u.completed_at IS NULL AND u.confirmed_at IS NOT NULL
          GROUP BY u.workspace_id) waits
    FULL JOIN (SELECT r.workspace_id, count(*) AS number FROM public.upload_runs r
               WHERE r.state IN ('asked', 'running') GROUP BY r.workspace_id) works USING (workspace_id)
    JOIN public.workspaces w ON w.id = coalesce(waits.workspace_id, works.workspace_id)
$$;
COMMENT ON FUNCTION app.queue_lengths(uuid) IS 'How many uploads wait and are worked on in each workspace, without saying which it is.';

CREATE FUNCTION app.usual_run_seconds() RETURNS double precision
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT avg(extract(epoch FROM last.ended_at - last.begun_at))::double precision
    FROM (SELECT r.begun_at, r.ended_at FROM public.upload_runs r
          WHERE r.state = 'succeeded' ORDER BY r.ended_at DESC LIMIT 50) last
$$;
COMMENT ON FUNCTION app.usual_run_seconds() IS 'The mean of the last fifty runs, over all workspaces; NULL before the first.';

GRANT EXECUTE ON FUNCTION
    app.upload_queue(integer), app.unfinished_runs(integer), app.queue_facts(integer) TO cliply_pipeline;
GRANT EXECUTE ON FUNCTION app.queue_lengths(uuid), app.usual_run_seconds() TO cliply_api, cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
