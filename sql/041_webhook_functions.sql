-- Which webhooks are due, in all workspaces; reviewed like the functions of 006_functions.sql, and under the same rules.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
GRANT SELECT (workspace_id, endpoint_id, state, due_at) ON webhook_deliveries TO cliply_definer;
GRANT SELECT (workspace_id, id) ON webhook_endpoints TO cliply_definer;
CREATE POLICY "reviewed functions read when a delivery is due" ON webhook_deliveries FOR SELECT TO cliply_definer USING (true);
CREATE POLICY "reviewed functions read which endpoints there are" ON webhook_endpoints FOR SELECT TO cliply_definer USING (true);
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.webhooks_due(at_most integer) RETURNS TABLE (workspace_id uuid, endpoint_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    -- One probe of an index for each endpoint, however long the queue of one of them is.
    SELECT e.workspace_id, e.id FROM public.webhook_endpoints e
    WHERE EXISTS (
        SELECT FROM public.webhook_deliveries d
        WHERE d.workspace_id = e.workspace_id AND d.endpoint_id = e.id AND d.state = 'pending' AND d.due_at <= now())
    ORDER BY random()
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.webhooks_due(integer) IS 'Endpoints that something waits to be sent to, in no order, so that none is always last.';
REVOKE EXECUTE ON FUNCTION app.webhooks_due(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.webhooks_due(integer) TO cliply_api, cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
