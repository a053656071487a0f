-- Who may do what: one role owns and never logs in, two serve, one sees ids across workspaces inside reviewed functions.
--
-- Roles belong to the whole server, so another database of it may have made them already; everything here is safe to repeat.
-- A login that is not a superuser needs CREATEROLE and to own the database.

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('cliply_owner', 'NOLOGIN'),     -- owns every table and migrates
            ('cliply_definer', 'NOLOGIN'),   -- owns the functions of 006: policies let it read ids of every workspace
            ('cliply_api', 'LOGIN'),         -- the web application
            ('cliply_pipeline', 'LOGIN'),    -- assets, sensors and the command line
            ('cliply_dagster', 'LOGIN')      -- Dagster's own database, and nothing of this one
        ) AS roles (name, may_log_in)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s NOINHERIT', wanted.name, wanted.may_log_in);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of this server has made it, perhaps this very moment
        END;
        IF NOT pg_has_role(session_user, wanted.name, 'SET') THEN
            EXECUTE format('GRANT %I TO %I WITH SET TRUE, INHERIT FALSE', wanted.name, session_user);
        END IF;
    END LOOP;

    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO cliply_api, cliply_pipeline, cliply_owner', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO cliply_api, cliply_pipeline, cliply_definer;
GRANT USAGE, CREATE ON SCHEMA public TO cliply_owner;
-- Every start asks whether the database is up to date, and no start logs in as the owner.
GRANT SELECT ON public.schema_migrations TO cliply_api, cliply_pipeline;

CREATE SCHEMA app AUTHORIZATION cliply_owner;

SET LOCAL ROLE cliply_owner;

GRANT USAGE ON SCHEMA app TO cliply_api, cliply_pipeline, cliply_definer;

COMMENT ON SCHEMA app IS 'Functions that policies, defaults and triggers use; no tables.';
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE FUNCTION app.workspace_id() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- After a transaction that bound it locally, the setting is '' and not NULL.
    bound text := current_setting('app.workspace_id', true);
BEGIN
    IF bound IS NULL OR bound = '' THEN
        RAISE EXCEPTION 'no workspace is bound to this transaction' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN bound::uuid;
END
$$;
COMMENT ON FUNCTION app.workspace_id() IS 'The workspace this transaction is bound to; raises 42501 where there is none.';
GRANT EXECUTE ON FUNCTION app.workspace_id() TO cliply_api, cliply_pipeline;
