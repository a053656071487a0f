-- Which posts and accounts wait for somebody, in all workspaces; reviewed like the functions of 006_functions.sql, under the same rules.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
GRANT SELECT (workspace_id, id, state, wake_at, due_at) ON posts TO cliply_definer;
GRANT SELECT (workspace_id, id, state, refresh_at) ON accounts TO cliply_definer;
CREATE POLICY "reviewed functions read when a post is due" ON posts FOR SELECT TO cliply_definer USING (true);
CREATE POLICY "reviewed functions read when a sign-in ends" ON accounts FOR SELECT TO cliply_definer USING (true);
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.posts_to_wake(moment timestamptz, at_most integer) RETURNS TABLE (workspace_id uuid, post_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    -- By the time they are due: what only waits to be prepared comes after what is to be published now.
    SELECT waiting.workspace_id, waiting.id
    FROM (
        SELECT p.workspace_id, p.id, p.due_at FROM public.posts p
        WHERE p.wake_at IS NOT NULL AND p.wake_at <= moment
        ORDER BY p.wake_at
        LIMIT 20 * greatest(at_most, 0)
    ) waiting
    ORDER BY waiting.due_at, waiting.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.posts_to_wake(timestamptz, integer) IS 'Posts that the publisher has to look at by then, the earliest due first.';

CREATE FUNCTION app.accounts_to_refresh(moment timestamptz, at_most integer) RETURNS TABLE (workspace_id uuid, account_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.workspace_id, a.id FROM public.accounts a
    WHERE a.refresh_at IS NOT NULL AND a.refresh_at <= moment AND a.state = 'ok'
    ORDER BY a.refresh_at, a.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.accounts_to_refresh(timestamptz, integer) IS 'Accounts whose sign-in is to be renewed by then.';

CREATE FUNCTION app.accounts_after(last uuid, at_most integer) RETURNS TABLE (workspace_id uuid, account_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT a.workspace_id, a.id FROM public.accounts a WHERE a.id > last ORDER BY a.id LIMIT greatest(at_most, 0) $$;
COMMENT ON FUNCTION app.accounts_after(uuid, integer) IS 'Accounts page by page, for what is sealed in them to be wrapped anew.';

CREATE FUNCTION app.posts_in_progress_after(last uuid, at_most integer) RETURNS TABLE (workspace_id uuid, post_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.workspace_id, p.id FROM public.posts p
    WHERE p.id > last AND p.state NOT IN ('published', 'rejected', 'missed', 'cancelled', 'declined')
    ORDER BY p.id LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.posts_in_progress_after(uuid, integer) IS 'Posts whose progress may be sealed, page by page.';

GRANT EXECUTE ON FUNCTION
    app.posts_to_wake(timestamptz, integer), app.accounts_to_refresh(timestamptz, integer),
    app.accounts_after(uuid, integer), app.posts_in_progress_after(uuid, integer)
    TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
CREATE INDEX accounts_by_id ON accounts (id);
CREATE INDEX posts_by_id ON posts (id) WHERE state NOT IN ('published', 'rejected', 'missed', 'cancelled', 'declined');
