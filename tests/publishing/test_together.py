"""Results of several threads share a commit, and none of them waits for company, for another workspace or for another's mistake."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from cliply_assets.posts.together import MOST_AT_ONCE, Together

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
