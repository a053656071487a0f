"""Finished clips: one step a clip, side by side, each failing and retried alone."""

from collections.abc import Iterator, Mapping
from uuid import UUID

import dagster as dg
import msgspec

from cliply_assets.automation.pools import POOL_TAG
from cliply_assets.partitions import uploads
from cliply_assets.pipeline import (
    FAILURE_CODE,
    Pipeline,
    check_result,
    picture,
    retry_policy,
    run_step,
    runbook,
    upload_of,
)
from cliply_assets.renders.records import ClipRecords, clip_id
from cliply_assets.renders.versions import make_versions
from cliply_assets.steps.records import StepKey
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.work import Check, StepResult, StepWork
from cliply_resources.database import Database
from cliply_resources.documents import Candidates, ClipSettings
from cliply_resources.errors import NotFound
from cliply_resources.storage import Storage

__all__ = ["RenderedPart", "renders"]

RULES = STEPS["renders"]
KEY = dg.AssetKey("renders")

CHECKS = {
    "every_clip_was_rendered": "No clip is missing.",
    "clips_can_be_posted": "Size, length, loudness, codecs and picture are right; nothing is black or frozen.",
}


class RenderedPart(msgspec.Struct, frozen=True, kw_only=True):
    """How one clip's step ended."""

    clip: str
    title: str
    failure: str | None = None
    failure_code: str = ""
    problems: tuple[str, ...] = ()
    preview: str | None = None
    """Object key of the thumbnail."""


@dg.op(
    ins={step: dg.In(dg.Nothing) for step in RULES.after},
    out=dg.DynamicOut(str, description="The id of a clip that is to be rendered."),
)
def choose_clips(context: dg.OpExecutionContext, pipeline: Pipeline) -> Iterator[dg.DynamicOutput[str]]:
    """Keeps the candidates as clips, and sends each one its own way."""
    runner = pipeline.runner()
    upload = runner.records.upload(upload_of(context))
    found = runner.records.finished(StepKey(upload.workspace_id, upload.upload_id, "clip_candidates"))
    if found is None:
        raise dg.Failure("The candidates of this upload are not there; materialize clip_candidates first.")
    stored = pipeline.storage().get_bytes(found[1].objects["candidates.json"].key)
    candidates = msgspec.json.decode(stored, type=Candidates).candidates
    records = ClipRecords(pipeline.database(), upload.workspace_id)
    kept = records.keep(upload.upload_id, candidates)
    runner.records.expect(StepKey(upload.workspace_id, upload.upload_id, RULES.name), [each.hex for each in kept])
    for identity in kept:
        yield dg.DynamicOutput(identity.hex, mapping_key=identity.hex)


@dg.op(pool="render", tags={POOL_TAG: "render"}, retry_policy=retry_policy(RULES))
def render_clip(context: dg.OpExecutionContext, pipeline: Pipeline, clip: str) -> bytes:
    """Renders one clip in every aspect ratio; after its last attempt a failure is an answer, so that the others count."""
    title = clip

    def work(step: StepWork) -> StepResult:
        return _render(step, pipeline.database(), UUID(clip))

    try:
        outcome = run_step(context, pipeline.runner(), RULES, work, part=clip)
    except dg.Failure as failure:
        may_try_again = failure.allow_retries and context.retry_number < RULES.max_attempts - 1
        if may_try_again:
            raise
        said_why = failure.metadata.get(FAILURE_CODE)
        code = str(said_why.value) if said_why is not None else ""
        return msgspec.json.encode(RenderedPart(clip=clip, title=title, failure=failure.description, failure_code=code))
    said = outcome.finished
    preview = next((stored.key for name, stored in said.objects.items() if name.endswith("thumbnail")), None)
    return msgspec.json.encode(
        RenderedPart(
            clip=clip,
            title=str(said.metadata.get("title", clip)),
            problems=tuple(check.says for check in said.checks if not check.passed),
            preview=preview,
        )
    )


