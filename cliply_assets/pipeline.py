"""The resource that every asset works through, and the shell that makes an asset of a step's work function."""

import base64
import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from uuid import UUID

import dagster as dg
import structlog

from cliply_assets.instance.lifeline import end_with_parent
from cliply_assets.partitions import REQUEST_TAG, uploads
from cliply_assets.steps.records import UploadFacts
from cliply_assets.steps.rules import StepRules
from cliply_assets.steps.runner import Attempt, StepOutcome, StepRunner, is_final
from cliply_assets.steps.work import Check, StepResult, StepWork
from cliply_resources.crash_reports import report_crash
from cliply_resources.database import Database
from cliply_resources.errors import CliplyError, StepFailed
from cliply_resources.settings import get_settings
from cliply_resources.storage import Storage, open_storage
from cliply_resources.tracing import Span, tracer

__all__ = [
    "FAILURE_CODE",
    "Pipeline",
    "check_result",
    "metadata_of",
    "picture",
    "retry_policy",
    "run_step",
    "runbook",
    "upload_asset",
    "upload_of",
]

FAILURE_CODE = "code"
"""Metadata of a failed step: the stable code of the error, for whoever has to decide what to do about it."""

PICTURES = (".jpg", ".png", ".svg")
"""Stored pictures that are shown beside a materialization."""

PICTURE_SIZE = (1000, 640)
"""Pixels at most: Dagster's window is little wider, and every materialization is an event row that it keeps."""


@lru_cache(maxsize=1)
def _open() -> tuple[Database, Storage]:
    configuration = get_settings()
    return Database.open(configuration), open_storage(configuration)


class Pipeline(dg.ConfigurableResource[StepRunner]):
    """Database, storage and step runner of this process, opened once."""

    def runner(self) -> StepRunner:
        """Runs steps here."""
        database, storage = _open()
        return StepRunner(database, storage, get_settings())

    def database(self) -> Database:
        """For the few shells that write rows beside their step."""
        return _open()[0]

    def storage(self) -> Storage:
        """Where the objects lie."""
        return _open()[1]


def retry_policy(rules: StepRules) -> dg.RetryPolicy:
    """The step's own stance on trying again, in Dagster's terms."""
    return dg.RetryPolicy(
        max_retries=rules.max_attempts - 1,
        delay=rules.backoff_seconds,
        backoff=dg.Backoff.EXPONENTIAL if rules.exponential else None,
        jitter=dg.Jitter.PLUS_MINUS,
    )


def runbook(name: str) -> dict[str, dg.MetadataValue]:
    """Metadata of an asset that leads an operator to its section."""
    return {"runbook": dg.MetadataValue.path(f"docs/operations.md#{name}")}


def upload_of(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> UUID:
    """The upload that this run's partition key names."""
    return UUID(context.partition_key)


def run_step(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    runner: StepRunner,
    rules: StepRules,
    work: Callable[[StepWork], StepResult],
    *,
    part: str = "",
    aside: bool = False,
    fingerprint: Callable[[UploadFacts], str] = lambda _: "",
) -> StepOutcome:
    """Runs a step in Dagster's terms: an error that cannot be helped by trying again says so."""
    end_with_parent()
    attempt = Attempt(number=context.retry_number + 1, run_id=context.run_id)
    try:
        with _told(context, rules, attempt, part):
            return runner.run(upload_of(context), rules, work, attempt, part=part, aside=aside, fingerprint=fingerprint)
    except CliplyError as error:
        raise dg.Failure(
            description=str(error), metadata={FAILURE_CODE: error.code}, allow_retries=not is_final(error)
        ) from error


@contextmanager
def _told(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, rules: StepRules, attempt: Attempt, part: str
) -> Iterator[None]:
    """Says when a step begins and how it ends; every log line in between names the run, the upload and the web request."""
    request = context.run.tags.get(REQUEST_TAG)
    facts = {"run_id": context.run_id, "upload": context.partition_key, "step": rules.name, "part": part}
    facts |= {"request_id": request or ""}
    which = f"{rules.label}{f' of {part}' if part else ''}"
    asked = f", asked for by request {request}" if request else ""
    begun = time.monotonic()
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in facts.items() if value}):
        context.log.info(f"{which} begins, attempt {attempt.number}{asked}.")
        try:
            with _traced(request, rules, facts):
                yield
        except CliplyError as error:
            context.log.warning(f"{which} failed after {time.monotonic() - begun:.1f} s{asked}: {error}")
            # A film that cannot be read and a site that is away are no faults of ours.
            if isinstance(error, StepFailed):
                report_crash(error, part="pipeline", wait=True, **_tags(facts))
            raise
        except Exception as error:  # of any kind: nobody foresaw it, and it goes on its way
            report_crash(error, part="pipeline", wait=True, **_tags(facts))
            raise
        context.log.info(f"{which} is done after {time.monotonic() - begun:.1f} s{asked}.")


