"""What is known about the request at hand, from its first byte to its log line."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litestar.response.base import ASGIResponse

    from cliply_api.auth.principal import Principal
    from cliply_api.web.idempotency import Claim

__all__ = ["RequestFacts", "facts_of"]

KEY = "cliply"


class RequestFacts:
    """Filled in as the request goes through the layers.

    A plain class: what handlers are given is checked against its type, and a dataclass would be taken apart for that.
    """

    def __init__(self, *, request_id: str = "", address: str = "", errand: str = "") -> None:
        self.request_id = request_id
        self.errand = errand or request_id
        """What work that this request asks for is tagged with: its id, and the caller's trace where they sent one."""
        self.address = address
        """Of the caller; behind a trusted proxy, what that proxy says."""
        self.principal: Principal | None = None
        self.response: ASGIResponse | None = None
        """What the handler answered, before the transaction is committed and before the first byte is sent."""
        self.claim: Claim | None = None
        """The idempotency key that this request holds."""
        self.entered = False
        """Whether the handler's dependencies were made, that is, whether it was the handler (or its arguments) that failed."""


def facts_of(scope: Any) -> RequestFacts:
    """The facts of an ASGI scope; empty ones where the request came around the outermost layer."""
    found = scope.setdefault("state", {}).get(KEY)
    if not isinstance(found, RequestFacts):
        found = scope["state"][KEY] = RequestFacts()
    return found
