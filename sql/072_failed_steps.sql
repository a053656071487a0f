-- Few steps have failed, so that counting them is cheap, however many there are.

SET LOCAL ROLE cliply_owner;

CREATE INDEX upload_steps_failed_of_upload ON upload_steps (workspace_id, upload_id) WHERE state = 'failed';
