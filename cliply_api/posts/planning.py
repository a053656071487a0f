"""From what somebody asks for to posts: which file, which words, when; and everything that is wrong with it, at once.

Nothing is asked of a platform here: its adapter's rules are pure, and what it said of an account lately is stored.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import Session

from cliply_api.accounts.defaults import defaults_of, filled, list_defaults
from cliply_api.accounts.desk import Desk
from cliply_api.accounts.schemas import MOST_ACCOUNTS, DefaultsView
from cliply_api.accounts.service import accounts_of, stored_limits
from cliply_api.auth.principal import Principal
from cliply_api.errors import ApiError, ErrorCode, ErrorDetail, RateLimited
from cliply_api.posts.films import Film, films_of
from cliply_api.posts.schemas import BulkPosts, ContentFields, NewPosts, PublishedChange, When, Wish
from cliply_resources.database import AccountRow, PostRow, Workspace
from cliply_resources.errors import CallerError, NotFound
from cliply_resources.platforms.contract import Platform
from cliply_resources.platforms.documents import AccountLimits, PostContent, VideoFacts
from cliply_resources.posts.machine import spread
from cliply_resources.posts.times import moment_of, zone_named
from cliply_resources.posts.wishes import PostWish, create_post
from cliply_resources.storage import Storage

__all__ = ["content_with", "make_bulk", "make_posts", "moment_for", "problems_with", "refuse", "wanted_accounts"]

PAST_SECONDS = 60
"""A moment so long ago still means now: clocks differ, and people take their time."""
FARTHEST = timedelta(days=366)
DAY = timedelta(days=1)
OVER = ("cancelled", "declined", "rejected", "missed")
MOST_AT_ONCE = 500


@dataclass(kw_only=True)
class _Plan:
    """Posts that are being put together."""

    session: Session
    desk: Desk
    principal: Principal
    wish: Wish
    zone_name: str
    workspace_name: str
    now: datetime
    accounts: dict[UUID, AccountRow]
    defaults: dict[str, DefaultsView] = field(default_factory=dict)
    problems: list[ErrorDetail] = field(default_factory=list)
    wishes: list[PostWish] = field(default_factory=list)

    def of(self, platform: Platform) -> DefaultsView:
        """The platform's defaults, read once."""
        if platform.name not in self.defaults:
            self.defaults[platform.name] = defaults_of(self.session, self.desk, platform)
        return self.defaults[platform.name]

    def add(self, film: Film, account: AccountRow, due_at: datetime) -> None:
        """One post more, or what is wrong with it."""
        platform = self.desk.platform(account.platform)
        given = self.of(platform)
        content = _content(given, film, self.workspace_name, self.wish, platform)
        found = problems_with(platform, account, content, film.facts, self.now)
        if account.state != "ok":
            reason = account.reason or "Its sign-in is no longer taken."
            message = f"{account.name} cannot be posted to: {reason} Connect it again first."
            found.append(ErrorDetail(message=message, field="account_ids", place="body"))
        self.problems += [one for one in found if one not in self.problems]
        tolerance = given.tolerance_seconds if self.wish.tolerance_seconds is UNSET else self.wish.tolerance_seconds
        self.wishes.append(
            PostWish(
                account_id=account.id,
                platform=account.platform,
                upload_id=film.clip.upload_id,
                clip_id=film.clip.id,
                object_key=film.object_key,
                video=film.facts,
                content=content,
                due_at=due_at,
                tolerance_seconds=tolerance,
                needs_approval="post.publish" not in self.principal.permissions,
                user_id=self.principal.user_id,
            )
        )

    def made(self) -> list[PostRow]:
        """The posts' rows.

        Raises:
            ApiError: something is wrong, and nothing was made.
        """
        refuse(self.problems)
        _within_caps(self.session, self.desk, self.accounts, self.wishes, self.now)
        seconds = self.desk.settings.publish_prepare_seconds
        return [create_post(self.session, wish, prepare_seconds=seconds) for wish in self.wishes]


