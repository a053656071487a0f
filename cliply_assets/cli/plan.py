"""`cliply plan`: what a workspace is allowed, looked up and changed."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_assets.cli.session import open_database
from cliply_resources.database import Workspace
from cliply_resources.database.identity import AuditEntry, IdentityEntry
from cliply_resources.errors import CallerError, NotFound
from cliply_resources.plans import PLANS, plan_of
from cliply_resources.settings import get_settings

__all__ = ["print_plan"]

SHOWN = 5


def print_plan(beginning: str, plan: str | None) -> None:
    """Says the plan of the workspace with this id, beginning of an id, or name; with `plan`, gives it that one first.

    Raises:
        CallerError: there is no such plan, or several workspaces are meant.
        NotFound: no workspace is.
    """
    if plan is not None and plan not in PLANS:
        raise CallerError(f"There is no plan “{plan}”; choose from {', '.join(PLANS)}.")
    with open_database(get_settings()) as database, database.identity() as session:
        place = _one(session, beginning)
        if plan is not None and plan != place.plan:
            _change(session, place, plan)
        found = plan_of(place.plan)
        name, workspace_id = place.name, place.id
    print(
        f"{name} ({workspace_id}) has the plan {found.name}: {found.at_once} at once, "
        f"{found.most_open} that are not finished, priority {found.priority}."
    )


def _change(session: Session, place: Workspace, plan: str) -> None:
    facts = {"before": place.plan, "plan": plan}
    place.plan = plan
    mine = {"action": "workspace.plan_changed", "address": "", "request_id": ""}
    session.add(
        AuditEntry(workspace_id=place.id, actor_id=None, actor_name="operator", subject="", facts=facts, **mine)
    )
    session.add(IdentityEntry(user_id=None, actor_id=None, facts={**facts, "workspace": str(place.id)}, **mine))
    session.flush()


def _one(session: Session, beginning: str) -> Workspace:
    query = sa.select(Workspace).where(
        sa.or_(
            sa.cast(Workspace.id, sa.Text).startswith(beginning.lower(), autoescape=True), Workspace.name == beginning
        )
    )
    found = session.scalars(query.order_by(Workspace.id).limit(SHOWN + 1).with_for_update()).all()
    if not found:
        raise NotFound(f"No workspace has the name “{beginning}”, or an id that begins so.")
    if len(found) > 1:
        shown = ", ".join(f"{one.name} ({one.id})" for one in found[:SHOWN])
        raise CallerError(f"“{beginning}” may be {shown}{' …' if len(found) > SHOWN else ''}; give more of the id.")
    return found[0]
