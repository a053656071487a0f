"""Renders one clip again with other settings; the upload's other clips are not touched."""

from uuid import UUID

import dagster as dg
import msgspec

from cliply_assets.partitions import uploads
from cliply_assets.pipeline import Pipeline, retry_policy, run_step, upload_of
from cliply_assets.renders.records import ClipRecords
from cliply_assets.renders.versions import make_versions, said_in
from cliply_assets.renders.wishes import WishFacts, WishRecords
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.work import StepResult, StepWork
from cliply_resources.database import Database
from cliply_resources.documents import ClipSettings, Transcript

__all__ = ["RenderWishConfig", "rerender"]

RULES = msgspec.structs.replace(STEPS["renders"], name="rerender", label="Rendering again")
"""A step of its own name: its rows are no parts of the upload's own rendering."""
SLACK_SECONDS = 120.0
"""Between the end of a step and the moment when its run counts as lost."""


class RenderWishConfig(dg.Config):
    """Which wish, and the how manieth run for it this is."""

    wish: str
    attempt: int


@dg.op(pool="render", retry_policy=retry_policy(RULES))
def render_wish(context: dg.OpExecutionContext, config: RenderWishConfig, pipeline: Pipeline) -> None:
    """Renders what the wish asks for, and says in its row what came of it."""
    runner, database = pipeline.runner(), pipeline.database()
    upload = runner.records.upload(upload_of(context))
    records = WishRecords(database, upload.workspace_id)
    wish_id = UUID(config.wish)
    deadline = RULES.deadline(0.0) + RULES.backoff_seconds * 2 + SLACK_SECONDS
    wish = records.begin(wish_id, config.attempt, deadline_seconds=deadline)
    if wish is None:
        context.log.info("This wish is over, or a newer run has taken it up; nothing is to be done.")
        return

    def work(step: StepWork) -> StepResult:
        return _render(step, database, wish)

    try:
        outcome = run_step(context, runner, RULES, work, part=wish_id.hex, aside=True)
    except dg.Failure as failure:
        if not failure.allow_retries or context.retry_number >= RULES.max_attempts - 1:
            records.fail(wish_id, config.attempt, str(failure.description))
        raise
    versions = {aspect: int(outcome.finished.metadata[aspect]) for aspect in wish.aspects}
    records.finish(wish_id, config.attempt, versions)
    for aspect, version in versions.items():
        context.log.info("Clip %s, %s: version %d.", wish.clip_id, aspect, version)


def _render(step: StepWork, database: Database, wish: WishFacts) -> StepResult:
    transcript = step.document("transcript", "transcript.json", Transcript)
    candidate = wish.candidate
    candidate = msgspec.structs.replace(candidate, text=said_in(transcript, candidate.start, candidate.end))
    wanted = {"style": wish.style, **wish.options} | ({} if wish.brand is None else {"brand": wish.brand})
    settings = [msgspec.convert({"aspect": aspect, **wanted}, ClipSettings) for aspect in dict.fromkeys(wish.aspects)]
    return make_versions(step, ClipRecords(database, step.workspace_id), wish.clip_id, candidate, settings)


@dg.job(
    partitions_def=uploads,
    description=(
        "Renders one clip of an upload again with other settings; started by the sensor render_wishes.\n\n"
        "Runbook: what went wrong is in the reason of the wish and of the step; asking again makes a new wish."
    ),
)
def rerender() -> None:
    """One step."""
    render_wish()
