"""The `cliply` command."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cliply_assets.cli import dead_letters, operations
from cliply_assets.cli import models as model_commands
from cliply_assets.cli.exits import Exit, exit_code
from cliply_resources.documents import UploadSettings
from cliply_resources.documents.clips import ASPECTS, CAPTION_STYLES, DENOISE_LEVELS, LAYOUTS, PROFILES, TIGHTEN_LEVELS
from cliply_resources.errors import CallerError, CliplyError, StepFailed
from cliply_resources.settings import get_settings

__all__ = ["app", "main"]

app = typer.Typer(
    name="cliply",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Turns a long video into captioned, reframed short clips.\n\nStart with [bold]cliply clip FILM.mp4[/].",
)

app.add_typer(model_commands.app, name="models")
app.add_typer(dead_letters.app, name="dead-letters")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Topic = Annotated[
    str | None, typer.Option(help='What every clip is to be about: "the oven", "the part where she talks about money".')
]
Exclude = Annotated[
    list[str] | None, typer.Option(help="A range that no clip may touch, such as 0:00-1:30; repeat for several.")
]
Kind = Annotated[
    str | None, typer.Option("--profile", help=f"{', '.join(PROFILES)}; told from the signals when left away.")
]
Viewers = Annotated[
    list[Path] | None,
    typer.Option(
        help="What viewers did: yt-dlp's .info.json (comments, most replayed, chapters) or .live_chat.json; repeat for several."
    ),
]


def main() -> None:
    """The console script: runs a command and turns what went wrong into a sentence and an exit code."""
    console = Console(stderr=True)
    try:
        app(standalone_mode=True)
    except CliplyError as error:
        console.print(f"[bold red]Cliply could not do it.[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        if isinstance(error, StepFailed) and error.detail:
            console.print(f"[dim]{_plain(error.detail[-800:])}[/]", highlight=False)
        sys.exit(exit_code(error))
    except OSError as error:
        # A full or read-only disk can meet any line; the person needs the place and the reason, not our call stack.
        # Of a copy, the second name is where it goes.
        place = error.filename2 or error.filename or "its files"
        said = f"This machine does not let Cliply use {place}: {error.strerror or error}."
        console.print(f"[bold red]Cliply could not do it.[/] {_plain(said)}", highlight=False, soft_wrap=True)
        sys.exit(Exit.STEP_FAILED)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"cliply {version('cliply')}")
        raise typer.Exit


@app.callback()
def _root(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


def _one_of(value: str, allowed: tuple[str, ...], option: str) -> Any:
    if value not in allowed:
        raise CallerError(f"{option} {value} is not known; choose from {', '.join(allowed)}.")
    return value


def _wishes(topic: str | None, exclude: list[str] | None, profile: str | None) -> dict[str, Any]:
    """Only what was said: absent wishes have no part in what names the work."""
    from cliply_assets.cli.candidates import read_ranges

    said: dict[str, Any] = {}
    if topic is not None and topic.strip():
        said["topic"] = topic.strip()
    if exclude:
        said["exclude"] = read_ranges(exclude)
    if profile is not None:
        said["profile"] = _one_of(profile, PROFILES, "--profile")
    return said


def _style(style: str | None) -> dict[str, Any]:
    """A style by its name, or one of the user's own by its file."""
    if style is None or style in CAPTION_STYLES:
        return {"style": style or "highlight_word"}
    if not style.endswith(".json") and not Path(style).is_file():
        raise CallerError(
            f"--style {style} is not known; choose from {', '.join(CAPTION_STYLES)}, or name a JSON file of your own."
        )
    from cliply_assets.renders.own_styles import read_own_style

    look = read_own_style(Path(style).expanduser())
    return {"style": look.family, "look": look}


def _options(layout: str | None, tighten: str | None, denoise: str | None, *, mask_profanity: bool) -> dict[str, Any]:
    """Only what was said, as above."""
    said: dict[str, Any] = {}
    if layout is not None:
        said["layout"] = _one_of(layout, LAYOUTS, "--layout")
    if tighten is not None:
        said["tighten"] = _one_of(tighten, TIGHTEN_LEVELS, "--tighten")
    if denoise is not None:
        said["denoise"] = _one_of(denoise, DENOISE_LEVELS, "--denoise")
    if mask_profanity:
        said["mask_profanity"] = True
    return said


