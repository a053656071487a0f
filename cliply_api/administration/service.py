"""What system admins do. Runs in the request's `identity` transaction, together with the line that says who did it."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.administration.schemas import AdminUserView, AdminWorkspaceView, Impersonation, LogView
from cliply_api.auth.keys import Access, KeyRing
from cliply_api.auth.principal import Principal
from cliply_api.identity.sign_in import end_sessions
from cliply_api.web.audit import audit, log_identity
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.database import Member, User, Workspace
from cliply_resources.database.identity import IdentityEntry, SignIn
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.plans import plan_of

__all__ = [
    "change_plan",
    "impersonate",
    "list_log",
    "list_users",
    "list_workspaces",
    "suspend_user",
    "suspend_workspace",
]

IMPERSONATION_SECONDS = 15 * 60


def list_users(session: Session, page: PageRequest, words: str | None) -> Page[AdminUserView]:
    """Accounts, the newest first; `words` looks in address and name."""
    query = sa.select(User).order_by(User.id.desc())
    if words:
        query = query.where(
            sa.or_(User.email.icontains(words, autoescape=True), User.name.icontains(words, autoescape=True))
        )
    return page.of(session, query, _user)


def list_workspaces(session: Session, page: PageRequest, words: str | None) -> Page[AdminWorkspaceView]:
    """Workspaces, the newest first; `words` looks in the name."""
    query = sa.select(Workspace).order_by(Workspace.id.desc())
    if words:
        query = query.where(Workspace.name.icontains(words, autoescape=True))
    found = page.of(session, query, lambda row: row)
    counts = sa.select(Member.workspace_id, sa.func.count()).group_by(Member.workspace_id)
    of_page = counts.where(Member.workspace_id.in_([row.id for row in found.data]))
    members = {workspace_id: number for workspace_id, number in session.execute(of_page)}
    return page.page_of([_workspace(row, members.get(row.id, 0)) for row in found.data], found.total)


def suspend_user(
    session: Session, principal: Principal, facts: RequestFacts, user_id: UUID, *, reason: str, suspended: bool
) -> AdminUserView:
    """Shuts an account out (its sign-ins end at once), or lets it in again."""
    user = session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFound("There is no such user.")
    if user_id == principal.user_id:
        raise Conflict("You cannot suspend yourself.")
    if suspended:
        end_sessions(session, "the account was suspended", user_id=user_id)
    if suspended != (user.suspended_at is not None):
        session.execute(
            sa.update(User).where(User.id == user_id).values(suspended_at=sa.func.now() if suspended else None)
        )
        action = "account.suspended" if suspended else "account.unsuspended"
        log_identity(session, facts, action, user_id=user_id, actor_id=principal.user_id, reason=reason)
    session.refresh(user)
    return _user(user)


def suspend_workspace(
    session: Session, principal: Principal, facts: RequestFacts, workspace_id: UUID, *, reason: str, suspended: bool
) -> AdminWorkspaceView:
    """Refuses every request in a workspace, or none any more."""
    place = session.get(Workspace, workspace_id, with_for_update=True)
    if place is None:
        raise NotFound("There is no such workspace.")
    if suspended != (place.suspended_at is not None):
        session.execute(
            sa.update(Workspace)
            .where(Workspace.id == workspace_id)
            .values(suspended_at=sa.func.now() if suspended else None)
        )
        action = "workspace.suspended" if suspended else "workspace.unsuspended"
        audit(session, principal, facts, action, workspace_id=workspace_id, reason=reason)
        log_identity(
            session, facts, action, user_id=None, actor_id=principal.user_id, workspace=str(workspace_id), reason=reason
        )
    session.refresh(place)
    count = sa.select(sa.func.count()).select_from(Member).where(Member.workspace_id == workspace_id)
    return _workspace(place, session.scalar(count) or 0)


def change_plan(
    session: Session, principal: Principal, facts: RequestFacts, workspace_id: UUID, *, plan: str, reason: str
) -> AdminWorkspaceView:
    """Gives the workspace another plan, which holds for the next upload whose turn it is."""
    place = session.get(Workspace, workspace_id, with_for_update=True)
    if place is None:
        raise NotFound("There is no such workspace.")
    if place.plan != plan:
        change = {"before": place.plan, "plan": plan, "reason": reason}
        place.plan = plan
        audit(session, principal, facts, "workspace.plan_changed", workspace_id=workspace_id, **change)
        log_identity(
            session,
            facts,
            "workspace.plan_changed",
            user_id=None,
            actor_id=principal.user_id,
            workspace=str(workspace_id),
            **change,
        )
        session.flush()
    count = sa.select(sa.func.count()).select_from(Member).where(Member.workspace_id == workspace_id)
    return _workspace(place, session.scalar(count) or 0)


def impersonate(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    keys: KeyRing,
    *,
    user_id: UUID,
    workspace_id: UUID,
    reason: str,
) -> Impersonation:
    """A quarter of an hour of reading as somebody, in one workspace, noted there and in the log of accounts."""
    member = session.get(Member, (workspace_id, user_id))
    if member is None:
        raise NotFound("There is no such member.")
    begun = SignIn(
        user_id=user_id,
        kind="impersonation",
        workspace_id=workspace_id,
        actor_id=principal.user_id,
        address=facts.address,
        expires_at=sa.func.now() + timedelta(seconds=IMPERSONATION_SECONDS),
    )
    session.add(begun)
    session.flush()
    audit(
        session, principal, facts, "impersonation.begun", subject=str(user_id), workspace_id=workspace_id, reason=reason
    )
    log_identity(
        session,
        facts,
        "impersonation.begun",
        user_id=user_id,
        actor_id=principal.user_id,
        workspace=str(workspace_id),
        reason=reason,
    )
    token, lifetime = keys.sign(Access(user_id, begun.id), seconds=IMPERSONATION_SECONDS)
    return Impersonation(access_token=token, expires_in=lifetime, session_id=begun.id)


def list_log(session: Session, page: PageRequest) -> Page[LogView]:
    """What happened to accounts and what system admins did, the newest first."""
    after = page.after(UUID)
    total = session.scalar(sa.select(sa.func.count()).select_from(IdentityEntry)) or 0
    query = sa.select(IdentityEntry).order_by(IdentityEntry.id.desc())
    query = query.offset((page.page - 1) * page.limit) if after is None else query.where(IdentityEntry.id < after[0])
    rows = session.scalars(query.limit(page.limit)).all()
    return page.page_of_rows(rows, _entry, total, lambda row: (row.id,))


def _user(row: User) -> AdminUserView:
    return AdminUserView(
        id=row.id,
        email=row.email,
        name=row.name,
        email_verified=row.email_verified_at is not None,
        is_admin=row.is_admin,
        suspended_at=row.suspended_at,
        created_at=row.created_at,
    )


def _workspace(row: Workspace, members: int) -> AdminWorkspaceView:
    return AdminWorkspaceView(
        id=row.id,
        name=row.name,
        members=members,
        plan=plan_of(row.plan).name,
        suspended_at=row.suspended_at,
        created_at=row.created_at,
    )


def _entry(row: IdentityEntry) -> LogView:
    return LogView(
        id=row.id,
        at=row.at,
        action=row.action,
        user_id=row.user_id,
        actor_id=row.actor_id,
        address=row.address,
        request_id=row.request_id,
        facts=row.facts,
    )
