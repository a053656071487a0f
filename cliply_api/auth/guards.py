"""What every handler must name, exactly once: who may call it.

* `may("clip.edit")`     a member of the request's workspace whose role (and API token) has the permission
* `signed_in()`          anybody with an account; for what belongs to a person and not to a workspace
* `system_admin()`       who looks after the installation
* `public()`             everybody, on purpose

and, beside it, `limit(…)` for a bucket of its own.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from anyio import to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from sqlalchemy import text

from cliply_api.auth.permissions import Permission, table
from cliply_api.errors import ErrorCode, Forbidden, RateLimited, Unauthenticated
from cliply_api.web.facts import facts_of
from cliply_resources.database import Database
from cliply_resources.settings import Settings

__all__ = ["Limit", "Requirement", "limit", "may", "public", "requirement_of", "signed_in", "system_admin", "take"]

Connection = ASGIConnection[Any, Any, Any, Any]
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Requirement:
    """Who may call a handler; a Litestar guard."""

    kind: Literal["permission", "signed_in", "system_admin", "public"]
    permission: Permission | None = None
    programs: bool = False
    """Whether an API token will do for `signed_in`."""

    async def __call__(self, connection: Connection, _handler: BaseRouteHandler) -> None:
        """Refuses everybody else."""
        if self.kind == "public":
            return
        who = facts_of(connection.scope).principal
        if who is None:
            raise Unauthenticated("Sign in, and send the access token as “Authorization: Bearer …”.")
        if self.permission is not None:
            _ = who.workspace
            if self.permission not in who.permissions:
                if who.actor_id is not None and self.permission in table():
                    raise Forbidden("You look through somebody else's eyes: reading only.", ErrorCode.READ_ONLY)
                raise Forbidden(f"This needs the permission {self.permission}, which you do not have here.")
            return
        if who.actor_id is not None and connection.scope.get("method") not in SAFE_METHODS:
            raise Forbidden("You look through somebody else's eyes: reading only.", ErrorCode.READ_ONLY)
        if who.token_id is not None and not self.programs:
            raise Forbidden("An API token reaches its workspace only. Sign in for this.")
        if self.kind == "system_admin" and (not who.is_admin or who.actor_id is not None):
            raise Forbidden("Only a system admin may do this.")


@dataclass(frozen=True)
class Limit:
    """A bucket of its own for a handler; a Litestar guard. `setting` names the field of the settings that holds the number."""

    name: str
    setting: str
    seconds: int
    by: Literal["address", "user"]
    of_what: str = "requests"

    async def __call__(self, connection: Connection, _handler: BaseRouteHandler) -> None:
        """Takes one from the bucket, or refuses."""
        facts = facts_of(connection.scope)
        of = facts.address if self.by == "address" or facts.principal is None else str(facts.principal.user_id)
        state = connection.app.state
        await to_thread.run_sync(self.take, state.database, state.settings, of)

    def take(self, database: Database, settings: Settings, of: str, how_many: int = 1) -> None:
        """Takes so many from the bucket of an address or a user's id, or refuses; for handlers that do several things at once.

        Raises:
            RateLimited: there are not so many left; none is taken then.
        """
        number = int(getattr(settings, self.setting))
        wait = take(database, f"{self.name}:{network_of(of)}", number, self.seconds, how_many)
        if wait > 0:
            raise RateLimited(wait, self.of_what)


def may(permission: Permission) -> Requirement:
    """A member who has this permission in the request's workspace."""
    if permission not in get_args(Permission):
        raise ValueError(f"{permission!r} is not in the table of permissions.")
    return Requirement("permission", permission)


def signed_in(*, programs: bool = False) -> Requirement:
    """Anybody with an account; `programs` lets API tokens in as well."""
    return Requirement("signed_in", programs=programs)


def system_admin() -> Requirement:
    """Who looks after the installation."""
    return Requirement("system_admin")


def public() -> Requirement:
    """Everybody, on purpose."""
    return Requirement("public")


def limit(
    name: str, setting: str, seconds: int, by: Literal["address", "user"] = "address", of_what: str = "requests"
) -> Limit:
    """At most `settings.<setting>` calls in `seconds` for each address or user, refilled evenly."""
    return Limit(name, setting, seconds, by, of_what)


def requirement_of(handler: BaseRouteHandler) -> Requirement | None:
    """What the handler demands; nothing where its author forgot, or named several."""
    guards = [getattr(guard, "func", guard) for guard in cast("Any", handler).resolve_guards()]
    found = [guard for guard in guards if isinstance(guard, Requirement)]
    return found[0] if len(found) == 1 else None


def network_of(address: str) -> str:
    """An IPv6 caller owns a whole /64, so they are counted by it."""
    if ":" not in address:
        return address
    import ipaddress

    try:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    except ValueError:
        return address


def take(database: Database, bucket: str, number: int, seconds: float, how_many: int = 1) -> float:
    """Takes some of `number` that refill over `seconds`: 0, or the seconds until there are so many.

    Counts whatever comes of the request. More than `number` take all there can be.
    """
    with database.identity_at_once() as connection:
        return float(
            connection.execute(
                text("SELECT app.take(:bucket, :number, make_interval(secs => :seconds), :how_many)"),
                {"bucket": bucket[:200], "number": number, "seconds": seconds, "how_many": how_many},
            ).scalar_one()
        )
