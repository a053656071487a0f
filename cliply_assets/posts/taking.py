"""One post, as far as it can be taken now: step by step, each stored before the next."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import random
from typing import Self
from urllib.parse import urlsplit

import msgspec
import structlog

from cliply_assets.posts.records import Attempted, LeaseLost, PostRecords, Work
from cliply_resources.accounts import renew
from cliply_resources.errors import CliplyError, NotFound, TryLater
from cliply_resources.platforms.contract import Call, Clock, Platform, VideoSource
from cliply_resources.platforms.documents import Step, StepKind, StepResult, Tokens
from cliply_resources.platforms.outcomes import Outcome, OutcomeClass, PlatformTrouble, scrub
from cliply_resources.posts.machine import (
    FINAL,
    Move,
    after_reconcile,
    after_reconcile_trouble,
    after_step,
    after_trouble,
    is_late,
    missed,
)
from cliply_resources.storage import Storage

__all__ = ["Taker"]

log = structlog.get_logger()

RENEW_WITHIN = timedelta(seconds=60)
"""A sign-in that ends so soon is renewed before a step, not after its refusal."""
LINK_SECONDS = 6 * 3600
INSIST_SECONDS = 60.0
"""A result is written again for so long while the database is away: what was published must not be forgotten."""
NO_SIGN_IN_SECONDS = 3600.0
ASK_AFTER_SECONDS = 0.5
"""Between the publishing call and the first question what became of it."""
NO_FILE = Path("/nonexistent")
"""For calls that send no bytes of the film."""


@dataclass(frozen=True, kw_only=True)
class Taker:
    """What a publisher needs to work on posts. Its methods may be called by several threads at once."""

    records: PostRecords
    storage: Storage
    platform_named: Callable[[str], Platform]
    clock: Clock
    on_published: Callable[[Work], None] = lambda _: None

    def take(self, work: Work) -> Work | None:
        """As far as it goes now; what has been stored, or `None` where somebody else has the post."""
        try:
            with _Film(self.storage, work.object_key) as film:
                return self._take(work, film)
        except LeaseLost:
            log.info("post_lost", post=str(work.post_id))
            return None

    def _take(self, work: Work, film: "_Film") -> Work:
        while True:
            before = work
            if work.access is None:
                return self._without_sign_in(work)
            work, move = self._one(work, film)
            if work.standing.state == "published" and before.standing.state != "published":
                self.on_published(work)
            if move.renew:
                renewed = self._renewed(work)
                if renewed is None:
                    return work
                work = renewed
            elif not _goes_on(move):
                return work

    def _one(self, work: Work, film: "_Film") -> tuple[Work, Move]:
        """One call, and its result in the row."""
        assert work.access is not None
        platform = self.platform_named(work.access.platform)
        now = self.clock()
        if self._ends_soon(work, platform, now):
            return self._moved(work, msgspec.structs.replace(_same(work), renew=True))
        if work.standing.state == "unknown":
            return self._reconcile(work, platform)
        step = platform.plan(work.intent, work.progress)
        if step is None:
            return self._moved(work, Move(state="published"))
        if work.standing.committed_at is None and is_late(work.standing, now):
            return self._moved(work, missed(work.standing))
        if step.kind is StepKind.COMMIT:
            intended = self._intended(work, step, now)
            if isinstance(intended, Move):
                return self._moved(work, intended)
            work = intended
        return self._step(work, platform, step, film)

    def _intended(self, work: Work, step: Step, now: datetime) -> Work | Move:
        """The post with its intent recorded, or why it is not published yet."""
        if now < work.standing.due_at:
            return msgspec.structs.replace(_same(work), state="prepared", next_at=work.standing.due_at)
        return self.records.intend(work, step, now)

    def _moved(self, work: Work, move: Move) -> tuple[Work, Move]:
        return self._written(work, move), move

    def _step(self, work: Work, platform: Platform, step: Step, film: "_Film") -> tuple[Work, Move]:
        begun = self.clock()
        try:
            call = self._call(work, film if _needs_bytes(work, step) else None)
            result = platform.take(step, work.intent, work.progress, call)
        except Exception as error:  # noqa: BLE001 - whatever an adapter stumbles over, a call that may have published is in doubt
            outcome = _outcome_of(error, step.kind)
            now = self.clock()
            move = after_trouble(work.standing, step.kind, outcome, now=now, chance=random())  # noqa: S311 - spreads retries
            attempted = _attempted(step.name, step.kind, begun, now, outcome)
            return self._written(work, move, attempted=attempted), move
        return self._stepped(work, platform, step, result, begun)

    def _stepped(
        self, work: Work, platform: Platform, step: Step, result: StepResult, begun: datetime
    ) -> tuple[Work, Move]:
        now = self.clock()
        over = platform.plan(work.intent, result.state) is None
        move = after_step(work.standing, step.kind, result, over=over, now=now)
        if step.kind is StepKind.COMMIT and move.state == "confirming" and move.next_at is None:
            # Asking has time; others wait for this very moment to be sent.
            move = msgspec.structs.replace(move, next_at=now + timedelta(seconds=ASK_AFTER_SECONDS))
        attempted = Attempted(
            step=step.name,
            kind=step.kind,
            started_at=begun,
            ended_at=now,
            outcome=OutcomeClass.OK if result.wait is None else OutcomeClass.PENDING,
            reason=result.reason,
            sent_bytes=max(result.state.offset - work.progress.offset, 0),
        )
        written = self._written(work, move, progress=result.state, published=result.published, attempted=attempted)
        return written, move

    def _reconcile(self, work: Work, platform: Platform) -> tuple[Work, Move]:
        begun = self.clock()
        try:
            found = platform.reconcile(work.intent, work.progress, self._call(work, None))
        except Exception as error:  # noqa: BLE001 - the post stays unknown, whatever the adapter stumbles over
            outcome = _outcome_of(error, StepKind.CONFIRM)
            now = self.clock()
            move = after_reconcile_trouble(work.standing, outcome, now=now, chance=random())  # noqa: S311
            attempted = _attempted("reconcile", "reconcile", begun, now, outcome)
            return self._written(work, move, attempted=attempted), move
        now = self.clock()
        over = platform.plan(work.intent, found.state) is None
        move = after_reconcile(work.standing, found, platform.capabilities, over=over, now=now)
        said = Outcome(kind=OutcomeClass.OK, reason=found.evidence, code=found.verdict, raw=" ".join(found.candidates))
        attempted = _attempted("reconcile", "reconcile", begun, now, said)
        progress = found.state if move.intent is not None else None
        written = self._written(work, move, progress=progress, published=found.published, attempted=attempted)
        return written, move

    def _without_sign_in(self, work: Work) -> Work:
        """Nothing can be sent or asked."""
        now = self.clock()
        dead = work.dead or Outcome(kind=OutcomeClass.RECONNECT, reason="The account is not connected.")
        if work.standing.state in {"unknown", "confirming", "published"}:
            standing = work.standing
            if standing.state == "unknown":
                move = after_reconcile_trouble(standing, dead, now=now, chance=0.0)
            else:
                move = after_trouble(standing, StepKind.CONFIRM, dead, now=now, chance=0.0)
            later = now + timedelta(seconds=NO_SIGN_IN_SECONDS) if move.next_at is not None else None
            return self._written(work, msgspec.structs.replace(move, next_at=later, renew=False, park=False))
        reason = f"{dead.reason} Connect the account again to publish this post."
        too_late = work.standing.due_at + timedelta(seconds=work.standing.tolerance + 1)
        return self._written(work, Move(state="held", reason=reason, next_at=too_late, reset=True))

    def _renewed(self, work: Work) -> Work | None:
        """The post with a fresh sign-in; `None` where there is none, and the row says so."""
        assert work.access is not None
        platform = self.platform_named(work.access.platform)
        try:
            access = renew(self.records.database, self.records.vault, platform, work.access, now=self.clock)
        except PlatformTrouble as error:
            now = self.clock()
            if error.outcome.kind is OutcomeClass.RECONNECT:
                self._without_sign_in(replace(work, access=None, dead=error.outcome))
                return None
            # Not the platform's word about the post, so no intent is touched and no attempt is used up.
            later = now + timedelta(seconds=error.outcome.retry_after or 15.0)
            standing = work.standing
            move = Move(
                state=standing.state, next_at=later, reason=error.outcome.reason, attempts=standing.attempts + 1
            )
            self._written(work, move)
            return None
        return replace(work, access=access)

    def _ends_soon(self, work: Work, platform: Platform, now: datetime) -> bool:
        assert work.access is not None
        tokens: Tokens = work.access.tokens
        renewable = platform.capabilities.refresh != "none" and not work.standing.reauthorized
        return renewable and tokens.expires_at is not None and tokens.expires_at - now < RENEW_WITHIN

    def _call(self, work: Work, film: "_Film | None") -> Call:
        assert work.access is not None
        path = NO_FILE if film is None else film.path()
        return Call(
            tokens=work.access.tokens,
            account_id=work.access.remote_id,
            username=work.access.username,
            facts=work.access.facts,
            now=self.clock,
            video=VideoSource(path=path, facts=work.intent.video, link=self._link(work)),
            committed_at=work.standing.committed_at,
        )

    def _link(self, work: Work) -> Callable[[float], str] | None:
        """A platform can fetch the film where the storage or this installation is reached from outside."""
        probe = self.storage.signed_download_url(work.object_key, expires_seconds=60)
        if (urlsplit(probe).hostname or "") in {"127.0.0.1", "::1", "localhost"}:
            return None
        return lambda seconds: self.storage.signed_download_url(work.object_key, expires_seconds=int(seconds))

    def _written(self, work: Work, move: Move, *, attempted: Attempted | None = None, **more: object) -> Work:
        """Writes, and goes on trying while the database is away."""
        end = time.monotonic() + INSIST_SECONDS
        keep = _goes_on(move) or move.renew
        while True:
            try:
                return self.records.write(work, move, now=self.clock(), keep=keep, attempted=attempted, **more)  # type: ignore[arg-type]
            except TryLater:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)


def _goes_on(move: Move) -> bool:
    """Whether the next step can be taken at once."""
    over = move.state in FINAL and move.state != "published"
    return not over and move.next_at is None and move.state in {"claimed", "prepared", "confirming", "unknown"}


def _needs_bytes(work: Work, step: Step) -> bool:
    return step.kind is not StepKind.CONFIRM and work.progress.offset < work.intent.video.size


def _outcome_of(error: Exception, kind: StepKind) -> Outcome:
    """What an error means that an adapter, or the way to it, raised."""
    if isinstance(error, PlatformTrouble):
        return error.outcome
    log.warning("adapter_stumbled", kind=str(kind), error=type(error).__name__, said=scrub(str(error))[:200])
    raw, code = scrub(f"{type(error).__name__}: {error}"), getattr(error, "code", type(error).__name__)
    if kind is StepKind.COMMIT:
        reason = "Something went wrong while it was being published, so it is being checked whether it was."
        return Outcome(kind=OutcomeClass.UNKNOWN, reason=reason, code=code, raw=raw)
    if isinstance(error, NotFound):
        return Outcome(kind=OutcomeClass.PERMANENT, reason=f"The clip to publish is gone. {error}", code=code)
    if isinstance(error, CliplyError) and not isinstance(error, TryLater):
        return Outcome(kind=OutcomeClass.PERMANENT, reason=str(error), code=code, raw=raw)
    return Outcome(
        kind=OutcomeClass.RETRY, reason="Something went wrong on the way to the platform.", code=code, raw=raw
    )


def _same(work: Work) -> Move:
    """Leaves everything as it is."""
    standing = work.standing
    return Move(state=standing.state, attempts=standing.attempts, restarts=standing.restarts)


class _Film:
    """The file of one post, fetched when it is first needed and given back in the end."""

    def __init__(self, storage: Storage, key: str) -> None:
        self._storage, self._key = storage, key
        self._files = ExitStack()
        self._path: Path | None = None

    def path(self) -> Path:
        """Where it lies."""
        if self._path is None:
            self._path = self._files.enter_context(self._storage.local_path(self._key))
        return self._path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()


def _attempted(step: str, kind: str, begun: datetime, ended: datetime, outcome: Outcome) -> Attempted:
    return Attempted(
        step=step,
        kind=kind,
        started_at=begun,
        ended_at=ended,
        outcome=outcome.kind,
        code=outcome.code,
        reason=outcome.reason,
        raw=outcome.raw,
    )
