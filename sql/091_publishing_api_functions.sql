-- Whose account a platform speaks of, and which of its words still wait, in all workspaces; reviewed like 006_functions.sql.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
GRANT SELECT (platform, remote_id) ON accounts TO cliply_definer;
GRANT SELECT (workspace_id, id, state, created_at) ON platform_events TO cliply_definer;
CREATE POLICY "reviewed functions read which events wait" ON platform_events FOR SELECT TO cliply_definer USING (true);
-- By the platform's own name for the account: a webhook names no workspace.
CREATE INDEX accounts_named ON accounts (platform, remote_id);
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.accounts_named(of_platform text, of_account text) RETURNS TABLE (workspace_id uuid, account_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.workspace_id, a.id FROM public.accounts a
    WHERE a.platform = of_platform AND a.remote_id = of_account AND a.state <> 'disconnected'
$$;
COMMENT ON FUNCTION app.accounts_named(text, text) IS 'The account as it is connected in each workspace.';

CREATE FUNCTION app.platform_events_waiting(at_most integer) RETURNS TABLE (workspace_id uuid, event_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.workspace_id, e.id FROM public.platform_events e WHERE e.state = 'waiting'
    ORDER BY e.created_at LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.platform_events_waiting(integer) IS 'Events that fit no post yet, the oldest first.';

GRANT EXECUTE ON FUNCTION app.accounts_named(text, text), app.platform_events_waiting(integer) TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
