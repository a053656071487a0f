"""The parts of a step that fans out, shown as one."""

from datetime import UTC, datetime, timedelta

import pytest

from cliply_assets.cli.progress import join_parts
from cliply_resources.database.models import UploadStep

THEN = datetime(2026, 11, 20, tzinfo=UTC)


def part(
    state: str, percent: float = 0.0, *, seconds: tuple[int, int] | None = None, reason: str | None = None
) -> UploadStep:
    start, end = seconds or (None, None)
    return UploadStep(
        step="renders",
        state=state,
        percent=percent,
        doing="",
        attempt=1,
        reason=reason,
        started_at=None if start is None else THEN + timedelta(seconds=start),
        ended_at=None if end is None else THEN + timedelta(seconds=end),
    )


@pytest.mark.parametrize(
    ("states", "together"),
    [
        ([], "pending"),
        (["pending", "pending"], "pending"),
        (["running", "pending"], "running"),
        (["completed", "pending"], "running"),
        (["completed", "completed"], "completed"),
        (["completed", "failed"], "failed"),
        (["completed", "cancelled"], "cancelled"),
    ],
)
def test_the_parts_together_are_in_one_state(states: list[str], together: str) -> None:
    assert join_parts("renders", [part(state) for state in states]).state == together


def test_the_parts_together_are_as_far_as_their_mean() -> None:
    view = join_parts("renders", [part("completed", 100), part("running", 40), part("pending")])
    assert view.percent == pytest.approx(46.67, abs=0.01)
    assert view.doing == "1 of 3 clips"


def test_a_step_took_from_its_first_start_to_its_last_end() -> None:
    view = join_parts("renders", [part("completed", seconds=(0, 10)), part("completed", seconds=(5, 25))])
    assert view.seconds == 25.0


def test_the_first_reason_is_told() -> None:
    assert (
        join_parts("renders", [part("completed"), part("failed", reason="The disk is full.")]).reason
        == "The disk is full."
    )
