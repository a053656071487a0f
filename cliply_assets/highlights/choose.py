"""From everything that was measured to the clips that are proposed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import UNSET

from cliply_assets.highlights.boundaries import Limits
from cliply_assets.highlights.film import Film, read_film
from cliply_assets.highlights.moments import Moment, signal_moments, spoken_moments
from cliply_assets.highlights.profiles import SIGNAL_WEIGHTS, SUBSCORE_WEIGHTS, profile_of
from cliply_assets.highlights.ranking import Ranked, choose, rank
from cliply_assets.highlights.sentences import split_sentences
from cliply_assets.highlights.text_signals import read_sentences
from cliply_assets.highlights.timeline import NOBODY, build_timeline
from cliply_assets.highlights.titles import word_clip
from cliply_assets.highlights.wishes import ABOUT
from cliply_resources.documents import Audience, Candidate, Candidates, Origin, Scenes, Transcript, UploadSettings

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BUILT_IN", "choose_candidates"]

BUILT_IN = "built-in"
_TALKED_THROUGH = ("talk", "podcast", "interview")
_ROOM_FOR_CHOICE = 1.0  # s; a film this little longer than the shortest clip is taken whole
_STILL = 1e-4  # motion below which nothing moves


def choose_candidates(  # noqa: PLR0913 - a choice is made from everything that is known
    transcript: Transcript,
    audio: "pl.DataFrame | None",
    scenes: Scenes,
    motion: "pl.DataFrame | None",
    faces: "pl.DataFrame | None",
    *,
    duration: float,
    settings: UploadSettings,
    origin: Origin | None,
    audience: Audience | None = None,
    near_misses: int = 3,
) -> tuple[Candidates, "pl.DataFrame"]:
    """At most `settings.clips` moments, best first, and the signals they were chosen by (`time`, one column each, `score`).

    Beside them stand at most `near_misses` that fell short.

    `audio` is the table of `measure_audio`, `motion` has `time` and `motion`, `faces` the columns of `faces.parquet`; `None` or an
    empty table is a film that does not give this. `audience` is what the user knows of the viewers, and comes before what the site
    said. Every clip lies in `[0, duration]`, keeps the lengths of the settings (or is the
    whole film where that is shorter), begins and ends outside words, and shares at most a tenth of the shorter with any other.
    The same input gives the same answer.
    """
    sentences = split_sentences(transcript, duration)
    readings = read_sentences(sentences, transcript.language)
    viewers = _viewers(origin, audience)
    timeline = build_timeline(
        duration,
        audio=audio,
        motion=motion,
        faces=faces,
        cuts=scenes.cuts,
        heatmap=viewers.heatmap,
        sentences=sentences,
        readings=readings,
        audience=viewers,
    )
    profile = settings.profile if settings.profile is not UNSET else profile_of(timeline, sentences, readings)
    chapters = [(chapter.start, chapter.title) for chapter in viewers.chapters]
    limits = Limits(
        duration=duration,
        shortest=min(settings.min_seconds, settings.max_seconds),
        longest=max(settings.min_seconds, settings.max_seconds),
        cuts=tuple(sorted(cut for cut in scenes.cuts if 0.0 < cut < duration)),
        beats=_beats(audio) if profile == "music" else (),
    )
    film = read_film(
        limits=limits,
        timeline=timeline,
        weights=SIGNAL_WEIGHTS[profile],
        sentences=sentences,
        readings=readings,
        topic=settings.topic if settings.topic is not UNSET else "",
        excluded=settings.exclude if settings.exclude is not UNSET else (),
        chapters=[start for start, _ in chapters],
        marks=viewers.marks,
    )
    short = duration < limits.shortest + _ROOM_FOR_CHOICE and duration <= max(limits.longest, limits.shortest)
    if short and not film.excluded:
        chosen, near, note = _whole_film(film, profile, settings)
    else:
        chosen, near, note = _several(
            film, profile, settings, [start for start, _ in chapters], _gives_nothing(audio, motion), near_misses
        )
    table = timeline.table(SIGNAL_WEIGHTS[profile])
    kept = _worded(film, chosen, chapters)
    missed = _worded(film, near, chapters)
    return Candidates(ranker=BUILT_IN, profile=profile, candidates=kept, near_misses=missed, note=note), table


def _beats(audio: "pl.DataFrame | None") -> tuple[float, ...]:
    """When beats fall, to the tenth of a second before each."""
    if audio is None or audio.is_empty():
        return ()
    return tuple(float(moment) for moment in audio.filter(audio["beat"])["time"])


def _viewers(origin: Origin | None, brought: Audience | None) -> Audience:
    """What the user brought, and for the rest what the site said."""
    brought = brought or NOBODY
    if origin is None:
        return brought
    site = origin.audience or NOBODY
    return Audience(
        marks=brought.marks or site.marks,
        chat=brought.chat or site.chat,
        heatmap=brought.heatmap or origin.heatmap,
        chapters=brought.chapters or origin.chapters,
    )


def _several(
    film: Film, profile: str, settings: UploadSettings, anchors: Sequence[float], nothing: bool, near_misses: int
) -> tuple[list[Ranked], list[Ranked], str]:
    moments = spoken_moments(film, wanted=settings.clips)
    if profile not in _TALKED_THROUGH or not moments:
        moments += signal_moments(film, wanted=settings.clips, anchors=anchors)
    ranked = rank(film, moments, SUBSCORE_WEIGHTS[profile])
    if film.topic and not ranked:
        return [], _beside_the_topic(film, profile, settings), _nothing_about(film)
    chosen, near = choose(ranked, settings.clips, film.limits.duration, near_misses=near_misses)
    if nothing and not film.sentences:
        return [], [*chosen, *near][:3], "Nothing is said, heard or seen to move in this film, so no clip is proposed."
    if not chosen and near:
        # Somebody who asks for clips is better served by the best there is, said plainly, than by none.
        weak = f"Nothing in this film stands out; this is its best moment, with {near[0].score:.0f} of 100 points."
        return near[:1], near[1:], _joined(weak, _unspoken(film))
    fewer = ""
    if len(chosen) < settings.clips:
        counted = "Only 1 moment is" if len(chosen) == 1 else f"Only {len(chosen)} moments are"
        about = f" about “{film.topic}”" if film.topic else ""
        fewer = f"{counted} good enough{about} of the {settings.clips} asked for; the rest would be filler."
    if not chosen:
        low, high = film.limits.shortest, film.limits.longest
        fewer = f"No stretch of {low:g} to {high:g} s begins and ends between words; allow other lengths."
        fewer = fewer.replace("; allow", " outside the excluded ranges; allow") if film.excluded else fewer
    return chosen, near, _joined(fewer, _unspoken(film))


def _nothing_about(film: Film) -> str:
    if not film.sentences:
        return f"No speech was found, so nothing can be said about “{film.topic}”."
    if float(film.about.max()) < ABOUT:
        return f"Nobody says anything about “{film.topic}” in this film; try other words, or fewer."
    low, high = film.limits.shortest, film.limits.longest
    return f"“{film.topic}” is spoken of, but no stretch of {low:g} to {high:g} s about it may be taken; allow other lengths."


def _beside_the_topic(film: Film, profile: str, settings: UploadSettings) -> list[Ranked]:
    """The best of the film whatever it is about, so that a wish without result still shows what there is."""
    free = msgspec.structs.replace(film, topic="", about=np.ones(len(film.sentences)))
    chosen, near = choose(
        rank(free, spoken_moments(free, wanted=settings.clips), SUBSCORE_WEIGHTS[profile]), 3, film.limits.duration
    )
    return [*chosen, *near][:3]


def _whole_film(film: Film, profile: str, settings: UploadSettings) -> tuple[list[Ranked], list[Ranked], str]:
    duration = film.limits.duration
    last = len(film.sentences) - 1
    whole = Moment(start=0.0, end=duration, first=0, last=last, peak=_loudest(film))
    ranked = rank(film, [whole], SUBSCORE_WEIGHTS[profile])
    note = ""
    if duration < film.limits.shortest:
        note = (
            f"The film lasts {duration:.1f} s, less than the shortest clip of {film.limits.shortest:g} s, "
            "so the clip is the whole film."
        )
    return (ranked if settings.clips > 0 else []), [], _joined(note, _unspoken(film))


def _loudest(film: Film) -> float:
    return float(film.timeline.times[int(film.curve.argmax())])


def _gives_nothing(audio: "pl.DataFrame | None", motion: "pl.DataFrame | None") -> bool:
    silent = audio is None or audio.height == 0 or bool(audio["silence"].all())
    still = motion is None or motion.height == 0 or float(motion["motion"].max() or 0.0) < _STILL  # type: ignore[arg-type]  # polars: the maximum of a float column is a float
    return silent and still


def _unspoken(film: Film) -> str:
    return "" if film.sentences else "No speech was found; clips are chosen from sound and picture."


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _worded(film: Film, ranked: Sequence[Ranked], chapters: Sequence[tuple[float, str]]) -> tuple[Candidate, ...]:
    written: list[Candidate] = []
    for one in ranked:
        moment = one.moment
        chapter = next((title for start, title in reversed(chapters) if start <= moment.peak), None)
        wording = word_clip(film, moment, taken=[other.title for other in written], chapter=chapter)
        sentences = film.sentences[moment.first : moment.last + 1]
        written.append(
            Candidate(
                start=moment.start,
                end=moment.end,
                score=one.score,
                subscores=one.subscores,
                title=wording.title,
                description=wording.description,
                hashtags=wording.hashtags,
                hook=wording.hook,
                reasons=one.reasons or ("It stands out a little from the rest of the film.",),
                text=" ".join(sentence.text for sentence in sentences),
            )
        )
    return tuple(written)
