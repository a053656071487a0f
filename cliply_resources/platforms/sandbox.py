"""The sandbox: a platform in a folder of this installation, so that everything can be tried without an account anywhere.

It keeps what is posted as files under `CLIPLY_HOME/sandbox`, in the steps a real platform has: a session, bytes in chunks, one call that
publishes, and processing. Nothing leaves the machine, and everything it shows says that it is the sandbox.
"""

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from cliply_resources.errors import NotFound
from cliply_resources.platforms.contract import BasePlatform, Call, Clock
from cliply_resources.platforms.documents import (
    AccountLimits,
    Capabilities,
    Limits,
    Metrics,
    PostContent,
    Problem,
    Profile,
    Published,
    PublishIntent,
    PublishState,
    RecentPage,
    RecentPost,
    Reconciled,
    RemoteStatus,
    Step,
    StepKind,
    StepResult,
    Tokens,
    Verdict,
    VideoFacts,
)
from cliply_resources.platforms.outcomes import OutcomeClass, trouble
from cliply_resources.settings import Settings

__all__ = ["Sandbox", "SandboxPost", "adapter", "plausible_metrics"]

CHUNK_BYTES = 4 * 1024 * 1024
_CODE_PREFIX = "sandbox-code-"


class SandboxPost(msgspec.Struct, frozen=True, kw_only=True):
    """One published post, as it lies in the folder."""

    remote_id: str
    account: str
    post_id: str
    content: PostContent
    video: VideoFacts
    published_at: datetime


