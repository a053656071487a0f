-- What was done to the sound of a version: the pauses and filler words that were taken out and the like. Empty where nothing was.

SET LOCAL ROLE cliply_owner;

ALTER TABLE renders ADD COLUMN sound jsonb NOT NULL DEFAULT '{}'
    CONSTRAINT renders_sound_is_a_document CHECK (jsonb_typeof(sound) = 'object');
COMMENT ON COLUMN renders.sound IS 'What was done to its sound, once it is ready: what was taken out and the like.';
