"""`Idempotency-Key`: the same request twice has one effect and one answer, with Stripe's semantics.

    @post("/", guards=[may("upload.write")], opt=IDEMPOTENT, sync_to_thread=True)

A key is claimed in a short transaction of its own before the handler runs. The answer is stored in the same transaction as the
effect, so that a crash leaves either both or neither. Sent again with the same key, the request is

* answered as the first time, with `Idempotent-Replayed: true`, when that one is done, be it with success or an error
* refused with 409 and `Retry-After` while the first one runs (a claim older than any request is taken over)
* refused with 422 when it is a different request

Nothing is kept of requests that were refused before the handler ran (validation, permission), nor of 429 and 503, whose effect
was undone. Keys belong to a user (or API token) in a workspace and are forgotten after a day.
"""

import hashlib
from collections import deque
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from anyio import CancelScope, to_thread
from litestar import Request, Response
from litestar.enums import ScopeType
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cliply_api.auth.guards import requirement_of
from cliply_api.auth.principal import Principal
from cliply_api.errors import ApiError, ErrorCode
from cliply_api.web.facts import facts_of
from cliply_resources.database import Database
from cliply_resources.database.identity import AccountIdempotencyKey, IdempotencyKey
from cliply_resources.errors import CallerError, TryLater

__all__ = ["HEADER", "IDEMPOTENT", "Claim", "Idempotency", "settle_later"]

HEADER = "Idempotency-Key"
IDEMPOTENT = {"idempotent": True}
MAX_KEY_LENGTH = 255
TAKE_OVER_SECONDS = 60
"""No request runs for longer: the database ends a transaction that idles for 30 s."""
RETRY_SECONDS = 1
KEPT_HEADERS = {"content-type", "location", "etag"}
NOT_KEPT = {401, 403, 429, 502, 503, 504}
"""Refused before anything was done, or undone: trying again may well succeed."""

log = structlog.get_logger("cliply_api.idempotency")
_UNSETTLED: deque[tuple["Claim", bool, int, dict[str, str], bytes]] = deque(maxlen=1000)


