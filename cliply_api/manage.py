"""What is done from the machine's own command line: `python -m cliply_api.manage --help`."""

import argparse
import sys
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cliply_api.auth.keys import rotate
from cliply_api.web.audit import log_identity
from cliply_api.web.facts import RequestFacts
from cliply_resources.database import Database, Member, User
from cliply_resources.errors import CliplyError, NotFound
from cliply_resources.settings import Settings, get_settings

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, settings: Settings | None = None) -> int:
    """Runs one command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m cliply_api.manage", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("grant-admin", "make an account a system admin"), ("revoke-admin", "take that away again")):
        commands.add_parser(name, help=what).add_argument("email")
    joining = "make an account an owner of the workspace that the command line works in"
    commands.add_parser("join-local", help=joining).add_argument("email")
    commands.add_parser("rotate-keys", help="sign access tokens with a new key from now on; nobody is signed out")
    chosen = parser.parse_args(arguments)
    used = settings or get_settings()
    try:
        with Database.open(used) as database:
            if chosen.command == "rotate-keys":
                said = f"Key {rotate(database, used)} signs in {used.key_publication_seconds:g} s."
            elif chosen.command == "join-local":
                said = _join_local(database, chosen.email)
            else:
                said = _set_admin(database, chosen.email, admin=chosen.command == "grant-admin")
    except CliplyError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


def _set_admin(database: Database, email: str, *, admin: bool) -> str:
    with database.identity() as session:
        changed = session.scalar(
            sa.update(User).where(User.email == email.lower()).values(is_admin=admin).returning(User.id)
        )
        if changed is None:
            raise NotFound(f"There is no account {email}.")
        action = "admin.granted" if admin else "admin.revoked"
        log_identity(session, RequestFacts(request_id="command line"), action, user_id=changed)
    return f"{email} is {'a' if admin else 'no'} system admin now."


def _join_local(database: Database, email: str) -> str:
    place = database.local_workspace()
    with database.identity() as session:
        user_id = session.scalar(sa.select(User.id).where(User.email == email.lower()))
        if user_id is None:
            raise NotFound(f"There is no account {email}.")
        joined = insert(Member).values(workspace_id=place, user_id=user_id, role="owner")
        session.execute(
            joined.on_conflict_do_update(index_elements=["workspace_id", "user_id"], set_={"role": "owner"})
        )
        log_identity(session, RequestFacts(request_id="command line"), "workspace.local_joined", user_id=user_id)
    return f"{email} owns workspace {place} now; name it in X-Workspace-Id."


if __name__ == "__main__":
    sys.exit(main())
