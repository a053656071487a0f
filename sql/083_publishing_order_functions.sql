-- Which posts to look at first; reviewed like the functions of 006_functions.sql, under the same rules.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
GRANT SELECT (account_id) ON posts TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE OR REPLACE FUNCTION app.posts_to_wake(moment timestamptz, at_most integer) RETURNS TABLE (workspace_id uuid, post_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    -- Of the posts that only wait to be sent, the first of each account: the others have to wait for it anyway. What is sent
    -- already, and only asked about, comes last.
    SELECT turns.workspace_id, turns.id
    FROM (
        SELECT p.workspace_id, p.id, p.due_at, p.state,
               row_number() OVER (PARTITION BY p.workspace_id, p.account_id, p.state ORDER BY p.due_at, p.id) AS turn
        FROM (
            SELECT w.workspace_id, w.id, w.account_id, w.due_at, w.state FROM public.posts w
            WHERE w.wake_at IS NOT NULL AND w.wake_at <= moment
            ORDER BY w.wake_at
            LIMIT greatest(2000, 20 * at_most)
        ) p
    ) turns
    WHERE turns.state <> 'prepared' OR turns.turn = 1
    ORDER BY turns.state IN ('confirming', 'published'), turns.due_at, turns.id
    LIMIT greatest(at_most, 0)
$$;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
