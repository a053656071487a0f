"""The source of an upload, and the small copies that every analysis reads."""

from pathlib import Path

from cliply_assets.pipeline import upload_asset
from cliply_assets.source.proxy import write_proxy
from cliply_assets.steps.records import UploadFacts
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.work import Check, StepResult, StepWork, StoredObject
from cliply_resources.documents import MediaProxy, Origin, SourceVideo
from cliply_resources.errors import MediaError
from cliply_resources.media_tools.downloads import download
from cliply_resources.media_tools.graphics_card import decoding_options, video_coding
from cliply_resources.media_tools.limits import check_limits
from cliply_resources.media_tools.probe import probe
from cliply_resources.progress import part_of
from cliply_resources.settings import get_settings
from cliply_resources.storage.keys import source_key

__all__ = ["media_proxy", "source_of", "source_video"]

LENGTH_TOLERANCE = 0.02
"""The proxy may differ from the header's duration by this fraction; more means that part of the film did not decode."""


def source_of(work: StepWork) -> SourceVideo:
    """The source's document."""
    return work.document("source_video", "source.json", SourceVideo)


def _what_it_is(upload: UploadFacts) -> str:
    asks = " and its viewers" if get_settings().url_viewers and not upload.source_sha256 else ""
    return (upload.source_sha256 or upload.source_uri) + asks


@upload_asset(
    STEPS["source_video"],
    group="source",
    kinds={"ffmpeg", "file"},
    owner="team:media",
    pool="network",
    checks={"has_audio": "The source has a sound track.", "is_within_limits": "Length, size and bit rate are allowed."},
    fingerprint=_what_it_is,
)
def source_video(work: StepWork) -> StepResult:
    """The video as the user gave it, probed before anything is decoded, in Cliply's own storage.

    A file is copied, a URL is fetched by yt-dlp from the allowed sites with its title, chapters, captions and heatmap.
    Runbook: a refusal names the value, the limit and the setting; nothing needs doing unless the limit is wrong.
    """
    given, origin = _fetch(work)
    media = probe(given, settings=work.configuration)
    check_limits(media, work.configuration)
    key = source_key(work.workspace_id, work.upload_id, _suffix(given))
    if work.source_kind == "stored":
        stored = StoredObject(key=work.source_uri, size=media.size_bytes, sha256=work.source_sha256 or "")
    else:
        work.progress(0.6, "copying into storage")
        put = work.storage.put_file(key, given)
        stored = StoredObject(key=key, size=put.size, sha256=put.sha256)
    if work.source_sha256 and stored.sha256 != work.source_sha256:
        raise MediaError(f"{given.name} changed while Cliply was reading it; start again once it is finished.")
    title = (origin.title if origin else "") or media.title or work.title
    document = SourceVideo(sha256=stored.sha256, title=title, media=media, origin=origin)
    video = media.video
    return StepResult(
        documents={"source.json": document},
        stored={"source": stored},
        metadata={
            "duration_seconds": round(media.duration, 3),
            "picture": f"{video.width} × {video.height}, {video.codec}, {float(video.fps):.2f} fps",
            "sound": ", ".join(f"{a.codec} {a.channels} ch {a.sample_rate} Hz" for a in media.audio) or "none",
            "title": title,
            "size_bytes": media.size_bytes,
        },
        checks=(
            Check(
                name="has_audio",
                passed=bool(media.audio),
                says="The source has a sound track." if media.audio else "The source has no sound track.",
                serious=False,
            ),
            Check(
                name="is_within_limits", passed=True, says=f"{media.duration:.1f} s at {video.width} × {video.height}."
            ),
        ),
    )


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= 6 else ".bin"


def _fetch(work: StepWork) -> tuple[Path, Origin | None]:
    if work.source_kind == "url":
        return download(
            work.source_uri,
            work.scratch("download"),
            settings=work.configuration,
            progress=part_of(work.progress, 0.0, 0.6),
            deadline_seconds=work.seconds_left,
        )
    if work.source_kind == "stored":
        return work.storage.fetch(work.source_uri, work.folder / f"source{_suffix(Path(work.source_uri))}"), None
    return Path(work.source_uri), None


@upload_asset(
    STEPS["media_proxy"],
    group="source",
    kinds={"ffmpeg"},
    owner="team:media",
    pool="decode",
    checks={"decodes_to_the_end": "What was decoded is as long as the file says it is."},
)
def media_proxy(work: StepWork) -> StepResult:
    """Sound, small frames and cut scores of the whole source, written by one ffmpeg that decodes it once.

    Runbook: a failed length check means that the source is damaged; its clips are still right up to the damage.
    """
    source = source_of(work)
    into = work.scratch("proxy")
    decoder = decoding_options(video_coding(work.configuration.video_encoder))
    with work.file("source_video", "source") as path:
        proxy = write_proxy(
            path, source.media, into, progress=work.progress, deadline_seconds=work.seconds_left, decoder=decoder
        )
    files = {name: into / name for name in ("frames.mkv", "motion.bin", "timing.parquet")}
    if proxy.has_audio:
        files["audio.wav"] = into / "audio.wav"
    return StepResult(
        files=files,
        documents={"proxy.json": proxy},
        metadata={
            "frames": proxy.frames_count,
            "source_frames": proxy.source_frames,
            "seconds": round(proxy.duration, 3),
        },
        checks=(_decoded_whole(proxy, source.media.duration),),
    )


def _decoded_whole(proxy: MediaProxy, promised: float) -> Check:
    missing = promised - proxy.duration
    return Check(
        name="decodes_to_the_end",
        passed=missing <= max(1.0, LENGTH_TOLERANCE * promised),
        says=f"{proxy.duration:.2f} s of {promised:.2f} s were decoded.",
    )