class Sandbox(BasePlatform):
    """Publishes into a folder."""

    name = "sandbox"
    title = "Sandbox"
    capabilities = Capabilities(
        scopes=("post",),
        scopes_to_publish=("post",),
        editable=("title", "caption"),
        can_delete=True,
        can_list=True,
        metrics_batch=50,
        settle=0.0,
    )
    limits = Limits(
        title_max=100,
        caption_max=2200,
        duration_min=1.0,
        duration_max=600.0,
        visibilities=("public", "unlisted", "private"),
    )

    def __init__(self, folder: Path, page_url: str) -> None:
        self._folder = folder
        self._page_url = page_url.rstrip("/")

    def authorize_url(self, *, redirect_uri: str, state: str, verifier: str) -> str:  # noqa: ARG002 - no PKCE
        """Straight back: there is nobody to ask."""
        return f"{redirect_uri}?code={_CODE_PREFIX}{uuid4().hex}&state={state}"

    def exchange_code(self, *, code: str, redirect_uri: str, verifier: str, now: Clock) -> Tokens:  # noqa: ARG002
        """A token for any code that the sandbox made."""
        if not code.startswith(_CODE_PREFIX):
            raise trouble(OutcomeClass.PERMANENT, "This code does not come from the sandbox.", code="invalid_grant")
        account = f"sandbox-{code.removeprefix(_CODE_PREFIX)[:12]}"
        return Tokens(
            access_token=f"token-{account}", refresh_token=f"refresh-{account}", scopes=("post",), obtained_at=now()
        )

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:
        """The same again; the sandbox forgets nobody."""
        return msgspec.structs.replace(tokens, obtained_at=now())

    def profiles(self, tokens: Tokens, *, now: Clock) -> tuple[Profile, ...]:  # noqa: ARG002
        """The one account of this token."""
        remote_id = tokens.access_token.removeprefix("token-")
        return (Profile(remote_id=remote_id, name="Sandbox", username="sandbox", url=self._page_url),)

    def validate(self, content: PostContent, video: VideoFacts, account: AccountLimits) -> tuple[Problem, ...]:  # noqa: ARG002
        """Title, caption, length and visibility."""
        problems: list[Problem] = []
        for name, text, limit in (
            ("title", content.title, self.limits.title_max),
            ("caption", content.caption, self.limits.caption_max),
        ):
            if limit is not None and len(text) > limit:
                message = f"The {name} has {len(text)} characters; the sandbox takes {limit}. Shorten it."
                problems.append(Problem(field=name, code="too_long", message=message))
        if not 1.0 <= video.duration <= 600.0:
            message = f"The clip lasts {video.duration:.1f} s; the sandbox takes 1 to 600 s."
            problems.append(Problem(field="video.duration", code="out_of_range", message=message))
        if content.visibility not in self.limits.visibilities:
            message = (
                f"The sandbox knows no visibility {content.visibility}; choose {', '.join(self.limits.visibilities)}."
            )
            problems.append(Problem(field="visibility", code="not_offered", message=message))
        return tuple(problems)

    def plan(self, intent: PublishIntent, state: PublishState) -> Step | None:
        """Session, bytes, publish, and one look at what became of it."""
        if state.handle is None:
            return Step("start", StepKind.PREPARE)
        if state.step == "published":
            return None
        if state.offset < intent.video.size:
            return Step("send", StepKind.PREPARE)
        return Step("publish", StepKind.COMMIT)

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        """One step in the folder."""
        match step.name:
            case "start":
                handle = f"session-{uuid4().hex}"
                self._part(handle).parent.mkdir(parents=True, exist_ok=True)
                self._part(handle).touch()
                return StepResult(state=PublishState(step="sending", handle=handle, opened_at=call.now()))
            case "send":
                return StepResult(state=self._send(state, call))
            case _:
                published = self._publish(intent, state, call)
                done = msgspec.structs.replace(state, step="published")
                return StepResult(state=done, committed=True, published=published)

    def reconcile(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:  # noqa: ARG002
        """The folder knows for certain: a session becomes a post at most once."""
        found = self._read(self._posts(call.account_id) / f"{_id_of(state)}.json")
        if found is not None:
            return Reconciled(
                verdict=Verdict.FOUND,
                evidence="The sandbox's folder holds this post.",
                state=msgspec.structs.replace(state, step="published"),
                published=self._published(found),
            )
        evidence = "The sandbox's folder does not hold this post."
        return Reconciled(verdict=Verdict.NOT_FOUND, evidence=evidence, state=self._measured(state), certain=True)

    def status(self, remote_id: str, call: Call) -> RemoteStatus:
        """Live while it lies in the folder."""
        found = self._read(self._posts(call.account_id) / f"{remote_id}.json")
        if found is None:
            return RemoteStatus(state="removed", remote_id=remote_id)
        return RemoteStatus(
            state="live", remote_id=remote_id, url=self._url(remote_id), visibility=found.content.visibility
        )

    def edit(self, remote_id: str, content: PostContent, call: Call) -> None:
        """Writes title and caption anew."""
        place = self._posts(call.account_id) / f"{remote_id}.json"
        found = self._read(place)
        if found is None:
            raise NotFound("The sandbox has no such post any more.")
        changed = msgspec.structs.replace(found.content, title=content.title, caption=content.caption)
        _write(place, msgspec.structs.replace(found, content=changed))

    def delete(self, remote_id: str, call: Call) -> None:
        """Removes post and film."""
        for suffix in ("json", "mp4"):
            (self._posts(call.account_id) / f"{remote_id}.{suffix}").unlink(missing_ok=True)

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:
        """Made-up numbers that grow plausibly with age, the same for everybody who asks at the same time."""
        counted: list[Metrics] = []
        for remote_id in remote_ids:
            found = self._read(self._posts(call.account_id) / f"{remote_id}.json")
            if found is not None:
                counted.append(plausible_metrics(found, call.now()))
        return tuple(counted)

    def recent(self, call: Call, *, cursor: str | None = None, at_most: int = 20) -> RecentPage:
        """Newest first."""
        posts = [post for place in self._posts(call.account_id).glob("*.json") if (post := self._read(place))]
        posts.sort(key=lambda post: (post.published_at, post.remote_id), reverse=True)
        first = int(cursor or 0)
        shown = posts[first : first + at_most]
        following = str(first + at_most) if len(posts) > first + at_most else None
        return RecentPage(posts=tuple(self._recent(post) for post in shown), cursor=following)

    def _send(self, state: PublishState, call: Call) -> PublishState:
        assert call.video is not None
        assert state.handle is not None
        part = self._part(state.handle)
        if not part.exists():
            raise trouble(
                OutcomeClass.RESTART, "The sandbox has lost the upload; it begins again.", code="session_lost"
            )
        with call.video.path.open("rb") as source, part.open("r+b") as target:
            source.seek(state.offset)
            target.seek(state.offset)
            target.write(source.read(CHUNK_BYTES))
            target.truncate()
        return self._measured(state)

    def _measured(self, state: PublishState) -> PublishState:
        part = self._part(state.handle or "")
        if not part.exists():
            return PublishState()
        return msgspec.structs.replace(state, offset=part.stat().st_size)

    def _publish(self, intent: PublishIntent, state: PublishState, call: Call) -> Published:
        remote_id = _id_of(state)
        folder = self._posts(call.account_id)
        folder.mkdir(parents=True, exist_ok=True)
        part = self._part(state.handle or "")
        if not part.exists():
            raise trouble(
                OutcomeClass.RESTART, "The sandbox has lost the upload; it begins again.", code="session_lost"
            )
        post = SandboxPost(
            remote_id=remote_id,
            account=call.account_id,
            post_id=intent.post_id,
            content=intent.content,
            video=intent.video,
            published_at=call.now(),
        )
        (folder / f"{remote_id}.mp4").unlink(missing_ok=True)
        os.link(part, folder / f"{remote_id}.mp4")
        _write(folder / f"{remote_id}.json", post)
        part.unlink()
        return self._published(post)

    def _published(self, post: SandboxPost) -> Published:
        return Published(remote_id=post.remote_id, url=self._url(post.remote_id), visibility=post.content.visibility)

    def _recent(self, post: SandboxPost) -> RecentPost:
        return RecentPost(
            remote_id=post.remote_id,
            published_at=post.published_at,
            title=post.content.title,
            caption=post.content.caption,
            url=self._url(post.remote_id),
            duration=post.video.duration,
            width=post.video.width,
            height=post.video.height,
        )

    def _url(self, remote_id: str) -> str:
        return f"{self._page_url}#{remote_id}"

    def _posts(self, account: str) -> Path:
        return self._folder / "posts" / hashlib.sha256(account.encode()).hexdigest()[:16]

    def _part(self, handle: str) -> Path:
        return self._folder / "sessions" / f"{handle}.part"

    def _read(self, place: Path) -> SandboxPost | None:
        try:
            return msgspec.json.decode(place.read_bytes(), type=SandboxPost)
        except FileNotFoundError:
            return None


def adapter(settings: Settings) -> Sandbox:
    """The sandbox of this installation."""
    return Sandbox(settings.home / "sandbox", f"{settings.public_url}/sandbox")


def _id_of(state: PublishState) -> str:
    return "sb" + hashlib.sha256((state.handle or "").encode()).hexdigest()[:14]


def _write(place: Path, document: Any) -> None:
    """Whole or not at all."""
    half = place.with_name(f"{place.name}.{uuid4().hex}.half")
    half.write_bytes(msgspec.json.encode(document))
    half.replace(place)


def plausible_metrics(post: SandboxPost, now: datetime) -> Metrics:
    """Made-up counters that never fall, quick in the first minutes and slow after a day; the same for whoever asks at that moment."""
    seed = int(hashlib.sha256(post.remote_id.encode()).hexdigest()[:8], 16)
    hours = max((now - post.published_at.astimezone(UTC)) / timedelta(hours=1), 0.0)
    # A tenth of it in the first quarter of an hour, so that somebody who looks on sees it grow.
    share = 0.1 * (1 - 0.5 ** (hours * 12)) + 0.9 * (1 - 0.5 ** (hours / 18))
    views = int((200 + seed % 5000) * share)
    likes = views * (2 + seed % 7) // 100
    watched = min(0.35 + (seed % 50) / 100, 0.95) * post.video.duration
    return Metrics(
        remote_id=post.remote_id,
        views=views,
        likes=likes,
        comments=likes // 12,
        shares=likes // 20,
        watch_seconds=round(views * watched, 1),
        average_watch_seconds=round(watched, 2),
    )
