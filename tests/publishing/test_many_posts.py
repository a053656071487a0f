"""Many posts of the same second, two publishers, and a clock that jumps: every one once, in order."""

import threading
import time

from publishing_room import soon

from cliply_resources.database import PostRow
from cliply_resources.posts.wishes import cancel


def states(room):
    with room.database.api(room.workspace) as session:
        return [state for (state,) in session.query(PostRow.state)]


def test_two_publishers_share_the_work_and_publish_nothing_twice(plain_room):
    room = plain_room
    due = soon(room, 1)
    wanted = [(f"a{number % 4}", f"post {number}") for number in range(24)]
    for who, words in wanted:
        room.post(words, who=who, due=due, size=50_000)
    both = [room.publisher(), room.publisher()]
    threads = [threading.Thread(target=one.run, kwargs={"idle_seconds": 4}) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert set(states(room)) == {"published"}
    assert sorted(entry.key for entry in room.simulator.ledger.entries) == sorted(words for _, words in wanted)
    for who in {who for who, _ in wanted}:
        found = [entry.key for entry in room.simulator.ledger.entries if entry.account == who]
        assert found == [words for each, words in wanted if each == who]


def test_a_clock_that_jumps_an_hour_back_and_forth_publishes_every_post_once(plain_room):
    room = plain_room
    for number in range(8):
        room.post(
            f"jump {number}", who=f"a{number % 3}", due=soon(room, 1 + number / 4), size=50_000, tolerance=6 * 3600
        )
    publisher = room.publisher()
    thread = threading.Thread(target=publisher.run, kwargs={"idle_seconds": None})
    thread.start()
    deadline = time.monotonic() + 120
    jumps = [3600, -3600, -3600, 3600]
    while "published" not in states(room) or set(states(room)) != {"published"}:
        assert time.monotonic() < deadline, states(room)
        time.sleep(0.5)
        room.simulator.clock.advance(jumps[0])
        jumps = [*jumps[1:], jumps[0]]
    publisher.stop()
    thread.join(timeout=60)
    assert room.simulator.ledger.doubles() == {}
    assert len(room.simulator.ledger.entries) == 8


def test_many_posts_of_the_same_second_are_all_published_and_in_order(plain_room):
    room = plain_room
    due = soon(room, 6)
    wanted = [(f"a{number % 20}", f"post {number}") for number in range(60)]
    for who, words in wanted:
        room.post(words, who=who, due=due, size=50_000)
    told = []
    assert room.publisher(publish_threads=12).run(idle_seconds=30, tell=told.append) == len(wanted)
    assert len(room.simulator.ledger.entries) == len(wanted)
    assert room.simulator.ledger.doubles() == {}
    late = sorted(post.late for post in told)
    assert late[0] >= 0
    for who in {who for who, _ in wanted}:
        found = [entry.key for entry in room.simulator.ledger.entries if entry.account == who]
        assert found == [words for each, words in wanted if each == who]


def _held(room, posts):
    """Waits until a publisher holds these prepared posts."""
    deadline = time.monotonic() + 60
    while not all(room.row(post).worker and room.row(post).state == "prepared" for post in posts):
        assert time.monotonic() < deadline, [room.row(post).state for post in posts]
        time.sleep(0.1)


def test_a_post_that_is_held_for_its_moment_can_still_be_cancelled_and_the_rest_goes_out_in_order(plain_room):
    room = plain_room
    first, second, third = (room.post(f"held {number}", due=soon(room, 12), size=50_000) for number in range(3))
    publisher = room.publisher()
    thread = threading.Thread(target=publisher.run, kwargs={"idle_seconds": 20})
    thread.start()
    _held(room, [first, second, third])
    with room.database.api(room.workspace) as session:
        cancel(session, second)
    thread.join(timeout=120)
    assert [room.row(post).state for post in (first, second, third)] == ["published", "cancelled", "published"]
    assert [entry.key for entry in room.simulator.ledger.entries] == ["held 0", "held 2"]


def test_a_publisher_that_is_told_to_stop_lets_go_of_what_it_holds(plain_room):
    room = plain_room
    post = room.post("let go", due=soon(room, 14), size=50_000)
    publisher = room.publisher()
    thread = threading.Thread(target=publisher.run, kwargs={"idle_seconds": None})
    thread.start()
    _held(room, [post])
    publisher.stop()
    thread.join(timeout=60)
    row = room.row(post)
    assert (row.state, row.worker, row.wake_at) == ("prepared", None, row.due_at)
    assert room.publisher().run(idle_seconds=20) == 1
    assert len(room.simulator.ledger.entries) == 1