def _tags(facts: dict[str, str]) -> dict[str, str]:
    return {name: facts[name] for name in ("request_id", "upload", "step", "run_id")}


@contextmanager
def _traced(request: str | None, rules: StepRules, facts: dict[str, str]) -> Iterator[None]:
    """Hangs the step below the web request that asked for it, in the trace of an installation that has a collector."""
    collector = tracer() if request else None
    if collector is None or request is None:
        yield
        return
    begun, ok = time.time_ns(), False
    try:
        yield
        ok = True
    finally:
        attributes = {f"cliply.{name}": value for name, value in facts.items() if value}
        collector.record(
            Span(
                name=f"step {rules.name}",
                request_id=request,
                root=False,
                begun=begun,
                ended=time.time_ns(),
                ok=ok,
                attributes=attributes,
            )
        )
        # A step's process ends right after it.
        collector.flush()


def check_result(check: Check, key: dg.AssetKey) -> dg.AssetCheckResult:
    """A check's outcome in Dagster's terms."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.serious else dg.AssetCheckSeverity.WARN,
        description=check.says,
    )


def metadata_of(outcome: StepOutcome, storage: Storage) -> Mapping[str, dg.MetadataValue]:
    """What an operator wants to see of a step: its facts, its objects and its small pictures."""
    shown: dict[str, dg.MetadataValue] = {"reused": dg.MetadataValue.bool(outcome.reused)}
    for name, value in outcome.finished.metadata.items():
        if isinstance(value, str):
            shown[name] = dg.MetadataValue.text(value)
        else:
            shown[name] = dg.MetadataValue.float(value) if isinstance(value, float) else dg.MetadataValue.int(value)
    for name, stored in outcome.finished.objects.items():
        # A drawing is sharp at any size; of the same as pixels an operator needs no second.
        if name.endswith(PICTURES) and not (name.endswith(".png") and f"{name[:-4]}.svg" in outcome.finished.objects):
            shown[name] = picture(storage.get_bytes(stored.key))
    rows = [
        dg.TableRecord({"object": stored.key, "bytes": stored.size}) for stored in outcome.finished.objects.values()
    ]
    shown["objects"] = dg.MetadataValue.table(rows)
    return shown


def picture(data: bytes, *, at_most: tuple[int, int] = PICTURE_SIZE) -> dg.MetadataValue:
    """A JPEG or PNG as Dagster shows it: embedded, no larger than `at_most` pixels; or an SVG as it is."""
    from PIL import Image

    if data.startswith(b"<svg"):
        return dg.MetadataValue.md(f"![picture](data:image/svg+xml;base64,{base64.b64encode(data).decode()})")
    with Image.open(io.BytesIO(data)) as found:
        kind = found.format or "PNG"
        found.thumbnail(at_most)
        out = io.BytesIO()
        found.save(out, kind, optimize=True)
    embedded = base64.b64encode(out.getvalue()).decode()
    return dg.MetadataValue.md(f"![picture](data:image/{kind.lower()};base64,{embedded})")


def upload_asset(
    rules: StepRules,
    *,
    group: str,
    kinds: set[str],
    owner: str,
    checks: Mapping[str, str],
    pool: str | None = None,
    fingerprint: Callable[[UploadFacts], str] = lambda _: "",
    afterwards: Callable[[Pipeline, UUID], None] = lambda _pipeline, _upload: None,
) -> Callable[[Callable[[StepWork], StepResult]], dg.AssetsDefinition]:
    """Makes the asset of a step from the function that does its work; the docstring is its description.

    `checks` maps check names to what each promises; the work function reports one outcome for each. `afterwards` is called with
    the upload once the result is stored, also where it was found done: it brings up to date what is derived from results.
    """

    def make(work: Callable[[StepWork], StepResult]) -> dg.AssetsDefinition:
        key = dg.AssetKey(rules.name)

        @dg.asset(
            key=key,
            deps=[dg.AssetKey(step) for step in rules.after],
            partitions_def=uploads,
            group_name=group,
            kinds=kinds,
            owners=[owner],
            description=work.__doc__,
            metadata=runbook(rules.name),
            code_version=rules.code_version,
            retry_policy=retry_policy(rules),
            pool=pool,
            op_tags={"dagster/priority": str(rules.priority)},
            check_specs=[dg.AssetCheckSpec(name, asset=key, description=promise) for name, promise in checks.items()],
        )
        def shell(context: dg.AssetExecutionContext, pipeline: Pipeline) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the annotation and takes the bare class only
            outcome = run_step(context, pipeline.runner(), rules, work, fingerprint=fingerprint)
            afterwards(pipeline, upload_of(context))
            return dg.MaterializeResult(
                metadata=metadata_of(outcome, pipeline.storage()),
                data_version=dg.DataVersion(outcome.finished.digest()[:16]),
                check_results=[check_result(check, key) for check in outcome.finished.checks],
            )

        return shell

    return make
