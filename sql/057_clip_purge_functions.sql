-- Deleted clips and the files of theirs that are still stored. Its SECURITY DEFINER function is reviewed together with 006.

SET LOCAL ROLE cliply_owner;
ALTER TABLE clips ADD COLUMN purged_at timestamptz;
COMMENT ON COLUMN clips.purged_at IS 'When the stored files of a deleted clip went; the row stays.';
CREATE INDEX clips_to_purge ON clips (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;

GRANT SELECT (deleted_at, purged_at) ON clips TO cliply_definer;
GRANT CREATE ON SCHEMA app TO cliply_definer;
RESET ROLE;
SET LOCAL ROLE cliply_definer;

CREATE FUNCTION app.clips_to_purge(deleted_before timestamptz, at_most integer)
RETURNS TABLE (workspace_id uuid, clip_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.workspace_id, c.id FROM public.clips c
    WHERE c.deleted_at < deleted_before AND c.purged_at IS NULL
    ORDER BY c.deleted_at, c.id
    LIMIT greatest(at_most, 0)
$$;
COMMENT ON FUNCTION app.clips_to_purge(timestamptz, integer) IS
    'Clips that were deleted before that moment and whose files are still stored, the longest first.';

GRANT EXECUTE ON FUNCTION app.clips_to_purge(timestamptz, integer) TO cliply_pipeline;

RESET ROLE;
SET LOCAL ROLE cliply_owner;
REVOKE CREATE ON SCHEMA app FROM cliply_definer;
