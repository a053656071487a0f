-- Which accounts are to be read, in all workspaces; reviewed like the functions of 006_functions.sql, under the same rules.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
GRANT SELECT (workspace_id, account_id, next_at) ON post_measures TO cliply_definer;
GRANT SELECT (workspace_id, account_id, parked_until, import_next_at) ON account_readings TO cliply_definer;
CREATE POLICY "reviewed functions read when a post is measured" ON post_measures FOR SELECT TO cliply_definer USING (true);
CREATE POLICY "reviewed functions read when an account is read" ON account_readings FOR SELECT TO cliply_definer USING (true);
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.accounts_to_measure(moment timestamptz, at_most integer) RETURNS TABLE (workspace_id uuid, account_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.workspace_id, m.account_id
    FROM public.post_measures m
    JOIN public.accounts a ON a.workspace_id = m.workspace_id AND a.id = m.account_id
    LEFT JOIN public.account_readings r ON r.workspace_id = m.workspace_id AND r.account_id = m.account_id
    WHERE m.next_at <= moment AND a.state = 'ok' AND (r.parked_until IS NULL OR r.parked_until <= moment)
    GROUP BY m.workspace_id, m.account_id
    ORDER BY min(m.next_at), m.account_id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.accounts_to_measure(timestamptz, integer) IS 'Accounts with posts to be measured by then, that can be asked.';

CREATE FUNCTION app.accounts_to_import(moment timestamptz, at_most integer) RETURNS TABLE (workspace_id uuid, account_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.workspace_id, r.account_id
    FROM public.account_readings r
    JOIN public.accounts a ON a.workspace_id = r.workspace_id AND a.id = r.account_id
    WHERE r.import_next_at <= moment AND a.state = 'ok' AND (r.parked_until IS NULL OR r.parked_until <= moment)
    ORDER BY r.import_next_at, r.account_id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.accounts_to_import(timestamptz, integer) IS 'Accounts whose own posts are to be looked at by then, that can be asked.';

GRANT EXECUTE ON FUNCTION
    app.accounts_to_measure(timestamptz, integer), app.accounts_to_import(timestamptz, integer) TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
