"""`/sandbox`: what was published to the sandbox, shown like a phone's feed, to whoever sits at this machine.

The page asks for no sign-in and shows all of the installation's sandbox, so it is there for this machine alone: the connection, the name
that the browser asked for, and the absence of any proxy's header all have to say so. `CLIPLY_SANDBOX_PAGE` can switch it off, or open
it to everybody who reaches the installation.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from cliply_api.auth.guards import public
from cliply_api.objects.ranges import ByteRange, RangeRefused, wanted_range
from cliply_api.objects.service import pieces
from cliply_api.sandbox.schemas import SandboxFeed, SandboxPostView
from cliply_api.web.responses import ApiResponse
from cliply_resources.errors import NotFound
from cliply_resources.platforms.sandbox_feed import SandboxEntry, film_path, sandbox_feed
from cliply_resources.settings import Settings

__all__ = ["routes", "sits_here"]

AnyRequest = Request[Any, Any, Any]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
FILES = {"page.css": "text/css", "page.js": "text/javascript"}
HERE = Path(__file__).parent
LOOPBACK = {"127.0.0.1", "::1"}
NAMES = {"localhost", "127.0.0.1", "[::1]"}
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def sits_here(peer: str, host: str, headers: tuple[str, ...]) -> bool:
    """Whether a request comes from a browser on this machine, and not through a proxy that runs on it."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return peer in LOOPBACK and name.lower() in NAMES and not any(header in PROXY_HEADERS for header in headers)


def _check(request: AnyRequest, settings: Settings) -> None:
    client = request.scope.get("client")
    here = sits_here(
        client[0] if client else "", request.headers.get("host", ""), tuple(name.lower() for name in request.headers)
    )
    if settings.sandbox_page == "off" or (settings.sandbox_page == "local" and not here):
        raise NotFound("There is nothing at this address.")


@get("/", guards=[public()], sync_to_thread=True, media_type="text/html")
def page(request: AnyRequest, settings: NamedDependency[Settings]) -> ApiResponse[bytes]:
    """The page; everything on it comes from here."""
    _check(request, settings)
    body = (HERE / "page.html").read_bytes()
    return ApiResponse(body, media_type="text/html", headers={"Content-Security-Policy": POLICY})


@get("/files/{name:str}", guards=[public()], sync_to_thread=True)
def page_file(request: AnyRequest, settings: NamedDependency[Settings], name: FromPath[str]) -> ApiResponse[bytes]:
    """Its style and its script."""
    _check(request, settings)
    if name not in FILES:
        raise NotFound("There is nothing at this address.")
    return ApiResponse((HERE / name).read_bytes(), media_type=FILES[name])


@get("/posts", guards=[public()], sync_to_thread=True)
def posts(request: AnyRequest, settings: NamedDependency[Settings]) -> SandboxFeed:
    """The newest posts of every account of the sandbox."""
    _check(request, settings)
    return SandboxFeed(posts=[_view(entry) for entry in sandbox_feed(settings.home, datetime.now(UTC))])


@get("/films/{shelf:str}/{post_id:str}", guards=[public()], sync_to_thread=True)
def film(
    request: AnyRequest, settings: NamedDependency[Settings], shelf: FromPath[str], post_id: FromPath[str]
) -> Response[Any]:
    """The film, or the part of it that the player asks for."""
    _check(request, settings)
    place = film_path(settings.home, shelf, post_id)
    if place is None:
        raise NotFound("There is no such film on the sandbox.")
    size = place.stat().st_size
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
    try:
        part = wanted_range(request.headers.get("Range"), size)
    except RangeRefused:
        return Response(None, status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    sent = part or ByteRange(0, size - 1)
    headers["Content-Length"] = str(sent.length)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    body = pieces(place.open("rb"), sent.first, sent.length)
    return Stream(body, status_code=200 if part is None else 206, headers=headers, media_type="video/mp4")


def _view(entry: SandboxEntry) -> SandboxPostView:
    post, numbers = entry.post, entry.numbers
    return SandboxPostView(
        id=post.remote_id,
        film=f"/sandbox/films/{entry.shelf}/{post.remote_id}",
        account=post.account[:40],
        title=post.content.title,
        caption=post.content.caption,
        visibility=post.content.visibility,
        published_at=post.published_at,
        duration=post.video.duration,
        width=post.video.width,
        height=post.video.height,
        views=numbers.views or 0,
        likes=numbers.likes or 0,
        comments=numbers.comments or 0,
        shares=numbers.shares or 0,
    )


# A page for people; programs read posts by the API.
routes = Router("/sandbox", route_handlers=[page, page_file, posts, film], include_in_schema=False)
