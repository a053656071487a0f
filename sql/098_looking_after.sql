-- What makes an installation easier to look after: renderings that failed are wished for anew, with the request that asked for
-- them; a limit that counts several at once; deliveries of webhooks that are forgotten.

SET LOCAL ROLE cliply_owner;

ALTER TABLE render_wishes ADD COLUMN request_id text;
COMMENT ON COLUMN render_wishes.request_id IS 'The web request that asked for it last; its run and the log lines of its step carry it.';
-- A failed wish is opened again by whoever tries its dead letter again.
GRANT UPDATE (state, attempt, deadline_at, reason, ended_at, request_id) ON render_wishes TO cliply_api;

-- What is still to be sent is never swept, however old it is.
CREATE INDEX webhook_deliveries_over ON webhook_deliveries (workspace_id, created_at) WHERE state <> 'pending';
GRANT SELECT (workspace_id, id, state, created_at), DELETE ON webhook_deliveries TO cliply_pipeline;

CREATE FUNCTION app.take(wanted_bucket text, per_period integer, period interval, how_many integer) RETURNS double precision
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    -- More than the bucket holds take all of it: otherwise they would never have their turn.
    step interval := period / per_period * least(greatest(how_many, 1), per_period);
    moment timestamptz := clock_timestamp();
    taken timestamptz;
BEGIN
    -- As with one: the row is locked from the conflict on, and whoever waited for it judges its newest state.
    INSERT INTO rate_limits AS bucket (bucket, refilled_at) VALUES (wanted_bucket, moment + step)
    ON CONFLICT (bucket) DO UPDATE SET refilled_at = greatest(bucket.refilled_at, moment) + step
        WHERE greatest(bucket.refilled_at, moment) + step <= moment + period
    RETURNING refilled_at INTO taken;
    IF taken IS NOT NULL THEN
        RETURN 0;
    END IF;
    SELECT refilled_at INTO taken FROM rate_limits WHERE bucket = wanted_bucket;
    RETURN greatest(extract(epoch FROM (taken + step) - (moment + period)), 0.001);
END
$$;
COMMENT ON FUNCTION app.take(text, integer, interval, integer) IS
    'Takes several of per_period, all or none: 0, or the seconds after which there are so many again.';
REVOKE EXECUTE ON FUNCTION app.take(text, integer, interval, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.take(text, integer, interval, integer) TO cliply_identity;
