-- Films that come in parts: what was received lies in the storage, which part is which follows from these two.

SET LOCAL ROLE cliply_owner;

ALTER TABLE uploads
    ADD COLUMN part_size bigint,
    ADD COLUMN multipart_id text,
    ADD CONSTRAINT uploads_parts_have_a_size CHECK (part_size >= 1),
    ADD CONSTRAINT uploads_sessions_are_of_parts CHECK (multipart_id IS NULL OR part_size IS NOT NULL);
COMMENT ON COLUMN uploads.part_size IS 'Bytes of each part but the last; NULL where the film is put in one piece.';
COMMENT ON COLUMN uploads.multipart_id IS 'The storage''s name for the parts that are being received; NULL before the first and after the last.';
