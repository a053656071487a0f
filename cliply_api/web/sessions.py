"""One database transaction a request, committed before the first byte of the answer is sent.

A handler asks for exactly one of

* `session: NamedDependency[Session]`   the workspace's rows, as `cliply_api`: row level security shows no others
* `identity: NamedDependency[Session]`  accounts, sign-ins and memberships, as `cliply_identity`

and neither commits nor closes it. When the handler raises, everything is undone; when the commit fails, the caller gets a 503 (or
500), never a success. Handlers that touch the database are plain functions with `sync_to_thread=True`.
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import Any

from anyio import CancelScope, to_thread
from litestar import Request
from sqlalchemy.orm import Session

from cliply_api.errors import Unauthenticated
from cliply_api.web.facts import RequestFacts, facts_of
from cliply_resources.database import Database

__all__ = ["provide_identity", "provide_session"]

AnyRequest = Request[Any, Any, Any]


async def provide_session(request: AnyRequest) -> AsyncGenerator[Session, None]:
    """The dependency `session`."""
    facts = facts_of(request.scope)
    if facts.principal is None:
        raise Unauthenticated("Sign in, and send the access token as “Authorization: Bearer …”.")
    database: Database = request.app.state.database
    async for session in _transaction(database.api(facts.principal.workspace), facts):
        yield session


async def provide_identity(request: AnyRequest) -> AsyncGenerator[Session, None]:
    """The dependency `identity`."""
    database: Database = request.app.state.database
    async for session in _transaction(database.identity(), facts_of(request.scope)):
        yield session


async def _transaction(context: AbstractContextManager[Session], facts: RequestFacts) -> AsyncGenerator[Session, None]:
    session = context.__enter__()  # connects with the first statement only, so this does not block
    facts.entered = True
    try:
        yield session
    except BaseException:
        # A caller who hangs up must not leave a transaction open behind them.
        with CancelScope(shield=True):
            await to_thread.run_sync(context.__exit__, *sys.exc_info())
        raise

    def complete() -> None:
        try:
            if facts.claim is not None and facts.response is not None:
                facts.claim.store(session, facts.response)
        except BaseException:
            context.__exit__(*sys.exc_info())
            raise
        context.__exit__(None, None, None)
        facts.claim = None

    with CancelScope(shield=True):
        await to_thread.run_sync(complete)
