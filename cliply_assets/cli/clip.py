"""`cliply clip`: from a film to a folder of finished clips."""

import hashlib
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from rich.console import Console
from rich.markup import escape

from cliply_assets.cli.brand import BroughtBrand, brand_brought
from cliply_assets.cli.candidates import read_viewers
from cliply_assets.cli.exits import Exit, exit_of_failure
from cliply_assets.cli.progress import show_progress
from cliply_assets.cli.quiet import quiet
from cliply_assets.cli.results import Result, check_folder, deliver, print_result, read_result
from cliply_assets.cli.session import open_database
from cliply_assets.cli.source import FileSource, inspect_source
from cliply_assets.instance.fork_server import start_fork_server
from cliply_assets.instance.home import prepare_dagster_home
from cliply_assets.renders.brought_music import read_music
from cliply_assets.renders.own_styles import style_warnings
from cliply_assets.transcript.subtitles import read_transcript
from cliply_resources.database import Database
from cliply_resources.documents import Audience, UploadSettings
from cliply_resources.errors import CallerError, MediaError
from cliply_resources.media_tools.ffmpeg import ffmpeg_version
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage, open_storage
from cliply_resources.storage.keys import analysis_key
from cliply_resources.uploads import (
    check_settings,
    claim_upload,
    find_or_create_file_upload,
    find_or_create_url_upload,
    reset_unfinished_steps,
)

__all__ = ["Request", "make_clips"]

MAX_TRANSCRIPT_BYTES = 50 * 1024 * 1024
"""A day of speech is about 1 MB of text; more is not a transcript."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asked for."""

    source: str
    settings: UploadSettings
    transcript: Path | None
    viewers: tuple[Path, ...] = ()
    """Files that tell what viewers wrote and replayed."""
    brand: Path | None = None
    music: Path | None = None
    style_given: bool = False
    """Whether the caption style was named, and is not the brand's to choose."""
    out: Path | None = None
    as_json: bool = False


def make_clips(request: Request, settings: Settings) -> Exit:
    """Does it, shows it, and says how it ended.

    Raises:
        CliplyError: nothing could be started; every message is a sentence for the user.
    """
    console = Console(stderr=True)
    # What stops a service stops a command in the same orderly way as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _make_clips(request, settings, console)
    except KeyboardInterrupt:
        console.print("Stopped. What is finished stays; run the same command again to go on from there.")
        return Exit.INTERRUPTED


