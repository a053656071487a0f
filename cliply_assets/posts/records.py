"""Rows of posts as the publisher reads and writes them: claims, intents, results. Each function is one transaction.

A claim is a lease with a fencing token: `posts.lease` counts up with every claim and every change by people, and every later write
names the number it holds. Whether a publisher lives is asked of its advisory lock, which the server takes back the moment its process
dies; only a dead one's publishing call is ever taken to be over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_assets.posts.statements import INTEND, LOCK_ACCOUNT, NOTE_INTENT, WRITE
from cliply_assets.posts.together import Together
from cliply_resources.accounts import AccountAccess, park_account, read_access
from cliply_resources.database import AccountRow, Database, PlatformSwitch, PostAttempt, PostRow
from cliply_resources.database.connect import lock_key
from cliply_resources.platforms.contract import Platform
from cliply_resources.platforms.documents import (
    PostContent,
    Published,
    PublishIntent,
    PublishState,
    Step,
    StepKind,
    VideoFacts,
)
from cliply_resources.platforms.outcomes import Outcome, PlatformTrouble
from cliply_resources.posts.machine import FINAL, Move, PostState, Standing, is_late, missed, taken_over
from cliply_resources.posts.places import progress_place
from cliply_resources.vault import Vault

__all__ = ["BLOCKED_SECONDS", "Attempted", "LeaseLost", "PostRecords", "Work", "publisher_lock"]

BLOCKED_SECONDS = 1.0
PASSING_SECONDS = 60
"""A post of the same account that has to wait longer than this lets later ones pass."""
SWITCHED_OFF_SECONDS = 30.0
WAITING: tuple[PostState, ...] = ("due", "claimed", "prepared")
DAY = timedelta(days=1)
BY_ITSELF = {"synchronize_session": False}
"""No object in memory stands for the row that a statement changes."""


class LeaseLost(Exception):
    """Somebody changed the post, or took it over; nothing of what was done here counts."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A post that this publisher holds."""

    workspace_id: UUID
    post_id: UUID
    account_id: UUID
    upload_id: UUID | None
    object_key: str
    lease: int
    revision: int
    intent: PublishIntent
    access: AccountAccess | None
    """`None` where the account's sign-in is dead."""
    dead: Outcome | None
    """Then: why."""
    standing: Standing
    progress: PublishState = field(repr=False)
    published: Published | None = None


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """One call and what came of it."""

    step: str
    kind: str
    started_at: datetime
    ended_at: datetime
    outcome: str
    code: str = ""
    reason: str = ""
    raw: str = ""
    sent_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class _Written:
    """What one call leaves in the rows of its post."""

    work: Work
    move: Move
    attempted: Attempted | None
    progress: PublishState
    values: dict[str, object]


def publisher_lock(worker: UUID) -> str:
    """The name of the lock that a publisher holds for as long as it lives."""
    return f"publisher {worker}"


