"""Workspaces and who belongs to them. Runs in the request's `identity` transaction; every statement names the workspace."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import Session

from cliply_api.auth.permissions import ROLES, Role
from cliply_api.auth.principal import Principal
from cliply_api.auth.secrets import hash_secret
from cliply_api.errors import ApiError, ErrorCode, Forbidden
from cliply_api.identity.schemas import WorkspaceView
from cliply_api.identity.service import make_workspace
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest
from cliply_api.workspaces.schemas import AuditView, InvitationView, MemberView, NewInvitation, WorkspaceChange
from cliply_resources.database import Member, User, Workspace
from cliply_resources.database.identity import ApiToken, AuditEntry, Invitation, MailWish
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.posts.times import zone_named

__all__ = [
    "accept",
    "change_role",
    "create",
    "invite",
    "leave",
    "list_audit",
    "list_invitations",
    "list_members",
    "read",
    "remove",
    "rename",
    "transfer",
    "withdraw",
]

INVITATION_LIFETIME = timedelta(days=7)
MAX_WORKSPACES = 100
"""That one person may own; a name squatter needs more."""
MAX_OPEN_INVITATIONS = 200


def create(session: Session, principal: Principal, facts: RequestFacts, name: str) -> WorkspaceView:
    """A new workspace that the caller owns."""
    owned = sa.select(sa.func.count()).where(Member.user_id == principal.user_id, Member.role == "owner")
    if (session.scalar(owned) or 0) >= MAX_WORKSPACES:
        raise Conflict(f"You own {MAX_WORKSPACES} workspaces already; that is the limit.")
    made = make_workspace(session, principal.user_id, name)
    audit(session, principal, facts, "workspace.created", workspace_id=made.id, name=name)
    return _view(made, "owner")


def read(session: Session, principal: Principal) -> WorkspaceView:
    """The workspace of this request."""
    return _view(session.get_one(Workspace, principal.workspace), principal.role or "")


def rename(session: Session, principal: Principal, facts: RequestFacts, change: WorkspaceChange) -> WorkspaceView:
    """Applies what is given."""
    place = session.get_one(Workspace, principal.workspace)
    if change.name is not UNSET and change.name != place.name:
        audit(session, principal, facts, "workspace.renamed", before=place.name, after=change.name)
        place.name = change.name
    if change.time_zone is not UNSET and change.time_zone != place.time_zone:
        zone = zone_named(change.time_zone).key
        audit(session, principal, facts, "workspace.time_zone_changed", before=place.time_zone, after=zone)
        place.time_zone = zone
    session.flush()
    return _view(place, principal.role or "")


def list_members(session: Session, principal: Principal, page: PageRequest) -> Page[MemberView]:
    """Everybody in the workspace, the longest-standing first."""
    of_place = Member.workspace_id == principal.workspace
    total = session.scalar(sa.select(sa.func.count()).select_from(Member).where(of_place)) or 0
    rows = session.execute(
        sa.select(Member, User.email, User.name)
        .join(User, User.id == Member.user_id)
        .where(of_place)
        .order_by(Member.joined_at, Member.user_id)
        .limit(page.limit)
        .offset((page.page - 1) * page.limit)
    )
    return page.page_of([_member(row, email, name) for row, email, name in rows], total)


def change_role(session: Session, principal: Principal, facts: RequestFacts, user_id: UUID, role: Role) -> MemberView:
    """Gives a member another role; only owners make and unmake owners."""
    member = _locked(session, principal, user_id)
    _may_touch(principal, member.role)
    _may_touch(principal, role)
    if member.role == "owner" and role != "owner":
        _not_the_last_owner(session, principal.workspace, user_id)
    if member.role != role:
        audit(session, principal, facts, "member.role_changed", subject=str(user_id), before=member.role, after=role)
        member.role = role
    session.flush()
    user = session.get_one(User, user_id)
    return _member(member, user.email, user.name)


def remove(session: Session, principal: Principal, facts: RequestFacts, user_id: UUID) -> None:
    """Puts a member out; their API tokens for this workspace are revoked."""
    member = _locked(session, principal, user_id)
    _may_touch(principal, member.role)
    _take_out(session, member)
    audit(session, principal, facts, "member.removed", subject=str(user_id), role=member.role)


def leave(session: Session, principal: Principal, facts: RequestFacts) -> None:
    """The caller is no member any more."""
    member = _locked(session, principal, principal.user_id)
    audit(session, principal, facts, "member.left", subject=str(principal.user_id), role=member.role)
    _take_out(session, member)


def transfer(session: Session, principal: Principal, facts: RequestFacts, user_id: UUID) -> MemberView:
    """Makes another member owner; the caller becomes an admin."""
    heir = _locked(session, principal, user_id)
    if user_id == principal.user_id:
        raise Conflict("The workspace is yours already.")
    heir.role = "owner"
    session.flush()
    own = _locked(session, principal, principal.user_id)
    own.role = "admin"
    audit(session, principal, facts, "workspace.transferred", subject=str(user_id))
    session.flush()
    user = session.get_one(User, user_id)
    return _member(heir, user.email, user.name)


def invite(session: Session, principal: Principal, facts: RequestFacts, wanted: NewInvitation) -> InvitationView:
    """Queues a mail with a link; an open invitation of the same address is replaced, and its link dies."""
    _may_touch(principal, wanted.role)
    email = wanted.email.lower()
    # Invitations of one workspace come one after the other, so that the number holds and none is open twice.
    session.execute(sa.select(Workspace.id).where(Workspace.id == principal.workspace).with_for_update())
    already = (
        sa.select(Member.user_id)
        .join(User, User.id == Member.user_id)
        .where(Member.workspace_id == principal.workspace, User.email == email)
    )
    if session.scalar(already) is not None:
        raise Conflict("This person is a member already.")
    session.execute(
        sa.update(Invitation)
        .where(*_open(principal.workspace), Invitation.email == email)
        .values(revoked_at=sa.func.now())
    )
    count = sa.select(sa.func.count()).select_from(Invitation).where(*_open(principal.workspace))
    if (session.scalar(count) or 0) >= MAX_OPEN_INVITATIONS:
        raise Conflict(f"{MAX_OPEN_INVITATIONS} invitations are open; withdraw some of them first.")
    made = Invitation(
        workspace_id=principal.workspace,
        email=email,
        role=wanted.role,
        invited_by=principal.user_id,
        expires_at=sa.func.now() + INVITATION_LIFETIME,
    )
    session.add(made)
    session.flush()
    session.add(MailWish(purpose="invitation", recipient=email, invitation_id=made.id))
    audit(session, principal, facts, "member.invited", subject=email, role=wanted.role)
    return _invitation(made)


def list_invitations(session: Session, principal: Principal, page: PageRequest) -> Page[InvitationView]:
    """Open ones, the newest first."""
    query = sa.select(Invitation).where(*_open(principal.workspace), Invitation.expires_at > sa.func.now())
    return page.of(session, query.order_by(Invitation.created_at.desc(), Invitation.id.desc()), _invitation)


def withdraw(session: Session, principal: Principal, facts: RequestFacts, invitation_id: UUID) -> None:
    """The link is worthless from now on."""
    email = session.scalar(
        sa.update(Invitation)
        .where(*_open(principal.workspace), Invitation.id == invitation_id)
        .values(revoked_at=sa.func.now())
        .returning(Invitation.email)
    )
    if email is None:
        raise NotFound("There is no such invitation.")
    audit(session, principal, facts, "member.invitation_withdrawn", subject=email)


def accept(session: Session, principal: Principal, facts: RequestFacts, token: str) -> WorkspaceView:
    """Makes the caller a member, once; the invitation must have been mailed to the caller's own address."""
    found = session.scalar(
        sa.update(Invitation)
        .where(
            Invitation.token_hash == hash_secret(token),
            Invitation.email == principal.email,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > sa.func.now(),
        )
        .values(accepted_at=sa.func.now(), accepted_by=principal.user_id)
        .returning(Invitation)
    )
    if found is None:
        raise ApiError(
            "This invitation was used or withdrawn, has expired, or is for another e-mail address than yours.",
            status=400,
            code=ErrorCode.LINK_INVALID,
        )
    member = session.get(Member, (found.workspace_id, principal.user_id))
    if member is None:
        member = Member(workspace_id=found.workspace_id, user_id=principal.user_id, role=found.role)
        session.add(member)
    # Whoever holds the mailed link reads the mailbox.
    session.execute(
        sa.update(User)
        .where(User.id == principal.user_id, User.email_verified_at.is_(None))
        .values(email_verified_at=sa.func.now())
    )
    audit(session, principal, facts, "member.joined", workspace_id=found.workspace_id, role=member.role)
    return _view(session.get_one(Workspace, found.workspace_id), member.role)


