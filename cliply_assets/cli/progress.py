"""One live bar per step, read from the rows that the steps write."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cliply_assets.steps.rules import STEPS
from cliply_resources.database import Database
from cliply_resources.database.models import UploadStep
from cliply_resources.steps import StepView, join_parts

__all__ = ["StepView", "read_steps", "show_progress"]

REFRESH_SECONDS = 0.25

MARKS = {"pending": " ", "running": "▸", "completed": "✓", "failed": "✗", "cancelled": "–", "skipped": "–"}
COLOURS = {"running": "cyan", "completed": "green", "failed": "red", "cancelled": "yellow"}


def _rows(database: Database, workspace_id: UUID, upload_id: UUID) -> Sequence[UploadStep]:
    with database.pipeline(workspace_id) as session:
        query = sa.select(UploadStep).where(UploadStep.workspace_id == workspace_id, UploadStep.upload_id == upload_id)
        rows = session.scalars(query).all()
        session.expunge_all()
        return rows


def read_steps(database: Database, workspace_id: UUID, upload_id: UUID) -> list[StepView]:
    """Every step of the upload in the order of the pipeline, also those that have not begun."""
    rows = _rows(database, workspace_id, upload_id)
    return [join_parts(step, [row for row in rows if row.step == step]) for step in STEPS]


def render_steps(views: Sequence[StepView], *, ended: bool) -> Table:
    """The bars, as rich draws them."""
    table = Table.grid(padding=(0, 1))
    for view in views:
        colour = COLOURS.get(view.state, "dim")
        bar = ProgressBar(total=100, completed=view.percent if view.state != "pending" else 0, width=24)
        if view.state == "running" and not ended:
            told = view.doing if view.attempt == 1 else f"{view.doing} (attempt {view.attempt})"
        else:
            told = (view.reason or "") if view.state in ("failed", "cancelled") else view.doing
            if view.seconds is not None and view.state == "completed":
                told = f"{view.seconds:.1f} s  {told}"
        table.add_row(
            Text(MARKS.get(view.state, " "), style=colour),
            Text(view.label, style=colour if view.state != "pending" else "dim"),
            bar,
            Text(f"{view.percent:3.0f}%" if view.state != "pending" else "", style=colour),
            Text(told, style="dim" if view.state not in ("failed", "cancelled") else colour, overflow="fold"),
        )
    return table


@contextmanager
def show_progress(console: Console, database: Database, workspace_id: UUID, upload_id: UUID) -> Iterator[None]:
    """Shows the upload's steps while the block runs; on a pipe, a line for each change of state."""
    stop = threading.Event()

    def views() -> list[StepView]:
        return read_steps(database, workspace_id, upload_id)

    target = _draw if console.is_terminal else _tell
    thread = threading.Thread(target=target, args=(console, views, stop), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)


def _draw(console: Console, views: Callable[[], list[StepView]], stop: threading.Event) -> None:
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while not stop.wait(REFRESH_SECONDS):
            live.update(render_steps(views(), ended=False), refresh=True)
        live.update(render_steps(views(), ended=True), refresh=True)


def _tell(console: Console, views: Callable[[], list[StepView]], stop: threading.Event) -> None:
    seen: dict[str, str] = {}
    last = False
    while not last:
        last = stop.wait(REFRESH_SECONDS)
        for view in views():
            if view.state not in ("pending", seen.get(view.step)):
                seen[view.step] = view.state
                detail = f" ({view.seconds:.1f} s)" if view.seconds is not None else ""
                reason = f": {view.reason}" if view.reason and view.state != "completed" else ""
                console.print(f"{view.label}: {view.state}{detail}{reason}", highlight=False, soft_wrap=True)
