"""The moments worth posting."""

from uuid import UUID

import msgspec
import polars as pl
from msgspec import UNSET

from cliply_assets.highlights.chart import lay_out_chart
from cliply_assets.highlights.chart_png import chart_png
from cliply_assets.highlights.chart_svg import chart_svg
from cliply_assets.highlights.choose import choose_candidates
from cliply_assets.highlights.llm_ranking import FOR_THE_MODEL, PROMPT_VERSION, rank_in_two_passes
from cliply_assets.pipeline import upload_asset
from cliply_assets.steps.records import UploadFacts
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.work import Check, StepResult, StepWork
from cliply_resources.documents import Audience, Candidates, Scenes, SourceVideo, Transcript
from cliply_resources.errors import NotFound
from cliply_resources.language import Remembered, open_language_model
from cliply_resources.settings import get_settings
from cliply_resources.storage import Storage
from cliply_resources.storage.keys import analysis_key

__all__ = ["clip_candidates"]

_ANSWER = "answer.json"


def _which_ranker(_upload: UploadFacts) -> str:
    settings = get_settings()
    if not settings.llm_base_urls:
        return ""
    return " ".join((*settings.llm_base_urls, *settings.llm_models, PROMPT_VERSION, str(settings.llm_max_tokens)))


@upload_asset(
    STEPS["clip_candidates"],
    group="highlights",
    kinds={"python", "llm"},
    owner="team:highlights",
    checks={
        "clips_lie_inside_the_source": "Every candidate begins and ends within the film.",
        "no_word_is_cut": "No candidate begins or ends inside a word.",
        "something_was_found": "At least one moment is worth a clip.",
    },
    fingerprint=_which_ranker,
)
def clip_candidates(work: StepWork) -> StepResult:
    """Whole thoughts worth posting, best first, each with its score, its title and the reasons in words.

    Runbook: nothing found is explained in `note`; the chart shows every signal and what was chosen.
    """
    model = open_language_model(work.configuration)
    source = work.document("source_video", "source.json", SourceVideo)
    transcript = work.document("transcript", "transcript.json", Transcript)
    chosen, signals = choose_candidates(
        transcript,
        work.table("audio_features", "audio.parquet"),
        work.document("scenes", "scenes.json", Scenes),
        work.table("scenes", "motion.parquet"),
        work.table("face_tracks", "faces.parquet"),
        duration=source.media.duration,
        settings=work.settings,
        origin=source.origin,
        audience=_brought(work),
        near_misses=3 if model is None else work.settings.clips + FOR_THE_MODEL,
    )
    if model is not None and chosen.candidates:
        work.progress(0.5, f"asking {model.name}")
        chosen = rank_in_two_passes(
            chosen,
            Remembered(model, _Answers(work.storage, work.workspace_id)),
            wanted=work.settings.clips,
            seconds=min(60.0, work.seconds_left),
            most_tokens=work.configuration.llm_max_tokens,
        )
    table = work.folder / "signals.parquet"
    signals.write_parquet(table)
    chart = lay_out_chart(signals, chosen)
    drawn = {name: work.folder / name for name in ("signals.svg", "signals.png")}
    drawn["signals.svg"].write_text(chart_svg(chart), encoding="utf-8")
    drawn["signals.png"].write_bytes(chart_png(chart))
    return StepResult(
        files={"signals.parquet": table, **drawn},
        documents={"candidates.json": chosen},
        metadata={
            "candidates": len(chosen.candidates),
            "ranker": chosen.ranker,
            "profile": chosen.profile,
            **_cost(chosen),
            "note": chosen.note,
            "best": chosen.candidates[0].title if chosen.candidates else "",
        },
        checks=_checks(chosen, transcript, source.media.duration),
    )


def _brought(work: StepWork) -> Audience | None:
    if work.settings.audience is UNSET:
        return None
    return msgspec.json.decode(work.storage.get_bytes(work.settings.audience), type=Audience)


def _cost(chosen: Candidates) -> dict[str, str | int]:
    if chosen.ranking is None:
        return {}
    ranking = chosen.ranking
    return {
        "prompt_version": ranking.prompt_version,
        "model_passes": ranking.passes,
        "model_tokens": ranking.prompt_tokens + ranking.completion_tokens,
    }


class _Answers:
    """The workspace's store as a memory for a model's answers, so that the same question is paid for once."""

    def __init__(self, storage: Storage, workspace: UUID) -> None:
        self._storage = storage
        self._workspace = workspace

    def get(self, digest: str) -> bytes | None:
        key = analysis_key(self._workspace, digest, _ANSWER)
        try:
            return self._storage.get_bytes(key) if self._storage.exists(key) else None
        except NotFound:
            return None

    def put(self, digest: str, answer: bytes) -> None:
        self._storage.put_bytes(analysis_key(self._workspace, digest, _ANSWER), answer)


def _checks(chosen: Candidates, transcript: Transcript, duration: float) -> tuple[Check, ...]:
    outside = [c for c in chosen.candidates if c.start < 0 or c.end > duration + 0.05]
    edges = [edge for c in chosen.candidates for edge in (c.start, c.end)]
    words = pl.DataFrame(
        {"start": [w.start for w in transcript.words], "end": [w.end for w in transcript.words]},
        schema={"start": pl.Float64, "end": pl.Float64},
    )
    cut = sum(
        words.filter((pl.col("start") + 0.01 < edge) & (pl.col("end") - 0.01 > edge)).height > 0 for edge in edges
    )
    count = len(chosen.candidates)
    return (
        Check(
            name="clips_lie_inside_the_source",
            passed=not outside,
            says=f"{len(outside)} of {count} candidates reach beyond {duration:.2f} s.",
        ),
        Check(name="no_word_is_cut", passed=cut == 0, says=f"{cut} of {len(edges)} edges lie inside a word."),
        Check(
            name="something_was_found",
            passed=count > 0,
            says=f"{count} candidates." if count else chosen.note or "Nothing stood out.",
            serious=False,
        ),
    )
