"""Responses that remember themselves, so that an idempotent answer is stored in the transaction of its effect."""

from typing import Any, TypeVar

from litestar import Litestar, Request, Response
from litestar.response.base import ASGIResponse

from cliply_api.web.facts import facts_of

__all__ = ["ApiResponse"]

T = TypeVar("T")


class ApiResponse(Response[T]):
    """The application's response class; handlers that set cookies or a status of their own return one."""

    def to_asgi_response(self, app: Litestar | None, request: Request[Any, Any, Any], **options: Any) -> ASGIResponse:
        """The response as it will be sent, noted among the request's facts."""
        made = super().to_asgi_response(app, request, **options)
        facts_of(request.scope).response = made
        return made
