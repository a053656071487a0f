"""The one contract of all platforms: connecting an account, publishing in small steps, and what follows.

**Publishing is a step machine over a stored state.** The publisher asks `plan` what comes next, stores what it must, calls `take`,
stores the state that came back, and asks again, until `plan` says `None`. A process may die between any two of these lines; the next
one goes on from the stored state. The adapter therefore keeps nothing in itself.

What an adapter promises:

1. `plan` and `validate` are pure: the same arguments, the same answer, no request.
2. A `PREPARE` or `CONFIRM` step may be repeated from the same state any number of times without publishing anything.
3. A `COMMIT` step sends exactly one request that may publish. Where the last byte of an upload publishes, the last chunk is the
   `COMMIT`, the chunks before are `PREPARE`, and a chunk that is the only one is a `COMMIT`. It does not repeat the request by itself.
4. What `take` raises from a `COMMIT` is `UNKNOWN` unless it is certain that nothing was published; every other class says so.
5. `reconcile` publishes nothing, except where the platform promises that a repetition is recognised (LinkedIn, within ten minutes).
   `NOT_FOUND` is `certain` only where the platform rules it out; a listing that does not show it is not certain.
6. `RESTART` from a `CONFIRM` step says that the platform itself declared this attempt dead: it can no longer publish.
7. Every error of the platform leaves as `PlatformTrouble`, its sentence written for the person whose post it is, its `raw` scrubbed.

Requests go through `cliply_resources.platforms.wire.send`. No adapter sleeps, reads the clock or the environment: the time comes with
the `Call`, and base URLs from the settings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cliply_resources.platforms.documents import (
    AccountLimits,
    Capabilities,
    FeedAnswer,
    Limits,
    Metrics,
    PostContent,
    Problem,
    Profile,
    PublishIntent,
    PublishState,
    RecentPage,
    Reconciled,
    RemoteStatus,
    Step,
    StepResult,
    Tokens,
    VideoFacts,
    WebhookEvent,
)
from cliply_resources.platforms.outcomes import NotSupported

__all__ = ["CLOCK_SKEW", "BasePlatform", "Call", "Clock", "Platform", "VideoSource", "poll_wait"]

Clock = Callable[[], datetime]
"""The time now, aware UTC."""

CLOCK_SKEW = timedelta(minutes=2)
"""How far a platform's clock and ours may differ when a post is looked for."""
POLL_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class VideoSource:
    """The file to publish."""

    path: Path
    facts: VideoFacts
    link: Callable[[float], str] | None = field(default=None, repr=False)
    """A URL, valid for so many seconds, that the platform can fetch the file from; `None` where nobody outside can reach us."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """Who acts, and when."""

    tokens: Tokens
    account_id: str
    """`Profile.remote_id`."""
    now: Clock
    username: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    """`Profile.facts`."""
    video: VideoSource | None = None
    """Given to `take` and `reconcile` only."""
    committed_at: datetime | None = None
    """Given to `take` of a `COMMIT` and to `reconcile`: when the oldest intent that is not resolved was recorded."""

    @property
    def since(self) -> datetime:
        """No post that this publication made is older than that, by the platform's clock."""
        return (self.committed_at or self.now()) - CLOCK_SKEW


def poll_wait(polls: int, first: Sequence[float], *, later: float = POLL_SECONDS) -> float:
    """Seconds until the next look at what a platform is still processing, after `polls` looks: dense at `first`."""
    return first[polls] if polls < len(first) else later