@dataclass(frozen=True)
class Claim:
    """This request holds its key; whoever takes it over afterwards has a higher `attempt`."""

    database: Database
    key: str
    owner_id: UUID
    workspace_id: UUID | None
    """Nothing for requests outside of any workspace."""
    attempt: int

    def store(self, session: Session, answer: ASGIResponse) -> None:
        """Keeps the answer in the transaction of its effect.

        Raises:
            TryLater: somebody took the key over meanwhile, so the effect must not happen here.
        """
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in answer.encode_headers()
            if name.decode("latin-1").lower() in KEPT_HEADERS
        }
        self.store_raw(session, answer.status_code, headers, bytes(answer.body))

    def store_raw(self, session: Session, status: int, headers: dict[str, str], body: bytes) -> None:
        """The same with the parts of the answer."""
        table = _table(self.workspace_id)
        done = session.execute(
            sa.update(table)
            .where(*self._mine(table), table.c.attempt == self.attempt, table.c.state == "running")
            .values(state="done", status=status, headers=headers, body=body)
        )
        if done.rowcount == 0:  # type: ignore[attr-defined]  # SQLAlchemy types the general Result only
            raise TryLater(
                "This request took too long and was taken over by its repetition.", retry_after=RETRY_SECONDS
            )

    def release(self) -> None:
        """Lets the key go, as if the request had never been made."""
        table = _table(self.workspace_id)
        with _session(self.database, self.workspace_id) as session:
            session.execute(
                sa.delete(table).where(*self._mine(table), table.c.attempt == self.attempt, table.c.state == "running")
            )

    def keep(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Keeps an answer that had no effect to be stored with, such as an error of the handler."""
        with _session(self.database, self.workspace_id) as session:
            self.store_raw(session, status, headers, body)

    def _mine(self, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        conditions = [table.c.owner_id == self.owner_id, table.c.key == self.key]
        return conditions if self.workspace_id is None else [table.c.workspace_id == self.workspace_id, *conditions]


class Idempotency:
    """ASGI middleware of every route; it only acts on handlers marked `IDEMPOTENT` that were sent a key."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replays, refuses, or lets the request through with its claim."""
        who = facts_of(scope).principal
        if scope["type"] != ScopeType.HTTP or who is None or not scope["route_handler"].opt.get("idempotent"):
            await self.app(scope, receive, send)
            return
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        key = request.headers.get(HEADER)
        if key is None:
            await self.app(scope, receive, send)
            return
        if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable() or not key.isascii():
            raise CallerError(f"An {HEADER} has 1 to {MAX_KEY_LENGTH} printable ASCII characters.")
        digest = await _digest(request)
        found = await to_thread.run_sync(
            _claim, scope["litestar_app"].state.database, who, _place(scope, who), key, digest
        )
        if isinstance(found, Claim):
            await self._run(found, scope, receive, send)
        else:
            await _replay(found).to_asgi_response(None, request)(scope, receive, send)

    async def _run(self, claim: Claim, scope: Scope, receive: Receive, send: Send) -> None:
        facts = facts_of(scope)
        facts.claim = claim
        status, headers, body = 0, {}, bytearray()

        async def watching(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            elif message["type"] == "http.response.body" and len(body) < 1_000_000:
                body.extend(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, watching)
        finally:
            if facts.claim is not None:  # nothing was committed with it
                kept = {name: value for name, value in headers.items() if name.lower() in KEPT_HEADERS}
                with CancelScope(shield=True):
                    await to_thread.run_sync(_settle, claim, facts.entered, status, kept, bytes(body))


def _settle(claim: Claim, entered: bool, status: int, headers: dict[str, str], body: bytes) -> None:
    """What is left to do for an answer that was not stored with an effect."""
    try:
        if 200 <= status < 300 or (entered and status >= 402 and status not in NOT_KEPT):
            claim.keep(status, headers, body)
        else:
            claim.release()
    except TryLater as failure:
        # The answer is out already. Should this process end before the database is back, the claim is taken over after a minute.
        log.warning("an idempotency key could not be settled", reason=str(failure))
        _UNSETTLED.append((claim, entered, status, headers, body))


def settle_later() -> None:
    """Settles what could not be settled while the database was away; what still cannot be is kept."""
    for _ in range(len(_UNSETTLED)):
        _settle(*_UNSETTLED.popleft())


def _place(scope: Scope, who: Principal) -> UUID | None:
    requirement = requirement_of(scope["route_handler"])
    return who.workspace_id if requirement is not None and requirement.kind == "permission" else None


async def _digest(request: Request[Any, Any, Any]) -> bytes:
    """Two requests are the same when method, address and body are."""
    found = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    found.update(await request.body())
    return found.digest()


def _claim(
    database: Database, who: Principal, workspace_id: UUID | None, key: str, digest: bytes
) -> Claim | sa.Row[Any]:
    """The claim, or the row of an earlier request that is done."""
    table = _table(workspace_id)
    values: dict[str, Any] = {"owner_id": who.key_owner, "key": key, "request_hash": digest}
    if workspace_id is not None:
        values["workspace_id"] = workspace_id
    stale = sa.and_(
        table.c.state == "running",
        table.c.request_hash == digest,
        table.c.claimed_at < sa.func.now() - sa.func.make_interval(0, 0, 0, 0, 0, 0, TAKE_OVER_SECONDS),
    )
    statement = insert(table).values(values)
    claimed = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={"attempt": table.c.attempt + 1, "claimed_at": sa.func.now()},
        where=stale,
    ).returning(table.c.attempt)
    with _session(database, workspace_id) as session:
        attempt = session.execute(claimed).scalar()
        if attempt is not None:
            return Claim(database, key, who.key_owner, workspace_id, attempt)
        mine = Claim(database, key, who.key_owner, workspace_id, 0)
        row = session.execute(sa.select(table).where(*mine._mine(table))).one_or_none()
    if row is not None and row.request_hash != digest:
        raise ApiError(
            f"This {HEADER} was used for a different request. Use a new one for each request.",
            status=422,
            code=ErrorCode.IDEMPOTENCY_KEY_REUSED,
        )
    if row is None or row.state == "running":
        raise ApiError(
            "The first request with this key is still running.",
            status=409,
            code=ErrorCode.IDEMPOTENCY_IN_PROGRESS,
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
    return row


def _replay(row: sa.Row[Any]) -> Response[bytes]:
    headers = {**row.headers, "Idempotent-Replayed": "true"}
    kind = next((value for name, value in row.headers.items() if name.lower() == "content-type"), "application/json")
    headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return Response(bytes(row.body), status_code=row.status, headers=headers, media_type=kind)


def _table(workspace_id: UUID | None) -> sa.Table:
    table = (AccountIdempotencyKey if workspace_id is None else IdempotencyKey).__table__
    assert isinstance(table, sa.Table)
    return table


def _session(database: Database, workspace_id: UUID | None) -> AbstractContextManager[Session]:
    return database.identity() if workspace_id is None else database.api(workspace_id)