def list_audit(session: Session, page: PageRequest) -> Page[AuditView]:
    """What people did, the newest first; `session` is the workspace's own, so it holds nothing else."""
    after = page.after(UUID)
    total = session.scalar(sa.select(sa.func.count()).select_from(AuditEntry)) or 0
    query = sa.select(AuditEntry).order_by(AuditEntry.id.desc())  # ids are in order of time
    query = query.offset((page.page - 1) * page.limit) if after is None else query.where(AuditEntry.id < after[0])
    rows = session.scalars(query.limit(page.limit)).all()
    return page.page_of_rows(rows, _audit, total, lambda row: (row.id,))


def _open(workspace_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Invitation.workspace_id == workspace_id,
        Invitation.accepted_at.is_(None),
        Invitation.revoked_at.is_(None),
    )


def _locked(session: Session, principal: Principal, user_id: UUID) -> Member:
    member = session.get(Member, (principal.workspace, user_id), with_for_update=True)
    if member is None:
        raise NotFound("There is no such member.")
    return member


def _may_touch(principal: Principal, role: str) -> None:
    if ROLES.index(role) > ROLES.index(principal.role or "viewer"):
        raise Forbidden("Only an owner may do this with owners.")


def _take_out(session: Session, member: Member) -> None:
    if member.role == "owner":
        _not_the_last_owner(session, member.workspace_id, member.user_id)
    session.delete(member)
    session.execute(
        sa.update(ApiToken)
        .where(
            ApiToken.workspace_id == member.workspace_id,
            ApiToken.user_id == member.user_id,
            ApiToken.revoked_at.is_(None),
        )
        .values(revoked_at=sa.func.now())
    )
    session.flush()


