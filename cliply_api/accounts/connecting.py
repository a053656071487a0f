"""Connecting accounts: a sign-in is begun here, made at the platform, and finished by whoever began it.

The `state` that travels through the browser names the workspace and holds 256 random bits; its hash is a row that answers once, within
ten minutes. Whoever comes back with it must be who began it: the same browser (a cookie of its own) or the same signed-in user.
Otherwise somebody could send a victim a link that ends with the victim's account in the sender's workspace.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk, said_plainly
from cliply_api.accounts.schemas import AccountView, ConnectStarted
from cliply_api.accounts.views import account_view
from cliply_api.auth.permissions import permissions_of
from cliply_api.auth.principal import Principal
from cliply_api.web.facts import RequestFacts
from cliply_resources.accounts import connect_account
from cliply_resources.database import AccountRow, OAuthState
from cliply_resources.database.identity import AuditEntry
from cliply_resources.errors import CallerError, Conflict, NotFound
from cliply_resources.platforms.contract import Platform
from cliply_resources.platforms.documents import Profile, Tokens
from cliply_resources.settings import Settings
from cliply_resources.vault import Place

__all__ = [
    "Begun",
    "ElsewhereBegun",
    "Returned",
    "SignIn",
    "begin",
    "finish",
    "read_address",
    "sandbox_account",
    "spend",
    "with_answer",
]

LIFETIME = timedelta(minutes=10)
SECRET_BYTES = 32
VERIFIER_BYTES = 48
"""64 characters in base64url."""
MOST_OPEN = 50
"""Sign-ins that a workspace may have begun at one time."""
MOST_CHARACTERS = 4096

MEMBER = sa.text(
    """
    SELECT m.role, u.email FROM members m JOIN users u ON u.id = m.user_id JOIN workspaces w ON w.id = m.workspace_id
    WHERE m.workspace_id = :workspace AND m.user_id = :user AND u.suspended_at IS NULL AND w.suspended_at IS NULL
    """
)


class ElsewhereBegun(Conflict):
    """The sign-in was begun in another browser, or by a program; whoever began it can still finish it."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed beside a state."""

    verifier: str
    return_url: str | None = None
    browser: str = ""
    """The hash of the browser's own secret."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A sign-in, and the secret that its browser keeps."""

    started: ConnectStarted
    browser: str


@dataclass(frozen=True, kw_only=True)
class Returned:
    """What a browser came back with."""

    state: str
    code: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """A sign-in that its own person came back with; nobody can use it again."""

    row: OAuthState
    verifier: str = field(repr=False)
    returned: Returned
    return_url: str | None
    """Where the browser goes, however it ends."""


