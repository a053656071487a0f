"""What becomes of a post, decided by pure functions: no database, no clock, no dice.

    requested ─► due ─► claimed ─► prepared ─► committing ─► confirming ─► published
        │         │        │          │           │  ▲            │
        ▼         ▼        ▼          ▼           ▼  │            ▼
     declined  cancelled, held, missed, rejected  unknown ─► asking (a person decides)

* `committing` is written and committed before the call that publishes, and only then is the call made. So a post that is found in
  `committing` by somebody else has an unknown outcome, and one that is found in any other state was certainly not being published.
* `unknown` is left only by `reconcile`: published after all, certainly not published (back to `prepared`), or a person is asked.
* Nothing is published later than `due_at` + tolerance: it is `missed` instead, and says so.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from cliply_resources.platforms.documents import Capabilities, Reconciled, StepKind, StepResult, Verdict
from cliply_resources.platforms.outcomes import Outcome, OutcomeClass

__all__ = [
    "ACTIVE",
    "CHANGEABLE",
    "FINAL",
    "MAX_ATTEMPTS",
    "MAX_RESTARTS",
    "Move",
    "PostState",
    "Standing",
    "after_reconcile",
    "after_reconcile_trouble",
    "after_step",
    "after_trouble",
    "backoff",
    "is_late",
    "spread",
    "taken_over",
]

PostState = Literal[
    "requested",
    "declined",
    "held",
    "due",
    "claimed",
    "prepared",
    "committing",
    "confirming",
    "unknown",
    "asking",
    "published",
    "rejected",
    "missed",
    "cancelled",
]

CHANGEABLE: frozenset[PostState] = frozenset({"requested", "held", "due", "claimed", "prepared"})
"""Here a post can be edited, moved and cancelled: nothing that publishes has been called."""
ACTIVE: frozenset[PostState] = frozenset({"due", "claimed", "prepared", "committing", "confirming", "unknown"})
"""The publisher looks at these by itself."""
FINAL: frozenset[PostState] = frozenset({"declined", "published", "rejected", "missed", "cancelled"})
"""Never overwritten by a late, older answer."""

MAX_ATTEMPTS = 8
"""Refusals of the passing kind before the publisher gives up."""
MAX_RESTARTS = 3
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 300.0
"""Seconds."""
RECONCILE_EVERY = 5.0
WHEN_DEAD = 3600.0
"""Seconds after which a post that was committed is looked at again although its account cannot be asked now."""

Intent = Literal["applied", "not_applied"]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a post when something happens to it."""

    state: PostState
    due_at: datetime
    tolerance: float
    """Seconds after `due_at` in which it may still be published."""
    attempts: int = 0
    restarts: int = 0
    reauthorized: bool = False
    """Whether the sign-in was renewed since the last step that went well."""
    confirm_for: float = 3600.0
    """`Capabilities.confirm_for`."""
    committed_at: datetime | None = None
    """When the intent was recorded whose outcome is open, or whose effect is being confirmed."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What to write, and what to do besides."""

    state: PostState
    next_at: datetime | None = None
    """When to look again; `None`: at once where the state is active, never otherwise."""
    reason: str | None = None
    """For people. `None` leaves none."""
    code: str = ""
    attempts: int = 0
    restarts: int = 0
    reset: bool = False
    """Begin again from the empty publish state."""
    renew: bool = False
    """Renew the sign-in before the next step."""
    park: bool = False
    """The account's connection is dead: hold it and its other posts, and tell its people."""
    intent: Intent | None = None
    """How the open intent is closed."""
    parked_until: datetime | None = None
    """The account's cap is reached until then."""


def is_late(standing: Standing, now: datetime) -> bool:
    """Whether the post may no longer be published."""
    return now > standing.due_at + timedelta(seconds=standing.tolerance)


def backoff(attempts: int, chance: float) -> float:
    """Seconds before attempt `attempts` + 1: doubling from 1 s to 5 min, half of it by `chance` in [0, 1)."""
    whole = min(FIRST_BACKOFF * 2.0 ** max(attempts - 1, 0), LONGEST_BACKOFF)
    return whole * (0.5 + 0.5 * chance)


def missed(standing: Standing, why: str = "") -> Move:
    """Too late; with what stood in the way."""
    minutes = standing.tolerance / 60
    reason = f"This post was due at {_spoken(standing.due_at)} and could not be published within {minutes:g} min."
    return Move(
        state="missed",
        reason=f"{reason} {why}".strip() + " Move it to a new time to publish it after all.",
        code="missed",
        attempts=standing.attempts,
        restarts=standing.restarts,
        reset=True,
    )


