"""`cliply status`, `runs`, `clips` and `migrate`: what is there, as tables or JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from cliply_assets.cli.progress import StepView, read_steps
from cliply_assets.cli.results import ClipResult, clock, read_result
from cliply_assets.cli.session import open_database
from cliply_assets.cli.up import ask_readiness, stack_facts
from cliply_resources.database import Database
from cliply_resources.database.models import Clip, Render, Upload
from cliply_resources.errors import NotFound
from cliply_resources.posts.counting import PostCount, count_posts
from cliply_resources.settings import Settings
from cliply_resources.uploads import StepFact, derive_state

__all__ = ["UploadView", "describe", "print_clips", "print_migrations", "print_status", "print_uploads", "read_uploads"]


class UploadView(msgspec.Struct, frozen=True, kw_only=True):
    """An upload as it is listed."""

    id: str
    title: str
    state: str
    created_at: datetime
    clips: int
    seconds: float
    """Of all steps together."""
    reason: str | None


def describe(database: Database) -> str:
    """The server's version and how much it holds, in a line."""
    with database.across() as session:
        version = session.execute(sa.text("SHOW server_version")).scalar_one()
        size = session.execute(sa.text("SELECT pg_size_pretty(pg_database_size(current_database()))")).scalar_one()
    return f"Postgres {version}, {size}"


def read_uploads(database: Database, workspace_id: UUID, *, limit: int) -> list[UploadView]:
    """The newest uploads of the workspace."""
    with database.pipeline(workspace_id) as session:
        uploads = session.scalars(
            sa.select(Upload)
            .where(Upload.workspace_id == workspace_id, Upload.deleted_at.is_(None))
            .order_by(Upload.created_at.desc())
            .limit(limit)
        ).all()
        ready = dict(
            session.execute(  # a result has `keys`, so that `dict` would take it for a mapping
                sa.select(Clip.upload_id, sa.func.count(sa.distinct(Clip.id)))
                .join(Render, sa.and_(Render.workspace_id == Clip.workspace_id, Render.clip_id == Clip.id))
                .where(Clip.workspace_id == workspace_id, Render.state == "ready")
                .group_by(Clip.upload_id)
            )
            .tuples()
            .all()
        )
        posts = count_posts(session, workspace_id, [upload.id for upload in uploads])
        session.expunge_all()
    return [
        _view(upload, read_steps(database, workspace_id, upload.id), ready.get(upload.id, 0), posts[upload.id])
        for upload in uploads
    ]


def _view(upload: Upload, steps: Sequence[StepView], ready: int, posts: PostCount) -> UploadView:
    return UploadView(
        id=str(upload.id),
        title=upload.title,
        state=derive_state(
            [StepFact(step=view.step, state=view.state) for view in steps],
            cancelled=upload.cancelled_at is not None,
            paused=upload.paused_at is not None,
            waiting=upload.retry_at is not None,
            ready_clips=ready,
            due_posts=posts.underway,
            published_posts=posts.published,
        ),
        created_at=upload.created_at,
        clips=ready,
        seconds=round(sum(view.seconds or 0.0 for view in steps), 1),
        reason=next((view.reason for view in steps if view.reason), None),
    )


def _print_json(document: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def print_uploads(settings: Settings, *, limit: int, as_json: bool) -> None:
    """Uploads, newest first."""
    with open_database(settings) as database:
        uploads = read_uploads(database, database.local_workspace(), limit=limit)
    if as_json:
        _print_json(uploads)
        return
    table = Table(header_style="bold")
    for column in ("Upload", "Title", "State", "Clips", "Work", "Since"):
        table.add_column(column, overflow="fold")
    for upload in uploads:
        state = upload.state if upload.reason is None else f"{upload.state}: {upload.reason}"
        table.add_row(
            upload.id,
            upload.title,
            state,
            str(upload.clips),
            f"{upload.seconds:.0f} s",
            f"{upload.created_at:%Y-%m-%d %H:%M}",
        )
    Console().print(table if uploads else "No uploads yet; start with `cliply clip FILM.mp4`.")


def print_clips(settings: Settings, *, upload: str | None, as_json: bool) -> None:
    """Clips of one upload or of all, best first within each.

    Raises:
        NotFound: no upload's id begins so.
    """
    with open_database(settings) as database:
        workspace_id = database.local_workspace()
        found = [view for view in read_uploads(database, workspace_id, limit=1000) if view.id.startswith(upload or "")]
        if upload is not None and not found:
            raise NotFound(f"There is no upload whose id begins with {upload}; `cliply runs` lists them.")
        clips: dict[str, tuple[ClipResult, ...]] = {
            view.id: read_result(database, workspace_id, UUID(view.id), run_id="", state=view.state).clips
            for view in found
        }
    if as_json:
        _print_json(clips)
        return
    table = Table(header_style="bold", show_lines=True)
    for column in ("Upload", "Time", "Score", "Title", "Why"):
        table.add_column(column, overflow="fold")
    for upload_id, of_upload in clips.items():
        for clip in of_upload:
            table.add_row(
                upload_id,
                f"{clock(clip.start)}–{clock(clip.end)}",
                f"{clip.score:.0f}",
                clip.title,
                "\n".join(clip.reasons[:3]),
            )
    Console().print(table if any(clips.values()) else "No clips yet.")


def print_status(settings: Settings, *, as_json: bool) -> None:
    """What runs, and what is being worked on."""
    stack = stack_facts(settings)
    with open_database(settings) as database:
        described = describe(database)
        uploads = read_uploads(database, database.local_workspace(), limit=1000)
    working = [view for view in uploads if view.state in ("ingesting", "analyzing", "rendering", "publishing")]
    failed = [view for view in uploads if view.state == "failed"]
    if as_json:
        _print_json(
            {"database": described, "stack": stack, "uploads": len(uploads), "working": working, "failed": failed}
        )
        return
    console = Console()
    where = (
        f"up, http://127.0.0.1:{stack['port']} (process {stack['pid']})"
        if stack
        else "not running; start it with `cliply up`"
    )
    console.print(
        f"Database   {described}\nStack      {where}\n{_api_line(stack)}Uploads    {len(uploads)}, {len(failed)} failed",
        highlight=False,
    )
    for view in working:
        console.print(f"  {view.state}  {view.title}  {view.id}", highlight=False)


def _api_line(stack: Mapping[str, int | None] | None) -> str:
    port = stack.get("api_port") if stack else None
    if port is None:
        return ""
    found = ask_readiness(port)
    if found is None:
        said = "does not answer; its log is logs/api.log in Cliply's home"
    else:
        said = "ready" if found.ready else f"not ready. {' '.join(found.wrong)}"
    return f"API        http://127.0.0.1:{port}, {said}\n"


def print_migrations(settings: Settings) -> None:
    """Brings the schema up to date and names what was applied."""
    with open_database(settings) as database:
        applied = database.applied
    Console().print("\n".join(f"applied {name}" for name in applied) or "The schema is up to date.", highlight=False)
