"""`/api/accounts`."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request as HttpRequest
from litestar import Router, get, patch, post, put
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter
from sqlalchemy.orm import Session

from cliply_api.accounts import connecting, defaults, examples, pages, service
from cliply_api.accounts.desk import Desk
from cliply_api.accounts.imports import import_handlers
from cliply_api.accounts.schemas import (
    AccountCaps,
    AccountLimitsView,
    AccountList,
    AccountView,
    Connect,
    Connected,
    ConnectStarted,
    DefaultsList,
    DefaultsView,
    Disconnected,
    Finish,
    NewDefaults,
    PlatformList,
    PlatformName,
    Reconnect,
)
from cliply_api.accounts.views import account_view
from cliply_api.auth.guards import limit, may, public
from cliply_api.auth.principal import Principal
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.responses import ApiResponse

__all__ = ["routes"]

Caller = NamedDependency[Principal]
Platform = Annotated[str, PathParameter(max_length=40)]
BROWSER_COOKIE = "__Host-cliply_connect"
BEGINNING = limit("connect", "connects_per_hour", 3600, by="user", of_what="sign-ins at platforms")


@get(
    "/platforms",
    guards=[may("account.read")],
    operation_id="ListPlatforms",
    summary="List the platforms that can be published to",
    sync_to_thread=True,
)
def list_platforms(session: NamedDependency[Session], desk: NamedDependency[Desk]) -> PlatformList:
    """Whether accounts can be connected or what is missing for it, and each platform's abilities and limits."""
    return service.list_platforms(session, desk)


@get(
    "/",
    guards=[may("account.read")],
    opt={"examples": {200: {"data": [examples.ACCOUNT]}}},
    operation_id="ListAccounts",
    summary="List the connected accounts",
    sync_to_thread=True,
)
def list_accounts(
    session: NamedDependency[Session], desk: NamedDependency[Desk], platform: FromQuery[PlatformName | None] = None
) -> AccountList:
    """By platform and name, with how each connection is; disconnected ones come last."""
    return service.list_accounts(session, desk, platform)


@get(
    "/{account_id:uuid}",
    guards=[may("account.read")],
    opt={"examples": {200: examples.ACCOUNT}},
    operation_id="GetAccount",
    summary="Get an account",
    sync_to_thread=True,
)
def get_account(
    session: NamedDependency[Session], desk: NamedDependency[Desk], account_id: FromPath[UUID]
) -> AccountView:
    """Name, picture, and how the connection is."""
    return service.get_account(session, desk, account_id)


@patch(
    "/{account_id:uuid}",
    guards=[may("account.connect")],
    opt={"examples": {"body": {"posts_per_day": 3, "min_gap_seconds": 3600}, 200: examples.ACCOUNT}},
    operation_id="ChangeAccount",
    summary="Cap how much is posted to an account",
    sync_to_thread=True,
)
def change_account(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    account_id: FromPath[UUID],
    data: JSONBody[AccountCaps],
) -> AccountView:
    """Posts beyond it wait, and say until when; those that would come too late are missed."""
    return service.change_caps(session, desk, principal, facts, account_id, data)


@post(
    "/connect",
    guards=[may("account.connect"), BEGINNING],
    status_code=200,
    opt={"examples": {"body": {"platform": "youtube"}, 200: examples.STARTED}},
    operation_id="ConnectAccount",
    summary="Begin to connect an account",
    sync_to_thread=True,
)
def connect(
    session: NamedDependency[Session], desk: NamedDependency[Desk], principal: Caller, data: JSONBody[Connect]
) -> ApiResponse[ConnectStarted]:
    """Send the browser to `authorize_url`; the platform sends it back here, once and within ten minutes.

    The browser that made this request finishes by itself. Programs send the address that the browser ends at to
    `POST /api/accounts/complete`.
    """
    begun = connecting.begin(session, desk, principal, data.platform, account_id=None, return_url=data.return_url)
    return _started(begun)


@post(
    "/{account_id:uuid}/reconnect",
    guards=[may("account.connect"), BEGINNING],
    status_code=200,
    opt={"examples": {"body": {}, 200: examples.STARTED}},
    operation_id="ReconnectAccount",
    summary="Begin to connect an account anew",
    sync_to_thread=True,
)
def reconnect(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    account_id: FromPath[UUID],
    data: JSONBody[Reconnect],
) -> ApiResponse[ConnectStarted]:
    """As connecting, but only the same account will do; posts that were held for it are due again afterwards."""
    row = service.account_of(session, account_id)
    begun = connecting.begin(session, desk, principal, row.platform, account_id=account_id, return_url=data.return_url)
    return _started(begun)


@get(
    "/callback/{platform:str}",
    guards=[public(), limit("callback", "connects_per_hour", 3600, of_what="sign-ins at platforms")],
    media_type="text/html",
    include_in_schema=False,
    sync_to_thread=True,
)
def callback(
    request: HttpRequest[Any, Any, Any],
    desk: NamedDependency[Desk],
    facts: NamedDependency[RequestFacts],
    platform: Platform,
) -> ApiResponse[bytes]:
    """Where platforms send browsers back to. Its own proof is the state, and the cookie of the browser that began."""
    query = request.query_params
    returned = connecting.Returned(
        state=query.get("state", ""), code=query.get("code", ""), error=query.get("error", "")
    )
    browser = request.cookies.get(BROWSER_COOKIE, "")
    return pages.answer(
        lambda: connecting.spend(desk, platform, returned, browser=browser),
        lambda sign_in: connecting.finish(desk, facts, sign_in),
    )


