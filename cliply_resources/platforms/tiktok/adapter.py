"""TikTok: what the creator may do now, an upload whose last byte publishes (or a link that does), and the state of the post."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from cliply_resources.outbound import FileSlice
from cliply_resources.platforms.contract import BasePlatform, Call, Clock, poll_wait
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
    WebhookEvent,
)
from cliply_resources.platforms.outcomes import OutcomeClass, trouble
from cliply_resources.platforms.tiktok.chunks import CHUNK_BYTES, chunk_plan
from cliply_resources.platforms.tiktok.errors import error_code, failed, judged
from cliply_resources.platforms.tiktok.rules import PRIVACY, problems_of
from cliply_resources.platforms.tiktok.webhooks import events_of
from cliply_resources.platforms.wire import Answer, policy_for_opaque_url, send
from cliply_resources.settings import Settings

__all__ = ["TikTok", "adapter"]

LINK_SECONDS = 2 * 3600.0
"""TikTok wants a link to stay reachable for an hour."""
UPLOAD_LIFE = timedelta(minutes=58)
"""An upload address is good for an hour."""
POLLS = (2.0, 5.0, 10.0, 30.0)
_VISIBILITIES = {level: name for name, level in PRIVACY.items()}
_LISTED = (
    "id,create_time,cover_image_url,share_url,video_description,duration,height,width,title,"
    "like_count,comment_count,share_count,view_count"
)
_STORED = re.compile(r"bytes 0-(\d+)/\d+")


class TikTok(BasePlatform):
    """Publishes with the last byte of an upload (`FILE_UPLOAD`), or with the call that names a link (`PULL_FROM_URL`)."""

    name = "tiktok"
    title = "TikTok"
    limits = Limits(
        caption_max=2200,
        text_unit="utf-16 units",
        bytes_max=4_294_967_296,
        duration_min=1.0,
        duration_max=600.0,
        visibilities=("public", "followers", "friends", "private"),
        posts_per_day=15,
    )

    def __init__(self, settings: Settings, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._settings = settings
        self._chunk_bytes = chunk_bytes
        self._base = settings.tiktok_api_base.rstrip("/")
        self._pulls = settings.tiktok_source == "PULL_FROM_URL"
        self.capabilities = Capabilities(
            scopes=("user.info.basic", "user.info.profile", "video.publish", "video.list"),
            scopes_to_publish=("video.publish",),
            pkce="hex" if settings.tiktok_desktop_app else "none",
            refresh="rotates",
            refresh_ahead=3600.0,
            can_list=True,
            metrics_batch=20,
            webhooks=True,
            needs_link=self._pulls,
            # A link that TikTok took is fetched and checked before the post shows up anywhere.
            settle=900.0 if self._pulls else 30.0,
            confirm_for=4 * 3600.0,
        )

    # Connecting

    def configured(self) -> str | None:
        """Needs the app's key and secret."""
        if self._settings.tiktok_client_key and self._settings.tiktok_client_secret:
            return None
        return (
            "TikTok is not set up: register an app in TikTok's developer portal and set CLIPLY_TIKTOK_CLIENT_KEY and "
            "CLIPLY_TIKTOK_CLIENT_SECRET."
        )

    def authorize_url(self, *, redirect_uri: str, state: str, verifier: str) -> str:
        """A desktop app sends the hash of the verifier in hexadecimal, which is TikTok's own way; a web app sends none."""
        query = {
            "client_key": self._settings.tiktok_client_key or "",
            "response_type": "code",
            "scope": ",".join(self.capabilities.scopes),
            "redirect_uri": redirect_uri,
            "state": state,
        }
        if self._settings.tiktok_desktop_app:
            query["code_challenge"] = hashlib.sha256(verifier.encode()).hexdigest()
            query["code_challenge_method"] = "S256"
        return f"{self._settings.tiktok_authorize_url}?{urlencode(query, quote_via=quote)}"

    def exchange_code(self, *, code: str, redirect_uri: str, verifier: str, now: Clock) -> Tokens:
        """What was granted may be less than was asked for: people can untick permissions."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if self._settings.tiktok_desktop_app:
            form["code_verifier"] = verifier
        return self._token(form, now)

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:
        """The refresh token may be another one afterwards."""
        if not tokens.refresh_token:
            raise trouble(OutcomeClass.RECONNECT, "TikTok gave no way to renew this connection; connect it again.")
        new = self._token({"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}, now)
        return msgspec.structs.replace(
            new, refresh_token=new.refresh_token or tokens.refresh_token, scopes=new.scopes or tokens.scopes
        )

    def revoke(self, tokens: Tokens) -> None:
        """Ends the access; one that has ended counts as given back."""
        form = {**self._client(), "token": tokens.access_token}
        answer = send("POST", f"{self._base}/v2/oauth/revoke/", platform=self.title, form=form, timeout=30.0)
        if answer.status >= 500:
            raise trouble(OutcomeClass.RETRY, f"TikTok did not take the access back ({answer.status}).")

    def profiles(self, tokens: Tokens, *, now: Clock) -> tuple[Profile, ...]:
        """The one account."""
        call = Call(tokens=tokens, account_id="", now=now)
        fields = "open_id,union_id,avatar_url,display_name"
        if "user.info.profile" in tokens.scopes:
            fields += ",username"
        found = self._ask("GET", f"/v2/user/info/?fields={fields}", call)["user"]
        username = str(found.get("username", ""))
        return (
            Profile(
                remote_id=str(found["open_id"]),
                name=str(found.get("display_name") or username),
                username=username,
                avatar_url=found.get("avatar_url"),
                url=f"https://www.tiktok.com/@{username}" if username else None,
            ),
        )

    def account_limits(self, call: Call) -> AccountLimits:
        """Creator info: what TikTok wants to be asked before every post."""
        answer = self._request("POST", "/v2/post/publish/creator_info/query/", call)
        if error_code(answer) == "spam_risk_too_many_posts":
            return AccountLimits(posts_left=0, resets_at=call.now() + timedelta(days=1), asked_at=call.now())
        self._judge(answer, call)
        return _limits(answer.document()["data"], call)

    # Publishing

    def validate(self, content: PostContent, video: VideoFacts, account: AccountLimits) -> tuple[Problem, ...]:
        """Caption in UTF-16 units, what the creator may choose, and the video rules."""
        return tuple(problems_of(content, video, account, self.limits))

    def plan(self, intent: PublishIntent, state: PublishState) -> Step | None:
        """Creator info, begin, chunks or a link, and then the state of the post until TikTok has decided."""
        match state.step:
            case "":
                return Step("creator", StepKind.PREPARE)
            case "creator":
                return Step("init", StepKind.COMMIT if self._pulls else StepKind.PREPARE)
            case "sending":
                last = chunk_plan(intent.video.size, chunk=self._chunk_bytes).is_last(state.offset)
                return Step("chunk", StepKind.COMMIT if last else StepKind.PREPARE)
            case "confirming":
                return Step("status", StepKind.CONFIRM)
        return None

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        """One request."""
        match step.name:
            case "creator":
                return self._creator(intent, call)
            case "init":
                return self._init(intent, state, call, committing=step.kind is StepKind.COMMIT)
            case "chunk":
                return self._chunk(intent, state, call, committing=step.kind is StepKind.COMMIT)
            case _:
                return self._status(intent, state, call)

    def reconcile(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:
        """By the publish id where there is one; after a lost answer to a link, by the account's own videos."""
        if state.handle is None:
            return self._reconcile_link(intent, state, call)
        data = self._fetch(state.handle, call)
        sent = int(data.get("uploaded_bytes") or 0)
        said = data.get("status")
        if said == "PROCESSING_UPLOAD" and sent < intent.video.size:
            dead = state.expires_at is None or call.now() >= state.expires_at
            return Reconciled(
                verdict=Verdict.NOT_FOUND,
                evidence=f"TikTok has {sent} of {intent.video.size} bytes, so it cannot have published anything.",
                state=PublishState() if dead else msgspec.structs.replace(state, offset=sent),
                certain=True,
            )
        return Reconciled(
            verdict=Verdict.FOUND,
            evidence=f"TikTok has the whole video; it says {said}.",
            state=msgspec.structs.replace(state, step="confirming", offset=intent.video.size),
        )

    # Afterwards

    def status(self, remote_id: str, call: Call) -> RemoteStatus:
        """Live while the account's owner sees it among the public videos."""
        found = self._query([remote_id], call)
        if not found:
            reason = "TikTok does not show it among the account's public videos."
            return RemoteStatus(state="removed", remote_id=remote_id, reason=reason)
        return RemoteStatus(state="live", remote_id=remote_id, url=found[0].get("share_url"), visibility="public")

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:
        """Four counters; TikTok tells no watch time here."""
        return tuple(_metrics(each) for each in self._query(remote_ids[: self.capabilities.metrics_batch], call))

    def recent(self, call: Call, *, cursor: str | None = None, at_most: int = 20) -> RecentPage:
        """The account's public videos."""
        wanted: dict[str, int] = {"max_count": min(at_most, 20)}
        if cursor is not None:
            wanted["cursor"] = int(cursor)
        data = self._ask("POST", f"/v2/video/list/?fields={_LISTED}", call, json=wanted)
        posts = tuple(_recent(each) for each in data.get("videos") or ())
        return RecentPage(posts=posts, cursor=str(data["cursor"]) if data.get("has_more") else None)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: Clock) -> tuple[WebhookEvent, ...]:
        """Signed with the app's secret."""
        return events_of(headers, body, self._client()["client_secret"], now)

    # Steps

    def _creator(self, intent: PublishIntent, call: Call) -> StepResult:
        data = self._ask("POST", "/v2/post/publish/creator_info/query/", call)
        may = _limits(data, call)
        problems = self.validate(intent.content, intent.video, may)
        if problems:
            raise trouble(OutcomeClass.PERMANENT, problems[0].message, code=problems[0].code)
        facts = {
            "username": may.username,
            **{
                name: "yes"
                for name, off in (
                    ("comment", may.comments_disabled),
                    ("duet", may.duet_disabled),
                    ("stitch", may.stitch_disabled),
                )
                if off
            },
        }
        return StepResult(state=PublishState(step="creator", opened_at=call.now(), facts=facts))

    def _init(self, intent: PublishIntent, state: PublishState, call: Call, *, committing: bool) -> StepResult:
        wanted = {"post_info": _post_info(intent.content, state.facts), "source_info": self._source(intent, call)}
        answer = self._request("POST", "/v2/post/publish/video/init/", call, json=wanted, committing=committing)
        self._judge(answer, call, committing=committing)
        data = answer.document()["data"]
        begun = msgspec.structs.replace(
            state,
            step="confirming" if committing else "sending",
            handle=str(data["publish_id"]),
            session_url=data.get("upload_url"),
            expires_at=call.now() + UPLOAD_LIFE,
        )
        return StepResult(state=begun, committed=committing)

    def _source(self, intent: PublishIntent, call: Call) -> dict[str, Any]:
        assert call.video is not None
        if not self._pulls:
            plan = chunk_plan(intent.video.size, chunk=self._chunk_bytes)
            return {
                "source": "FILE_UPLOAD",
                "video_size": plan.size,
                "chunk_size": plan.chunk,
                "total_chunk_count": plan.chunks,
            }
        link = call.video.link(LINK_SECONDS) if call.video.link else None
        if link is None:
            reason = (
                "TikTok is set up to fetch videos itself, and nothing outside can reach this installation. Set "
                "CLIPLY_PUBLIC_URL to a verified address, or CLIPLY_TIKTOK_SOURCE=FILE_UPLOAD."
            )
            raise trouble(OutcomeClass.PERMANENT, reason, code="no_public_link")
        return {"source": "PULL_FROM_URL", "video_url": link}

    def _chunk(self, intent: PublishIntent, state: PublishState, call: Call, *, committing: bool) -> StepResult:
        assert call.video is not None
        assert state.session_url is not None
        if state.expires_at is not None and call.now() >= state.expires_at:
            reason = "TikTok's upload address has expired, so the upload begins again."
            raise trouble(OutcomeClass.RESTART, reason, code="upload_expired")
        size, first = intent.video.size, state.offset
        end = chunk_plan(size, chunk=self._chunk_bytes).end_of(first)
        answer = send(
            "PUT",
            state.session_url,
            platform=self.title,
            headers={
                "content-type": intent.video.mime_type,
                "content-range": f"bytes {first}-{end - 1}/{size}",
            },
            body=FileSlice(path=call.video.path, offset=first, length=end - first),
            timeout=self._settings.platform_timeout_seconds * 10,
            committing=committing,
            policy=policy_for_opaque_url(state.session_url, base=self._base),
        )
        stored = _STORED.fullmatch(answer.headers.get("content-range", ""))
        has = int(stored[1]) + 1 if stored else (end if answer.ok else first)
        if answer.status == 201 or (answer.status in {206, 416} and has >= size):
            done = msgspec.structs.replace(state, step="confirming", offset=size)
            return StepResult(state=done, committed=True)
        if answer.status == 206 or (answer.status == 416 and stored):
            return StepResult(state=msgspec.structs.replace(state, offset=has), committed=False)
        if answer.status in {403, 404, 416}:
            reason = "TikTok no longer knows the upload, so it begins again."
            raise trouble(OutcomeClass.RESTART, reason, code=str(answer.status), raw=answer.excerpt())
        self._judge(answer, call, committing=committing)
        raise trouble(OutcomeClass.RETRY, "TikTok's upload gave an answer that says nothing.", code=str(answer.status))

    def _status(self, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        data = self._fetch(state.handle or "", call)
        said = data.get("status")
        wait = poll_wait(state.polls, POLLS)
        polled = msgspec.structs.replace(state, polls=state.polls + 1)
        if said == "FAILED":
            raise failed(str(data.get("fail_reason", "")), call.now())
        if said != "PUBLISH_COMPLETE":
            return StepResult(state=polled, wait=wait, reason="TikTok is processing the video.")
        visibility = intent.content.visibility
        ids = [str(each) for each in data.get("publicaly_available_post_id") or ()]
        over = msgspec.structs.replace(polled, step="over")
        if ids:
            url = f"https://www.tiktok.com/@{state.facts.get('username') or call.username}/video/{ids[0]}"
            return StepResult(state=over, published=Published(remote_id=ids[0], url=url, visibility=visibility))
        if visibility != "public":
            # TikTok names only public posts.
            return StepResult(state=over, published=Published(visibility=visibility))
        reason = "The post is published; TikTok names it when its check is over."
        return StepResult(state=polled, wait=wait, reason=reason, published=Published(visibility=visibility))

    def _reconcile_link(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:
        for post in self.recent(call).posts:
            if post.caption == intent.content.caption and post.published_at >= call.since:
                return Reconciled(
                    verdict=Verdict.FOUND,
                    evidence="The account's newest videos show it with this caption, posted at the same time.",
                    state=msgspec.structs.replace(state, step="over"),
                    published=Published(remote_id=post.remote_id, url=post.url, visibility="public"),
                )
        if intent.content.visibility != "public":
            evidence = (
                "TikTok lists only public videos, so it cannot be seen whether this one exists. Look into the app."
            )
            return Reconciled(verdict=Verdict.UNDECIDABLE, evidence=evidence, state=state)
        evidence = "The account's newest public videos do not show it."
        return Reconciled(verdict=Verdict.NOT_FOUND, evidence=evidence, state=state)

    # Requests

    def _client(self) -> dict[str, str]:
        secret = self._settings.tiktok_client_secret
        return {
            "client_key": self._settings.tiktok_client_key or "",
            "client_secret": secret.get_secret_value() if secret else "",
        }

    def _token(self, form: Mapping[str, str], now: Clock) -> Tokens:
        answer = send(
            "POST",
            f"{self._base}/v2/oauth/token/",
            platform=self.title,
            form={**form, **self._client()},
            headers={"cache-control": "no-cache"},
            timeout=30.0,
        )
        read = answer.document()
        error = str(read.get("error") or "")
        raw = answer.excerpt((*form.values(), *self._client().values()))
        if error in {"server_error", "temporarily_unavailable"} or answer.status >= 500:
            raise trouble(OutcomeClass.RETRY, "TikTok cannot renew connections just now.", code=error, raw=raw)
        if error or not answer.ok or "access_token" not in read:
            reason = "TikTok no longer renews this connection; connect the account again."
            if form["grant_type"] == "authorization_code":
                reason = "TikTok did not take the sign-in; start connecting the account again."
            raise trouble(OutcomeClass.RECONNECT, reason, code=error or str(answer.status), raw=raw)
        lasts = read.get("refresh_expires_in")
        return Tokens(
            access_token=read["access_token"],
            refresh_token=read.get("refresh_token"),
            expires_at=now() + timedelta(seconds=float(read.get("expires_in", 86400))),
            refresh_expires_at=None if lasts is None else now() + timedelta(seconds=float(lasts)),
            scopes=tuple(scope for scope in str(read.get("scope", "")).split(",") if scope),
            obtained_at=now(),
        )

    def _fetch(self, publish_id: str, call: Call) -> dict[str, Any]:
        return self._ask("POST", "/v2/post/publish/status/fetch/", call, json={"publish_id": publish_id})

    def _query(self, remote_ids: Sequence[str], call: Call) -> list[dict[str, Any]]:
        wanted = {"filters": {"video_ids": list(remote_ids)}}
        found = self._ask("POST", f"/v2/video/query/?fields={_LISTED}", call, json=wanted).get("videos")
        return list(found or ())

    def _request(self, method: str, path: str, call: Call, *, json: object = None, committing: bool = False) -> Answer:
        return send(
            method,
            f"{self._base}{path}",
            platform=self.title,
            headers={
                "authorization": f"Bearer {call.tokens.access_token}",
                "content-type": "application/json; charset=UTF-8",
            },
            json=json,
            timeout=self._settings.platform_timeout_seconds,
            committing=committing,
        )

    def _judge(self, answer: Answer, call: Call, *, committing: bool = False) -> None:
        raised = judged(answer, now=call.now(), tokens=call.tokens, committing=committing)
        if raised is not None:
            raise raised

    def _ask(self, method: str, path: str, call: Call, *, json: object = None) -> dict[str, Any]:
        answer = self._request(method, path, call, json=json)
        self._judge(answer, call)
        data: dict[str, Any] = answer.document().get("data") or {}
        return data


def adapter(settings: Settings) -> TikTok:
    """TikTok under these settings."""
    return TikTok(settings)


def _limits(data: Mapping[str, Any], call: Call) -> AccountLimits:
    levels = (_VISIBILITIES.get(level) for level in data.get("privacy_level_options") or ())
    longest = data.get("max_video_post_duration_sec")
    return msgspec.convert(
        {
            "visibilities": [level for level in levels if level is not None],
            "duration_max": None if longest is None else float(longest),
            "comments_disabled": bool(data.get("comment_disabled")),
            "duet_disabled": bool(data.get("duet_disabled")),
            "stitch_disabled": bool(data.get("stitch_disabled")),
            "username": str(data.get("creator_username", "")),
            "asked_at": call.now(),
        },
        AccountLimits,
    )


def _post_info(content: PostContent, off: Mapping[str, str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "title": content.caption,
        "privacy_level": PRIVACY[content.visibility],
        "disable_comment": "comment" in off or not content.allow_comments,
        "disable_duet": "duet" in off or not content.allow_duet,
        "disable_stitch": "stitch" in off or not content.allow_stitch,
        "brand_content_toggle": content.paid_partnership,
        "brand_organic_toggle": content.own_brand,
        "is_aigc": content.made_with_ai,
    }
    if content.cover_at is not None:
        wanted["video_cover_timestamp_ms"] = round(content.cover_at * 1000)
    return wanted


def _metrics(found: Mapping[str, Any]) -> Metrics:
    return Metrics(
        remote_id=str(found["id"]),
        views=found.get("view_count"),
        likes=found.get("like_count"),
        comments=found.get("comment_count"),
        shares=found.get("share_count"),
    )


def _recent(found: Mapping[str, Any]) -> RecentPost:
    lasts = found.get("duration")
    return RecentPost(
        remote_id=str(found["id"]),
        published_at=datetime.fromtimestamp(int(found["create_time"]), UTC),
        title=str(found.get("title") or ""),
        caption=str(found.get("video_description") or ""),
        url=found.get("share_url"),
        duration=None if lasts is None else float(lasts),
        width=found.get("width"),
        height=found.get("height"),
        cover_url=found.get("cover_image_url"),
        metrics=_metrics(found) if "view_count" in found else None,
    )
