"""The same person gets the same number across shots, different people never share one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.vision.face_patches import describe_face, find_again, mouth_change
from cliply_assets.vision.identity import Appearance, look_distance, same_people
from cliply_resources.documents.spans import Span
from cliply_resources.vision import FaceBox

LOOK = 9 * 36 + 2 * 144


def appearance(person, start, end=None, *, samples=6, wobble=0.15, seed=0):
    base = np.random.default_rng(person).normal(size=LOOK)
    noise = np.random.default_rng([seed, int(start * 10)]).normal(size=LOOK)
    look = (base + wobble * noise).astype(np.float32)
    return Appearance(look=look, span=Span(start, end or start + 3), samples=samples)


def box_at(x, size):
    height = 97 / 512 * size / 360
    top = (380 - size + 66 / 512 * size) / 360
    width = 97 / 512 * size / 640
    return FaceBox(x - width / 2, top, width, height, 1.0)


def test_people_are_joined_across_shots_and_kept_apart():
    found = same_people([appearance(1, 0), appearance(2, 3), appearance(1, 6), appearance(2, 9), appearance(3, 12)])

    assert found[0] == found[2]
    assert found[1] == found[3]
    assert len(set(found)) == 3


def test_who_is_seen_most_is_number_zero():
    assert same_people([appearance(1, 0), appearance(2, 3, samples=50), appearance(1, 6)]) == [1, 0, 1]


def test_two_faces_on_screen_together_are_two_people_however_alike():
    assert len(set(same_people([appearance(1, 0), appearance(1, 1)]))) == 2


def test_nobody_is_nobody():
    assert same_people([]) == []


@given(
    people=st.lists(st.integers(0, 4), min_size=1, max_size=25),
    lengths=st.lists(st.floats(0.5, 4), min_size=25, max_size=25),
)
@settings(max_examples=40, deadline=None)
def test_numbers_are_dense_and_never_overlap_in_time(people, lengths):
    tracks = [
        appearance(person, at * 1.5, at * 1.5 + length)
        for at, (person, length) in enumerate(zip(people, lengths, strict=False))
    ]
    found = same_people(tracks)

    assert sorted(set(found)) == list(range(max(found) + 1))
    for i, one in enumerate(tracks):
        for j, other in enumerate(tracks):
            if i < j and found[i] == found[j]:
                assert one.span.overlap(other.span) == 0


def test_a_face_looks_like_itself_at_another_size_and_unlike_the_other_person(scene):
    near = describe_face(scene([(0.4, 420, False)], 1), box_at(0.4, 420))
    far = describe_face(scene([(0.7, 280, False)], 2), box_at(0.7, 280))
    guest = describe_face(scene([(0.4, 420, True)], 1), box_at(0.4, 420))
    same, different = look_distance(near, np.stack([far, guest]))

    assert same < 0.3
    assert different > 0.8


def test_a_mouth_that_moves_is_told_from_a_head_that_moves(scene):
    still, moved = scene([(0.4, 400, False)]), scene([(0.41, 400, False)])
    box, moved_box = box_at(0.4, 400), box_at(0.41, 400)
    talking = still.copy()
    height, width = 360, 640
    top = int((box.y + 0.68 * box.h) * height)
    left = int((box.x + 0.32 * box.w) * width)
    talking[top : top + int(0.2 * box.h * height), left : left + int(0.36 * box.w * width)] = (30, 20, 60)
    gray = [picture.mean(axis=2).astype(np.uint8) for picture in (still, moved, talking)]

    head = mouth_change(gray[0], gray[1], was=box, box=moved_box)
    mouth = mouth_change(gray[0], gray[2], was=box, box=box)
    assert mouth > 5 * head
    assert mouth > 0.05


def test_a_face_is_found_again_by_its_looks_but_not_in_an_empty_room(scene):
    before = scene([(0.4, 400, False)]).mean(axis=2).astype(np.uint8)
    after = scene([(0.42, 400, False)]).mean(axis=2).astype(np.uint8)
    empty = scene([], 5).mean(axis=2).astype(np.uint8)
    was = box_at(0.4, 400)
    around = FaceBox(was.x - was.w, was.y - was.h / 2, 3 * was.w, 2 * was.h, 0)

    again = find_again(before, after, was=was, around=around)
    assert again is not None
    assert abs(again.center[0] - 0.42) < 0.01
    assert again.score <= 0.5
    assert find_again(before, empty, was=was, around=around) is None
