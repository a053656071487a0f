-- The questions of 066 about the queue, asked so that they cannot be answered by reading whole tables: row by row through an index,
-- whatever the planner believes about tables that were filled a moment ago. Reviewed together with 006, whose rules they keep.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE OR REPLACE FUNCTION app.upload_queue(of_each integer) RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20
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
          AND (SELECT true FROM public.upload_runs r
               WHERE r.workspace_id = u.workspace_id AND r.upload_id = u.id AND r.state IN ('asked', 'running')
               LIMIT 1) IS NULL
          -- One that is to go on has steps that ended. It waits for those still at work; past its deadline none is.
          AND (SELECT true FROM public.upload_steps s
               WHERE s.workspace_id = u.workspace_id AND s.upload_id = u.id
                 AND CASE WHEN u.retry_at IS NULL THEN s.state <> 'pending'
                          ELSE s.state = 'running' AND coalesce(s.deadline_at > now(), true) END
               LIMIT 1) IS NULL
        ORDER BY u.created_at, u.id
        LIMIT greatest(of_each, 0)
    ) w
    WHERE n.workspace IS NOT NULL
$$;

CREATE OR REPLACE FUNCTION app.uploads_to_start(at_most integer) RETURNS TABLE (workspace_id uuid, upload_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT waiting.workspace_id, waiting.upload_id
    FROM (
        SELECT q.workspace_id, q.upload_id, u.created_at,
               row_number() OVER (PARTITION BY q.workspace_id ORDER BY u.created_at, q.upload_id) AS turn
        FROM app.upload_queue(greatest(at_most, 0)) q
        CROSS JOIN LATERAL (SELECT i.created_at FROM public.uploads i
                            WHERE i.workspace_id = q.workspace_id AND i.id = q.upload_id LIMIT 1) u
    ) waiting
    ORDER BY waiting.turn, waiting.created_at, waiting.upload_id
    LIMIT greatest(at_most, 0)
$$;

CREATE OR REPLACE FUNCTION app.queue_facts(at_most integer) RETURNS TABLE (
    workspace_id uuid, upload_id uuid, plan text, waits_since timestamptz, unfinished bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT q.workspace_id, q.upload_id, w.plan, coalesce(u.retry_at, u.confirmed_at, u.created_at),
           (SELECT count(*) FROM public.upload_runs r
            WHERE r.workspace_id = q.workspace_id AND r.state IN ('asked', 'running'))
    FROM app.upload_queue(at_most) q
    CROSS JOIN LATERAL (SELECT i.plan FROM public.workspaces i WHERE i.id = q.workspace_id LIMIT 1) w
    CROSS JOIN LATERAL (SELECT i.retry_at, i.confirmed_at, i.created_at FROM public.uploads i
                        WHERE i.workspace_id = q.workspace_id AND i.id = q.upload_id LIMIT 1) u
$$;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
