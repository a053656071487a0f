"""Which tracks show the same person."""

from bisect import bisect, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cliply_assets.vision.face_patches import Look
from cliply_resources.documents.spans import Span

__all__ = ["Appearance", "look_distance", "same_people"]

SHAPE_SIZE = 9 * 36
COLOUR_SIZE = 144
WEIGHTS = (1.0, 1.0, 1.5)
"""Shape of the face, colours of the face, colours of what is worn."""

SAME_PERSON = 0.62
"""Largest distance at which two appearances are one person. Measured on real faces: halves of one track, and one person across a
cut from wide to close, are 0.1 to 0.55 apart; different people of one event 0.73 and more."""

MAX_COMPARED = 400
"""People to compare with one another at the end; a crowd beyond that stays as it is, for the cost grows with the square."""


@dataclass(frozen=True)
class Appearance:
    """One track as the comparison sees it: mean look, when it is on screen, and from how many samples the look is known."""

    look: Look
    span: Span
    samples: int


@dataclass
class _Person:
    look: Look
    weight: int
    spans: list[Span]
    """In order of time; none overlaps another."""
    members: list[int]

    def could_be(self, other: "_Person") -> bool:
        """Nobody is in two places of one picture at the same time."""
        few, many = sorted((self.spans, other.spans), key=len)
        for span in few:
            at = bisect(many, span)
            if any(span.overlap(near) > 0 for near in many[max(0, at - 1) : at + 1]):
                return False
        return True

    def take(self, other: "_Person") -> None:
        total = self.weight + other.weight
        self.look = ((self.look * self.weight + other.look * other.weight) / total).astype(np.float32)
        self.weight = total
        for span in other.spans:
            insort(self.spans, span)
        self.members += other.members


def look_distance(one: Look, others: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How unlike each row of `others` is to `one`: 0 for the same look, about 1 for another person."""
    edges = (0, SHAPE_SIZE, SHAPE_SIZE + COLOUR_SIZE, SHAPE_SIZE + 2 * COLOUR_SIZE)
    total = np.zeros(len(others), np.float32)
    for weight, start, end in zip(WEIGHTS, edges[:-1], edges[1:], strict=True):
        part, rest = one[start:end], others[:, start:end]
        lengths = np.linalg.norm(rest, axis=1) * np.linalg.norm(part)
        total += np.float32(weight) * (1 - (rest @ part) / np.maximum(lengths, 1e-6))
    return total


def same_people(appearances: Sequence[Appearance], *, threshold: float = SAME_PERSON) -> list[int]:
    """A person for each appearance, numbered by time on screen: 0 is seen most.

    The best known appearances found the groups, each further one joins the nearest or founds its own, and at the end groups that
    have come close are joined, nearest first. Appearances that are on screen together never fall together.
    """
    people: list[_Person] = []
    looks = np.zeros((64, SHAPE_SIZE + 2 * COLOUR_SIZE), np.float32)
    order = sorted(range(len(appearances)), key=lambda at: (-appearances[at].samples, at))
    for at in order:
        one = appearances[at]
        newcomer = _Person(one.look, one.samples, [one.span], [at])
        nearest = _nearest(newcomer, people, looks[: len(people)], threshold)
        if nearest is None:
            nearest = len(people)
            people.append(newcomer)
            if nearest == len(looks):
                looks = np.concatenate([looks, np.zeros_like(looks)])
        else:
            people[nearest].take(newcomer)
        looks[nearest] = people[nearest].look
    _join_close(people, threshold)
    people.sort(key=lambda each: (-each.weight, min(each.members)))
    number = [0] * len(appearances)
    for person, group in enumerate(people):
        for at in group.members:
            number[at] = person
    return number


def _nearest(newcomer: _Person, people: list[_Person], looks: npt.NDArray[np.float32], threshold: float) -> int | None:
    distances = look_distance(newcomer.look, looks)
    for at in np.argsort(distances, kind="stable").tolist():
        if distances[at] > threshold:
            return None
        if people[at].could_be(newcomer):
            return int(at)
    return None


def _join_close(people: list[_Person], threshold: float) -> None:
    while 1 < len(people) <= MAX_COMPARED:
        looks = np.stack([each.look for each in people])
        pairs = [
            (float(distance), first, first + 1 + second)
            for first in range(len(people) - 1)
            for second, distance in enumerate(look_distance(looks[first], looks[first + 1 :]))
            if distance <= threshold
        ]
        joinable = next(((a, b) for _, a, b in sorted(pairs) if people[a].could_be(people[b])), None)
        if joinable is None:
            return
        people[joinable[0]].take(people.pop(joinable[1]))