def make_posts(session: Session, desk: Desk, storage: Storage, principal: Principal, data: NewPosts) -> list[PostRow]:
    """One post for each account, at exactly the given moment.

    Raises:
        NotFound: clip, finished version or account do not exist.
        ApiError: a platform would refuse it, or a cap is reached; its details name everything.
    """
    ids = wanted_accounts(session, desk, data)
    plan = _plan(session, desk, principal, data, ids)
    films = films_of(session, storage, [data.clip_id], aspect=data.aspect or None, version=data.version or None)
    due_at = moment_for(data, plan.zone_name, plan.now)
    for account_id in dict.fromkeys(ids):
        plan.add(films[data.clip_id], plan.accounts[account_id], due_at)
    return plan.made()


def make_bulk(session: Session, desk: Desk, storage: Storage, principal: Principal, data: BulkPosts) -> list[PostRow]:
    """Every clip for every account, in the given order, each account's posts apart from each other and from those it has.

    Raises:
        as `make_posts`.
    """
    clip_ids, ids = list(dict.fromkeys(data.clip_ids)), list(dict.fromkeys(wanted_accounts(session, desk, data)))
    if len(clip_ids) * len(ids) > MOST_AT_ONCE:
        raise CallerError(f"These are {len(clip_ids) * len(ids)} posts; make at most {MOST_AT_ONCE} at once.")
    plan = _plan(session, desk, principal, data, ids)
    films = films_of(session, storage, clip_ids, aspect=data.aspect or None, version=data.version or None)
    start = moment_for(data, plan.zone_name, plan.now)
    taken = _taken(session, ids, start)
    for number, clip_id in enumerate(clip_ids):
        for account_id in ids:
            account = plan.accounts[account_id]
            gap = plan.of(desk.platform(account.platform)).gap_seconds
            gap = max(gap if data.spacing_seconds is UNSET else data.spacing_seconds, account.min_gap_seconds)
            due_at = spread(start + timedelta(seconds=number * gap), taken[account_id], gap)
            taken[account_id].append(due_at)
            plan.add(films[clip_id], account, due_at)
    return plan.made()


def moment_for(when: When, zone_name: str, now: datetime) -> datetime:
    """The moment that was asked for; now, where none was.

    Raises:
        CallerError: there is no such moment, it is ambiguous, past or too far away.
    """
    if when.due_at is not UNSET and when.local_time is not UNSET:
        raise CallerError("Give due_at or local_time, not both.")
    if when.local_time is not UNSET:
        zone = zone_named(zone_name if when.time_zone is UNSET else when.time_zone)
        try:
            local = datetime.fromisoformat(when.local_time)
        except ValueError as error:
            raise CallerError(f"There is no day or time {when.local_time}.") from error
        found = moment_of(local, zone, None if when.if_twice is UNSET else when.if_twice)
    elif when.due_at is not UNSET:
        found = when.due_at
    else:
        return now.replace(microsecond=0)
    if found < now - timedelta(seconds=PAST_SECONDS):
        raise CallerError(f"{found:%Y-%m-%d %H:%M} UTC is past. Choose a later time, or none, which means now.")
    if found > now + FARTHEST:
        raise CallerError(f"{found:%Y-%m-%d} is more than a year away; plan it later.")
    return found


def content_with(before: PostContent, change: ContentFields | PublishedChange) -> PostContent:
    """The content with what was given in its place."""
    given = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
    if "tags" in given:
        given["tags"] = tuple(given["tags"])
    return msgspec.structs.replace(before, **given)


def problems_with(
    platform: Platform, account: AccountRow, content: PostContent, video: VideoFacts, now: datetime
) -> list[ErrorDetail]:
    """Everything for which the platform would refuse this post."""
    limits = stored_limits(account, now, DAY) or AccountLimits(username=account.username)
    return [
        ErrorDetail(
            message=problem.message,
            field=problem.field if problem.field.startswith("video.") else f"content.{problem.field}",
            place=platform.name,
        )
        for problem in platform.validate(content, video, limits)
    ]


def refuse(problems: list[ErrorDetail]) -> None:
    """Raises all of them in one answer, if there are any."""
    if problems:
        raise ApiError(
            "Nothing was planned, because it would be refused when it is published; see the details.",
            status=400,
            code=ErrorCode.VALIDATION_FAILED,
            details=problems,
        )


