"""`/objects/{key}`: what signed links of the local storage lead to. The signature is the permission."""

from typing import Any

from anyio import to_thread
from litestar import HttpMethod, Request, Response, Router, put, route
from litestar.di import NamedDependency
from litestar.response import Stream

from cliply_api.auth.guards import public
from cliply_api.errors import ApiError, ErrorCode
from cliply_api.objects import service
from cliply_api.objects.ranges import ByteRange, RangeRefused, wanted_range
from cliply_resources.storage import Storage
from cliply_resources.storage.signing import SignedRequest, content_disposition, content_type_of

__all__ = ["routes"]

AnyRequest = Request[Any, Any, Any]


def _target(request: AnyRequest) -> str:
    # The path as routed; a key never holds anything that would have to be encoded.
    return f"{request.scope['path']}?{request.scope['query_string'].decode('latin-1')}"


@put("/{key:path}", guards=[public()], request_max_body_size=None, status_code=204)
async def put_object(request: AnyRequest, storage: NamedDependency[Storage]) -> Response[None]:
    """Takes exactly the signed number of bytes of the signed type, from the network to the disk."""
    folder = service.local_storage(storage)
    allowed = service.checked_link(folder, "PUT", _target(request))
    _check_headers(request, allowed)
    etag = await service.receive(folder, allowed, request.stream())
    return Response(None, status_code=204, headers={"ETag": etag})


def _check_headers(request: AnyRequest, allowed: SignedRequest) -> None:
    given = request.headers.get("Content-Type", "")
    if given != allowed.content_type:
        raise ApiError(
            f"This link takes {allowed.content_type}, and the request says {given[:100] or 'nothing'}.",
            status=415,
            code=ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        )
    length = request.headers.get("Content-Length")
    if length is not None and length != str(allowed.size):
        raise ApiError(
            f"This link takes exactly {allowed.size} bytes, and the request announces {length[:20]}.",
            status=413,
            code=ErrorCode.BODY_TOO_LARGE,
        )


@route("/{key:path}", http_method=[HttpMethod.GET, HttpMethod.HEAD], guards=[public()], status_code=200)
async def get_object(request: AnyRequest, storage: NamedDependency[Storage]) -> Response[Any]:
    """The object, or the part of it that was asked for; to HEAD only what goes before the bytes."""
    folder = service.local_storage(storage)
    allowed = service.checked_link(folder, request.method, _target(request))
    opened = await to_thread.run_sync(service.open_object, folder, allowed.key)
    headers = {"Accept-Ranges": "bytes", "ETag": opened.etag, "Cache-Control": "private, no-cache"}
    if allowed.filename is not None:
        headers["Content-Disposition"] = content_disposition(allowed.filename)
    kind = content_type_of(allowed.key)
    if request.headers.get("If-None-Match") == opened.etag:
        opened.file.close()
        return Response(None, status_code=304, headers=headers)
    try:
        part = _part(request, opened)
    except RangeRefused:
        opened.file.close()
        return Response(None, status_code=416, headers=headers | {"Content-Range": f"bytes */{opened.size}"})
    if part is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{opened.size}"
    sent = part or ByteRange(0, opened.size - 1)
    headers["Content-Length"] = str(sent.length)
    status = 200 if part is None else 206
    if request.method == "HEAD":
        opened.file.close()
        return Response(b"", status_code=status, headers=headers, media_type=kind)
    body = service.pieces(opened.file, sent.first, sent.length)
    return Stream(body, status_code=status, headers=headers, media_type=kind)


def _part(request: AnyRequest, opened: service.Opened) -> ByteRange | None:
    condition = request.headers.get("If-Range")
    if condition is not None and condition != opened.etag:
        return None
    return wanted_range(request.headers.get("Range"), opened.size)


# Nobody builds these addresses: they are handed out, valid for a while, and lead to an object store just as well.
routes = Router("/objects", route_handlers=[put_object, get_object], include_in_schema=False)
