"""`/api/auth` and `/api/me`."""

from typing import Any
from uuid import UUID

from litestar import Request as HttpRequest
from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import limit, public, signed_in
from cliply_api.auth.middleware import COOKIE
from cliply_api.auth.principal import Principal
from cliply_api.identity import service
from cliply_api.identity.leaving_routes import ask_for_email_change, change_email, delete_account
from cliply_api.identity.schemas import (
    Accepted,
    AskReset,
    ChangePassword,
    Login,
    Me,
    MeChange,
    Refresh,
    Register,
    ResetPassword,
    SessionView,
    SignedIn,
    UserView,
    VerifyEmail,
)
from cliply_api.identity.sign_in import Begun, SignIns, end_sessions
from cliply_api.web.cookies import clearing_cookies, session_cookies
from cliply_api.web.facts import RequestFacts
from cliply_api.web.limits import take_for_mail
from cliply_api.web.pages import Page, PageRequest
from cliply_api.web.responses import ApiResponse
from cliply_resources.settings import Settings

__all__ = ["account_routes", "auth_routes"]

AnyRequest = HttpRequest[Any, Any, Any]

USER = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e11",
    "email": "ada@example.com",
    "name": "Ada",
    "email_verified": False,
    "is_admin": False,
    "created_at": "2026-11-20T10:00:00Z",
}
SIGNED_IN = {
    "user": USER,
    "workspace_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e12",
    "access_token": "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ.e30.c2ln",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_token": "cliply_rt_…",
}
CREDENTIALS = {"email": "ada@example.com", "password": "correct horse battery staple"}


@post(
    "/register",
    guards=[public(), limit("register", "register_per_hour", 3600, of_what="new accounts from your network")],
    opt={"examples": {"body": {**CREDENTIALS, "name": "Ada"}, 201: SIGNED_IN}},
    operation_id="Register",
    summary="Create an account",
    sync_to_thread=True,
)
def register(
    identity: NamedDependency[Session],
    sign_ins: NamedDependency[SignIns],
    facts: NamedDependency[RequestFacts],
    request: AnyRequest,
    data: JSONBody[Register],
) -> ApiResponse[SignedIn]:
    """Makes the account and its first workspace, signs in, and mails a link that verifies the address."""
    hashed = sign_ins.passwords.hash(data.password)  # before the transaction begins with its first statement
    user = service.register(
        identity, facts, email=data.email, password_hash=hashed, name=data.name, workspace_name=data.workspace_name
    )
    begun = sign_ins.begin(identity, user, data.transport, facts, _agent(request))
    return _reply(begun, sign_ins, status=201)


@post(
    "/login",
    guards=[public(), limit("login", "login_per_minute", 60, of_what="attempts to sign in")],
    status_code=200,
    # An account that was suspended is told so.
    opt={"further": (403,), "examples": {"body": CREDENTIALS, 200: SIGNED_IN}},
    operation_id="Login",
    summary="Sign in",
    sync_to_thread=True,
)
def login(
    sign_ins: NamedDependency[SignIns],
    facts: NamedDependency[RequestFacts],
    request: AnyRequest,
    data: JSONBody[Login],
) -> ApiResponse[SignedIn]:
    """Answers with tokens, or where `transport` is `cookie`, with the cookies of a browser session."""
    begun = sign_ins.login(data.email, data.password, data.transport, facts, _agent(request))
    return _reply(begun, sign_ins, status=200)


@post(
    "/refresh",
    guards=[public(), limit("refresh", "user_requests_per_minute", 60)],
    status_code=200,
    opt={"examples": {"body": {"refresh_token": "cliply_rt_example"}, 200: SIGNED_IN}},
    operation_id="RefreshTokens",
    summary="Spend a refresh token for new tokens",
    sync_to_thread=True,
)
def refresh(
    sign_ins: NamedDependency[SignIns], facts: NamedDependency[RequestFacts], data: JSONBody[Refresh]
) -> SignedIn:
    """Every refresh token works once. One that is used again ends the sign-in it came from."""
    return sign_ins.refresh(data.refresh_token, facts)


