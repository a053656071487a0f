-- What may be chosen about a clip's making beside its style and brand: layout and the like. Absent choices are left to Cliply.

SET LOCAL ROLE cliply_owner;

ALTER TABLE renders ADD COLUMN options jsonb NOT NULL DEFAULT '{}'
    CONSTRAINT renders_options_are_a_document CHECK (jsonb_typeof(options) = 'object');
ALTER TABLE render_wishes ADD COLUMN options jsonb NOT NULL DEFAULT '{}'
    CONSTRAINT render_wishes_options_are_a_document CHECK (jsonb_typeof(options) = 'object');
COMMENT ON COLUMN renders.options IS 'What was chosen for the version beside its style and brand.';
COMMENT ON COLUMN render_wishes.options IS 'What it is to be made with beside its style and brand.';
