-- Which feeds are to be asked for, and whose a subscription is, in all workspaces; reviewed like the functions of 006_functions.sql.

SET LOCAL ROLE cliply_owner;
GRANT CREATE ON SCHEMA app TO cliply_definer;
GRANT SELECT (workspace_id, id, account_id, next_at) ON feed_subscriptions TO cliply_definer;
CREATE POLICY "reviewed functions read when a feed is renewed" ON feed_subscriptions FOR SELECT TO cliply_definer USING (true);
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.accounts_to_subscribe(of_platforms text[], moment timestamptz, at_most integer)
RETURNS TABLE (workspace_id uuid, account_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.workspace_id, a.id
    FROM public.accounts a
    LEFT JOIN public.feed_subscriptions f ON f.workspace_id = a.workspace_id AND f.account_id = a.id
    WHERE a.platform = ANY (of_platforms)
      AND CASE WHEN f.id IS NULL THEN a.state <> 'disconnected' ELSE f.next_at <= moment END
    ORDER BY f.next_at NULLS FIRST, a.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.accounts_to_subscribe(text[], timestamptz, integer) IS
    'Accounts of these platforms whose feed is to be asked for, renewed or left by then.';

CREATE FUNCTION app.account_of_feed(wanted uuid) RETURNS TABLE (workspace_id uuid, account_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT f.workspace_id, f.account_id FROM public.feed_subscriptions f WHERE f.id = wanted $$;
COMMENT ON FUNCTION app.account_of_feed(uuid) IS 'Whose feed this subscription is.';

CREATE FUNCTION app.feed_subscriptions_after(last uuid, at_most integer) RETURNS TABLE (workspace_id uuid, subscription_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT f.workspace_id, f.id FROM public.feed_subscriptions f WHERE f.id > last ORDER BY f.id LIMIT greatest(at_most, 0) $$;
COMMENT ON FUNCTION app.feed_subscriptions_after(uuid, integer) IS 'Subscriptions page by page, for their secrets to be wrapped anew.';

REVOKE EXECUTE ON FUNCTION
    app.accounts_to_subscribe(text[], timestamptz, integer), app.account_of_feed(uuid), app.feed_subscriptions_after(uuid, integer)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    app.accounts_to_subscribe(text[], timestamptz, integer), app.account_of_feed(uuid), app.feed_subscriptions_after(uuid, integer)
    TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
