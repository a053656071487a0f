-- Signing secrets of webhooks are sealed like the sign-ins of accounts. What stands here in clear is sealed by the application, which
-- alone has the keys: when it starts, when it signs with one, and by `cliply keys rotate`.

SET LOCAL ROLE cliply_owner;

ALTER TABLE webhook_endpoints
    ALTER COLUMN secret DROP NOT NULL,
    ADD COLUMN secret_sealed bytea,
    ADD COLUMN previous_secret_sealed bytea,
    ADD CONSTRAINT webhook_endpoints_have_one_secret CHECK (num_nonnulls(secret, secret_sealed) = 1),
    DROP CONSTRAINT webhook_endpoints_previous_secret_ends,
    ADD CONSTRAINT webhook_endpoints_previous_secret_ends
        CHECK (num_nonnulls(previous_secret, previous_secret_sealed) = num_nonnulls(previous_secret_until));
COMMENT ON COLUMN webhook_endpoints.secret IS 'As it was kept before secrets were sealed; nothing writes it any more.';
COMMENT ON COLUMN webhook_endpoints.secret_sealed IS 'Bound to workspace, endpoint and the column secret.';
COMMENT ON COLUMN webhook_endpoints.previous_secret_sealed IS 'Bound to workspace, endpoint and the column previous_secret.';
