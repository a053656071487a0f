"""Of `/api/me` and `/api/auth`: deleting an account, and changing its address."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import limit, public, signed_in
from cliply_api.auth.principal import Principal
from cliply_api.identity import leaving
from cliply_api.identity.schemas import Accepted, ChangeEmail, DeleteAccount, UserView, VerifyEmail
from cliply_api.identity.sign_in import SignIns
from cliply_api.web.facts import RequestFacts
from cliply_api.web.limits import take_for_mail
from cliply_resources.settings import Settings

__all__ = ["ask_for_email_change", "change_email", "delete_account"]

PASSWORD = "correct horse battery staple"  # noqa: S105 - an example
USER = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e11",
    "email": "ada@new.example.com",
    "name": "Ada",
    "email_verified": True,
    "is_admin": False,
    "created_at": "2026-11-20T10:00:00Z",
}


@post(
    "/delete",
    guards=[signed_in(), limit("password", "login_per_minute", 60, by="user", of_what="attempts")],
    status_code=204,
    opt={"examples": {"body": {"current_password": PASSWORD}}},
    operation_id="DeleteAccount",
    summary="Delete your account",
    sync_to_thread=True,
)
def delete_account(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    sign_ins: NamedDependency[SignIns],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[DeleteAccount],
) -> None:
    """At once and for good. Whoever is the last owner of workspaces is told which: each needs another owner, or is deleted first."""
    leaving.delete_account(identity, principal, facts, sign_ins.passwords, password=data.current_password)


@post(
    "/email",
    guards=[signed_in(), limit("password", "login_per_minute", 60, by="user", of_what="attempts")],
    status_code=202,
    opt={
        "examples": {
            "body": {"email": "ada@new.example.com", "current_password": PASSWORD},
            202: {"status": "accepted"},
        }
    },
    operation_id="AskForEmailChange",
    summary="Change your e-mail address",
    sync_to_thread=True,
)
def ask_for_email_change(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    sign_ins: NamedDependency[SignIns],
    settings: NamedDependency[Settings],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[ChangeEmail],
) -> Accepted:
    """A link is mailed to the new address, and a notice to the old one. Nothing changes before the link is followed."""
    take_for_mail(identity, data.email, settings.mails_per_hour)
    leaving.ask_for_change(
        identity, principal, facts, sign_ins.passwords, email=data.email, password=data.current_password
    )
    return Accepted()


@post(
    "/email/change",
    guards=[public(), limit("verify", "login_per_minute", 60)],
    status_code=200,
    opt={"examples": {"body": {"token": "cliply_ml_example"}, 200: USER}},
    operation_id="ChangeEmail",
    summary="Take over a new e-mail address by a mailed link",
    sync_to_thread=True,
)
def change_email(
    identity: NamedDependency[Session], facts: NamedDependency[RequestFacts], data: JSONBody[VerifyEmail]
) -> UserView:
    """The link works once, for three days; sign-ins go on."""
    return leaving.change_email(identity, facts, data.token)
