-- The line that a clip can open with, kept beside its title. Clips that are older have none.

SET LOCAL ROLE cliply_owner;

ALTER TABLE clips ADD COLUMN hook text NOT NULL DEFAULT ''
    CONSTRAINT clips_hook_is_a_line CHECK (length(hook) <= 200);
COMMENT ON COLUMN clips.hook IS 'A line in words of the clip to show or write at its start; empty where nothing is said.';
