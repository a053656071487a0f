-- Which webhooks have secrets to seal or to wrap anew, in all workspaces; reviewed like the functions of 006_functions.sql.
--
-- The secrets themselves are read and written inside the endpoint's workspace, by the role that signs with them.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.webhook_endpoints_after(last uuid, at_most integer)
RETURNS TABLE (workspace_id uuid, endpoint_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.workspace_id, e.id FROM public.webhook_endpoints e
    WHERE e.id > last
    ORDER BY e.id LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.webhook_endpoints_after(uuid, integer) IS
    'Endpoints page by page, for their secrets to be sealed or wrapped anew.';
REVOKE EXECUTE ON FUNCTION app.webhook_endpoints_after(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.webhook_endpoints_after(uuid, integer) TO cliply_api, cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
CREATE INDEX webhook_endpoints_by_id ON webhook_endpoints (id);
