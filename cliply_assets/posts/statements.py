"""The statements of the moment when posts are due, as constants: hundreds of posts wait for them, and putting them together costs more
than running them.

Each names the lease that its writer holds (`lease` and `worker`): where somebody changed the post or took it over, nothing is written.
"""

from sqlalchemy import text

__all__ = ["INTEND", "LOCK_ACCOUNT", "NOTE_INTENT", "WRITE"]

LOCK_ACCOUNT = text(
    """
    SELECT a.id, a.name, a.platform, a.state, a.reason, a.parked_until, a.posts_per_day, a.min_gap_seconds, s.reason AS off
    FROM accounts a LEFT JOIN platform_switches s ON s.platform = a.platform
    WHERE a.workspace_id = :workspace AND a.id = :account
    FOR UPDATE OF a
    """
)
"""What is judged of an account before a post of it is published, and the switch of its platform; one at a time."""

# The intent and its row together, unless an earlier post of the account still has its turn.
INTEND = text(
    """
    WITH changed AS (
        UPDATE posts
        SET state = 'committing', committed_at = :now, updated_at = :now, lease_until = :lease_until, wake_at = :wake_at
        WHERE workspace_id = :workspace AND id = :post AND lease = :lease AND worker = :worker AND revision = :revision
          AND state IN ('claimed', 'prepared')
          AND NOT EXISTS (
              SELECT FROM posts earlier
              WHERE earlier.workspace_id = :workspace AND earlier.account_id = :account
                AND earlier.state IN ('due', 'claimed', 'prepared', 'committing')
                AND (earlier.due_at, earlier.id) < (:due_at, :post) AND earlier.wake_at <= :passing)
        RETURNING id
    )
    INSERT INTO post_attempts (post_id, lease, revision, step, kind, handle, started_at)
    SELECT id, :lease, :revision, :step, 'commit', :handle, :now FROM changed
    RETURNING post_id
    """
)

WRITE = text(
    """
    UPDATE posts
    SET state = :state, reason = :reason, code = :code, attempts = :attempts, restarts = :restarts, reauthorized = :reauthorized,
        committed_at = :committed_at, handle = :handle, progress = :progress, worker = :next_worker, lease_until = :lease_until,
        wake_at = :wake_at, updated_at = :now, remote_id = coalesce(:remote_id, remote_id), url = coalesce(:url, url),
        visibility = coalesce(:visibility, visibility),
        published_at = CASE WHEN :state = 'published' THEN coalesce(published_at, committed_at, :now) ELSE published_at END
    WHERE workspace_id = :workspace AND id = :post AND lease = :lease AND worker = :worker
    RETURNING id
    """
)

NOTE_INTENT = text(
    """
    UPDATE post_attempts
    SET outcome = :outcome, code = :code, reason = :reason, raw = :raw, ended_at = :ended_at, handle = :handle,
        sent_bytes = :sent_bytes, resolution = coalesce(:resolution, resolution)
    WHERE workspace_id = :workspace AND post_id = :post AND kind = 'commit' AND (resolution IS NULL OR resolution = 'applied')
    """
)
"""What came of the call of the intent that was not refuted."""
