"""`/api/tokens`."""

from uuid import UUID

from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.tokens import service
from cliply_api.tokens.schemas import NewToken, TokenMade, TokenView
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest

__all__ = ["routes"]

INFO = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e13",
    "name": "nightly import",
    "start": "cliply_pt_Xy12ab",
    "scopes": ["upload.read", "upload.write"],
    "user_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e11",
    "created_at": "2026-11-20T10:00:00Z",
    "expires_at": "2027-02-18T10:00:00Z",
    "last_used_at": None,
}


@post(
    "/",
    guards=[may("token.own")],
    opt={
        "examples": {
            "body": {"name": "nightly import", "scopes": ["upload.read", "upload.write"], "expires_in_days": 90},
            201: {"token": "cliply_pt_…", "info": INFO},
        }
    },
    operation_id="CreateToken",
    summary="Create an API token",
    sync_to_thread=True,
)
def create(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[NewToken],
) -> TokenMade:
    """The secret is shown in this answer only. No `Idempotency-Key` here: an answer that is kept would keep the secret."""
    return service.create(identity, principal, facts, data)


@get(
    "/",
    guards=[may("token.own")],
    opt={"examples": {200: {"data": [INFO], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListTokens",
    summary="List API tokens",
    sync_to_thread=True,
)
def list_tokens(
    identity: NamedDependency[Session], principal: NamedDependency[Principal], page: NamedDependency[PageRequest]
) -> Page[TokenView]:
    """Your own, or with the permission `token.manage` all of the workspace."""
    return service.list_tokens(identity, principal, page)


@delete(
    "/{token_id:uuid}",
    guards=[may("token.own")],
    operation_id="RevokeToken",
    summary="Revoke an API token",
    sync_to_thread=True,
)
def revoke(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    token_id: FromPath[UUID],
) -> None:
    """It is worthless from the next request on."""
    service.revoke(identity, principal, facts, token_id)


routes = Router("/api/tokens", route_handlers=[create, list_tokens, revoke], tags=["API tokens"])