class PostRecords:
    """What one publisher (`worker`) reads and writes."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        platform_named: Callable[[str], Platform],
        *,
        worker: UUID,
        lease_seconds: float,
        takeover_seconds: float,
    ) -> None:
        self.database = database
        self.vault = vault
        self._platform = platform_named
        self._worker = worker
        self._lease = timedelta(seconds=lease_seconds)
        self._takeover = timedelta(seconds=takeover_seconds)
        self._together: Together[_Written, None] = Together(self._write_all)

    def to_wake(self, moment: datetime, at_most: int) -> list[tuple[UUID, UUID]]:
        """Workspace and post ids to look at by then, the earliest due first."""
        with self.database.across() as session:
            found = session.execute(
                sa.text("SELECT * FROM app.posts_to_wake(:moment, :most)"), {"moment": moment, "most": at_most}
            )
            return [(row[0], row[1]) for row in found]

    def to_hold(self, moment: datetime, at_most: int) -> list[tuple[UUID, UUID]]:
        """Workspace and post ids of prepared posts that nobody holds and that are due by then."""
        with self.database.across() as session:
            found = session.execute(
                sa.text("SELECT * FROM app.posts_to_hold(:moment, :most)"), {"moment": moment, "most": at_most}
            )
            return [(row[0], row[1]) for row in found]

    def hold(self, workspace_id: UUID, post_id: UUID, now: datetime, *, ahead: float) -> Work | None:
        """A prepared post that is due within `ahead` seconds, to be published then; others look at it only after that."""
        with self.database.pipeline(workspace_id) as session:
            mine = sa.select(PostRow).where(PostRow.id == post_id).with_for_update(skip_locked=True)
            row = session.scalars(mine).one_or_none()
            if row is None or row.state != "prepared" or row.worker is not None:
                return None
            if row.wake_at is None or row.wake_at > now + timedelta(seconds=ahead):
                return None
            standing = self._standing(row)
            if self._put_off(session, row, standing, now):
                return None
            work = self._taken(session, row, standing, now)
            row.wake_at = max(row.due_at, now) + self._takeover
            return work

    def let_go(self, work: Work) -> None:
        """A post that is held is anybody's again; nothing happens where it is not held any more."""
        with self.database.pipeline(work.workspace_id) as session:
            session.execute(
                self._held(work)
                .where(PostRow.state == "prepared")
                .values(worker=None, lease_until=None, lease=PostRow.lease + 1, wake_at=work.standing.due_at)
            )

    def lives(self, worker: UUID) -> bool:
        """Whether the publisher holds its lock. Of one's own: whether the connection that holds it still stands."""
        with self.database.across() as session:
            return not self._dead(session, worker)

    def claim(self, workspace_id: UUID, post_id: UUID, now: datetime, *, ahead: float = 0.0) -> Work | None:
        """The post, to be worked on; `None` where there is nothing to do now (and the row says when there is).

        `ahead`: seconds by which its turn may be later; for one whose predecessor has just been sent.
        """
        with self.database.pipeline(workspace_id) as session:
            mine = sa.select(PostRow).where(PostRow.id == post_id).with_for_update(skip_locked=True)
            row = session.scalars(mine).one_or_none()
            if row is None or row.wake_at is None or row.wake_at > now + timedelta(seconds=ahead):
                return None
            standing = self._standing(row)
            if row.worker is not None and row.worker != self._worker:
                hung = row.lease_until is not None and row.lease_until < now and row.state != "committing"
                if not (hung or self._dead(session, row.worker)):
                    row.wake_at = now + self._takeover
                    return None
            if row.worker is not None:
                standing = self._recovered(row, standing)
            if self._put_off(session, row, standing, now):
                return None
            return self._taken(session, row, standing, now)

    def intend(self, work: Work, step: Step, now: datetime) -> Work | Move:
        """Records the intent to publish: from here on the call may be made, once. A `Move` says why not now.

        Raises:
            LeaseLost: the post was changed, cancelled or taken over.
        """
        place = {"workspace": work.workspace_id, "account": work.account_id}
        with self.database.pipeline(work.workspace_id) as session:
            # One at a time for an account: caps and order are judged under its lock.
            account = session.execute(LOCK_ACCOUNT, place).one()
            held_back = self._held_back(session, work, account, now)
            if held_back is not None:
                return held_back
            intent = {
                "post": work.post_id, "lease": work.lease, "worker": self._worker, "revision": work.revision, "now": now,
                "lease_until": now + self._lease, "wake_at": now + self._takeover, "due_at": work.standing.due_at,
                "passing": now + timedelta(seconds=PASSING_SECONDS), "step": step.name, "handle": work.progress.handle,
            }  # fmt: skip
            if session.execute(INTEND, place | intent).one_or_none() is None:
                if self._earlier(session, work, now):
                    standing = work.standing
                    blocked = now + timedelta(seconds=BLOCKED_SECONDS)
                    return Move(
                        state="prepared", next_at=blocked, attempts=standing.attempts, restarts=standing.restarts
                    )
                raise LeaseLost
        return _with(work, standing=msgspec.structs.replace(work.standing, state="committing", committed_at=now))

    def write(
        self, work: Work, move: Move, *, now: datetime, progress: PublishState | None = None,
        published: Published | None = None, attempted: Attempted | None = None, keep: bool = False,
    ) -> Work:  # fmt: skip
        """Writes what came of a call; `keep`: the post is worked on further.

        Raises:
            LeaseLost: the post was changed or taken over, and nothing was written.
        """
        published = published or work.published
        progress = PublishState() if move.reset else progress or work.progress
        committed_at = None if move.intent == "not_applied" else work.standing.committed_at
        over = move.state in FINAL and move.next_at is None
        wake_at = now + self._takeover if keep else None if over or move.state == "asking" else move.next_at or now
        shown = published or Published()
        values = {
            "workspace": work.workspace_id, "post": work.post_id, "lease": work.lease, "worker": self._worker,
            "state": move.state, "reason": move.reason, "code": move.code, "attempts": move.attempts, "restarts": move.restarts,
            "reauthorized": move.renew, "committed_at": committed_at, "handle": progress.handle, "now": now,
            "progress": None if over else self.vault.seal_document(progress, progress_place(work.workspace_id, work.post_id)),
            "next_worker": self._worker if keep else None, "lease_until": now + self._lease if keep else None, "wake_at": wake_at,
            "remote_id": shown.remote_id, "url": shown.url, "visibility": shown.visibility,
        }  # fmt: skip
        written = _Written(work=work, move=move, attempted=attempted, progress=progress, values=values)
        self._together.ask(work.workspace_id, written)
        self._park(work, move)
        standing = msgspec.structs.replace(
            work.standing, state=move.state, attempts=move.attempts, restarts=move.restarts, reauthorized=move.renew,
            committed_at=committed_at,
        )  # fmt: skip
        return _with(work, standing=standing, progress=progress, published=published)

    def _write_all(self, workspace_id: UUID, results: Sequence[_Written]) -> list[Exception | None]:
        """Each result, or why it was not written. Intents are never written here: each is committed before its call."""
        try:
            with self.database.pipeline(workspace_id) as session:
                return [self._write_one(session, one) for one in results]
        except sa.exc.DBAPIError as error:
            if len(results) == 1:
                return [error]
        # What the database refuses of one must not hold back the others.
        return [answer for one in results for answer in self._write_all(workspace_id, [one])]

    def _write_one(self, session: Session, result: _Written) -> LeaseLost | None:
        if session.execute(WRITE, result.values).one_or_none() is None:
            return LeaseLost()
        self._note(session, result.work, result.move, result.attempted, result.progress)
        return None

    def _park(self, work: Work, move: Move) -> None:
        # By itself: an account is locked before its posts everywhere, and never after.
        if move.park:
            with self.database.pipeline(work.workspace_id) as session:
                reason = move.reason or "The sign-in is no longer taken."
                park_account(session, work.workspace_id, work.account_id, reason)
        if move.parked_until is not None:
            with self.database.pipeline(work.workspace_id) as session:
                mine = sa.update(AccountRow).where(AccountRow.id == work.account_id)
                session.execute(mine.values(parked_until=move.parked_until))

    def next_of_account(self, work: Work, now: datetime) -> UUID | None:
        """The account's next prepared post that is due; so a row of them is published without a pause."""
        with self.database.pipeline(work.workspace_id) as session:
            following = (
                sa.select(PostRow.id)
                .where(
                    PostRow.account_id == work.account_id,
                    PostRow.state == "prepared",
                    PostRow.due_at <= now,
                    PostRow.worker.is_(None),
                    PostRow.wake_at <= now + timedelta(seconds=BLOCKED_SECONDS),
                )
                .order_by(PostRow.due_at, PostRow.id)
                .limit(1)
            )
            return session.scalars(following).one_or_none()

    def _dead(self, session: Session, worker: UUID) -> bool:
        key = lock_key(publisher_lock(worker))
        return bool(session.execute(sa.select(sa.func.pg_try_advisory_xact_lock_shared(key))).scalar_one())

    def _standing(self, row: PostRow) -> Standing:
        return Standing(
            state=row.state,  # type: ignore[arg-type] # the database checks it
            due_at=row.due_at,
            tolerance=float(row.tolerance_seconds),
            attempts=row.attempts,
            restarts=row.restarts,
            reauthorized=row.reauthorized,
            confirm_for=self._platform(row.platform).capabilities.confirm_for,
            committed_at=row.committed_at,
        )

    def _recovered(self, row: PostRow, standing: Standing) -> Standing:
        move = taken_over(standing)
        row.state, row.reason = move.state, move.reason or row.reason
        return msgspec.structs.replace(standing, state=move.state)

    def _put_off(self, session: Session, row: PostRow, standing: Standing, now: datetime) -> bool:
        """Whether there is nothing to do for this post now; then its row says so."""
        waits = standing.state in {*WAITING, "held", "requested"}
        if waits and is_late(standing, now):
            move = missed(standing, row.reason or "")
            row.state, row.reason, row.code, row.wake_at = move.state, move.reason, move.code, None
        elif standing.state in {"held", "requested"}:
            row.wake_at = row.due_at + timedelta(seconds=row.tolerance_seconds + 1)
        elif waits and (off := session.get(PlatformSwitch, row.platform)) is not None:
            row.reason, row.wake_at = off.reason, now + timedelta(seconds=SWITCHED_OFF_SECONDS)
        elif standing.state in WAITING or standing.state in {"confirming", "unknown", "published"}:
            return False
        else:
            row.wake_at = None
        row.worker = row.lease_until = None
        row.lease += 1
        return True

    def _taken(self, session: Session, row: PostRow, standing: Standing, now: datetime) -> Work:
        if standing.state == "due":
            standing = msgspec.structs.replace(standing, state="claimed")
        access, dead = None, None
        try:
            access = read_access(session, self.vault, row.account_id)
        except PlatformTrouble as error:
            dead = error.outcome
        row.state, row.worker, row.lease = standing.state, self._worker, row.lease + 1
        row.lease_until, row.wake_at, row.updated_at = now + self._lease, now + self._takeover, now
        session.flush()
        place = progress_place(row.workspace_id, row.id)
        sealed = row.progress
        published = Published(remote_id=row.remote_id, url=row.url, live=row.state == "published")
        return Work(
            workspace_id=row.workspace_id,
            post_id=row.id,
            account_id=row.account_id,
            upload_id=row.upload_id,
            object_key=row.object_key,
            lease=row.lease,
            revision=row.revision,
            intent=PublishIntent(
                post_id=str(row.id),
                marker=f"cliply-{row.id.hex[-12:]}",
                content=msgspec.convert(row.content, PostContent),
                video=msgspec.convert(row.video, VideoFacts),
            ),
            access=access,
            dead=dead,
            standing=standing,
            progress=self.vault.open_document(sealed, place, PublishState) if sealed else PublishState(),
            published=published if row.remote_id or row.state == "published" else None,
        )

    def _held_back(self, session: Session, work: Work, account: sa.Row[Any], now: datetime) -> Move | None:
        keep = {"state": "prepared", "attempts": work.standing.attempts, "restarts": work.standing.restarts}
        if is_late(work.standing, now):
            return missed(work.standing)
        if account.state != "ok":
            return Move(state="held", reason=account.reason or f"{account.name} is not connected.")
        if account.off is not None:
            return Move(next_at=now + timedelta(seconds=SWITCHED_OFF_SECONDS), reason=account.off, **keep)  # type: ignore[arg-type]
        until = self._cap_until(session, account, now)
        if until is not None:
            reason = f"{account.name} has reached its cap of posts until {until:%Y-%m-%d %H:%M} UTC."
            if is_late(work.standing, until):
                return missed(work.standing, reason)
            return Move(next_at=until, reason=reason, **keep)  # type: ignore[arg-type]
        return None

    def _cap_until(self, session: Session, account: sa.Row[Any], now: datetime) -> datetime | None:
        parked_until: datetime | None = account.parked_until
        if parked_until is not None and parked_until > now:
            return parked_until
        most = self._platform(account.platform).limits.posts_per_day
        if account.posts_per_day is not None:
            most = min(account.posts_per_day, most or account.posts_per_day)
        if most is None and account.min_gap_seconds == 0:
            return None
        made = (
            sa.select(PostAttempt.started_at)
            .join(PostRow, sa.and_(PostRow.workspace_id == PostAttempt.workspace_id, PostRow.id == PostAttempt.post_id))
            .where(
                PostRow.account_id == account.id,
                PostAttempt.kind == "commit",
                sa.or_(PostAttempt.resolution.is_(None), PostAttempt.resolution == "applied"),
                PostAttempt.started_at > now - DAY,
            )
            .order_by(PostAttempt.started_at.desc())
        )
        times = list(session.scalars(made))
        if most is not None and len(times) >= most:
            return times[most - 1] + DAY
        if times and times[0] + timedelta(seconds=account.min_gap_seconds) > now:
            return times[0] + timedelta(seconds=account.min_gap_seconds)
        return None

    def _earlier(self, session: Session, work: Work, now: datetime) -> bool:
        """Whether a post of this account comes first."""
        before = (
            sa.select(PostRow.id)
            .where(
                PostRow.account_id == work.account_id,
                PostRow.state.in_((*WAITING, "committing")),
                sa.tuple_(PostRow.due_at, PostRow.id) < (work.standing.due_at, work.post_id),
                PostRow.wake_at <= now + timedelta(seconds=PASSING_SECONDS),
            )
            .limit(1)
        )
        return session.scalars(before).one_or_none() is not None

    def _held(self, work: Work) -> sa.Update:
        return sa.update(PostRow).where(
            PostRow.id == work.post_id, PostRow.lease == work.lease, PostRow.worker == self._worker
        )

    def _note(
        self, session: Session, work: Work, move: Move, attempted: Attempted | None, progress: PublishState
    ) -> None:
        """The call's row, and what it says about the open intent."""
        if attempted is not None:
            said = {
                "outcome": attempted.outcome, "code": attempted.code, "reason": attempted.reason or None,
                "raw": attempted.raw, "ended_at": attempted.ended_at, "handle": progress.handle,
                "sent_bytes": attempted.sent_bytes,
            }  # fmt: skip
            if attempted.kind == StepKind.COMMIT:
                place = {"workspace": work.workspace_id, "post": work.post_id, "resolution": move.intent}
                session.execute(NOTE_INTENT, said | place)
                return
            session.add(
                PostAttempt(
                    post_id=work.post_id, lease=work.lease, revision=work.revision, step=attempted.step,
                    kind=attempted.kind, started_at=attempted.started_at, **said,
                )
            )  # fmt: skip
        if move.intent is not None:
            intents = sa.update(PostAttempt).where(
                PostAttempt.post_id == work.post_id,
                PostAttempt.kind == "commit",
                sa.or_(PostAttempt.resolution.is_(None), PostAttempt.resolution == "applied"),
            )
            session.execute(intents.values(resolution=move.intent), execution_options=BY_ITSELF)


def _with(work: Work, **changes: object) -> Work:
    return replace(work, **changes)  # type: ignore[arg-type]