class Platform(Protocol):
    """One platform. Every method may raise `PlatformTrouble`, and `NotSupported` where the capabilities say it cannot."""

    name: str
    """`youtube`, as it stands in rows and URLs."""
    title: str
    """`YouTube`, as people read it."""
    capabilities: Capabilities
    limits: Limits

    # Connecting

    def configured(self) -> str | None:
        """`None` where accounts can be connected; otherwise a sentence that says which setting is missing."""
        ...

    def authorize_url(self, *, redirect_uri: str, state: str, verifier: str) -> str:
        """Where the browser goes. `verifier` is a PKCE verifier of 64 characters; platforms without PKCE ignore it."""
        ...

    def exchange_code(self, *, code: str, redirect_uri: str, verifier: str, now: Clock) -> Tokens:
        """Tokens for the code that came back."""
        ...

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:
        """The next pair; the old one may be dead from now on, so the result is stored before it is used."""
        ...

    def revoke(self, tokens: Tokens) -> None:
        """Gives the access back; one that is already gone counts as given back."""
        ...

    def profiles(self, tokens: Tokens, *, now: Clock) -> tuple[Profile, ...]:
        """Accounts these tokens open; at least one."""
        ...

    def account_limits(self, call: Call) -> AccountLimits:
        """What this account may do now."""
        ...

    # Publishing

    def validate(self, content: PostContent, video: VideoFacts, account: AccountLimits) -> tuple[Problem, ...]:
        """All reasons for which the platform would refuse this; pure, and counted as the platform counts."""
        ...

    def plan(self, intent: PublishIntent, state: PublishState) -> Step | None:
        """What comes next from this state; `None` when nothing is left to do or to ask."""
        ...

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        """Does what `plan` said for exactly this state."""
        ...

    def reconcile(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:
        """What became of a commit call from `state` at `call.committed_at` or later whose answer nobody knows."""
        ...

    # Afterwards

    def status(self, remote_id: str, call: Call) -> RemoteStatus:
        """The post as the platform shows it now."""
        ...

    def edit(self, remote_id: str, content: PostContent, call: Call) -> None:
        """Changes what `Capabilities.editable` names."""
        ...

    def delete(self, remote_id: str, call: Call) -> None:
        """Removes it; one that is already gone counts as removed."""
        ...

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:
        """Counters of at most `metrics_batch` posts; posts that are gone are left out."""
        ...

    def recent(self, call: Call, *, cursor: str | None = None, at_most: int = 20) -> RecentPage:
        """The account's own posts, newest first."""
        ...

    # Webhooks

    def answer_challenge(self, query: Mapping[str, str]) -> str | None:
        """What to answer to a subscription's verification; `None` refuses it."""
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: Clock) -> tuple[WebhookEvent, ...]:
        """The events of a delivery whose signature holds over the raw bytes; header names in lower case.

        Raises:
            WebhookRefused: signature, time or form is wrong.
        """
        ...

    # Feeds

    def subscribe(self, remote_id: str, *, callback: str, secret: str, wanted: bool = True) -> None:
        """Asks to be told of an account's new posts at `callback`, signed with `secret`; or, not `wanted`, to be told no more.

        What was asked for holds only once the platform has had its answer from there (`feed_answer`).
        """
        ...

    def feed_answer(self, remote_id: str, query: Mapping[str, str]) -> FeedAnswer | None:
        """What the platform says at the callback of this account's feed; `None` where it is about anything else."""
        ...

    def parse_feed(self, headers: Mapping[str, str], body: bytes, *, secret: str) -> tuple[WebhookEvent, ...]:
        """The events of a delivery to the callback whose signature holds over the raw bytes; header names in lower case.

        Raises:
            WebhookRefused: signature or form is wrong.
        """
        ...


class BasePlatform:
    """For adapters to inherit: everything optional refuses in words, so that an adapter writes only what its platform has."""

    name: str
    title: str
    capabilities: Capabilities
    limits: Limits

    def configured(self) -> str | None:
        """Nothing to configure."""
        return None

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("cannot renew a connection; connect the account again")

    def revoke(self, tokens: Tokens) -> None:  # noqa: ARG002
        """Nothing to give back."""
        return

    def account_limits(self, call: Call) -> AccountLimits:
        """Nothing but the general limits."""
        return AccountLimits(username=call.username, asked_at=call.now())

    def status(self, remote_id: str, call: Call) -> RemoteStatus:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("cannot be asked how a post is doing")

    def edit(self, remote_id: str, content: PostContent, call: Call) -> None:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("offers no way to change a post; change it in its own app")

    def delete(self, remote_id: str, call: Call) -> None:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("offers no way to delete a post; delete it in its own app")

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("tells no numbers")

    def recent(self, call: Call, *, cursor: str | None = None, at_most: int = 20) -> RecentPage:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("cannot list an account's posts")

    def answer_challenge(self, query: Mapping[str, str]) -> str | None:  # noqa: ARG002
        """Refuses."""
        return None

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: Clock) -> tuple[WebhookEvent, ...]:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("sends no webhooks")

    def subscribe(self, remote_id: str, *, callback: str, secret: str, wanted: bool = True) -> None:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("has no feeds")

    def feed_answer(self, remote_id: str, query: Mapping[str, str]) -> FeedAnswer | None:  # noqa: ARG002
        """Refuses."""
        return None

    def parse_feed(self, headers: Mapping[str, str], body: bytes, *, secret: str) -> tuple[WebhookEvent, ...]:  # noqa: ARG002
        """Refuses."""
        raise self.unsupported("has no feeds")

    def unsupported(self, what: str) -> NotSupported:
        """The error to raise: `what` continues the platform's name."""
        return NotSupported(f"{self.title} {what}.")
