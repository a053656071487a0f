"""Whose turn it is: the order in which waiting uploads are started, and what an upload that waits can be told. Pure but for asking."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_resources.database import Database
from cliply_resources.plans import PLANS, Plan, plan_of

__all__ = [
    "Line",
    "Place",
    "Turn",
    "Waits",
    "fair_order",
    "lines_of",
    "place_in_line",
    "usual_seconds",
    "waiting_uploads",
]

AGE = timedelta(minutes=10)
"""So long a wait counts as much as the next better plan."""


@dataclass(frozen=True, kw_only=True)
class Waits:
    """An upload that waits for a run."""

    workspace_id: UUID
    upload_id: UUID
    plan: Plan
    since: datetime
    unfinished: int = 0
    """Uploads of its workspace that are being worked on, or about to be."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """An upload that is to be started now."""

    workspace_id: UUID
    upload_id: UUID
    number: int
    """How many of its workspace are worked on beside it."""
    priority: int
    """Among runs and steps that wait for the same machine, the higher goes first."""


def fair_order(waiting: Iterable[Waits], *, now: datetime, free: int) -> list[Turn]:
    """Which uploads are to be started, in order; at most `free`.

    No workspace is given more at once than its plan allows, and none gets its second before every other that waits has its
    first. Among equals the better plan goes first, until another has waited long enough to make up for it; then the older one.
    """
    by_workspace = sorted(waiting, key=lambda one: (one.workspace_id, one.since, one.upload_id))
    turns: list[tuple[tuple[float, ...], Waits, int]] = []
    for _, of_one in groupby(by_workspace, key=lambda one: one.workspace_id):
        for index, one in enumerate(of_one):
            number = one.unfinished + index
            if number >= one.plan.at_once:
                break
            merit = one.plan.priority + max(0.0, (now - one.since) / AGE)
            turns.append(((number, -merit, one.since.timestamp(), one.upload_id.int), one, number))
    turns.sort(key=lambda turn: turn[0])
    return [
        Turn(
            workspace_id=one.workspace_id,
            upload_id=one.upload_id,
            number=number,
            priority=one.plan.priority - number * (len(PLANS) + 1),
        )
        for _, one, number in turns[: max(0, free)]
    ]


def waiting_uploads(database: Database) -> list[Waits]:
    """The oldest waiting uploads of each workspace, as many as the most generous plan starts at once."""
    most = max(plan.at_once for plan in PLANS.values())
    query = sa.text("SELECT workspace_id, upload_id, plan, waits_since, unfinished FROM app.queue_facts(:most)")
    with database.across() as session:
        rows = session.execute(query, {"most": most}).all()
    return [
        Waits(workspace_id=row[0], upload_id=row[1], plan=plan_of(row[2]), since=row[3], unfinished=row[4])
        for row in rows
    ]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One workspace's uploads that wait and that are worked on."""

    mine: bool
    plan: Plan
    waiting: int
    unfinished: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """What an upload that waits can be told."""

    position: int
    """1 is next."""
    seconds: float | None
    """Until it begins, as far as the last runs tell; nothing before there were any."""


def place_in_line(ahead_of_mine: int, lines: Sequence[Line], *, usual: float | None) -> Place:
    """The place of the upload that comes after `ahead_of_mine` others of its own workspace.

    Another workspace's uploads come before it as far as their turns do; see `fair_order`.
    """
    mine = next((line for line in lines if line.mine), None)
    unfinished = mine.unfinished if mine is not None else 0
    turn = unfinished + ahead_of_mine
    before = ahead_of_mine + sum(min(line.waiting, max(0, turn - line.unfinished)) for line in lines if not line.mine)
    if usual is None:
        return Place(position=before + 1, seconds=None)
    at_once = (mine.plan if mine is not None else plan_of("")).at_once
    side_by_side = max(at_once, sum(line.unfinished for line in lines))
    # Whichever holds it up longer: its own workspace's limit, or everybody who comes before.
    own = max(0, turn + 1 - at_once) / at_once
    return Place(position=before + 1, seconds=math.ceil(usual * max(own, before / side_by_side)))


def lines_of(session: Session, workspace_id: UUID) -> list[Line]:
    """All workspaces' lines, without saying whose they are but for the given one's."""
    rows = session.execute(sa.text("SELECT * FROM app.queue_lengths(:mine)"), {"mine": workspace_id}).all()
    return [Line(mine=row[0], plan=plan_of(row[1]), waiting=row[2], unfinished=row[3]) for row in rows]


def usual_seconds(session: Session) -> float | None:
    """How long a run takes, as the last fifty did."""
    found = session.scalar(sa.text("SELECT app.usual_run_seconds()"))
    return None if found is None else float(found)
