-- Leaving: workspaces that are deleted, and purged after a grace; accounts that go; addresses that change.

SET LOCAL ROLE cliply_owner;

ALTER TABLE workspaces ADD COLUMN deleted_at timestamptz;
COMMENT ON COLUMN workspaces.deleted_at IS
    'When its owner deleted it. It is closed (suspended_at) from then on, can be restored for some days, and then goes with all that is in it.';
CREATE INDEX workspaces_to_purge ON workspaces (deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE mail_queue DROP CONSTRAINT mail_queue_purpose_is_known, ADD CONSTRAINT mail_queue_purpose_is_known
    CHECK (purpose IN ('verify_email', 'reset_password', 'invitation', 'already_registered', 'password_changed', 'change_email',
                       'email_changing', 'account_deleted'));
ALTER TABLE mail_tokens DROP CONSTRAINT mail_tokens_purpose_is_known, ADD CONSTRAINT mail_tokens_purpose_is_known
    CHECK (purpose IN ('verify_email', 'reset_password', 'change_email'));

CREATE OR REPLACE FUNCTION app.keep_an_owner() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    -- The row lock makes two owners who leave at once come one after the other. One that is being deleted needs nobody any more.
    PERFORM FROM workspaces WHERE id = OLD.workspace_id AND deleted_at IS NULL FOR UPDATE;
    IF FOUND AND NOT EXISTS (SELECT FROM members WHERE workspace_id = OLD.workspace_id AND role = 'owner') THEN
        RAISE EXCEPTION 'workspace % would be left without an owner', OLD.workspace_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'members_keep_an_owner';
    END IF;
    RETURN NULL;
END
$$;