def begin(
    session: Session,
    desk: Desk,
    principal: Principal,
    platform_name: str,
    *,
    account_id: UUID | None,
    return_url: str | None,
) -> Begun:
    """The address to send the browser to.

    Raises:
        Conflict: the platform is not configured here, or too many sign-ins are open.
        CallerError: the return address is not on the list.
    """
    platform = desk.platform(platform_name)
    missing = platform.configured()
    if missing is not None:
        raise Conflict(missing)
    if return_url is not None:
        _check_return(return_url, desk.settings)
    now = desk.now()
    session.execute(sa.delete(OAuthState).where(OAuthState.expires_at < now))
    if (session.scalar(sa.select(sa.func.count()).select_from(OAuthState)) or 0) >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} sign-ins are open in this workspace; finish one, or wait ten minutes.")
    secret, browser = secrets.token_bytes(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    state = base64.urlsafe_b64encode(principal.workspace.bytes + secret).rstrip(b"=").decode()
    kept = _Kept(verifier=secrets.token_urlsafe(VERIFIER_BYTES), return_url=return_url, browser=_hashed(browser).hex())
    row = OAuthState(
        state_hash=_hashed(state),
        user_id=principal.user_id,
        platform=platform.name,
        account_id=account_id,
        redirect_uri=f"{desk.settings.public_url.rstrip('/')}/api/accounts/callback/{platform.name}",
        verifier=desk.vault.seal_document(kept, _place(principal.workspace, _hashed(state))),
        expires_at=now + LIFETIME,
    )
    session.add(row)
    address = platform.authorize_url(redirect_uri=row.redirect_uri, state=state, verifier=kept.verifier)
    return Begun(started=ConnectStarted(authorize_url=address, expires_at=row.expires_at), browser=browser)


def read_address(address: str) -> tuple[str, Returned]:
    """Platform and parameters of the address that a browser was sent back to.

    Raises:
        CallerError: it is no such address.
    """
    parts = urlsplit(address)
    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
    platform = parts.path.rpartition("/")[2]
    if "state" not in given:
        raise CallerError("This is not the address that the platform sent the browser back to: it has no state.")
    return platform, Returned(state=given["state"], code=given.get("code", ""), error=given.get("error", ""))


def sandbox_account(desk: Desk, session: Session, principal: Principal) -> AccountRow:
    """A new account of the sandbox, which asks nobody."""
    platform = desk.platform("sandbox")
    address = platform.authorize_url(redirect_uri="sandbox:", state="", verifier="")
    code = parse_qs(urlsplit(address).query)["code"][0]
    tokens = platform.exchange_code(code=code, redirect_uri="sandbox:", verifier="", now=desk.now)
    [profile] = platform.profiles(tokens, now=desk.now)
    return connect_account(
        session, desk.vault, platform, profile, tokens,
        workspace_id=principal.workspace, user_id=principal.user_id, now=desk.now(),
    )  # fmt: skip


def spend(
    desk: Desk, platform_name: str, returned: Returned, *, browser: str = "", user_id: UUID | None = None
) -> SignIn:
    """The sign-in that a browser or a program came back with; it is over from now on, whatever becomes of it.

    Raises:
        NotFound: nobody began it, it is over ten minutes old, or was used already.
        ElsewhereBegun: it was begun by somebody else, and still waits for them.
    """
    state = returned.state
    gone = NotFound("This sign-in is over: it was used already, or ten minutes have passed. Begin again.")
    workspace_id = _workspace_of(state)
    if workspace_id is None:
        raise gone
    with desk.database.api(workspace_id) as session:
        mine = OAuthState.state_hash == _hashed(state)
        row = session.scalars(sa.select(OAuthState).where(mine)).one_or_none()
        if row is None or row.expires_at < desk.now() or row.platform != platform_name:
            raise gone
        kept = desk.vault.open_document(row.verifier, _place(workspace_id, row.state_hash), _Kept)
        same_browser = hmac.compare_digest(_hashed(browser).hex(), kept.browser)
        if not (row.user_id == user_id or (user_id is None and same_browser)):
            raise ElsewhereBegun(
                "This sign-in was begun in another browser, or by a program. If it was you, go on there: send this page's address "
                "to POST /api/accounts/complete. If it was not you, close this page; nothing was connected."
            )
        session.expunge(row)
        # Two may come back at once; one of them deletes it.
        if session.execute(sa.delete(OAuthState).where(mine).returning(OAuthState.user_id)).one_or_none() is None:
            raise gone
    return SignIn(row=row, verifier=kept.verifier, returned=returned, return_url=kept.return_url)


def finish(desk: Desk, facts: RequestFacts, sign_in: SignIn) -> tuple[AccountView, ...]:
    """The accounts that the sign-in opened, connected.

    Raises:
        NotFound: the account to be connected anew is gone.
        Conflict: access or a scope was not granted, or it is another account than the one to be connected anew.
        TryLater, Rejected: the platform did not do its part.
    """
    row, returned = sign_in.row, sign_in.returned
    platform = desk.platform(row.platform)
    role, email = _member(desk, row)
    if "account.connect" not in permissions_of(role):
        raise Conflict("Whoever began this sign-in may not connect accounts here any more.")
    if returned.error or not 0 < len(returned.code) <= MOST_CHARACTERS:
        raise Conflict(
            f"{platform.title} gave no access: somebody declined, or something went wrong there. Begin again."
        )
    with said_plainly():
        tokens = platform.exchange_code(
            code=returned.code, redirect_uri=row.redirect_uri, verifier=sign_in.verifier, now=desk.now
        )
        profiles = platform.profiles(tokens, now=desk.now)
    with desk.database.api(row.workspace_id) as session:
        if row.account_id is not None:
            profiles = (_same_account(session, row.account_id, platform, profiles),)
        return tuple(_connected(session, desk, facts, platform, row, email, profile, tokens) for profile in profiles)


def _same_account(session: Session, account_id: UUID, platform: Platform, profiles: tuple[Profile, ...]) -> Profile:
    wanted = session.scalars(sa.select(AccountRow).where(AccountRow.id == account_id)).one_or_none()
    if wanted is None:
        raise NotFound("The account that was to be connected anew is gone.")
    found = next((profile for profile in profiles if profile.remote_id == wanted.remote_id), None)
    if found is None:
        others = ", ".join(profile.name for profile in profiles)[:200]
        raise Conflict(
            f"You signed in to {platform.title} as {others}, and the account to connect anew is {wanted.name}. Sign in there as "
            f"{wanted.name} and begin again, or connect {others} as an account of its own."
        )
    return found


def _connected(
    session: Session, desk: Desk, facts: RequestFacts, platform: Platform, row: OAuthState, email: str,
    profile: Profile, tokens: Tokens,
) -> AccountView:  # fmt: skip
    made = connect_account(
        session, desk.vault, platform, profile, tokens,
        workspace_id=row.workspace_id, user_id=row.user_id, now=desk.now(),
    )  # fmt: skip
    session.add(
        AuditEntry(
            workspace_id=row.workspace_id,
            actor_id=row.user_id,
            actor_name=email,
            action="account.connected",
            subject=str(made.id),
            address=facts.address,
            request_id=facts.request_id,
            facts={"platform": platform.name, "name": profile.name, "again": row.account_id is not None},
        )
    )
    session.flush()
    session.refresh(made)
    return account_view(made, platform, desk.now())


def _member(desk: Desk, row: OAuthState) -> tuple[str | None, str]:
    with desk.database.identity() as identity:
        found = identity.execute(MEMBER, {"workspace": row.workspace_id, "user": row.user_id}).one_or_none()
    return (None, "") if found is None else (found[0], found[1])


def _check_return(url: str, settings: Settings) -> None:
    """Only addresses of this installation, or of its front ends: anything else would lend our name to a stranger's page."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    ours = {"{0.scheme}://{0.netloc}".format(urlsplit(one)) for one in (settings.public_url, *settings.cors_origins)}
    listed = any(
        url.startswith(one) and (one.endswith("/") or url[len(one) : len(one) + 1] in {"", "/", "?"})
        for one in settings.connect_return_urls
    )
    if "@" in parts.netloc or "\\" in url or not (origin in ours or listed):
        raise CallerError(
            "The return address is not on this installation's list. Use one of its own, or have it added to CLIPLY_CONNECT_RETURN_URLS."
        )


def with_answer(return_url: str, **facts: str) -> str:
    """The return address with the outcome in its query."""
    parts = urlsplit(return_url)
    query = "&".join(part for part in (parts.query, urlencode(facts)) if part)
    return parts._replace(query=query).geturl()


def _workspace_of(state: str) -> UUID | None:
    try:
        bits = base64.urlsafe_b64decode(state[:200] + "=" * (-len(state) % 4))
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=bits[:16]) if len(bits) == 16 + SECRET_BYTES else None


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _place(workspace_id: UUID, state_hash: bytes) -> Place:
    return Place(workspace_id, UUID(bytes=state_hash[:16]), "oauth_states.verifier")
