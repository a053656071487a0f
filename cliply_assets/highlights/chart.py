"""The signals of a film as a picture: one curve each, with the chosen moments marked."""

import io
from typing import TYPE_CHECKING

import numpy as np

from cliply_assets.highlights.reasons import clock
from cliply_assets.highlights.timeline import SIGNALS
from cliply_resources.documents import Candidates

if TYPE_CHECKING:
    import polars as pl
    from PIL import ImageDraw, ImageFont

__all__ = ["signals_chart"]

_WIDTH = 1400
_LEFT, _RIGHT, _TOP = 132, 24, 84
_LANE, _SPACE = 46, 10
_SCORE_LANE = 96
_AXIS = 46
_TICKS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # s between time labels

_PAPER, _INK, _FAINT, _GRID = "#ffffff", "#1f2430", "#6b7280", "#e5e7eb"
_CHOSEN, _CHOSEN_EDGE, _NEAR = "#fff1c2", "#d97706", "#f3f4f6"
_COLOURS = {
    "text": "#4f46e5",
    "energy": "#0891b2",
    "rise": "#0e7490",
    "pitch_range": "#7c3aed",
    "pace": "#2563eb",
    "laughter": "#db2777",
    "applause": "#e11d48",
    "beats": "#65a30d",
    "cuts": "#57534e",
    "motion": "#0d9488",
    "faces": "#b45309",
    "replayed": "#dc2626",
    "comments": "#ea580c",
    "chat": "#c026d3",
    "score": "#111827",
}
_NAMES = {"text": "words", "pitch_range": "pitch range", "replayed": "most replayed", "score": "together"}


def signals_chart(signals: "pl.DataFrame", chosen: Candidates) -> bytes:
    """A PNG, 1400 pixels wide: `signals` as `choose_candidates` gives them, the clips in amber with rank and score, near misses grey."""
    from PIL import Image, ImageDraw, ImageFont

    lanes = [name for name in SIGNALS if name in signals.columns] + ["score"]
    height = _TOP + len(lanes) * (_LANE + _SPACE) + _SCORE_LANE - _LANE + _AXIS
    picture = Image.new("RGB", (_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    fonts = {size: ImageFont.load_default(size) for size in (12, 14, 18)}
    times = signals["time"].to_numpy()
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    seconds = max(float(times[-1]) + step, *(one.end for one in (*chosen.candidates, *chosen.near_misses)), 1e-3)
    bottom = height - _AXIS
    draw.text((16, 14), f"{chosen.profile.capitalize()}, ranked by {_plain(chosen.ranker)}", _INK, font=fonts[18])
    _bands(draw, chosen, seconds, bottom, fonts[14])
    _time_axis(draw, seconds, bottom, fonts[12])
    top = _TOP
    for name in lanes:
        lane = _SCORE_LANE if name == "score" else _LANE
        _curve(draw, signals[name].to_numpy(), (top, lane), _COLOURS[name])
        label = _NAMES.get(name, name)
        draw.text((16, top + lane / 2), label, _INK, font=fonts[14], anchor="lm")
        top += lane + _SPACE
    return _png(picture)


def _png(picture: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)  # type: ignore[attr-defined]  # a PIL image, whose module is not imported here
    return out.getvalue()


def _plain(text: str) -> str:
    """The built-in font has no other letters; a model's name is outside text anyway."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)[:60]


def _across(seconds: float, whole: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / whole


def _bands(
    draw: "ImageDraw.ImageDraw",
    chosen: Candidates,
    seconds: float,
    bottom: int,
    font: "ImageFont.ImageFont | ImageFont.FreeTypeFont",
) -> None:
    for one in chosen.near_misses:
        draw.rectangle((_across(one.start, seconds), _TOP - 4, _across(one.end, seconds), bottom), fill=_NEAR)
    taken = -1e9
    for rank, one in sorted(enumerate(chosen.candidates, 1), key=lambda pair: pair[1].start):
        left, right = _across(one.start, seconds), _across(one.end, seconds)
        draw.rectangle((left, _TOP - 4, right, bottom), fill=_CHOSEN)
        for edge in (left, right):
            draw.line((edge, _TOP - 4, edge, bottom), fill=_CHOSEN_EDGE, width=1)
        label = f"{rank}: {one.score:.0f}"
        width = draw.textlength(label, font)
        middle = min(max((left + right) / 2, _LEFT + width / 2), _WIDTH - _RIGHT - width / 2)
        # Two labels that would touch stand at different heights.
        row = 18 if middle - width / 2 < taken else 0
        taken = middle + width / 2 + 6 if row == 0 else taken
        draw.text((middle, _TOP - 8 - row), label, _CHOSEN_EDGE, font=font, anchor="mb")


def _time_axis(
    draw: "ImageDraw.ImageDraw", seconds: float, bottom: int, font: "ImageFont.ImageFont | ImageFont.FreeTypeFont"
) -> None:
    tick = next((tick for tick in _TICKS if seconds / tick <= 16), _TICKS[-1])
    for moment in np.arange(0, seconds + 1e-6, tick):
        place = _across(float(moment), seconds)
        draw.line((place, _TOP - 4, place, bottom + 4), fill=_GRID, width=1)
        draw.text((place, bottom + 8), clock(float(moment)), _FAINT, font=font, anchor="mt")
    draw.line((_LEFT, bottom, _WIDTH - _RIGHT, bottom), fill=_FAINT, width=1)


def _curve(draw: "ImageDraw.ImageDraw", values: np.ndarray, lane: tuple[int, int], colour: str) -> None:
    """A filled curve; where a film has more rows than the picture has columns, each column shows its highest."""
    top, height = lane
    columns = _WIDTH - _LEFT - _RIGHT
    clean = np.nan_to_num(values.astype(float))
    if len(clean) > columns:
        edges = np.linspace(0, len(clean), columns, endpoint=False).astype(int)
        clean = np.maximum.reduceat(clean, edges)
    base = top + height
    draw.line((_LEFT, base, _WIDTH - _RIGHT, base), fill=_GRID, width=1)
    across = np.linspace(_LEFT, _WIDTH - _RIGHT, len(clean) + 1)
    points: list[tuple[float, float]] = []
    for place, value in enumerate(np.clip(clean, 0.0, 1.0)):
        up = float(base - height * value)
        points += [(float(across[place]), up), (float(across[place + 1]), up)]
    draw.polygon([(_LEFT, base), *points, (_WIDTH - _RIGHT, base)], fill=_tint(colour))
    draw.line(points, fill=colour, width=2, joint="curve")


def _tint(colour: str) -> tuple[int, int, int]:
    """The colour at a quarter of its strength on white."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return 255 - (255 - red) // 4, 255 - (255 - green) // 4, 255 - (255 - blue) // 4