def _render(step: StepWork, database: Database, identity: UUID) -> StepResult:
    records = ClipRecords(database, step.workspace_id)
    proposed = step.document("clip_candidates", "candidates.json", Candidates).candidates
    candidate = next((c for c in proposed if clip_id(step.upload_id, c.start, c.end) == identity), None)
    if candidate is None:
        raise NotFound(
            f"The clip {identity} is no longer among the candidates of this upload; choose the moments again."
        )
    # What people wrote and where they cut holds, also when something else makes a new version necessary.
    row = records.clip(identity)
    candidate = msgspec.structs.replace(
        candidate,
        start=row.span.start,
        end=row.span.end,
        title=row.title,
        description=row.description,
        hashtags=tuple(row.hashtags),
        hook=row.hook,
    )
    wanted = {"style": step.settings.style, **step.settings.chosen}
    settings = [
        msgspec.structs.replace(msgspec.convert({"aspect": aspect, **wanted}, ClipSettings), brand=step.settings.brand)
        for aspect in dict.fromkeys(step.settings.aspects)
    ]
    return make_versions(step, records, identity, candidate, settings)


@dg.op(out={"result": dg.Out(dg.Nothing), **{name: dg.Out(dg.Nothing) for name in CHECKS}})
def collect_renders(
    context: dg.OpExecutionContext, pipeline: Pipeline, parts: list[bytes]
) -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
    """Says what came of all clips together; fails only where not a single one was made, or where some were never begun."""
    records = pipeline.runner().records
    upload = records.upload(upload_of(context))
    forgotten = records.unended(StepKey(upload.workspace_id, upload.upload_id, RULES.name))
    if forgotten:
        # A run that goes on from another's failure may be told of no clips at all.
        raise dg.Failure(
            f"{len(forgotten)} clips were chosen and not rendered. Materialize renders again: what is done is found.",
            allow_retries=False,
        )
    made = [msgspec.json.decode(part, type=RenderedPart) for part in parts]
    failed = [part for part in made if part.failure is not None]
    if made and len(failed) == len(made):
        raise dg.Failure(
            f"None of the {len(made)} clips could be rendered. The first: {failed[0].failure}",
            metadata={FAILURE_CODE: failed[0].failure_code},
            allow_retries=False,
        )
    yield dg.Output(None, "result", metadata=_metadata(made, pipeline.storage()))
    wrong = [f"“{part.title}”: {problem}" for part in made for problem in part.problems]
    yield check_result(
        Check(
            name="every_clip_was_rendered",
            passed=not failed,
            says="; ".join(f"{part.clip}: {part.failure}" for part in failed)
            or f"All {len(made)} clips were rendered.",
        ),
        KEY,
    )
    yield check_result(
        Check(name="clips_can_be_posted", passed=not wrong, says=" ".join(wrong) or "Every clip can be posted."), KEY
    )


def _metadata(made: list[RenderedPart], storage: Storage) -> Mapping[str, dg.MetadataValue]:
    rows = [
        dg.TableRecord({"clip": part.clip, "title": part.title, "result": part.failure or "rendered"}) for part in made
    ]
    shown: dict[str, dg.MetadataValue] = {"rendered": dg.MetadataValue.int(sum(part.failure is None for part in made))}
    if rows:
        shown["clips"] = dg.MetadataValue.table(rows)
    first = next((part.preview for part in made if part.preview is not None), None)
    if first is not None:
        shown["best clip"] = picture(storage.get_bytes(first), at_most=(360, 640))
    return shown


@dg.graph_asset(
    name="renders",
    ins={step: dg.AssetIn(key=dg.AssetKey(step), dagster_type=dg.Nothing) for step in RULES.after},
    partitions_def=uploads,
    group_name="renders",
    kinds={"ffmpeg", "libass"},
    owners=["team:media"],
    metadata=runbook("renders"),
    code_version=RULES.code_version,
    check_specs=[dg.AssetCheckSpec(name, asset=KEY, description=promise) for name, promise in CHECKS.items()],
    description=(
        "Captioned, reframed, loudness-normalised clips with thumbnails, subtitles and edit lists; one step a clip.\n\n"
        "Runbook: a clip that fails alone is named in the check every_clip_was_rendered; re-execute from failure renders only it."
    ),
)
def renders(
    source_video: None,
    transcript: None,
    scenes: None,
    face_tracks: None,
    audio_features: None,
    clip_candidates: None,
) -> dict[str, object]:
    """Fans out over the clips and joins them again."""
    clips = choose_clips(
        source_video=source_video,
        transcript=transcript,
        scenes=scenes,
        face_tracks=face_tracks,
        audio_features=audio_features,
        clip_candidates=clip_candidates,
    )
    joined = collect_renders(clips.map(render_clip).collect())
    return {"result": joined.result, **{f"renders_{name}": getattr(joined, name) for name in CHECKS}}
