-- Uploads that come over the network: their bytes arrive after their row, and people change their minds about them.

SET LOCAL ROLE cliply_owner;

ALTER TABLE uploads
    ADD COLUMN confirmed_at timestamptz DEFAULT now(),
    ADD COLUMN incoming_until timestamptz,
    ADD COLUMN attempt integer NOT NULL DEFAULT 1,
    ADD COLUMN retry_at timestamptz,
    ADD CONSTRAINT uploads_attempts_are_counted CHECK (attempt >= 1);
COMMENT ON COLUMN uploads.confirmed_at IS 'Since when the bytes are there and were looked at; nothing is done before.';
COMMENT ON COLUMN uploads.incoming_until IS 'Until when a signed link takes bytes; NULL where there is none (any more) to tidy up after.';
COMMENT ON COLUMN uploads.attempt IS 'How often it was asked for: the first time, and each retry and resumption.';
COMMENT ON COLUMN uploads.retry_at IS 'Since when it waits to be started again; the first step of the new run clears it.';

-- Of bytes that were put into our storage, as `uploads_same_bytes_once` is of files that lie where they are.
CREATE UNIQUE INDEX uploads_same_stored_bytes_once ON uploads (workspace_id, source_sha256, settings_digest)
    WHERE source_sha256 IS NOT NULL AND deleted_at IS NULL AND source_kind = 'stored';
CREATE INDEX uploads_to_tidy ON uploads (incoming_until) WHERE incoming_until IS NOT NULL;


CREATE FUNCTION app.on_upload_wish() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF OLD.confirmed_at IS NULL AND NEW.confirmed_at IS NOT NULL THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.id, 'upload.confirmed', '{}');
    END IF;
    IF NEW.attempt > OLD.attempt THEN
        PERFORM app.write_event(NEW.workspace_id, NEW.id, 'upload.restarted', jsonb_build_object('attempt', NEW.attempt));
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER uploads_tell_of_wishes AFTER UPDATE OF confirmed_at, attempt ON uploads
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.on_upload_wish();
