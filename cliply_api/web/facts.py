"""What is known about the request at hand, from its first byte to its log line."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litestar.response.base import ASGIResponse

    from cliply_api.auth.principal import Principal
    from cliply_api.web.idempotency import Claim

__all__ = ["RequestFacts", "facts_of"]

KEY = "cliply"


@dataclass(slots=True)
class RequestFacts:
    """Filled in as the request goes through the layers."""

    request_id: str = ""
    address: str = ""
    """Of the caller; behind a trusted proxy, what that proxy says."""
    principal: "Principal | None" = None
    response: "ASGIResponse | None" = None
    """What the handler answered, before the transaction is committed and before the first byte is sent."""
    claim: "Claim | None" = None
    """The idempotency key that this request holds."""
    entered: bool = field(default=False)
    """Whether the handler's dependencies were made, that is, whether it was the handler (or its arguments) that failed."""


def facts_of(scope: Any) -> RequestFacts:
    """The facts of an ASGI scope; empty ones where the request came around the outermost layer."""
    found = scope.setdefault("state", {}).get(KEY)
    if not isinstance(found, RequestFacts):
        found = scope["state"][KEY] = RequestFacts()
    return found
