"""A workspace with an account on a simulated platform, a stored clip, and a publisher."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from example_simulator import ExamplePlatform, ExampleSimulator
from simulator_base import RealClock

from cliply_assets.posts.publisher import Publisher
from cliply_resources.accounts import connect_account
from cliply_resources.database import Database, PostAttempt, PostRow
from cliply_resources.platforms.documents import PostContent, Profile, Tokens, VideoFacts
from cliply_resources.posts.wishes import PostWish, create_post
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage, open_storage
from cliply_resources.vault import Vault

CLIP_BYTES = 250_000


@dataclass
class Room:
    """What a test needs to publish; times are real unless a clock is given."""

    settings: Settings
    database: Database
    storage: Storage
    simulator: ExampleSimulator
    workspace: UUID
    tail: bool
    accounts: dict[str, UUID] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "example_tail" if self.tail else "example"

    def platform(self, name: str) -> Any:
        """The adapter of either kind."""
        return ExamplePlatform(self.simulator.url, tail=name == "example_tail", wait=0.1, settle=0.5)

    def connect(self, who: str = "ann") -> UUID:
        """An account of that name."""
        if f"at-{who}-0" not in self.simulator.tokens:
            self.simulator.connect(who)
        token = self.simulator.tokens[f"at-{who}-0"]
        tokens = Tokens(
            access_token=token.value, refresh_token=token.refresh, expires_at=token.expires_at, scopes=("post",)
        )
        with self.database.pipeline(self.workspace) as session:
            row = connect_account(
                session, Vault(self.settings), self.platform(self.name), Profile(remote_id=who, name=who), tokens,
                workspace_id=self.workspace, user_id=None, now=self.simulator.clock(),
            )  # fmt: skip
            self.accounts[who] = row.id
            return row.id

    def post(
        self,
        text: str,
        *,
        who: str = "ann",
        due: datetime | None = None,
        tolerance: int = 3600,
        size: int = CLIP_BYTES,
        platform: str | None = None,
        upload_id: UUID | None = None,
    ) -> UUID:
        """A post that is due now, or then."""
        if who not in self.accounts:
            self.connect(who)
        key = f"{self.workspace}/clips/{UUID(int=size)}/v1/clip.mp4"
        if not self.storage.exists(key):
            self.storage.put_bytes(key, bytes(size))
        with self.database.api(self.workspace) as session:
            wish = PostWish(
                account_id=self.accounts[who],
                platform=platform or self.name,
                upload_id=upload_id,
                clip_id=None,
                object_key=key,
                video=VideoFacts(size=size, sha256="0" * 64, duration=20.0, width=1080, height=1920),
                content=PostContent(caption=text),
                due_at=due or self.simulator.clock(),
                tolerance_seconds=tolerance,
            )
            return create_post(session, wish, prepare_seconds=self.settings.publish_prepare_seconds).id

    def publisher(self, **changes: Any) -> Publisher:
        """Not running yet."""
        settings = self.settings.model_copy(update=changes)
        return Publisher(
            self.database, self.storage, settings, clock=self.simulator.clock, platform_named=self.platform
        )

    def row(self, post: UUID) -> PostRow:
        """The post as it stands."""
        with self.database.api(self.workspace) as session:
            return session.get_one(PostRow, (self.workspace, post))

    def attempts(self, post: UUID) -> list[PostAttempt]:
        """Its calls, oldest first."""
        with self.database.api(self.workspace) as session:
            return list(session.query(PostAttempt).filter_by(post_id=post).order_by(PostAttempt.id))


def open_room(settings, database, *, tail):
    settings = settings.model_copy(update={"publish_takeover_seconds": 0.3, "publish_threads": 4})
    workspace = uuid4()
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w')", [workspace])
    with ExampleSimulator(RealClock(), tail=tail, works=0.2) as simulator:
        yield Room(settings, database, open_storage(settings), simulator, workspace, tail)


def soon(room, seconds):
    return room.simulator.clock() + timedelta(seconds=seconds)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