def after_step(standing: Standing, kind: StepKind, result: StepResult, *, over: bool, now: datetime) -> Move:
    """A step went well. `over`: the adapter has nothing left to do or to ask."""
    state: PostState = "prepared" if standing.state == "prepared" else "claimed"
    intent: Intent | None = None
    if kind is StepKind.COMMIT:
        intent = "applied" if result.committed else "not_applied"
        state = "confirming" if result.committed else "prepared"
    elif kind is StepKind.CONFIRM:
        state = "published" if standing.state == "published" else "confirming"
    if state == "confirming" and result.published is not None and result.published.live:
        state = "published"
    elif state == "confirming" and over:
        # Nothing left to ask, and nothing says that it is not there.
        state = "published"
    next_at = None if result.wait is None else now + timedelta(seconds=max(result.wait, 0.0))
    if state == "confirming" and next_at is not None and _asked_enough(standing, now):
        return _ask_person(standing, result.reason or "The platform accepted the post and has not shown it since.")
    if state == "published":
        # An id that comes late is waited for, but not for ever.
        next_at = None if over or _asked_enough(standing, now) else next_at or now
    reason = result.reason or None if state != "published" else None
    return Move(state=state, next_at=next_at, reason=reason, intent=intent, restarts=standing.restarts)


def after_trouble(  # noqa: PLR0911 - one return for each class reads better than a table of lambdas
    standing: Standing, kind: StepKind, outcome: Outcome, *, now: datetime, chance: float
) -> Move:
    """A step did not go well. From a `COMMIT`, every class but `UNKNOWN` says that nothing was published."""
    if kind is StepKind.CONFIRM:
        return _confirm_trouble(standing, outcome, now, chance)
    intent: Intent | None = "not_applied" if kind is StepKind.COMMIT else None
    back: PostState = "prepared" if kind is StepKind.COMMIT or standing.state == "prepared" else "claimed"
    told = {"reason": outcome.reason, "code": outcome.code, "restarts": standing.restarts, "intent": intent}
    match outcome.kind:
        case OutcomeClass.UNKNOWN if kind is StepKind.COMMIT:
            return Move(state="unknown", reason=outcome.reason, code=outcome.code, restarts=standing.restarts)
        case OutcomeClass.PENDING | OutcomeClass.OK:
            return Move(state=back, next_at=now + timedelta(seconds=outcome.retry_after or 5.0), **told)  # type: ignore[arg-type]
        case OutcomeClass.REAUTH if not standing.reauthorized:
            return Move(state=back, attempts=standing.attempts, renew=True, **told)  # type: ignore[arg-type]
        case OutcomeClass.REAUTH | OutcomeClass.RECONNECT:
            return Move(state="held", park=True, attempts=standing.attempts, **told)  # type: ignore[arg-type]
        case OutcomeClass.QUOTA:
            return _quota(standing, outcome, back, intent, now)
        case OutcomeClass.PERMANENT:
            return Move(state="rejected", attempts=standing.attempts, **told)  # type: ignore[arg-type]
        case OutcomeClass.RESTART:
            return _restart(standing, outcome, intent, now, chance)
    return _again(standing, outcome, back, intent, now, chance)


def after_reconcile(
    standing: Standing, found: Reconciled, capabilities: Capabilities, *, over: bool, now: datetime
) -> Move:
    """The platform was asked what became of the commit call."""
    since = standing.committed_at or now
    match found.verdict:
        case Verdict.FOUND:
            live = over or (found.published is not None and found.published.live)
            return Move(state="published" if live else "confirming", intent="applied", restarts=standing.restarts)
        case Verdict.NOT_FOUND:
            settled = since + timedelta(seconds=capabilities.settle)
            if not found.certain and now < settled:
                later = min(now + timedelta(seconds=RECONCILE_EVERY), settled)
                return Move(state="unknown", next_at=later, reason=found.evidence, restarts=standing.restarts)
            if is_late(standing, now):
                return msgspec.structs.replace(missed(standing, found.evidence), intent="not_applied")
            return Move(state="prepared", intent="not_applied", attempts=standing.attempts, restarts=standing.restarts)
    return _ask_person(standing, found.evidence)


def after_reconcile_trouble(standing: Standing, outcome: Outcome, *, now: datetime, chance: float) -> Move:
    """It could not be asked. The post stays unknown; when that has lasted too long, a person is asked."""
    if outcome.kind is OutcomeClass.REAUTH and not standing.reauthorized:
        return Move(
            state="unknown", renew=True, reason=outcome.reason, attempts=standing.attempts, restarts=standing.restarts
        )
    if _asked_enough(standing, now):
        return _ask_person(standing, f"The platform could not be asked whether it was published: {outcome.reason}")
    dead = outcome.kind in {OutcomeClass.RECONNECT, OutcomeClass.REAUTH}
    wait = outcome.retry_after or backoff(standing.attempts + 1, chance)
    return Move(
        state="unknown",
        next_at=now + timedelta(seconds=min(wait, WHEN_DEAD)),
        reason=outcome.reason,
        code=outcome.code,
        attempts=standing.attempts + 1,
        restarts=standing.restarts,
        park=dead,
    )