def _make_clips(request: Request, settings: Settings, console: Console) -> Exit:
    check_settings(request.settings)
    # A missing program is known now, and not after the first step and its retries.
    ffmpeg_version()
    source = inspect_source(request.source, settings, console)
    brought = _read_brought(request.transcript) if request.transcript is not None else None
    viewers = read_viewers(request.viewers)
    music = read_music(request.music) if request.music is not None else None
    folder = (
        request.out or _default_folder(source.path.stem if isinstance(source, FileSource) else "clips")
    ).absolute()
    check_folder(folder)
    with ExitStack() as stack:
        brand = stack.enter_context(brand_brought(request.brand, settings)) if request.brand is not None else None
        for warning in _warnings(request, brand):
            console.print(f"[yellow]{escape(warning)}[/]", highlight=False, soft_wrap=True)
        with console.status("Opening the database"):
            database = stack.enter_context(open_database(settings))
            storage = open_storage(settings)
        workspace_id = database.local_workspace()
        stored: dict[str, Any] = {}
        if brought is not None:
            stored["transcript"] = _store_brought(brought, storage, workspace_id)
        stored |= {"audience": _store_viewers(viewers, storage, workspace_id)} if viewers is not None else {}
        stored |= {"music": music.store(storage, workspace_id)} if music is not None else {}
        wanted = msgspec.structs.replace(request.settings, **stored)
        if brand is not None:
            wanted = msgspec.structs.replace(wanted, brand=brand.store(storage, workspace_id))
            if brand.style is not None and not request.style_given:
                wanted = msgspec.structs.replace(wanted, style=brand.style, look=brand.look)
        with database.pipeline(workspace_id) as session:
            if isinstance(source, FileSource):
                upload_id, new = find_or_create_file_upload(
                    session,
                    workspace_id,
                    path=str(source.path),
                    title=source.path.stem,
                    sha256=source.sha256,
                    size=source.size,
                    settings=wanted,
                )
            else:
                upload_id, new = find_or_create_url_upload(session, workspace_id, url=source.url, settings=wanted)
            claim_upload(session, workspace_id, upload_id)
        console.print(f"{'Upload' if new else 'Continuing upload'} [bold]{upload_id}[/]", highlight=False)
        result, failure = _work(database, workspace_id, upload_id, settings)
        if failure is not None:
            again = "" if failure == Exit.BAD_INPUT else " What is finished stays; the same command goes on from there."
            said = escape(" ".join(result.problems))
            console.print(f"[bold red]Cliply could not do it.[/] {said}{again}", highlight=False, soft_wrap=True)
            return failure
        delivered = deliver(result, storage, folder)
    if delivered.problems and request.as_json:
        console.print("\n".join(delivered.problems), style="red", highlight=False, markup=False, soft_wrap=True)
    if request.as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(delivered), indent=2).decode() + "\n")
    else:
        print_result(Console(), delivered, folder)
    return Exit.STEP_FAILED if delivered.problems else Exit.DONE


def _warnings(request: Request, brand: BroughtBrand | None) -> Iterator[str]:
    """Sentences about colours that can hardly be read."""
    if brand is not None:
        yield from brand.warnings
    look = request.settings.look or (brand.look if brand is not None and not request.style_given else UNSET)
    if look:
        yield from style_warnings(look)


def _work(database: Database, workspace_id: UUID, upload_id: UUID, settings: Settings) -> tuple[Result, Exit | None]:
    with (
        quiet(settings.home / "logs" / f"{upload_id}.log") as terminal,
        show_progress(terminal, database, workspace_id, upload_id),
        database.advisory_lock(f"run:{upload_id}", wait_seconds=None),
    ):
        prepare_dagster_home(settings)
        start_fork_server()
        # Imported late, beside the fork server's own start: bad input is refused before the seconds that Dagster takes.
        from cliply_assets.runs import open_instance, run_upload

        with database.pipeline(workspace_id) as session:
            reset_unfinished_steps(session, workspace_id, upload_id)
            claim_upload(session, workspace_id, upload_id)
        with open_instance(settings) as instance:
            outcome = run_upload(instance, workspace_id, upload_id)
    state = "completed" if outcome.success else "failed"
    result = read_result(
        database, workspace_id, upload_id, run_id=outcome.run_id, state=state, failures=outcome.failures
    )
    return result, None if outcome.success else exit_of_failure(outcome.failure_code)


def _default_folder(stem: str) -> Path:
    return Path.cwd() / f"{stem}-clips"


def _read_brought(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_TRANSCRIPT_BYTES:
            raise MediaError(
                f"{path.name} is larger than {MAX_TRANSCRIPT_BYTES // 1024**2} MB, which no transcript is."
            )
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CallerError(f"The transcript {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise MediaError(f"{path.name} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    return msgspec.json.encode(read_transcript(text, name=path.name))


def _store_viewers(viewers: Audience, storage: Storage, workspace_id: UUID) -> str:
    return _store_brought(msgspec.json.encode(viewers), storage, workspace_id, name="audience.json")


def _store_brought(document: bytes, storage: Storage, workspace_id: UUID, *, name: str = "transcript.json") -> str:
    key = analysis_key(workspace_id, hashlib.sha256(document).hexdigest(), name)
    if not storage.exists(key):
        storage.put_bytes(key, document)
    return key
