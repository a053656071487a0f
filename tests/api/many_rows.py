"""Full workspaces, made in the database within moments: nothing goes through the pipeline, or row by row."""

from collections.abc import Sequence
from uuid import UUID

import psycopg

__all__ = ["fill", "surround"]

_STATEMENTS = (
    """
    INSERT INTO uploads (workspace_id, title, source_kind, source_uri, source_sha256, source_size, settings_digest, created_at,
                         started_attempt, completed_at)
    SELECT place, 'Evening stream ' || n, 'url', 'https://example.com/' || n, repeat('a', 64), 734003200, 'd' || n,
           now() - n * interval '1 hour', 1, now() - n * interval '1 hour' + interval '2 minutes'
    FROM unnest(%(places)s::uuid[]) AS place, generate_series(1, %(uploads)s) AS n
    """,
    """
    INSERT INTO upload_steps (workspace_id, upload_id, step, state, percent, attempt, started_at, ended_at, usage, summary)
    SELECT workspace_id, id, step, 'completed', 100, 1, created_at, created_at + interval '90 s',
           '{"cpu_seconds": 61.5}', '{"engine": "faster-whisper", "words": 1804}'
    FROM uploads, unnest(ARRAY['source_video', 'media_proxy', 'transcript', 'scenes', 'face_tracks', 'audio_features',
                               'clip_candidates']) AS step
    WHERE workspace_id = ANY(%(places)s::uuid[])
    """,
    """
    INSERT INTO clips (workspace_id, upload_id, rank, start_s, end_s, score, title, description, hashtags, reasons, subscores,
                       created_at, state)
    SELECT workspace_id, id, n, 60 * n, 60 * n + 31.5, greatest(0, 99 - n * 0.5), 'Why version ' || n || ' failed',
           'It was ready too late, and nobody had asked for it.', '{#startup,#failure}',
           '{It opens with a question.,The answer comes within eight seconds.}', '{"hook": 91.0, "pace": 64.5}',
           created_at + n * interval '1 s', (ARRAY['proposed', 'approved', 'rejected'])[1 + n %% 3]
    FROM uploads, generate_series(1, %(clips)s) AS n
    WHERE workspace_id = ANY(%(places)s::uuid[])
    """,
    """
    INSERT INTO renders (workspace_id, clip_id, version, aspect, style, spec_digest, state, objects, sha256, duration, ended_at)
    SELECT workspace_id, id, 1, '9:16', 'karaoke', 'r' || id, 'ready',
           jsonb_build_object('video', workspace_id || '/clips/' || id || '/v1/9x16-clip.mp4',
                              'thumbnail', workspace_id || '/clips/' || id || '/v1/9x16-thumbnail.jpg'),
           repeat('b', 64), 31.5, created_at
    FROM clips
    WHERE workspace_id = ANY(%(places)s::uuid[])
    """,
    """
    INSERT INTO clip_comments (workspace_id, clip_id, body, author_id)
    SELECT workspace_id, id, 'Start a word earlier?', %(author)s FROM clips
    WHERE workspace_id = ANY(%(places)s::uuid[]) AND rank <= %(comments)s
    """,
)


def fill(
    connection: psycopg.Connection,
    places: Sequence[UUID | str],
    author: UUID | str,
    *,
    uploads: int,
    clips: int,
    comments: int = 1,
) -> None:
    """Gives each workspace `uploads` analysed uploads with `clips` rendered clips each, the best `comments` of them discussed.

    As superuser, without triggers: no events are written, and nobody is told.
    """
    values = {
        "places": [str(place) for place in places],
        "uploads": uploads,
        "clips": clips,
        "comments": comments,
        "author": str(author),
    }
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in _STATEMENTS:
            connection.execute(statement, values)


_AROUND = (
    """
    INSERT INTO render_wishes (workspace_id, clip_id, aspects, style, start_s, end_s, settings_digest)
    SELECT workspace_id, id, '{9:16}', 'none', start_s, end_s, 'd' FROM clips WHERE workspace_id = %(place)s
    """,
    """
    INSERT INTO webhook_endpoints (workspace_id, url, events, secret)
    SELECT %(place)s, 'https://hooks.invalid/' || n, '{*}', 'whsec_AAAA' FROM generate_series(1, %(each)s) AS n
    """,
    """
    INSERT INTO webhook_deliveries (workspace_id, endpoint_id, event_id, kind, state)
    SELECT workspace_id, id, uuidv7(), 'webhook.test', 'failed' FROM webhook_endpoints, generate_series(1, %(each)s / 20 + 1)
    WHERE workspace_id = %(place)s
    """,
    """
    INSERT INTO webhook_attempts (workspace_id, delivery_id, number, at, ms)
    SELECT workspace_id, id, n, now(), 12 FROM webhook_deliveries, generate_series(1, 2) AS n WHERE workspace_id = %(place)s
    """,
    """
    INSERT INTO invitations (workspace_id, email, role, invited_by, expires_at)
    SELECT %(place)s, 'guest' || n || '@example.com', 'viewer', %(author)s, now() + interval '1 day'
    FROM generate_series(1, %(each)s) AS n
    """,
    """
    INSERT INTO api_tokens (user_id, workspace_id, name, start, token_hash, scopes, expires_at)
    SELECT %(author)s, %(place)s, 'token ' || n, 'clp_pt_', sha256((%(place)s::uuid::text || n)::bytea), '{upload.read}',
           now() + interval '1 day'
    FROM generate_series(1, %(each)s) AS n
    """,
    """
    WITH guests AS (
        INSERT INTO users (email, password_hash, name)
        SELECT 'member' || n || '-' || %(place)s::uuid::text || '@example.com', '', 'Member ' || n
        FROM generate_series(1, %(each)s) AS n RETURNING id
    )
    INSERT INTO members (workspace_id, user_id, role) SELECT %(place)s, id, 'editor' FROM guests
    """,
    "INSERT INTO workspaces (id, name) SELECT uuidv7(), 'Other ' || n FROM generate_series(1, %(each)s) AS n",
    """
    INSERT INTO audit_log (workspace_id, actor_id, action, subject)
    SELECT %(place)s, %(author)s, 'clip.approved', n::text FROM generate_series(1, %(each)s) AS n
    """,
)


def surround(connection: psycopg.Connection, place: UUID | str, author: UUID | str, *, each: int) -> None:
    """Gives the workspace wishes for all its clips, and `each` webhooks, invitations, tokens, members and lines of its log."""
    values = {"place": str(place), "author": str(author), "each": each}
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in _AROUND:
            connection.execute(statement, values)