def _not_the_last_owner(session: Session, workspace_id: UUID, user_id: UUID) -> None:
    """A sentence instead of the trigger's refusal; two owners who go at once are kept apart by the lock."""
    session.execute(sa.select(Workspace.id).where(Workspace.id == workspace_id).with_for_update())
    others = sa.select(Member.user_id).where(
        Member.workspace_id == workspace_id, Member.role == "owner", Member.user_id != user_id
    )
    if session.scalar(others.limit(1)) is None:
        raise ApiError(
            "A workspace needs an owner. Make somebody else owner first.", status=409, code=ErrorCode.LAST_OWNER
        )


def _view(place: Workspace, role: str) -> WorkspaceView:
    return WorkspaceView(
        id=place.id,
        name=place.name,
        role=role,
        created_at=place.created_at,
        suspended=place.suspended_at is not None,
        time_zone=place.time_zone,
    )


def _member(row: Member, email: str, name: str) -> MemberView:
    return MemberView(user_id=row.user_id, email=email, name=name, role=row.role, joined_at=row.joined_at)


def _invitation(row: Invitation) -> InvitationView:
    return InvitationView(
        id=row.id,
        email=row.email,
        role=row.role,
        invited_by=row.invited_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _audit(row: AuditEntry) -> AuditView:
    return AuditView(
        id=row.id,
        at=row.at,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        action=row.action,
        subject=row.subject,
        address=row.address,
        request_id=row.request_id,
        facts=row.facts,
    )
