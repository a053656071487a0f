-- How a workspace wants its clips to look: kits of colours and files, one of which is what it uses unless told otherwise.

SET LOCAL ROLE cliply_owner;

CREATE TABLE brand_kits (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id() REFERENCES workspaces (id) ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    name text NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    style text,
    colours jsonb NOT NULL DEFAULT '{}',
    placements jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    CONSTRAINT brand_kits_name_is_given CHECK (name ~ '\S'),
    CONSTRAINT brand_kits_style_is_known
        CHECK (style IN ('highlight_word', 'karaoke', 'pop_in', 'typewriter', 'bounce', 'none'))
);
COMMENT ON COLUMN brand_kits.style IS 'The caption style of clips that name none; NULL: the usual one.';
COMMENT ON COLUMN brand_kits.placements IS 'Where logo and watermark lie; what is absent lies where we put it.';

CREATE UNIQUE INDEX brand_kits_one_default ON brand_kits (workspace_id) WHERE is_default;
CREATE UNIQUE INDEX brand_kits_name_once ON brand_kits (workspace_id, name);

ALTER TABLE brand_kits ENABLE ROW LEVEL SECURITY;
ALTER TABLE brand_kits FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own brand kits" ON brand_kits
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON brand_kits TO cliply_api;
GRANT SELECT ON brand_kits TO cliply_pipeline;


CREATE TABLE brand_files (
    workspace_id uuid NOT NULL DEFAULT app.workspace_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    kit_id uuid NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    content_type text NOT NULL,
    given_size bigint NOT NULL,
    incoming_until timestamptz,
    confirmed_at timestamptz,
    object_key text,
    size bigint,
    sha256 text,
    facts jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, kit_id) REFERENCES brand_kits (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT brand_files_kind_is_known CHECK (kind IN ('logo', 'watermark', 'font', 'outro')),
    CONSTRAINT brand_files_sizes_are_positive CHECK (given_size > 0 AND size > 0),
    CONSTRAINT brand_files_sha256_is_hex CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT brand_files_confirmed_means_stored
        CHECK (confirmed_at IS NULL OR (object_key IS NOT NULL AND sha256 IS NOT NULL AND size IS NOT NULL))
);
COMMENT ON COLUMN brand_files.incoming_until IS 'Until when a signed link takes bytes; NULL once they were looked at.';
COMMENT ON COLUMN brand_files.object_key IS 'Of the file that we wrote. The object outlives the row: clips name it.';

CREATE INDEX brand_files_of_kit ON brand_files (workspace_id, kit_id, id);
-- One logo, one watermark, one font, one outro; more may be on their way.
CREATE UNIQUE INDEX brand_files_one_of_each ON brand_files (workspace_id, kit_id, kind) WHERE confirmed_at IS NOT NULL;

ALTER TABLE brand_files ENABLE ROW LEVEL SECURITY;
ALTER TABLE brand_files FORCE ROW LEVEL SECURITY;
CREATE POLICY "a workspace sees and changes only its own brand files" ON brand_files
    TO cliply_api, cliply_pipeline
    USING (workspace_id = (SELECT app.workspace_id()))
    WITH CHECK (workspace_id = (SELECT app.workspace_id()));
GRANT SELECT, INSERT, UPDATE, DELETE ON brand_files TO cliply_api;
GRANT SELECT ON brand_files TO cliply_pipeline;


-- A copy of the kit as it was, since what was asked for must not change under the hands of who renders it.
ALTER TABLE renders ADD COLUMN brand jsonb;
ALTER TABLE render_wishes ADD COLUMN brand jsonb;
COMMENT ON COLUMN renders.brand IS 'The brand kit that the version was made with, as it was then; NULL: none.';
COMMENT ON COLUMN render_wishes.brand IS 'The brand kit that it is to be made with, as it was when somebody asked; NULL: none.';