def _said(**options: bool | None) -> dict[str, Any]:
    """Only what was said, as above."""
    return {name: value for name, value in options.items() if value is not None}


@app.command()
def clip(  # noqa: PLR0913, PLR0917 - a command line has as many options as its users need
    source: Annotated[str, typer.Argument(help="A video file, or the URL of a video on an allowed site.")],
    clips: Annotated[int, typer.Option("--clips", "-n", help="At most this many clips.")] = 5,
    shortest: Annotated[float, typer.Option("--min", help="Shortest clip in seconds.")] = 15.0,
    longest: Annotated[float, typer.Option("--max", help="Longest clip in seconds.")] = 60.0,
    aspect: Annotated[list[str] | None, typer.Option(help="9:16, 1:1, 4:5 or 16:9; repeat for several.")] = None,
    style: Annotated[
        str | None,
        typer.Option(
            help=f"Caption style: {', '.join(CAPTION_STYLES)}, or a JSON file of your own. [default: the brand's, or highlight_word]"
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Spoken language, such as en; found out when left away.")] = None,
    transcript: Annotated[
        Path | None, typer.Option(help="Your own transcript (SRT, VTT or Cliply's JSON) instead of recognising speech.")
    ] = None,
    brand: Annotated[
        Path | None,
        typer.Option(help="Your look: a JSON file, or a folder with brand.json, as docs/brand-kits.md describes it."),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help=f"How shots are framed: {', '.join(LAYOUTS)}. [default: auto, shot by shot]")
    ] = None,
    mask_profanity: Annotated[
        bool, typer.Option("--mask-profanity", help="Show swear words by their first letter only.")
    ] = False,
    tighten: Annotated[
        str | None,
        typer.Option(help="Take out long pauses and filler words: off, gentle or tight. [default: off]"),
    ] = None,
    denoise: Annotated[
        str | None,
        typer.Option(help="auto reduces a steady noise where measuring says that it helps, off never. [default: auto]"),
    ] = None,
    music: Annotated[
        Path | None,
        typer.Option(help="Music to lie under the clips, softer where somebody speaks: MP3, M4A, WAV, FLAC or Ogg."),
    ] = None,
    speaker_colours: Annotated[
        bool | None,
        typer.Option(
            help="Captions of each speaker in their own colours. [default: where two or more speak in a clip]"
        ),
    ] = None,
    emoji: Annotated[bool | None, typer.Option(help="An emoji above a few words. [default: --no-emoji]")] = None,
    hook: Annotated[
        bool | None, typer.Option(help="The hook line as a title on the first seconds. [default: --no-hook]")
    ] = None,
    topic: Topic = None,
    exclude: Exclude = None,
    profile: Kind = None,
    audience: Viewers = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the clips; default: NAME-clips here.")] = None,
    as_json: Json = False,
) -> None:
    """Finds the moments worth posting and renders them: reframed, captioned, normalised.

    Running the same command again continues where it stopped; what is done is not done twice.
    Ends with 0 when all is done, 3 for bad input, 4 for a missing tool, 5 for a failed step.
    """
    from cliply_assets.cli.clip import Request, make_clips

    wanted = UploadSettings(
        clips=clips,
        min_seconds=shortest,
        max_seconds=longest,
        aspects=tuple(dict.fromkeys(_one_of(each, tuple(ASPECTS), "--aspect") for each in aspect or ["9:16"])),
        **_style(style),
        language=language,
        **_wishes(topic, exclude, profile),
        **_options(layout, tighten, denoise, mask_profanity=mask_profanity),
        **_said(speaker_colours=speaker_colours, emoji=emoji, show_hook=hook),
    )
    request = Request(
        source=source,
        settings=wanted,
        transcript=transcript,
        viewers=tuple(audience or ()),
        brand=brand,
        music=music,
        style_given=style is not None,
        out=out,
        as_json=as_json,
    )
    raise typer.Exit(make_clips(request, get_settings()))


@app.command()
def candidates(  # noqa: PLR0913, PLR0917 - a command line has as many options as its users need
    transcript: Annotated[Path, typer.Option(help="Cliply's JSON, SRT, VTT, or plain text with times estimated.")],
    clips: Annotated[int, typer.Option("--clips", "-n", help="At most this many.")] = 5,
    shortest: Annotated[float, typer.Option("--min", help="Shortest moment in seconds.")] = 15.0,
    longest: Annotated[float, typer.Option("--max", help="Longest moment in seconds.")] = 60.0,
    topic: Topic = None,
    exclude: Exclude = None,
    profile: Kind = None,
    audience: Viewers = None,
    language: Annotated[str | None, typer.Option(help="Spoken language, such as en.")] = None,
    as_json: Json = False,
) -> None:
    """Finds the moments worth posting in a transcript alone: times, scores, titles and reasons; nothing is rendered."""
    from cliply_assets.cli.candidates import print_candidates

    wanted = UploadSettings(
        clips=clips, min_seconds=shortest, max_seconds=longest, language=language, **_wishes(topic, exclude, profile)
    )
    print_candidates(get_settings(), transcript, wanted, as_json=as_json, viewers=audience or ())


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Where the film and its truth are written.")] = Path(),
    seconds: Annotated[float | None, typer.Option(help="Only the first seconds of it.")] = None,
) -> None:
    """Makes a talk of two to three minutes with known truth, to try Cliply on."""
    from cliply_assets.cli.sample import make_sample

    make_sample(folder, seconds)


