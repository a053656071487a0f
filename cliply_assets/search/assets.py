"""What can be found: the words of an upload, and its pictures where there is a model that reads them."""

from uuid import UUID

import numpy as np

from cliply_assets.pipeline import Pipeline, upload_asset
from cliply_assets.search.documents import FRAME, embed_frames, make_documents
from cliply_assets.search.passages import Passage, split_passages
from cliply_assets.search.upkeep import DOCUMENT, synchronise
from cliply_assets.steps.records import UploadFacts
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.work import Check, StepResult, StepWork
from cliply_resources.documents import MediaProxy, Transcript
from cliply_resources.embedding import Embedder, Vectors, embedder_fingerprint, open_embedder
from cliply_resources.errors import StepFailed, ToolMissing
from cliply_resources.media_tools.frames import read_frames
from cliply_resources.progress import part_of
from cliply_resources.settings import get_settings
from cliply_resources.uploads import workspace_of_upload

__all__ = ["frame_index", "index_documents"]


def _which_model(_upload: UploadFacts) -> str:
    return embedder_fingerprint(get_settings())


def _into_the_index(pipeline: Pipeline, upload_id: UUID) -> None:
    """Also after a result that was found done: the index is derived from it, and may have been lost or cut short."""
    database = pipeline.database()
    synchronise(database, pipeline.storage(), get_settings(), workspace_of_upload(database, upload_id))


@upload_asset(
    STEPS["frame_index"],
    group="search",
    kinds={"python", "lancedb"},
    owner="team:search",
    checks={
        "every_segment_is_indexed": "Every segment of the transcript can be found by its words.",
        "frames_are_indexed": "Pictures can be found by what they show, where a CLIP checkpoint is configured.",
    },
    fingerprint=_which_model,
    afterwards=_into_the_index,
)
def frame_index(work: StepWork) -> StepResult:
    """Passages of the transcript and, with a CLIP checkpoint, one picture every 2 s, in the workspace's search index.

    Runbook: clips do not wait for it. The index is derived: `cliply search --rebuild` makes it again from what steps stored.
    """
    return index_documents(work)


def index_documents(work: StepWork) -> StepResult:
    """Makes `index.parquet` of one upload; see `make_documents`."""
    proxy = work.document("media_proxy", "proxy.json", MediaProxy)
    transcript = work.document("transcript", "transcript.json", Transcript)
    passages = split_passages(transcript.segments)
    embedder, reason = _open(work)
    if embedder is None:
        rows = make_documents(passages, duration=proxy.duration)
    else:
        times, frames = _see(work, proxy, embedder)
        rows = make_documents(
            passages,
            duration=proxy.duration,
            embedding=embedder.name,
            text_vectors=embedder.embed_texts([passage.text for passage in passages]),
            frame_times=times,
            frame_vectors=frames,
        )
    table = work.folder / DOCUMENT
    rows.write_parquet(table)
    shown = rows.filter(rows["kind"] == FRAME).height
    return StepResult(
        files={DOCUMENT: table},
        metadata={
            "passages": len(passages),
            "frames": shown,
            "embedding": embedder.name if embedder is not None else "none",
            "note": reason,
        },
        checks=_checks(passages, transcript, shown, reason),
    )


def _open(work: StepWork) -> tuple[Embedder | None, str]:
    """What cannot be used is no reason to leave the words unsearchable; the check says why pictures are."""
    try:
        return open_embedder(work.configuration), ""
    except (ToolMissing, StepFailed) as problem:
        return None, str(problem)


def _see(work: StepWork, proxy: MediaProxy, embedder: Embedder) -> tuple[list[float], Vectors]:
    progress = part_of(work.progress, 0.0, 0.9)
    times: list[float] = []
    vectors: list[Vectors] = []
    with work.file("media_proxy", "frames.mkv") as path:
        for some, found in embed_frames(read_frames(path), embedder, rate=proxy.frames_rate):
            times += some
            vectors.append(found)
            progress(some[-1] / proxy.duration, f"looking, {some[-1]:.0f} s of {proxy.duration:.0f} s")
    together = np.concatenate(vectors) if vectors else np.zeros((0, embedder.dimensions), dtype=np.float32)
    return times, together


def _checks(passages: tuple[Passage, ...], transcript: Transcript, shown: int, reason: str) -> tuple[Check, ...]:
    spoken = sum(passage.segments for passage in passages)
    return (
        Check(
            name="every_segment_is_indexed",
            passed=spoken == len(transcript.segments),
            says=f"{spoken} of {len(transcript.segments)} segments lie in {len(passages)} passages.",
        ),
        Check(
            name="frames_are_indexed",
            passed=shown > 0,
            says=f"{shown} pictures can be found by what they show."
            if shown
            else reason or "The film has no pictures.",
            serious=False,
        ),
    )
