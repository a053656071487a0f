"""`/api/hooks/{platform}`: where platforms tell things by themselves. The signature over the raw bytes is the permission."""

from typing import Annotated, Any
from uuid import UUID

from anyio import to_thread
from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, PathParameter

from cliply_api.accounts.desk import Desk
from cliply_api.auth.guards import limit, public
from cliply_api.hooks import feeds, service
from cliply_api.web.responses import ApiResponse

__all__ = ["routes"]

AnyRequest = Request[Any, Any, Any]
Platform = Annotated[str, PathParameter(max_length=40)]
MOST_BYTES = 256 * 1024
BOUND = limit("hook", "hooks_per_minute", 60, of_what="webhooks")


@get("/{platform:str}", guards=[public(), BOUND], media_type="text/plain", sync_to_thread=True)
def verify(request: AnyRequest, desk: NamedDependency[Desk], platform: Platform) -> ApiResponse[str]:
    """Says the word back that proves that the address is ours (Meta)."""
    answer = service.challenge(desk, platform, dict(request.query_params.items()))
    return ApiResponse(answer, media_type="text/plain")


@post(
    "/{platform:str}",
    guards=[public(), BOUND],
    status_code=200,
    request_max_body_size=MOST_BYTES,
    media_type="text/plain",
)
async def receive(request: AnyRequest, desk: NamedDependency[Desk], platform: Platform) -> ApiResponse[str]:
    """Answers at once; a delivery that is repeated changes nothing the second time."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    await to_thread.run_sync(service.take, desk, platform, headers, body)
    return ApiResponse("", status_code=200, media_type="text/plain")


@get("/feeds/{subscription:uuid}", guards=[public(), BOUND], media_type="text/plain", sync_to_thread=True)
def confirm_feed(request: AnyRequest, desk: NamedDependency[Desk], subscription: FromPath[UUID]) -> ApiResponse[str]:
    """Agrees to a feed that was asked for (WebSub)."""
    answer = feeds.confirm(desk, subscription, dict(request.query_params.items()))
    return ApiResponse(answer, media_type="text/plain")


@post(
    "/feeds/{subscription:uuid}",
    guards=[public(), BOUND],
    status_code=200,
    request_max_body_size=MOST_BYTES,
    media_type="text/plain",
)
async def receive_feed(
    request: AnyRequest, desk: NamedDependency[Desk], subscription: FromPath[UUID]
) -> ApiResponse[str]:
    """What a feed tells; a wrong signature is answered like a right one, and ignored."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    await to_thread.run_sync(feeds.take, desk, subscription, headers, body)
    return ApiResponse("", status_code=200, media_type="text/plain")


# Platforms are told this address by the operator; nobody else has any use for it.
routes = Router("/api/hooks", route_handlers=[verify, receive, confirm_feed, receive_feed], include_in_schema=False)
