"""Two workspaces with a row in every table."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import func
from sqlalchemy.orm import Session

from cliply_resources.database import (
    AccountRow,
    BrandFileRow,
    BrandKitRow,
    Clip,
    ClipComment,
    Database,
    EventTicket,
    FeedSubscription,
    ImportedPost,
    OAuthState,
    PlatformEvent,
    PostAttempt,
    PostMeasure,
    PostMetrics,
    PostRow,
    PublishDefaults,
    Render,
    RenderWish,
    StorageTally,
    Upload,
    UploadRun,
    UploadStep,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)

GLOBAL_TABLES = {"platform_switches", "reading_budgets", "schema_migrations"}
"""Reviewed: hold nothing of any workspace."""

IDENTITY_TABLES = {
    "account_idempotency_keys",
    "api_tokens",
    "identity_log",
    "invitations",
    "mail_queue",
    "mail_tokens",
    "rate_limits",
    "refresh_tokens",
    "sessions",
    "signing_keys",
    "users",
}
"""Reviewed: accounts and sign-ins. They are of no workspace, and no role that serves workspaces may even name them."""

SHARED_WITH_IDENTITY = {"audit_log", "idempotency_keys", "members", "platform_switches", "workspaces"}
"""Reviewed: of a workspace (or of all), and kept for all workspaces by the identity role, too."""


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
    return sorted({name for (name,) in rows} - GLOBAL_TABLES - IDENTITY_TABLES)


@pytest.fixture(scope="module")
def identity_tables() -> list[str]:
    """Tables of accounts and sign-ins."""
    return sorted(IDENTITY_TABLES)


@pytest.fixture(scope="module")
def shared_with_identity() -> list[str]:
    """Tables of workspaces that the identity role keeps, too."""
    return sorted(SHARED_WITH_IDENTITY)


@pytest.fixture(scope="module")
def two(shared_url: str, shared_database: Database) -> TwoWorkspaces:
    """Both workspaces, filled alike; a new table needs a row here, or the tests over all tables say so."""
    ours, theirs = uuid4(), uuid4()
    with psycopg.connect(shared_url, autocommit=True) as connection:
        for workspace in (ours, theirs):
            connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w')", [workspace])
            user = connection.execute(
                "INSERT INTO users (email, password_hash) VALUES (%s, '') RETURNING id", [f"{workspace}@example.com"]
            ).fetchone()
            connection.execute(
                "INSERT INTO members (workspace_id, user_id, role) VALUES (%s, %s, 'owner')", [workspace, user[0]]
            )
            connection.execute("INSERT INTO audit_log (workspace_id, action) VALUES (%s, 'test')", [workspace])
            connection.execute(
                "INSERT INTO idempotency_keys (workspace_id, owner_id, key, request_hash) VALUES (%s, %s, 'k', '')",
                [workspace, user[0]],
            )
    for workspace in (ours, theirs):
        with shared_database.pipeline(workspace) as session:
            upload = Upload(source_kind="file", source_uri="/a.mp4", source_sha256="a" * 64, settings_digest="d")
            session.add(upload)
            session.flush()
            clip = Clip(upload_id=upload.id, rank=1, start_s=0.0, end_s=9.5, score=80.0)
            session.add_all([clip, UploadStep(upload_id=upload.id, step="scenes", reused_from=upload.id)])
            session.flush()
            session.add(Render(clip_id=clip.id, aspect="9:16", style="karaoke"))
            session.add(UploadRun(upload_id=upload.id, number=1, attempt=1))
            parts = {"source_bytes": 5, "analysis_bytes": 2, "clip_bytes": 2}
            session.add(StorageTally(day=date(2026, 11, 20), objects=3, bytes=9, **parts))
        with shared_database.api(workspace) as session:
            session.add(ClipComment(clip_id=clip.id, body="!", author_id=uuid4()))
            wish = {"aspects": ["9:16"], "style": "none", "start_s": 0.0, "end_s": 9.5, "settings_digest": "d"}
            session.add(RenderWish(clip_id=clip.id, **wish))
        with shared_database.api(workspace) as session:
            endpoint = WebhookEndpoint(url="https://example.com", events=["*"], secret="whsec_AA==")
            session.add(endpoint)
            session.flush()
            delivery = WebhookDelivery(endpoint_id=endpoint.id, event_id=uuid4(), kind="webhook.test")
            session.add(delivery)
            session.flush()
            session.add(WebhookAttempt(delivery_id=delivery.id, number=1, at=func.now(), ms=1))
            session.add(EventTicket(ticket_hash=b"t", upload_id=upload.id, user_id=uuid4(), expires_at=func.now()))
        with shared_database.api(workspace) as session:
            kit = BrandKitRow(name="Ours")
            session.add(kit)
            session.flush()
            session.add(BrandFileRow(kit_id=kit.id, kind="logo", name="a.png", content_type="image/png", given_size=1))
        with shared_database.api(workspace) as session:
            post = _add_publishing(session, upload.id, clip.id)
        with shared_database.pipeline(workspace) as session:
            session.add(PostMeasure(post_id=post.id, account_id=post.account_id))
            session.add(PostMetrics(post_id=post.id, at=func.now()))
            found = {"platform": "sandbox", "remote_id": "2", "published_at": func.now()}
            session.add(ImportedPost(account_id=post.account_id, **found))
            asked = {"secret": b"sealed", "asked_at": func.now(), "next_at": func.now()}
            session.add(FeedSubscription(account_id=post.account_id, **asked))
    return TwoWorkspaces(shared_database, ours, theirs)


def _add_publishing(session: Session, upload_id: UUID, clip_id: UUID) -> PostRow:
    account = AccountRow(platform="sandbox", remote_id="1", name="Ann", tokens=b"sealed")
    state = {"user_id": uuid4(), "platform": "sandbox", "redirect_uri": "http://localhost/", "expires_at": func.now()}
    session.add_all([account, PublishDefaults(platform="sandbox"), OAuthState(state_hash=b"h", verifier=b"v", **state)])
    session.flush()
    media = {"object_key": "k", "video": {}, "content": {}, "due_at": func.now(), "tolerance_seconds": 60}
    post = PostRow(account_id=account.id, platform="sandbox", upload_id=upload_id, clip_id=clip_id, **media)
    session.add(post)
    session.flush()
    call = {"lease": 1, "revision": 1, "step": "publish", "kind": "commit", "started_at": func.now()}
    session.add(PostAttempt(post_id=post.id, **call))
    told = {"event_id": "e", "kind": "published", "at": func.now()}
    session.add(PlatformEvent(account_id=account.id, **told))
    return post
