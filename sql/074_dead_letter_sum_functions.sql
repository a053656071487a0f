-- SECURITY DEFINER functions that return sums for operators; reviewed together with 071.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

-- What has failed for good is decided in one place, the dead letters; this counts uploads by it.
CREATE OR REPLACE FUNCTION app.failed_uploads() RETURNS TABLE (number bigint, lately bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (SELECT count(*) FROM app.uploads_with_dead_letters(NULL, NULL, 100000)),
           (SELECT count(*) FROM app.uploads_with_dead_letters(now() - interval '1 hour', NULL, 100000))
$$;
COMMENT ON FUNCTION app.failed_uploads() IS
    'How many uploads failed and were neither retried nor put away, over all workspaces, and how many of them within an hour.';

-- The accounts come with a later migration, which lets this role read their states.
CREATE FUNCTION app.accounts_to_reconnect() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT count(*) FROM public.accounts WHERE state = 'reconnect');
END
$$;
COMMENT ON FUNCTION app.accounts_to_reconnect() IS 'How many accounts do not let Cliply publish any more, over all workspaces.';
REVOKE EXECUTE ON FUNCTION app.accounts_to_reconnect() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.accounts_to_reconnect() TO cliply_api, cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
