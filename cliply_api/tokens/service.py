"""API tokens. Their table is of no workspace, so every statement here names the workspace itself."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.auth.secrets import hash_secret, new_secret
from cliply_api.errors import Forbidden
from cliply_api.tokens.schemas import NewToken, TokenMade, TokenView
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.database.identity import ApiToken
from cliply_resources.errors import CallerError, NotFound

__all__ = ["create", "list_tokens", "revoke"]

SHOWN = 16
"""Characters of a token that may be shown again: `cliply_pt_` and six of its own."""


def create(session: Session, principal: Principal, facts: RequestFacts, wanted: NewToken) -> TokenMade:
    """A new token of the caller in this workspace, with no more rights than the caller has."""
    if principal.token_id is not None:
        raise Forbidden("An API token cannot make API tokens. Sign in for this.")
    unknown = sorted(set(wanted.scopes) - {"*"} - principal.permissions)
    if unknown:
        raise CallerError(f"You cannot give away what you may not do yourself: {', '.join(unknown)}.")
    secret = new_secret("pt")
    made = ApiToken(
        user_id=principal.user_id,
        workspace_id=principal.workspace,
        name=wanted.name,
        start=secret[:SHOWN],
        token_hash=hash_secret(secret),
        scopes=sorted(set(wanted.scopes)),
        expires_at=sa.func.now() + timedelta(days=wanted.expires_in_days),
    )
    session.add(made)
    session.flush()
    audit(session, principal, facts, "token.created", subject=str(made.id), name=made.name, scopes=made.scopes)
    return TokenMade(token=secret, info=_view(made))


def list_tokens(session: Session, principal: Principal, page: PageRequest) -> Page[TokenView]:
    """Tokens in force: the caller's own, or all of the workspace for whoever manages them."""
    query = _in_reach(principal).order_by(ApiToken.created_at.desc(), ApiToken.id.desc())
    return page.of(session, query, _view)


def revoke(session: Session, principal: Principal, facts: RequestFacts, token_id: UUID) -> None:
    """The token is worthless from now on."""
    found = session.scalar(_in_reach(principal).where(ApiToken.id == token_id).with_for_update())
    if found is None:
        raise NotFound("There is no such API token.")
    session.execute(sa.update(ApiToken).where(ApiToken.id == found.id).values(revoked_at=sa.func.now()))
    audit(session, principal, facts, "token.revoked", subject=str(found.id), name=found.name)


def _in_reach(principal: Principal) -> sa.Select[ApiToken]:
    query = sa.select(ApiToken).where(
        ApiToken.workspace_id == principal.workspace,
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > sa.func.now(),
    )
    return query if "token.manage" in principal.permissions else query.where(ApiToken.user_id == principal.user_id)


def _view(row: ApiToken) -> TokenView:
    return TokenView(
        id=row.id,
        name=row.name,
        start=row.start,
        scopes=row.scopes,
        user_id=row.user_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