@post(
    "/renew",
    guards=[signed_in()],
    status_code=200,
    opt={"examples": {200: {"user": USER, "workspace_id": None, "csrf_token": "example"}}},
    operation_id="RenewBrowserSession",
    summary="Prolong a browser's session",
    sync_to_thread=True,
)
def renew(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    sign_ins: NamedDependency[SignIns],
    request: AnyRequest,
) -> ApiResponse[SignedIn]:
    """Sets the cookies again with their full life; for programs it only tells who they are."""
    found = service.me(identity, principal)
    reply = SignedIn(user=found.user, workspace_id=found.workspace_id)
    if principal.proof != "cookie" or principal.session_id is None:
        return ApiResponse(reply, status_code=200)
    sign_ins.renew(identity, principal.session_id)
    return ApiResponse(
        reply,
        status_code=200,
        cookies=session_cookies(request.cookies[COOKIE], sign_ins.settings.refresh_token_seconds),
    )


@post(
    "/logout",
    guards=[signed_in()],
    status_code=204,
    operation_id="Logout",
    summary="End this sign-in",
    sync_to_thread=True,
)
def logout(
    identity: NamedDependency[Session], principal: NamedDependency[Principal], facts: NamedDependency[RequestFacts]
) -> ApiResponse[None]:
    """Access and refresh tokens (or the cookies) of this sign-in are worthless from now on."""
    if principal.session_id is not None:
        service.end_session(identity, principal, facts, principal.session_id)
    return ApiResponse(None, status_code=204, cookies=clearing_cookies())


@post(
    "/logout-everywhere",
    guards=[signed_in()],
    status_code=204,
    operation_id="LogoutEverywhere",
    summary="End all sign-ins",
    sync_to_thread=True,
)
def logout_everywhere(identity: NamedDependency[Session], principal: NamedDependency[Principal]) -> ApiResponse[None]:
    """Including this one; API tokens stay."""
    end_sessions(identity, "ended by its user", user_id=principal.user_id)
    return ApiResponse(None, status_code=204, cookies=clearing_cookies())


@get(
    "/sessions",
    guards=[signed_in()],
    operation_id="ListSessions",
    summary="List sign-ins in force",
    sync_to_thread=True,
)
def list_sessions(
    identity: NamedDependency[Session], principal: NamedDependency[Principal], page: NamedDependency[PageRequest]
) -> Page[SessionView]:
    """The last used comes first."""
    return service.list_sessions(identity, principal, page)


@delete(
    "/sessions/{session_id:uuid}",
    guards=[signed_in()],
    operation_id="EndSession",
    summary="End one of your sign-ins",
    sync_to_thread=True,
)
def end_session(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    session_id: FromPath[UUID],
) -> None:
    """Its tokens or cookies are worthless from now on."""
    service.end_session(identity, principal, facts, session_id)


@post(
    "/password/forgot",
    guards=[public(), limit("forgot", "mails_per_hour", 3600, of_what="mails asked for from your network")],
    status_code=202,
    opt={"examples": {"body": {"email": "ada@example.com"}, 202: {"status": "accepted"}}},
    operation_id="AskForPasswordReset",
    summary="Have a link mailed that sets a new password",
    sync_to_thread=True,
)
def ask_for_reset(
    identity: NamedDependency[Session],
    settings: NamedDependency[Settings],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[AskReset],
) -> Accepted:
    """Answers alike whether there is such an account or not."""
    take_for_mail(identity, data.email, settings.mails_per_hour)
    service.ask_for_reset(identity, facts, data.email)
    return Accepted()


@post(
    "/password/reset",
    guards=[public(), limit("reset", "login_per_minute", 60)],
    status_code=204,
    opt={"examples": {"body": {"token": "cliply_ml_example", "password": "another horse battery staple"}}},
    operation_id="ResetPassword",
    summary="Set a new password by a mailed link",
    sync_to_thread=True,
)
def reset_password(
    identity: NamedDependency[Session],
    sign_ins: NamedDependency[SignIns],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[ResetPassword],
) -> None:
    """The link works once; every sign-in and API token of the account ends."""
    hashed = sign_ins.passwords.hash(data.password)
    service.reset_password(identity, facts, token=data.token, new_hash=hashed)