@post(
    "/complete",
    guards=[may("account.connect"), BEGINNING],
    status_code=200,
    opt={"further": (502,), "examples": {"body": {"address": examples.BACK}, 200: {"accounts": [examples.ACCOUNT]}}},
    operation_id="CompleteConnection",
    summary="Finish connecting an account that a program began",
    sync_to_thread=True,
)
def complete(
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    data: JSONBody[Finish],
) -> Connected:
    """With the address that the browser was sent back to; only for whoever began it."""
    platform, returned = connecting.read_address(data.address)
    sign_in = connecting.spend(desk, platform, returned, user_id=principal.user_id)
    return Connected(accounts=list(connecting.finish(desk, facts, sign_in)))


@post(
    "/sandbox",
    guards=[may("account.connect")],
    opt=IDEMPOTENT | {"examples": {201: examples.ACCOUNT | {"platform": "sandbox", "name": "Sandbox"}}},
    operation_id="ConnectSandbox",
    summary="Connect the sandbox",
    sync_to_thread=True,
)
def connect_sandbox(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
) -> AccountView:
    """A further account of a platform inside this installation, for trying everything out; nothing leaves it."""
    row = connecting.sandbox_account(desk, session, principal)
    audit(session, principal, facts, "account.connected", subject=str(row.id), platform="sandbox", name=row.name)
    session.flush()
    session.refresh(row)
    return account_view(row, desk.platform("sandbox"), desk.now())


@post(
    "/{account_id:uuid}/disconnect",
    guards=[may("account.connect")],
    status_code=200,
    opt={
        "examples": {200: {"account": examples.ACCOUNT | {"health": "disconnected"}, "revoked": True, "held_posts": 2}}
    },
    operation_id="DisconnectAccount",
    summary="Disconnect an account",
    sync_to_thread=True,
)
def disconnect(
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    account_id: FromPath[UUID],
) -> Disconnected:
    """The access is forgotten here and given back there; posts that are planned are held until it is connected again."""
    return service.disconnect(desk, principal, facts, account_id)


@post(
    "/{account_id:uuid}/refresh",
    guards=[may("account.connect"), BEGINNING],
    status_code=200,
    opt={"further": (502,), "examples": {200: examples.ACCOUNT}},
    operation_id="RefreshAccount",
    summary="Renew an account's sign-in now",
    sync_to_thread=True,
)
def refresh(desk: NamedDependency[Desk], principal: Caller, account_id: FromPath[UUID]) -> AccountView:
    """Happens by itself ahead of the end; this is for whoever wants to see that it works."""
    desk.renewed(principal.workspace, account_id)
    with desk.database.api(principal.workspace) as session:
        return service.get_account(session, desk, account_id)


@get(
    "/{account_id:uuid}/limits",
    guards=[may("account.read")],
    opt={"further": (409, 502), "examples": {200: examples.LIMITS}},
    operation_id="GetAccountLimits",
    summary="Ask what an account may post now",
    sync_to_thread=True,
)
def limits(desk: NamedDependency[Desk], principal: Caller, account_id: FromPath[UUID]) -> AccountLimitsView:
    """What its platform says (visibilities, length, posts left today), at most five minutes old."""
    return service.limits_of(desk, principal, account_id)


@get(
    "/defaults",
    guards=[may("account.read")],
    opt={"examples": {200: {"data": [examples.DEFAULTS]}}},
    operation_id="ListPublishDefaults",
    summary="List what posts begin with",
    sync_to_thread=True,
)
def list_defaults(session: NamedDependency[Session], desk: NamedDependency[Desk]) -> DefaultsList:
    """Of every platform."""
    return defaults.list_defaults(session, desk)


@put(
    "/defaults/{platform:str}",
    guards=[may("account.connect")],
    opt={"examples": {"body": examples.NEW_DEFAULTS, 200: examples.DEFAULTS}},
    operation_id="SetPublishDefaults",
    summary="Choose what posts to a platform begin with",
    sync_to_thread=True,
)
def set_defaults(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    platform: Platform,
    data: JSONBody[NewDefaults],
) -> DefaultsView:
    """Templates name {title}, {description}, {hook}, {hashtags} and {workspace}. Posts that exist already keep their words."""
    return defaults.set_defaults(session, desk, principal, facts, platform, data)


def _started(begun: connecting.Begun) -> ApiResponse[ConnectStarted]:
    # Lax: the platform's redirect is a navigation from another site, which must bring it along.
    cookie = Cookie(
        key=BROWSER_COOKIE, value=begun.browser, max_age=600, path="/", secure=True, httponly=True, samesite="lax"
    )
    return ApiResponse(begun.started, status_code=200, cookies=[cookie])


routes = Router(
    "/api/accounts",
    route_handlers=[
        list_platforms,
        list_accounts,
        get_account,
        change_account,
        connect,
        reconnect,
        callback,
        complete,
        connect_sandbox,
        disconnect,
        refresh,
        limits,
        list_defaults,
        set_defaults,
        *import_handlers,
    ],
    tags=["Accounts"],
)
