"""The publisher without a database: the same rules over one record in memory, which can die before and after every call."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from cliply_resources.platforms.contract import Call, Platform, VideoSource
from cliply_resources.platforms.documents import (
    PostContent,
    Published,
    PublishIntent,
    PublishState,
    StepKind,
    VideoFacts,
)
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble
from cliply_resources.posts.machine import (
    FINAL,
    Move,
    Standing,
    after_reconcile,
    after_reconcile_trouble,
    after_step,
    after_trouble,
    is_late,
    missed,
    taken_over,
)


class Died(Exception):
    """The process was killed here."""


def make_video(folder: Path, size: int) -> VideoSource:
    """A file of `size` bytes that says it is a vertical clip of 20 s, with a link that leads nowhere."""
    path = folder / f"video-{size}.mp4"
    if not path.exists():
        path.write_bytes(hashlib.shake_128(str(size).encode()).digest(size))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    facts = VideoFacts(size=size, sha256=sha256, duration=20.0, width=1080, height=1920)
    return VideoSource(path=path, facts=facts)


@dataclass
class Record:
    """What a database would hold."""

    standing: Standing
    state: bytes = msgspec.json.encode(PublishState())
    published: Published | None = None
    reason: str | None = None
    next_at: datetime | None = None
    history: list[str] = field(default_factory=list)


class Driver:
    """Publishes one post against a simulator whose clock it moves."""

    def __init__(
        self, platform: Platform, simulator: Any, tokens: Any, content: PostContent, video: VideoSource, **call: Any
    ) -> None:
        self.platform = platform
        self.simulator = simulator
        self.tokens = tokens
        self.video = video
        self.call_facts = call
        self.intent = PublishIntent(
            post_id="0197",
            marker=f"cliply-{hashlib.sha256(content.caption.encode()).hexdigest()[:8]}",
            content=content,
            video=video.facts,
        )
        now = simulator.clock()
        self.record = Record(
            Standing(state="due", due_at=now, tolerance=86400.0, confirm_for=platform.capabilities.confirm_for)
        )
        self.die_before: int | None = None  # the n-th call is never made
        self.die_after: int | None = None  # the answer of the n-th call is never seen
        self.calls = 0
        self.commits = 0

    @property
    def state(self) -> str:
        return self.record.standing.state

    def run(self, most: int = 400) -> Record:
        """Until it is final or a person is asked; a killed process is followed by another."""
        for _ in range(most):
            if self.state in {"asking", "held"} or (self.state in FINAL and self.record.next_at is None):
                return self.record
            if self.record.next_at is not None and self.record.next_at > self.simulator.clock():
                self.simulator.clock.advance((self.record.next_at - self.simulator.clock()).total_seconds())
            try:
                self.once()
            except Died:
                self._write(taken_over(self.record.standing))
        raise AssertionError(f"not over after {most} steps: {self.record.history[-10:]}")

    def once(self) -> None:
        """One step of the machine."""
        now = self.simulator.clock()
        standing = self.record.standing
        state = msgspec.json.decode(self.record.state, type=PublishState)
        if standing.state == "unknown":
            return self._reconcile(standing, state)
        step = self.platform.plan(self.intent, state)
        if step is None:
            return self._write(Move(state="published"))
        assert self.platform.plan(self.intent, state) == step, "plan is not pure"
        if standing.committed_at is None and is_late(standing, now):
            return self._write(missed(standing))
        if step.kind is StepKind.COMMIT:
            self.commits += 1
            self.record.standing = msgspec.structs.replace(standing, state="committing", committed_at=now)
            standing = self.record.standing
        elif standing.state == "due":
            self.record.standing = standing = msgspec.structs.replace(standing, state="claimed")
        try:
            result = self._called(lambda: self.platform.take(step, self.intent, state, self._call()))
        except PlatformTrouble as raised:
            self.record.history.append(f"{step.name}:{raised.outcome.kind}:{raised.outcome.code}")
            only_commits_are_unknown(step.kind, raised.outcome.kind)
            return self._write(after_trouble(standing, step.kind, raised.outcome, now=now, chance=0.0))
        self.record.history.append(f"{step.name}:ok")
        over = self.platform.plan(self.intent, result.state) is None
        self.record.state = msgspec.json.encode(result.state)
        if result.published is not None:
            self.record.published = result.published
        return self._write(after_step(standing, step.kind, result, over=over, now=now))

    def _reconcile(self, standing: Standing, state: PublishState) -> None:
        now = self.simulator.clock()
        try:
            found = self._called(lambda: self.platform.reconcile(self.intent, state, self._call()))
        except PlatformTrouble as raised:
            self.record.history.append(f"reconcile:{raised.outcome.kind}:{raised.outcome.code}")
            return self._write(after_reconcile_trouble(standing, raised.outcome, now=now, chance=0.0))
        self.record.history.append(f"reconcile:{found.verdict}")
        over = self.platform.plan(self.intent, found.state) is None
        move = after_reconcile(standing, found, self.platform.capabilities, over=over, now=now)
        if move.intent is not None:
            self.record.state = msgspec.json.encode(found.state)
        if found.published is not None:
            self.record.published = found.published
        return self._write(move)

    def _called(self, made: Any) -> Any:
        self.calls += 1
        if self.calls == self.die_before:
            raise Died
        try:
            return made()
        finally:
            if self.calls == self.die_after:
                raise Died

    def _call(self) -> Call:
        return Call(
            tokens=self.tokens,
            account_id=self.call_facts.get("account_id", "ann"),
            username=self.call_facts.get("username", ""),
            facts=self.call_facts.get("facts", {}),
            now=self.simulator.clock,
            video=self.video,
            committed_at=self.record.standing.committed_at,
        )

    def _write(self, move: Move) -> None:
        standing = self.record.standing
        assert standing.state not in FINAL - {"published"}, "a final state is never overwritten"
        if move.reset:
            self.record.state = msgspec.json.encode(PublishState())
        renewed = move.renew
        if renewed:
            try:
                self.tokens = self.platform.refresh(self.tokens, now=self.simulator.clock)
            except PlatformTrouble as raised:
                self.record.history.append(f"refresh:{raised.outcome.kind}")
                move = msgspec.structs.replace(
                    move, park=True, state="held" if standing.committed_at is None else move.state
                )
        self.record.standing = msgspec.structs.replace(
            standing,
            state=move.state,
            attempts=move.attempts,
            restarts=move.restarts,
            reauthorized=renewed,
            committed_at=None if move.intent == "not_applied" else standing.committed_at,
        )
        self.record.reason = move.reason
        self.record.next_at = move.next_at


def only_commits_are_unknown(step: StepKind, said: OutcomeClass) -> None:
    assert step is StepKind.COMMIT or said is not OutcomeClass.UNKNOWN
