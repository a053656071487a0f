"""Whose turn it is: properties of the order, and the place in line that follows from it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cliply_resources.plans import PLANS, STANDARD, plan_of
from cliply_resources.turns import Line, Waits, fair_order, place_in_line

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@st.composite
def queues(draw: st.DrawFn) -> list[Waits]:
    """Some workspaces, each with a plan, some uploads at work and some that wait."""
    found: list[Waits] = []
    for workspace in range(draw(st.integers(1, 6))):
        plan, busy = draw(st.sampled_from(list(PLANS.values()))), draw(st.integers(0, 4))
        found += [
            Waits(
                workspace_id=UUID(int=workspace + 1),
                upload_id=UUID(int=1000 * (workspace + 1) + number),
                plan=plan,
                since=NOW - timedelta(seconds=draw(st.integers(0, 10**6))),
                unfinished=busy,
            )
            for number in range(draw(st.integers(0, 7)))
        ]
    return draw(st.permutations(found))


@given(queues(), st.integers(0, 30))
def test_nobody_gets_more_than_the_plan_allows_and_nothing_is_started_twice(waiting: list[Waits], free: int) -> None:
    turns = fair_order(waiting, now=NOW, free=free)
    assert len(turns) <= free
    assert len({turn.upload_id for turn in turns}) == len(turns)
    plans = {one.workspace_id: (one.plan, one.unfinished) for one in waiting}
    for workspace, number in Counter(turn.workspace_id for turn in turns).items():
        plan, unfinished = plans[workspace]
        assert unfinished + number <= plan.at_once


@given(queues())
def test_nobody_gets_a_second_before_everybody_has_a_first(waiting: list[Waits]) -> None:
    numbers = [turn.number for turn in fair_order(waiting, now=NOW, free=1000)]
    assert numbers == sorted(numbers)


@given(queues())
def test_each_workspaces_own_go_in_the_order_they_came(waiting: list[Waits]) -> None:
    since = {one.upload_id: one.since for one in waiting}
    turns = fair_order(waiting, now=NOW, free=1000)
    for workspace in {turn.workspace_id for turn in turns}:
        own = [since[turn.upload_id] for turn in turns if turn.workspace_id == workspace]
        assert own == sorted(own)


@given(queues(), st.integers(0, 30))
def test_the_order_does_not_depend_on_the_order_of_asking(waiting: list[Waits], free: int) -> None:
    assert fair_order(waiting, now=NOW, free=free) == fair_order(waiting[::-1], now=NOW, free=free)


@given(queues())
def test_an_earlier_turn_never_has_the_lower_priority(waiting: list[Waits]) -> None:
    turns = fair_order(waiting, now=NOW, free=1000)
    for one, later in pairwise(turns):
        assert one.number == later.number or one.priority > later.priority


def waits(workspace: int, minutes: float, plan: str = "standard") -> Waits:
    return Waits(
        workspace_id=UUID(int=workspace),
        upload_id=UUID(int=workspace * 100 + int(minutes)),
        plan=PLANS[plan],
        since=NOW - timedelta(minutes=minutes),
    )


def test_five_hundred_of_one_do_not_come_before_the_first_of_another() -> None:
    many = [waits(1, 600 - number) for number in range(500)]
    turns = fair_order([*many, waits(2, 0)], now=NOW, free=3)
    assert [turn.workspace_id.int for turn in turns] == [1, 2, 1]


def test_a_better_plan_goes_first_until_another_has_waited_long_enough() -> None:
    def first(*waiting: Waits) -> int:
        return fair_order(waiting, now=NOW, free=1)[0].workspace_id.int

    assert first(waits(1, 5, "free"), waits(2, 0, "business")) == 2
    assert first(waits(1, 25, "free"), waits(2, 0, "business")) == 1


def test_the_place_in_line_counts_those_of_others_whose_turn_comes_before() -> None:
    lines = [
        Line(mine=True, plan=STANDARD, waiting=5, unfinished=2),
        Line(mine=False, plan=STANDARD, waiting=500, unfinished=2),
        Line(mine=False, plan=STANDARD, waiting=1, unfinished=0),
    ]
    assert place_in_line(0, lines, usual=None).position == 2, "only who has none at work comes before"
    assert place_in_line(1, lines, usual=None).position == 4
    assert place_in_line(0, [], usual=60.0).position == 1
    assert place_in_line(0, [], usual=60.0).seconds == 0
    assert place_in_line(0, lines, usual=60.0).seconds == 30


def test_a_plan_that_is_not_known_is_the_standard_one() -> None:
    assert plan_of("gold") is STANDARD