def taken_over(standing: Standing) -> Move:
    """Somebody else was at work and is gone: only a recorded intent leaves a doubt."""
    if standing.state == "committing":
        reason = "The publishing call was interrupted, so it is being checked whether it took effect."
        return Move(state="unknown", reason=reason, attempts=standing.attempts, restarts=standing.restarts)
    return Move(state=standing.state, attempts=standing.attempts, restarts=standing.restarts)


def spread(wanted: datetime, taken: list[datetime], gap: float) -> datetime:
    """The first moment from `wanted` on that is at least `gap` seconds from every moment in `taken`."""
    moment = wanted
    for other in sorted(taken):
        if abs((other - moment).total_seconds()) < gap:
            moment = other + timedelta(seconds=gap)
    return moment


def _again(
    standing: Standing, outcome: Outcome, back: PostState, intent: Intent | None, now: datetime, chance: float
) -> Move:
    attempts = standing.attempts + 1
    if attempts >= MAX_ATTEMPTS:
        reason = f"{outcome.reason} After {attempts} attempts Cliply has stopped trying; nothing was published."
        return Move(state="rejected", reason=reason, code="gave_up", attempts=attempts, intent=intent)
    wait = max(outcome.retry_after or 0.0, backoff(attempts, chance))
    at = now + timedelta(seconds=wait)
    late = msgspec.structs.replace(missed(standing, outcome.reason), intent=intent)
    if is_late(standing, at):
        return late
    return Move(
        state=back,
        next_at=at,
        reason=outcome.reason,
        code=outcome.code,
        attempts=attempts,
        restarts=standing.restarts,
        intent=intent,
    )


def _restart(standing: Standing, outcome: Outcome, intent: Intent | None, now: datetime, chance: float) -> Move:
    restarts = standing.restarts + 1
    if restarts > MAX_RESTARTS:
        reason = (
            f"{outcome.reason} After {MAX_RESTARTS} new beginnings Cliply has stopped trying; nothing was published."
        )
        return Move(state="rejected", reason=reason, code="gave_up", restarts=restarts, intent=intent, reset=True)
    return Move(
        state="claimed",
        next_at=now + timedelta(seconds=backoff(restarts, chance)),
        reason=outcome.reason,
        code=outcome.code,
        attempts=standing.attempts,
        restarts=restarts,
        reset=True,
        intent=intent,
    )


def _quota(standing: Standing, outcome: Outcome, back: PostState, intent: Intent | None, now: datetime) -> Move:
    until = outcome.until or now + timedelta(days=1)
    if is_late(standing, until):
        why = f"{outcome.reason} The cap is reset at {_spoken(until)}."
        return msgspec.structs.replace(missed(standing, why), intent=intent, parked_until=until)
    return Move(
        state=back,
        next_at=until,
        reason=outcome.reason,
        code=outcome.code,
        attempts=standing.attempts,
        restarts=standing.restarts,
        intent=intent,
        parked_until=until,
    )


def _confirm_trouble(  # noqa: PLR0911 - one return for each case
    standing: Standing, outcome: Outcome, now: datetime, chance: float
) -> Move:
    keep: PostState = standing.state
    if outcome.kind is OutcomeClass.PERMANENT:
        return Move(state="rejected", reason=outcome.reason, code=outcome.code)
    if outcome.kind is OutcomeClass.RESTART and keep != "published":
        if is_late(standing, now):
            return missed(standing, outcome.reason)
        return _restart(standing, outcome, "not_applied", now, chance)
    if outcome.kind is OutcomeClass.REAUTH and not standing.reauthorized:
        return Move(
            state=keep, renew=True, reason=outcome.reason, attempts=standing.attempts, restarts=standing.restarts
        )
    if _asked_enough(standing, now):
        if keep == "published":
            return Move(state="published")
        return _ask_person(standing, f"The platform accepted the post and cannot be asked about it: {outcome.reason}")
    dead = outcome.kind in {OutcomeClass.RECONNECT, OutcomeClass.REAUTH}
    wait = outcome.retry_after or (WHEN_DEAD if dead else backoff(standing.attempts + 1, chance))
    if outcome.until is not None:
        wait = max(wait, (outcome.until - now).total_seconds())
    return Move(
        state=keep,
        next_at=now + timedelta(seconds=wait),
        reason=outcome.reason,
        code=outcome.code,
        attempts=standing.attempts + 1,
        restarts=standing.restarts,
        park=dead,
    )


def _asked_enough(standing: Standing, now: datetime) -> bool:
    return standing.committed_at is not None and now > standing.committed_at + timedelta(seconds=standing.confirm_for)


def _ask_person(standing: Standing, evidence: str) -> Move:
    reason = f"It is not certain whether this post was published, so it is not sent again. {evidence} Look at the account and say."
    return Move(state="asking", reason=reason, code="asking", attempts=standing.attempts, restarts=standing.restarts)


def _spoken(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
