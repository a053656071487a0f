"""One coordinate of the camera: resting while it may, easing when it must, never faster than allowed."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["calm_samples", "limit_speed", "rest_and_ease"]

Line = npt.NDArray[np.float64]

SHORTEST_STOP = 2.5
"""A rest on the way, shorter than this many eased moves, is no stop: stopping and starting again looks nervous."""

MEDIAN_SAMPLES = 5
"""Two seconds at two samples a second: what lasts for less than half of it is a gesture."""


def calm_samples(values: Line, *, zone: float) -> Line:
    """`values` without brief excursions, yet never farther than `zone` from what was seen.

    A running median of five keeps steps and steady movement as they are, and drops what is over within a second.
    """
    if len(values) < 3:
        return values.copy()
    reach = min(MEDIAN_SAMPLES, len(values) - (1 - len(values) % 2)) // 2
    padded = np.pad(values, reach, mode="edge")
    median = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)
    return np.clip(median, values - zone, values + zone)


def rest_and_ease(target: Line, *, dead: float, ease: float, max_step: float) -> Line:
    """A path that stays within `dead` of `target` while it rests, and eases from one rest to the next.

    `target` has one value a frame; `ease` is in frames, `max_step` in units a frame. The future is known: a rest lasts as long as one
    place serves, and a move begins before the target has left. A target that never rests is followed in one even
    glide. No move overshoots (monotone cubic interpolation after Fritsch and Carlson, 1980).
    """
    if not len(target):
        return target.copy()
    rests = _without_steps(_rests(target, dead), ease)
    at, place = _knots(rests, len(target), ease=ease, max_step=max_step)
    path = limit_speed(_monotone_cubic(at, place, np.arange(len(target), dtype=np.float64)), max_step)
    return _softened(path, reach=round(ease / 8))


def limit_speed(path: Line, max_step: float) -> Line:
    """The path between the two nearest ones above and below that never step further than `max_step`."""
    frames = np.arange(len(path)) * max_step
    above = np.minimum(
        np.minimum.accumulate(path - frames) + frames, np.minimum.accumulate((path + frames)[::-1])[::-1] - frames
    )
    below = np.maximum(
        np.maximum.accumulate(path + frames) - frames, np.maximum.accumulate((path - frames)[::-1])[::-1] + frames
    )
    return np.asarray((above + below) / 2, np.float64)


def _rests(target: Line, dead: float) -> list[tuple[int, int, float]]:
    """Stretches (first frame, end, place) in which one place is within `dead` of the target, each as long as possible."""
    firsts = [0]
    low = high = float(target[0])
    for frame, value in enumerate(target.tolist()):
        low, high = min(low, value), max(high, value)
        if high - low > 2 * dead:
            firsts.append(frame)
            low = high = value
    edges = [*firsts, len(target)]
    return [
        _core(target, first, end, dead, on_the_way=(first > 0, end < len(target))) for first, end in pairwise(edges)
    ]


def _core(target: Line, first: int, end: int, dead: float, *, on_the_way: tuple[bool, bool]) -> tuple[int, int, float]:
    """The rest without the beginning and end in which the target comes and goes, and its place there."""
    part = target[first:end]
    there = np.flatnonzero(np.abs(part - np.median(part)) <= dead)
    if on_the_way[1] and len(there):
        end = first + int(there[-1]) + 1
    if on_the_way[0] and len(there):
        first += int(there[0])
    part = target[first:end]
    # Where the target mostly is, as far as the rest of it then stays within reach.
    return first, end, float(np.clip(np.median(part), part.max() - dead, part.min() + dead))


def _without_steps(rests: list[tuple[int, int, float]], ease: float) -> list[tuple[int, int, float]]:
    """Without the single short ones halfway between two real rests, which would break one move into two."""

    def is_step(number: int) -> bool:
        if not 0 < number < len(rests) - 1:
            return False
        (_, _, before), (first, end, place), (_, _, after) = rests[number - 1 : number + 2]
        return end - first < ease and (place - before) * (after - place) > 0

    steps = [is_step(number) for number in range(len(rests))]
    return [rest for number, rest in enumerate(rests) if not steps[number] or steps[number - 1] or steps[number + 1]]


def _softened(path: Line, *, reach: int) -> Line:
    """Corners rounded by a running mean, run twice; where the path rests for longer it stays exactly as it is."""
    if reach < 1:
        return path
    for _ in range(2):
        padded = np.pad(path, reach, mode="edge")
        path = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).mean(axis=1)
    return np.asarray(path, np.float64)


def _knots(rests: list[tuple[int, int, float]], frames: int, *, ease: float, max_step: float) -> tuple[Line, Line]:
    """Where each rest begins and ends for the camera; a rest too short for a stop is one point on the way."""
    knots: dict[float, float] = {}
    for number, (first, end, place) in enumerate(rests):
        middle = (first + end - 1) / 2
        before = rests[number - 1][2] if number else place
        after = rests[number + 1][2] if number + 1 < len(rests) else place
        # An eased move is one and a half times as fast in its middle as on average.
        starts = first + max(ease, 1.5 * abs(place - before) / max_step) / 2 if number else 0.0
        stops = (
            end - 1 - max(ease, 1.5 * abs(after - place) / max_step) / 2 if number + 1 < len(rests) else frames - 1.0
        )
        passing = (place - before) * (after - place) > 0 and end - first < SHORTEST_STOP * ease
        if starts < stops and not passing:
            knots[starts] = knots[stops] = place
        elif number == 0 or number + 1 == len(rests):
            knots[starts if number == 0 else stops] = place
        else:
            knots[middle] = place
    at = np.array(sorted(knots))
    return at, np.array([knots[moment] for moment in at.tolist()])


def _monotone_cubic(at: Line, place: Line, frames: Line) -> Line:
    if len(at) == 1:
        return np.full(len(frames), place[0])
    widths, slopes = np.diff(at), np.diff(place) / np.diff(at)
    tangents = np.zeros(len(at))
    # Zero at both ends and at turns; otherwise the weighted harmonic mean keeps each piece monotone.
    same = slopes[:-1] * slopes[1:] > 0
    one, other = 2 * widths[1:] + widths[:-1], widths[1:] + 2 * widths[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (one + other) / (one / slopes[:-1] + other / slopes[1:])
    tangents[1:-1][same] = mean[same]
    piece = np.clip(np.searchsorted(at, frames, side="right") - 1, 0, len(widths) - 1)
    u = np.clip((frames - at[piece]) / widths[piece], 0.0, 1.0)
    start, end = place[piece], place[piece + 1]
    rise_start, rise_end = tangents[piece] * widths[piece], tangents[piece + 1] * widths[piece]
    blend = u * u * (3 - 2 * u)
    curve = start + (end - start) * blend + rise_start * u * (1 - u) ** 2 - rise_end * u * u * (1 - u)
    return np.asarray(np.clip(curve, np.minimum(start, end), np.maximum(start, end)), np.float64)
