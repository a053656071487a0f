"""Goes through the sources of a transcript, the best first, until one gives a whole one."""

from collections.abc import Callable

import msgspec

from cliply_assets.steps.work import StepWork
from cliply_assets.transcript.choose import Source, cut_to, is_whole, plan_sources
from cliply_assets.transcript.embedded import extract_subtitles
from cliply_assets.transcript.subtitles import read_transcript
from cliply_resources.documents import MediaProxy, SourceVideo, Transcript
from cliply_resources.errors import CallerError, DeadlineExceeded, MediaError, StepFailed
from cliply_resources.progress import part_of
from cliply_resources.speech import align_transcript, best_engine, transcribe_with_first_available
from cliply_resources.speech.contract import no_speech

__all__ = ["find_transcript"]

ALIGNED_FROM = 0.8
"""Share of the bar at which aligning begins; it costs a tenth of recognising."""


def find_transcript(work: StepWork, source: SourceVideo, proxy: MediaProxy) -> Transcript:
    """The best transcript there is, its words timed by the sound where it came without word times.

    Raises:
        CallerError: the user's own transcript is unusable; it is never silently replaced.
        StepFailed: no source and no engine gave one.
    """
    sources = plan_sources(
        brought=work.settings.transcript is not None,
        origin=source.origin,
        subtitles=source.media.subtitles,
        language=work.settings.language,
        engine=best_engine(work.configuration) if proxy.has_audio else None,
    )
    passed_over: list[str] = []
    for each in sources:
        try:
            found = _from(each, work, source)
        except (CallerError, MediaError, StepFailed) as error:
            if each.kind == "file" or isinstance(error, DeadlineExceeded):
                raise
            passed_over.append(f"The {each.kind.replace('-', ' ')} could not be used: {error}")
            continue
        if each.kind in {"file", "engine"} or is_whole(found, proxy.duration):
            return _timed(cut_to(found, proxy.duration), work, proxy, " ".join(passed_over))
        passed_over.append(f"The {each.kind.replace('-', ' ')} hold too little text to be all that is said.")
    if not proxy.has_audio:
        return no_speech("none", "the film has no sound")
    raise StepFailed(
        "Nothing on this machine can recognise speech, and the film brings no usable text. "
        "`cliply doctor` says what is missing; or give a transcript with --transcript.",
        detail="\n".join(passed_over),
    )


def _from(source: Source, work: StepWork, video: SourceVideo) -> Transcript:
    kinds: dict[str, Callable[[], Transcript]] = {
        "file": lambda: _brought(work),
        "site-captions": lambda: _read(video.origin.captions or "" if video.origin else "", source, video),
        "embedded-subtitles": lambda: _embedded(source, work, video),
        "engine": lambda: _recognised(source, work),
    }
    return kinds[source.kind]()


def _brought(work: StepWork) -> Transcript:
    found = msgspec.json.decode(work.storage.get_bytes(str(work.settings.transcript)), type=Transcript)
    return msgspec.structs.replace(found, language=work.settings.language or found.language)


def _read(text: str, source: Source, video: SourceVideo) -> Transcript:
    read = read_transcript(text, name=f"{source.kind} of {video.title}")
    return msgspec.structs.replace(
        read,
        engine=source.kind,
        engine_detail=f"{read.engine_detail}, {'automatic' if source.is_automatic else 'made by a person'}",
        language=source.language or read.language,
        quality="normal" if source.is_automatic else "high",
    )


def _embedded(source: Source, work: StepWork, video: SourceVideo) -> Transcript:
    assert source.stream is not None
    with work.file("source_video", "source") as path:
        text = extract_subtitles(path, source.stream, progress=part_of(work.progress, 0.0, 0.5))
    return _read(text, source, video)


def _recognised(source: Source, work: StepWork) -> Transcript:
    with work.file("media_proxy", "audio.wav") as path:
        return transcribe_with_first_available(
            path,
            settings=work.configuration,
            language=source.language,
            progress=part_of(work.progress, 0.0, ALIGNED_FROM),
        )


def _timed(found: Transcript, work: StepWork, proxy: MediaProxy, passed_over: str) -> Transcript:
    noted = msgspec.structs.replace(found, note=f"{found.note} {passed_over}".strip())
    if not proxy.has_audio:
        return noted
    with work.file("media_proxy", "audio.wav") as path:
        return align_transcript(path, noted, progress=part_of(work.progress, ALIGNED_FROM, 1.0))
