"""Results of several threads share a commit, and none of them waits for company, for another workspace or for another's mistake."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from cliply_assets.posts.records import LeaseLost
from cliply_assets.posts.together import MOST_AT_ONCE, Together
from cliply_resources.posts.machine import Move
from cliply_resources.posts.wishes import cancel

HERE, ELSEWHERE = uuid4(), uuid4()


class Slow:
    """Does what it is asked; calls for `HERE` wait until they are let through."""

    def __init__(self):
        self.calls, self.begun, self.gate = [], threading.Event(), threading.Event()
        self.together = Together(self.do)

    def do(self, workspace, items):
        self.calls.append((workspace, list(items)))
        self.begun.set()
        if workspace == HERE:
            assert self.gate.wait(30)
        return [ValueError(item) if item == "bad" else f"{item} done" for item in items]

    def waiting(self, count):
        while len(self.together._waiting.get(HERE, ())) < count:
            threading.Event().wait(0.005)


@pytest.fixture
def slow():
    return Slow()


def test_what_comes_while_one_is_written_is_written_together(slow):
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(slow.together.ask, HERE, "a")
        assert slow.begun.wait(30)
        others = [pool.submit(slow.together.ask, HERE, name) for name in "bcd"]
        slow.waiting(3)
        slow.gate.set()
        assert [one.result(30) for one in (first, *others)] == ["a done", "b done", "c done", "d done"]
    assert [len(items) for _, items in slow.calls] == [1, 3]


def test_another_workspace_does_not_wait(slow):
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(slow.together.ask, HERE, "a")
        assert slow.begun.wait(30)
        assert slow.together.ask(ELSEWHERE, "b") == "b done"
        slow.gate.set()
        assert held.result(30) == "a done"


def test_an_error_reaches_only_whoever_asked_for_it(slow):
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(slow.together.ask, HERE, "a")
        assert slow.begun.wait(30)
        others = {name: pool.submit(slow.together.ask, HERE, name) for name in ("bad", "good")}
        slow.waiting(2)
        slow.gate.set()
        assert first.result(30) == "a done"
        assert others["good"].result(30) == "good done"
        with pytest.raises(ValueError, match="bad"):
            others["bad"].result(30)


def test_what_fails_as_a_whole_fails_for_everybody_and_the_next_are_served():
    broken = [True]

    def do(_, items):
        if broken.pop() if broken else False:
            raise ConnectionError("gone")
        return list(items)

    together = Together(do)
    with pytest.raises(ConnectionError):
        together.ask(HERE, 1)
    assert together.ask(HERE, 2) == 2


def test_nobody_is_forgotten_and_no_two_write_for_a_workspace_at_once():
    inside, most, sizes = [0], [0], []

    def do(_, items):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        sizes.append(len(items))
        threading.Event().wait(0.001)
        inside[0] -= 1
        return [item * 2 for item in items]

    together = Together(do)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda number: together.ask(HERE, number), range(1000)))
    assert answers == [number * 2 for number in range(1000)]
    assert most == [1]
    assert max(sizes) <= MOST_AT_ONCE
    assert sum(sizes) == 1000


class Kept:
    """Takes results and writes none."""

    def __init__(self):
        self.results = []

    def ask(self, _, result):
        self.results.append(result)


def test_a_post_that_somebody_took_back_holds_up_no_other_of_its_commit(plain_room):
    room, now = plain_room, datetime.now(UTC)
    posts = [room.post(name) for name in ("taken back", "kept")]
    records = room.publisher()._records
    works = [records.claim(room.workspace, post, now) for post in posts]
    records._together = kept = Kept()
    for work in works:
        records.write(work, Move(state="prepared", reason="so far", next_at=now), now=now)
    with room.database.pipeline(room.workspace) as session:
        cancel(session, posts[0])
    lost, written = records._write_all(room.workspace, kept.results)
    assert (type(lost), written) == (LeaseLost, None)
    assert [(room.row(post).state, room.row(post).reason) for post in posts] == [
        ("cancelled", None),
        ("prepared", "so far"),
    ]
    assert [room.row(post).worker for post in posts] == [None, None]


def test_what_the_database_refuses_of_one_is_written_of_the_others(plain_room):
    room, now = plain_room, datetime.now(UTC)
    posts = [room.post(name) for name in ("impossible", "kept")]
    records = room.publisher()._records
    works = [records.claim(room.workspace, post, now) for post in posts]
    records._together = kept = Kept()
    # A doubt without the moment since when there is one: the table's own rule forbids it.
    for work, state in zip(works, ("unknown", "prepared"), strict=True):
        records.write(work, Move(state=state, next_at=now), now=now)
    refused, written = records._write_all(room.workspace, kept.results)
    assert (type(refused), written) == (IntegrityError, None)
    assert [room.row(post).state for post in posts] == ["claimed", "prepared"]