@app.command()
def styles(
    folder: Annotated[Path, typer.Argument(help="Where the picture and the short film are written.")] = Path(),
    file: Annotated[
        list[Path] | None, typer.Option(help="A caption style of your own (JSON) to be shown beside them; repeat.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What is said in the preview, in any script.")] = None,
) -> None:
    """Shows every caption style on light, dark and busy pictures: caption-styles.png and caption-styles.mp4."""
    from cliply_assets.cli.styles import show_styles

    show_styles(folder, tuple(file or ()), text)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI on this machine.")] = 3000,
    api_port: Annotated[int, typer.Option(help="Port of the REST API on this machine.")] = 8000,
    no_api: Annotated[bool, typer.Option("--no-api", help="Leave the REST API out.")] = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Connect the sandbox to the local workspace first, to try publishing on.")
    ] = False,
) -> None:
    """Runs the whole stack here: Postgres, the Dagster daemon, the Dagster UI and the REST API. Ctrl-C stops all of it."""
    from cliply_assets.cli.up import run_stack

    if sandbox:
        from cliply_assets.cli.platforms import connect

        connect()
    raise typer.Exit(run_stack(get_settings(), port=port, api_port=None if no_api else api_port))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Checks everything Cliply needs on this machine, and names the command that mends what is missing."""
    from cliply_assets.cli.doctor import print_findings

    raise typer.Exit(print_findings(get_settings(), as_json=as_json))


@app.command()
def status(as_json: Json = False) -> None:
    """What runs here: database, daemon, UI, and the uploads that are being worked on."""
    from cliply_assets.cli.listings import print_status

    print_status(get_settings(), as_json=as_json)


@app.command()
def runs(
    limit: Annotated[int, typer.Option(help="At most this many, newest first.")] = 20, as_json: Json = False
) -> None:
    """Lists uploads with their states and how long their steps took."""
    from cliply_assets.cli.listings import print_uploads

    print_uploads(get_settings(), limit=limit, as_json=as_json)


@app.command()
def clips(
    upload: Annotated[
        str | None, typer.Argument(help="An upload id or its beginning; all uploads when left away.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Lists clips with their time spans, scores, titles and reasons."""
    from cliply_assets.cli.listings import print_clips

    print_clips(get_settings(), upload=upload, as_json=as_json)


@app.command()
def search(
    words: Annotated[str | None, typer.Argument(help="What is said there; with a CLIP checkpoint, or seen.")] = None,
    upload: Annotated[
        str | None, typer.Option(help="An upload id or its beginning; all uploads when left away.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many, best first.")] = 10,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Derive the index anew from what is stored.")] = False,
    as_json: Json = False,
) -> None:
    """Finds the part where something is said, in every film that was worked on."""
    from cliply_assets.cli.search import print_moments, print_rebuilt

    if words is None and not rebuild:
        raise CallerError('Name what to search for: cliply search "the biggest mistake".')
    if rebuild:
        print_rebuilt(get_settings())
    if words is not None:
        print_moments(get_settings(), words, upload=upload, limit=limit, as_json=as_json)


@app.command()
def migrate() -> None:
    """Brings the database to this version's schema; safe to run twice and by several at once."""
    from cliply_assets.cli.listings import print_migrations

    print_migrations(get_settings())


operations.add_commands(app)


if __name__ == "__main__":
    main()
