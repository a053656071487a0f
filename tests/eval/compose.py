"""Draws the films: still people whose mouths follow the sound's level, on plain scenery, encoded by PyAV in this process."""

import math
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import msgspec
import numpy as np
from films import Film, Place
from numpy.typing import NDArray
from truth import FPS, HEIGHT, SPEECH, WIDTH, Box, FilmTruth, Sound, load_sound

from cliply_assets.sample.portrait import sprite
from cliply_assets.sample.scenery import slide, studio
from cliply_assets.sample.truth import MOUTHS, PORTRAIT_FACE, PORTRAIT_SIDE
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import silent

__all__ = ["compose", "true_faces"]

Picture = NDArray[Any]

_QUIET_DB, _LOUD_DB = -42.0, -17.0
_GRAIN = 4
_SCREEN = ("Changed files", "settings", "prices, line two", "letters")
_AUDIENCE = 11
_WIDE_FIRST, _WIDE_EVERY = 3.0, 5  # s of the first wide shot of a cut film; then every so many changes of speaker


def compose(film: Film, into: Path) -> tuple[Path, FilmTruth, Sound]:
    """The film in `into` with its truth; made only where it is not there yet."""
    into.mkdir(parents=True, exist_ok=True)
    path, sound = into / f"{film.name}.mp4", load_sound(film.name)
    truth = true_faces(film, sound)
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=into) as name:
            pictures = Path(name) / "pictures.mp4"
            _draw(film, sound, truth, pictures)
            finished = Path(name) / "film.mp4"
            run_ffmpeg(
                [
                    *("-i", str(pictures), "-i", str(SPEECH / f"{film.name}.opus"), "-map", "0:v", "-map", "1:a"),
                    *("-c:v", "copy", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-t", f"{truth.frames / FPS:.3f}"),
                    str(finished),
                ],
                duration=sound.duration,
                progress=silent,
                deadline_seconds=300,
                doing="joining a film",
            )
            finished.replace(path)
    return path, truth, sound


def true_faces(film: Film, sound: Sound) -> FilmTruth:
    """Every face in every frame; follows from the script and the sound alone."""
    frames = int(sound.duration * FPS)
    views = _views(film, sound, frames)
    faces: dict[str, list[Box | None]] = {place.who: [] for place in film.places}
    for frame in range(frames):
        shown = {place.who: place for place in _visible(film, views[frame])}
        for place in film.places:
            here = shown.get(place.who)
            faces[place.who].append(_face(here, frame, frames) if here else None)
    cuts = tuple(frame for frame in range(1, frames) if views[frame] != views[frame - 1])
    return FilmTruth(frames=frames, faces={who: tuple(boxes) for who, boxes in faces.items()}, cuts=cuts)


def _views(film: Film, sound: Sound, frames: int) -> list[str]:
    """Who the camera shows in each frame: `all`, or one person of a film that is cut, from just before they speak."""
    if film.stage != "cut":
        return ["all"] * frames
    changes: list[tuple[float, str]] = [(0.0, "all")]
    for segment in sound.segments:
        if segment.start >= _WIDE_FIRST and segment.speaker != changes[-1][1]:
            wide = len(changes) % _WIDE_EVERY == 0
            changes.append((segment.start - 0.16, "all" if wide else str(segment.speaker)))
    return [next(who for start, who in reversed(changes) if frame / FPS >= start) for frame in range(frames)]


def _visible(film: Film, view: str) -> tuple[Place, ...]:
    if film.stage != "cut":
        return film.places
    if view == "all":
        replace = msgspec.structs.replace
        return tuple(
            replace(place, centre=centre, size=0.7, top=0.3)
            for place, centre in zip(film.places, (0.27, 0.73), strict=True)
        )
    return tuple(place for place in film.places if place.who == view)


def _side(place: Place) -> int:
    return 2 * round(place.size * HEIGHT / 2)


def _corner(place: Place, frame: int, frames: int) -> tuple[int, int]:
    moved = place.centre + place.walk * (1 - math.cos(2 * math.pi * frame / frames)) / 2
    moved += place.sway * math.sin(2 * math.pi * frame / (4.7 * FPS))
    return round(moved * WIDTH - _side(place) / 2), round(place.top * HEIGHT)


def _face(place: Place, frame: int, frames: int) -> Box:
    left, top = _corner(place, frame, frames)
    scale = _side(place) / PORTRAIT_SIDE
    x, y, w, h = PORTRAIT_FACE
    if place.look != "guest":
        x = PORTRAIT_SIDE - x - w
    return ((left + x * scale) / WIDTH, (top + y * scale) / HEIGHT, w * scale / WIDTH, h * scale / HEIGHT)


@lru_cache(maxsize=16)
def _person(look: str, side: int) -> tuple[Picture, Picture, list[Picture], tuple[int, int]]:
    """Colours, mask, mouths, and where the mouths belong. The third look is the guest mirrored, in other colours."""
    drawn = sprite("host" if look == "host" else "guest", side)
    colours = np.ascontiguousarray(drawn.picture[..., :3])
    mask = np.where(drawn.picture[..., 3] > 127, 255, 0).astype(np.uint8)
    x, y, width, height = drawn.mouth_box
    mouths = [np.ascontiguousarray(drawn.mouths[height * n : height * (n + 1)]) for n in range(MOUTHS)]
    if look == "other":
        tint = np.array([0.72, 0.95, 1.0])
        colours = np.ascontiguousarray((colours[:, ::-1] * tint).astype(np.uint8))
        mask = np.ascontiguousarray(mask[:, ::-1])
        mouths = [np.ascontiguousarray((mouth[:, ::-1] * tint).astype(np.uint8)) for mouth in mouths]
        x = side - x - width
    return colours, mask, mouths, (x, y)


def _draw(film: Film, sound: Sound, truth: FilmTruth, path: Path) -> None:
    level = _levels(film.name, truth.frames)
    views = _views(film, sound, truth.frames)
    rng = np.random.default_rng(3)
    grain = rng.integers(0, _GRAIN + 1, (HEIGHT + 64, WIDTH + 64, 3), np.uint8)
    backgrounds = {view: _background(film, view) for view in set(views)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "20", "g": "100"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in range(truth.frames):
            picture = backgrounds[views[frame]].copy()
            if film.stage == "music":
                _lights(picture, frame, loud=bool(sound.good and sound.good.contains(frame / FPS)))
            speaker = sound.speaker_at((frame + 0.5) / FPS)
            for place in _visible(film, views[frame]):
                mouth = int(level[frame]) if place.who == speaker else 0
                _put(picture, place, _corner(place, frame, truth.frames), mouth)
            dx, dy = rng.integers(0, 64, 2)
            picture = cv2.add(picture, grain[dy : dy + HEIGHT, dx : dx + WIDTH])
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _put(picture: Picture, place: Place, corner: tuple[int, int], mouth: int) -> None:
    colours, mask, mouths, (mouth_x, mouth_y) = _person(place.look, _side(place))
    left, top = corner
    _paste(picture, colours, (left, top), mask)
    _paste(picture, mouths[mouth], (left + mouth_x, top + mouth_y), None)


def _paste(picture: Picture, what: Picture, corner: tuple[int, int], mask: Picture | None) -> None:
    """Copies what of it lies inside the picture."""
    left, top = corner
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(WIDTH, left + what.shape[1]), min(HEIGHT, top + what.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    target = picture[y0:y1, x0:x1]
    if mask is None:
        target[:] = what[inside]
    else:
        cv2.copyTo(np.ascontiguousarray(what[inside]), np.ascontiguousarray(mask[inside]), target)


def _background(film: Film, view: str) -> Picture:
    if film.stage == "screen":
        return slide(WIDTH, HEIGHT, _SCREEN[0], _SCREEN[1:]).copy()
    if film.stage == "lecture":
        board = slide(WIDTH, HEIGHT, "", ("", "three kinds of ice", "")).copy()
        cv2.rectangle(board, (0, 0), (round(0.52 * WIDTH), HEIGHT), (70, 62, 58), -1)
        return board
    blur = {"stage": 0.004, "walk": 0.01}.get(film.stage, 0.0 if view == "all" else 0.02)
    picture = studio(WIDTH, HEIGHT, blur=blur)
    if film.stage == "walk":
        # A wall of stones, so that there is something to walk past.
        for column in range(0, WIDTH, 160):
            cv2.rectangle(picture, (column, 40), (column + 150, HEIGHT), (60, 66 + column % 30, 74), 2)
    if film.stage == "stage":
        cv2.rectangle(picture, (0, round(0.7 * HEIGHT)), (WIDTH, HEIGHT), (40, 34, 30), -1)
    if film.stage in ("stage", "comedy"):
        for seat in range(_AUDIENCE):
            middle = (round((seat + 0.5) / _AUDIENCE * WIDTH), HEIGHT + 10 - (seat % 2) * 18)
            cv2.ellipse(picture, middle, (38, 62), 0, 0, 360, (14, 10, 12), -1, cv2.LINE_AA)
    return picture


def _lights(picture: Picture, frame: int, *, loud: bool) -> None:
    """Moving lights of a concert; more and faster in its loud part."""
    rate = 3.0 if loud else 0.8
    for number in range(9 if loud else 3):
        angle = rate * frame / FPS + number * 2.1
        middle = (round((0.5 + 0.42 * math.cos(angle)) * WIDTH), round((0.5 + 0.36 * math.sin(1.3 * angle)) * HEIGHT))
        colour = (90 + 18 * number, 255 - 22 * number, 120 + 14 * number)
        cv2.circle(picture, middle, 70, colour, -1, cv2.LINE_AA)


def _levels(name: str, frames: int) -> NDArray[np.int64]:
    """How far a speaking mouth is open in each frame, 1 to 5, by the level of the sound."""
    heard = [np.zeros(0, np.float32)]
    with av.open(str(SPEECH / f"{name}.opus")) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
        for frame in container.decode(audio=0):
            heard += [one.to_ndarray()[0] for one in resampler.resample(frame)]
    samples = np.concatenate(heard)
    per_frame = 16_000 // FPS
    samples = np.pad(samples, (0, max(0, frames * per_frame - samples.size)))[: frames * per_frame]
    level = 10 * np.log10((samples.reshape(frames, per_frame) ** 2).mean(axis=1) + 1e-10)
    opened = np.clip((level - _QUIET_DB) / (_LOUD_DB - _QUIET_DB), 0, 1)
    return 1 + np.rint(opened * (MOUTHS - 2)).astype(np.int64)
