"""What posts to a platform begin with, and the switches that stop a platform."""

import re

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk
from cliply_api.accounts.schemas import DefaultsList, DefaultsView, NewDefaults, SwitchList, SwitchView
from cliply_api.accounts.service import accounts_of
from cliply_api.auth.principal import Principal
from cliply_api.errors import ApiError, ErrorCode, ErrorDetail
from cliply_api.web.audit import audit, log_identity
from cliply_api.web.facts import RequestFacts
from cliply_resources.database import PlatformSwitch, PublishDefaults
from cliply_resources.platforms.contract import Platform
from cliply_resources.platforms.registry import PLATFORM_NAMES

__all__ = [
    "VARIABLES",
    "defaults_of",
    "filled",
    "list_defaults",
    "list_switches",
    "set_defaults",
    "start_platform",
    "stop_platform",
]

VARIABLES = ("title", "description", "hook", "hashtags", "workspace")
USUAL_GAP_SECONDS = 900
"""Between posts that are planned together for one account."""

_VARIABLE = re.compile(r"\{([a-z_]*)\}")
_EMPTY_LINES = re.compile(r"\n{3,}")


def list_defaults(session: Session, desk: Desk) -> DefaultsList:
    """Of every platform, also of those that nobody has chosen anything for."""
    rows = {row.platform: row for row in session.scalars(sa.select(PublishDefaults))}
    return DefaultsList(data=[_view(desk.platform(name), rows.get(name), desk) for name in PLATFORM_NAMES])


def defaults_of(session: Session, desk: Desk, platform: Platform) -> DefaultsView:
    """Of one platform."""
    row = session.scalars(sa.select(PublishDefaults).where(PublishDefaults.platform == platform.name)).one_or_none()
    return _view(platform, row, desk)


def set_defaults(
    session: Session, desk: Desk, principal: Principal, facts: RequestFacts, name: str, data: NewDefaults
) -> DefaultsView:
    """Puts these in the place of whatever there was.

    Raises:
        NotFound: there is no such platform.
        ApiError: a template names an unknown variable, or an account is not one of this platform.
    """
    platform = desk.platform(name)
    problems = _problems(session, platform, data)
    if problems:
        raise ApiError(
            "These defaults cannot be kept; see the details.",
            status=400,
            code=ErrorCode.VALIDATION_FAILED,
            details=problems,
        )
    values = {
        "content": {"title": data.title, "caption": data.caption, "visibility": data.visibility},
        "account_ids": data.account_ids,
        "tolerance_seconds": data.tolerance_seconds,
        "gap_seconds": data.gap_seconds,
    }
    session.execute(
        insert(PublishDefaults)
        .values(platform=name, **values)
        .on_conflict_do_update(index_elements=["workspace_id", "platform"], set_=values | {"updated_at": sa.func.now()})
    )
    audit(session, principal, facts, "publish_defaults.changed", subject=name)
    return defaults_of(session, desk, platform)


def filled(template: str, words: dict[str, str]) -> str:
    """The template with its variables filled in; what is empty leaves no gap behind."""
    text = _VARIABLE.sub(lambda found: words.get(found[1], found[0]), template)
    return _EMPTY_LINES.sub("\n\n", text).strip()


def list_switches(identity: Session, desk: Desk) -> SwitchList:
    """Every platform, running or stopped."""
    off = {row.platform: row for row in identity.scalars(sa.select(PlatformSwitch))}
    return SwitchList(data=[_switch(desk.platform(name), off.get(name)) for name in PLATFORM_NAMES])


def stop_platform(
    identity: Session, desk: Desk, principal: Principal, facts: RequestFacts, name: str, reason: str
) -> SwitchView:
    """Nothing is published to it any more, in the whole installation; what is due waits, and says why."""
    platform = desk.platform(name)
    gone = sa.delete(PlatformSwitch).where(PlatformSwitch.platform == name).returning(PlatformSwitch.off_since)
    since = identity.scalars(gone).one_or_none()
    identity.execute(insert(PlatformSwitch).values(platform=name, reason=reason, off_since=since or sa.func.now()))
    log_identity(
        identity, facts, "platform.stopped", user_id=None, actor_id=principal.user_id, platform=name, reason=reason
    )
    return _switch(platform, identity.get(PlatformSwitch, name, populate_existing=True))


def start_platform(identity: Session, desk: Desk, principal: Principal, facts: RequestFacts, name: str) -> SwitchView:
    """What waited is published, unless it is too late for it."""
    platform = desk.platform(name)
    gone = identity.execute(
        sa.delete(PlatformSwitch).where(PlatformSwitch.platform == name).returning(PlatformSwitch.platform)
    ).one_or_none()
    if gone is not None:
        log_identity(identity, facts, "platform.started", user_id=None, actor_id=principal.user_id, platform=name)
    return _switch(platform, None)


def _switch(platform: Platform, row: PlatformSwitch | None) -> SwitchView:
    return SwitchView(
        platform=platform.name,
        title=platform.title,
        stopped=row is not None,
        reason=row.reason if row else None,
        off_since=row.off_since if row else None,
    )


def _view(platform: Platform, row: PublishDefaults | None, desk: Desk) -> DefaultsView:
    kept = msgspec.convert(row.content, NewDefaults) if row is not None else NewDefaults()
    tolerance = row.tolerance_seconds if row is not None else None
    gap = row.gap_seconds if row is not None else None
    return DefaultsView(
        platform=platform.name,
        title=kept.title,
        caption=kept.caption,
        visibility=kept.visibility,
        account_ids=list(row.account_ids) if row is not None else [],
        tolerance_seconds=int(desk.settings.publish_tolerance_seconds) if tolerance is None else tolerance,
        gap_seconds=USUAL_GAP_SECONDS if gap is None else gap,
        updated_at=row.updated_at if row is not None else None,
    )


def _problems(session: Session, platform: Platform, data: NewDefaults) -> list[ErrorDetail]:
    found = [
        ErrorDetail(
            message=f"{{{name}}} is no variable; there are {', '.join(f'{{{one}}}' for one in VARIABLES)}.",
            field=field,
            place="body",
        )
        for field in ("title", "caption")
        for name in _VARIABLE.findall(getattr(data, field))
        if name not in VARIABLES
    ]
    if data.visibility not in platform.limits.visibilities:
        offered = ", ".join(platform.limits.visibilities)
        message = f"{platform.title} knows no visibility {data.visibility}; choose from {offered}."
        found.append(ErrorDetail(message=message, field="visibility", place="body"))
    accounts = accounts_of(session, data.account_ids)
    for number, account_id in enumerate(data.account_ids):
        if account_id not in accounts or accounts[account_id].platform != platform.name:
            message = f"This is no account of {platform.title} in this workspace."
            found.append(ErrorDetail(message=message, field=f"account_ids[{number}]", place="body"))
    return found