def wanted_accounts(session: Session, desk: Desk, data: NewPosts | BulkPosts) -> list[UUID]:
    """The accounts that were named, or the defaults of all platforms.

    Raises:
        CallerError: there are none, or more than one request may name.
    """
    if data.account_ids is not UNSET:
        return list(data.account_ids)
    ids = [one for defaults in list_defaults(session, desk).data for one in defaults.account_ids]
    if not ids:
        raise CallerError("Name at least one account; no platform has default accounts.")
    if len(ids) > MOST_ACCOUNTS:
        raise CallerError(
            f"All platforms together have {len(ids)} default accounts, and a request publishes to at most {MOST_ACCOUNTS}. "
            "Name those it is for."
        )
    return ids


def _plan(session: Session, desk: Desk, principal: Principal, wish: Wish, ids: list[UUID]) -> _Plan:
    accounts = accounts_of(session, ids)
    if set(ids) - set(accounts):
        raise NotFound("There is no such account.")
    place = session.get_one(Workspace, principal.workspace)
    return _Plan(
        session=session,
        desk=desk,
        principal=principal,
        wish=wish,
        zone_name=place.time_zone,
        workspace_name=place.name,
        now=desk.now(),
        accounts=accounts,
    )


def _content(defaults: DefaultsView, film: Film, workspace_name: str, wish: Wish, platform: Platform) -> PostContent:
    """The defaults' templates, filled in, with what was given in their place."""
    words = {
        "title": film.clip.title,
        "description": film.clip.description,
        "hook": film.hook or film.clip.title,
        "hashtags": " ".join(film.clip.hashtags),
        "workspace": workspace_name,
    }
    begun: dict[str, Any] = {
        "title": filled(defaults.title, words) if platform.limits.title_max is not None else "",
        "caption": filled(defaults.caption, words),
        "visibility": defaults.visibility,
    }
    content = content_with(PostContent(**begun), wish.content)
    return content_with(content, wish.by_platform.get(platform.name, ContentFields()))  # type: ignore[call-overload]


def _taken(session: Session, ids: list[UUID], start: datetime) -> dict[UUID, list[datetime]]:
    found: dict[UUID, list[datetime]] = {account_id: [] for account_id in ids}
    query = sa.select(PostRow.account_id, PostRow.due_at).where(
        PostRow.account_id.in_(ids), PostRow.state.not_in(OVER), PostRow.due_at > start - DAY
    )
    for account_id, due_at in session.execute(query):
        found[account_id].append(due_at)
    return found


def _within_caps(
    session: Session, desk: Desk, accounts: dict[UUID, AccountRow], wishes: list[PostWish], now: datetime
) -> None:
    """The workspace's cap for a day, and that of each account.

    Raises:
        RateLimited, ApiError: one is reached.
    """
    # One after the other, so that two requests do not both take the last place.
    session.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtextextended('posts of ' || app.workspace_id()::text, 0))")
    )
    most = desk.settings.posts_per_workspace_a_day
    made = sa.select(sa.func.count(), sa.func.min(PostRow.created_at)).where(PostRow.created_at > now - DAY)
    number, oldest = session.execute(made).one()
    if number + len(wishes) > most:
        wait = ((oldest or now) + DAY - now).total_seconds()
        raise RateLimited(wait, f"new posts of this workspace (its cap is {most} in 24 hours)")
    for account in accounts.values():
        if account.posts_per_day is not None:
            _within_cap(session, account, [wish.due_at for wish in wishes if wish.account_id == account.id])


def _within_cap(session: Session, account: AccountRow, wanted: list[datetime]) -> None:
    if not wanted or account.posts_per_day is None:
        return
    planned = sa.select(PostRow.due_at).where(
        PostRow.account_id == account.id,
        PostRow.state.not_in(OVER),
        PostRow.due_at > min(wanted) - DAY,
        PostRow.due_at < max(wanted) + DAY,
    )
    times = sorted([*session.scalars(planned), *wanted])
    for first in times:
        within = [one for one in times if first <= one < first + DAY]
        if len(within) > account.posts_per_day and set(within) & set(wanted):
            message = (
                f"{account.name} takes {account.posts_per_day} posts in 24 hours, and from {first:%Y-%m-%d %H:%M} UTC on there would be "
                f"{len(within)}. Spread them further apart, or raise its cap."
            )
            refuse([ErrorDetail(message=message, field="account_ids", place="body")])
