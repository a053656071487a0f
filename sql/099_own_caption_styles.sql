-- A caption style that a workspace wrote itself, kept with the brand kit whose clips are to look like that.

SET LOCAL ROLE cliply_owner;

ALTER TABLE brand_kits ADD COLUMN look jsonb
    CONSTRAINT brand_kits_look_is_a_document CHECK (jsonb_typeof(look) = 'object');
COMMENT ON COLUMN brand_kits.look IS 'A caption style of the workspace''s own for clips that name none, which goes before style; NULL: none.';