@post(
    "/email/verify",
    guards=[public(), limit("verify", "login_per_minute", 60)],
    status_code=200,
    opt={"examples": {"body": {"token": "cliply_ml_example"}, 200: USER | {"email_verified": True}}},
    operation_id="VerifyEmail",
    summary="Verify an e-mail address by a mailed link",
    sync_to_thread=True,
)
def verify_email(
    identity: NamedDependency[Session], facts: NamedDependency[RequestFacts], data: JSONBody[VerifyEmail]
) -> UserView:
    """The link works once, for three days."""
    return service.verify_email(identity, facts, data.token)


@post(
    "/email/resend",
    guards=[signed_in()],
    status_code=202,
    opt={"examples": {202: {"status": "accepted"}}},
    operation_id="ResendVerification",
    summary="Have the verifying link mailed again",
    sync_to_thread=True,
)
def resend_verification(
    identity: NamedDependency[Session], principal: NamedDependency[Principal], settings: NamedDependency[Settings]
) -> Accepted:
    """Does nothing for an address that is verified."""
    take_for_mail(identity, principal.email, settings.mails_per_hour)
    service.ask_for_verification(identity, principal)
    return Accepted()


@get(
    "/",
    guards=[signed_in(programs=True)],
    operation_id="GetMe",
    summary="Who you are, where, and what you may do there",
    sync_to_thread=True,
)
def get_me(identity: NamedDependency[Session], principal: NamedDependency[Principal]) -> Me:
    """An API token sees its own workspace only."""
    return service.me(identity, principal)


@patch(
    "/",
    guards=[signed_in()],
    opt={"examples": {"body": {"name": "Ada Lovelace"}, 200: USER}},
    operation_id="ChangeMe",
    summary="Change your name",
    sync_to_thread=True,
)
def change_me(
    identity: NamedDependency[Session], principal: NamedDependency[Principal], data: JSONBody[MeChange]
) -> UserView:
    """What is not given stays."""
    return service.change_me(identity, principal, data)


@post(
    "/password",
    guards=[signed_in(), limit("password", "login_per_minute", 60, by="user", of_what="attempts")],
    status_code=204,
    opt={
        "examples": {
            "body": {"current_password": CREDENTIALS["password"], "new_password": "another horse battery staple"}
        }
    },
    operation_id="ChangePassword",
    summary="Change your password",
    sync_to_thread=True,
)
def change_password(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    sign_ins: NamedDependency[SignIns],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[ChangePassword],
) -> None:
    """Every other sign-in ends; this one goes on."""
    hashed = sign_ins.passwords.hash(data.new_password)
    service.change_password(
        identity, principal, facts, sign_ins.passwords, current=data.current_password, new_hash=hashed
    )


def _agent(request: AnyRequest) -> str:
    return str(request.headers.get("User-Agent", ""))


def _reply(begun: Begun, sign_ins: SignIns, *, status: int) -> ApiResponse[SignedIn]:
    lifetime = sign_ins.settings.refresh_token_seconds
    cookies = session_cookies(begun.cookie, lifetime) if begun.cookie else []
    return ApiResponse(begun.reply, status_code=status, cookies=cookies)


auth_routes = Router(
    "/api/auth",
    route_handlers=[
        register,
        login,
        refresh,
        renew,
        logout,
        logout_everywhere,
        list_sessions,
        end_session,
        ask_for_reset,
        reset_password,
        verify_email,
        resend_verification,
        change_email,
    ],
    tags=["Sign-in"],
)
account_routes = Router(
    "/api/me",
    route_handlers=[get_me, change_me, change_password, ask_for_email_change, delete_account],
    tags=["Sign-in"],
)
