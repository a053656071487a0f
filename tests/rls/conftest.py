"""Two workspaces with a row in every table."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
import pytest

from cliply_resources.database import Clip, Database, Render, Upload, UploadStep

GLOBAL_TABLES = {"schema_migrations"}
"""Reviewed: holds nothing of any workspace."""


@dataclass(frozen=True)
class TwoWorkspaces:
    """`ours` is the one that misbehaves."""

    database: Database
    ours: UUID
    theirs: UUID


@pytest.fixture(scope="module")
def tables(shared_url: str) -> list[str]:
    """Every table of ours, asked of the catalogue so that a new one cannot be forgotten."""
    with psycopg.connect(shared_url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, 'app'::regnamespace)"
        ).fetchall()
    return sorted({name for (name,) in rows} - GLOBAL_TABLES)


@pytest.fixture(scope="module")
def two(shared_url: str, shared_database: Database) -> TwoWorkspaces:
    """Both workspaces, filled alike; a new table needs a row here, or the tests over all tables say so."""
    ours, theirs = uuid4(), uuid4()
    with psycopg.connect(shared_url, autocommit=True) as connection:
        for workspace in (ours, theirs):
            connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w')", [workspace])
    for workspace in (ours, theirs):
        with shared_database.pipeline(workspace) as session:
            upload = Upload(source_kind="file", source_uri="/a.mp4", source_sha256="a" * 64, settings_digest="d")
            session.add(upload)
            session.flush()
            clip = Clip(upload_id=upload.id, rank=1, start_s=0.0, end_s=9.5, score=80.0)
            session.add_all([clip, UploadStep(upload_id=upload.id, step="scenes", reused_from=upload.id)])
            session.flush()
            session.add(Render(clip_id=clip.id, aspect="9:16", style="karaoke"))
    return TwoWorkspaces(shared_database, ours, theirs)
