"""Instagram with Instagram Login: a container that Meta fills from a link, then one call that publishes that very container."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from cliply_resources.outbound import FileSlice
from cliply_resources.platforms.contract import CLOCK_SKEW, BasePlatform, Call, Clock, poll_wait
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
from cliply_resources.platforms.instagram.errors import NOT_READY, graph_error, judged, of_status
from cliply_resources.platforms.instagram.insights import metrics_of
from cliply_resources.platforms.instagram.rules import problems_of
from cliply_resources.platforms.instagram.webhooks import challenge_answer, events_of
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, trouble
from cliply_resources.platforms.wire import Answer, policy_for_opaque_url, send
from cliply_resources.settings import Settings

__all__ = ["Instagram", "adapter"]

LINK_SECONDS = 6 * 3600.0
"""Meta may fetch a film long after it was told of it."""
POLLS = (5.0, 10.0, 20.0)
MOST_POLLS = 33
"""After that, half an hour, the container counts as dead."""
LOOKUP_SECONDS = 10.0
_LISTED = "id,caption,permalink,timestamp,media_product_type"


class Instagram(BasePlatform):
    """Publishes by `POST /{ig-id}/media_publish`."""

    name = "instagram"
    title = "Instagram"
    limits = Limits(
        caption_max=2200,
        hashtags_max=30,
        mentions_max=20,
        bytes_max=300_000_000,
        duration_min=3.0,
        duration_max=900.0,
        aspect_min=0.01,
        aspect_max=10.0,
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._graph = settings.instagram_graph_base.rstrip("/")
        self._version = settings.meta_graph_version
        self.capabilities = Capabilities(
            scopes=(
                "instagram_business_basic",
                "instagram_business_content_publish",
                "instagram_business_manage_insights",
            ),
            scopes_to_publish=("instagram_business_basic", "instagram_business_content_publish"),
            refresh="extends",
            # One that has ended cannot be renewed, so half of its sixty days are kept in hand.
            refresh_ahead=30 * 86400.0,
            can_list=True,
            metrics_batch=10,
            webhooks=True,
            needs_link=not settings.instagram_resumable,
            settle=60.0,
        )

    # Connecting

    def configured(self) -> str | None:
        """Needs the Instagram app's id and secret."""
        if self._settings.instagram_client_id and self._settings.instagram_client_secret:
            return None
        return (
            "Instagram is not set up: add the Instagram product to an app at Meta and set CLIPLY_INSTAGRAM_CLIENT_ID "
            "and CLIPLY_INSTAGRAM_CLIENT_SECRET (the Instagram app's, not the Facebook app's)."
        )

    def authorize_url(self, *, redirect_uri: str, state: str, verifier: str) -> str:  # noqa: ARG002 - no PKCE
        """Instagram's consent page."""
        query = {
            "client_id": self._settings.instagram_client_id or "",
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": ",".join(self.capabilities.scopes),
            "state": state,
        }
        return f"{self._settings.instagram_authorize_url}?{urlencode(query, quote_via=quote)}"

    def exchange_code(self, *, code: str, redirect_uri: str, verifier: str, now: Clock) -> Tokens:  # noqa: ARG002
        """A token of an hour for the code, and at once one of sixty days for that."""
        code = code.removesuffix("#_")
        form = {
            "client_id": self._settings.instagram_client_id or "",
            "client_secret": self._secret(),
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": code,
        }
        base = self._settings.instagram_token_base.rstrip("/")
        answer = send("POST", f"{base}/oauth/access_token", platform=self.title, form=form, timeout=30.0)
        if answer.status in {400, 401, 403}:
            reason = "Instagram did not take the sign-in; start connecting the account again."
            raise trouble(
                OutcomeClass.RECONNECT, reason, code="invalid_grant", raw=answer.excerpt((code, self._secret()))
            )
        self._judge(answer, now(), Tokens(access_token=""))
        read = answer.document()
        first = (read.get("data") or [read])[0]
        granted = first.get("permissions") or ""
        scopes = tuple(granted.split(",")) if isinstance(granted, str) else tuple(granted)
        query = {
            "grant_type": "ig_exchange_token",
            "client_secret": self._secret(),
            "access_token": first["access_token"],
        }
        return self._long_lived(
            f"/access_token?{urlencode(query)}", now, scopes, (first["access_token"], self._secret())
        )

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:
        """Sixty more days for the token itself; it must be a day old, and not over."""
        query = {"grant_type": "ig_refresh_token", "access_token": tokens.access_token}
        return self._long_lived(f"/refresh_access_token?{urlencode(query)}", now, tokens.scopes, tokens.secrets)

    def profiles(self, tokens: Tokens, *, now: Clock) -> tuple[Profile, ...]:
        """The one professional account."""
        call = Call(tokens=tokens, account_id="", now=now)
        fields = "user_id,username,name,account_type,profile_picture_url"
        read = self._ask("GET", f"/me?fields={fields}", call)
        found = (read.get("data") or [read])[0]
        username = str(found.get("username", ""))
        return (
            Profile(
                remote_id=str(found["user_id"]),
                name=str(found.get("name") or username),
                username=username,
                avatar_url=found.get("profile_picture_url"),
                url=f"https://www.instagram.com/{username}/",
                facts={"account_type": str(found.get("account_type", ""))},
            ),
        )

    def account_limits(self, call: Call) -> AccountLimits:
        """What is left of the rolling day's quota, as Instagram itself says."""
        found = self._ask("GET", f"/{call.account_id}/content_publishing_limit?fields=quota_usage,config", call)
        told = (found.get("data") or [{}])[0]
        total = (told.get("config") or {}).get("quota_total")
        left = None if total is None else max(int(total) - int(told.get("quota_usage", 0)), 0)
        return AccountLimits(posts_left=left, username=call.username, asked_at=call.now())

    # Publishing

    def validate(self, content: PostContent, video: VideoFacts, account: AccountLimits) -> tuple[Problem, ...]:
        """Text, tags, options and the video rules for reels."""
        return tuple(problems_of(content, video, account, self.limits))

    def plan(self, intent: PublishIntent, state: PublishState) -> Step | None:  # noqa: ARG002 - the state says it all
        """Container, bytes where they are sent, wait, publish, and the reel's address."""
        match state.step:
            case "":
                return Step("container", StepKind.PREPARE)
            case "sending":
                return Step("send", StepKind.PREPARE)
            case "processing":
                return Step("processing", StepKind.PREPARE)
            case "ready":
                return Step("publish", StepKind.COMMIT)
            case "published":
                return Step("lookup", StepKind.CONFIRM)
        return None

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        """One request, or two where bytes go on after a break."""
        match step.name:
            case "container":
                return self._container(intent, call)
            case "send":
                return self._send_bytes(state, call)
            case "processing":
                return self._processing(state, call)
            case "publish":
                return self._publish(state, call)
            case _:
                return self._lookup(intent, state, call)

    def reconcile(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:
        """Asks the container first, then the account's newest media; never makes another container."""
        code = self._ask("GET", f"/{state.handle}?fields=status_code,status", call).get("status_code")
        since = call.since
        found = self._find(intent, call, since)
        live = msgspec.structs.replace(state, step="published", facts={**state.facts, "since": since.isoformat()})
        if found is not None:
            return Reconciled(
                verdict=Verdict.FOUND,
                evidence="The account's newest posts show a reel with this caption, posted at the same time.",
                state=msgspec.structs.replace(live, step="over"),
                published=found,
            )
        if code == "PUBLISHED":
            evidence = "Instagram says that the upload was published; its address is not known yet."
            return Reconciled(
                verdict=Verdict.FOUND, evidence=evidence, state=live, published=Published(visibility="public")
            )
        doubtful = msgspec.structs.replace(state, facts={**state.facts, "doubtful": "yes"})
        if code in {"FINISHED", "IN_PROGRESS"}:
            step = "ready" if code == "FINISHED" else "processing"
            return Reconciled(
                verdict=Verdict.NOT_FOUND,
                evidence=f"Instagram says that the upload is {code} and not published, and the newest posts do not show it.",
                state=msgspec.structs.replace(doubtful, step=step),
            )
        return Reconciled(
            verdict=Verdict.UNDECIDABLE,
            evidence=f"Instagram says that the upload is {code}, and the newest posts do not show the reel. "
            "Look at the account: is it there?",
            state=doubtful,
        )

    # Afterwards

    def status(self, remote_id: str, call: Call) -> RemoteStatus:
        """Live, or gone."""
        answer = self._request("GET", f"/{remote_id}?fields=id,permalink", call)
        error = graph_error(answer)
        if error is not None and error.code == 100:
            return RemoteStatus(state="removed", remote_id=remote_id)
        self._judge(answer, call.now(), call.tokens)
        link = answer.document().get("permalink")
        return RemoteStatus(state="live", remote_id=remote_id, url=link, visibility="public")

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:
        """One request a reel, and one a number where Instagram refuses some of them."""
        asked = remote_ids[: self.capabilities.metrics_batch]
        found = (metrics_of(each, lambda path: self._request("GET", path, call)) for each in asked)
        counted = []
        for metrics, refused in found:
            if refused is not None:
                self._judge(refused, call.now(), call.tokens)
            elif metrics is not None:
                counted.append(metrics)
        return tuple(counted)

    def recent(self, call: Call, *, cursor: str | None = None, at_most: int = 20) -> RecentPage:
        """The account's own reels."""
        query = f"fields={_LISTED},thumbnail_url&limit={min(at_most, 100)}" + (
            f"&after={quote(cursor)}" if cursor else ""
        )
        found = self._ask("GET", f"/{call.account_id}/media?{query}", call)
        posts = tuple(
            RecentPost(
                remote_id=str(each["id"]),
                published_at=datetime.fromisoformat(each["timestamp"]),
                caption=each.get("caption") or "",
                url=each.get("permalink"),
                cover_url=each.get("thumbnail_url"),
            )
            for each in found.get("data") or ()
            if each.get("media_product_type") == "REELS"
        )
        paging = found.get("paging") or {}
        following = (paging.get("cursors") or {}).get("after") if paging.get("next") else None
        return RecentPage(posts=posts, cursor=following)

    def answer_challenge(self, query: Mapping[str, str]) -> str | None:
        """Meta's verification of the webhook's address."""
        return challenge_answer(query, self._settings.meta_verify_token)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, *, now: Clock) -> tuple[WebhookEvent, ...]:
        """Signed with the app's secret over the raw bytes."""
        return events_of(headers, body, self._secret(), now)

    # Steps

    def _container(self, intent: PublishIntent, call: Call) -> StepResult:
        assert call.video is not None
        content = intent.content
        wanted: dict[str, Any] = {"media_type": "REELS", "caption": content.caption}
        if self._settings.instagram_resumable:
            wanted["upload_type"] = "resumable"
        else:
            link = call.video.link(LINK_SECONDS) if call.video.link else None
            if link is None:
                reason = (
                    "Instagram fetches the video itself, and nothing outside can reach this installation. Set "
                    "CLIPLY_PUBLIC_URL to an address that it can, or keep the objects in S3."
                )
                raise trouble(OutcomeClass.PERMANENT, reason, code="no_public_link")
            wanted["video_url"] = link
        wanted |= _options(content)
        read = self._ask("POST", f"/{call.account_id}/media", call, json=wanted)
        sending = "uri" in read
        state = PublishState(
            step="sending" if sending else "processing",
            handle=str(read["id"]),
            session_url=str(read["uri"]) if sending else None,
            opened_at=call.now(),
            expires_at=call.now() + timedelta(hours=24),
        )
        return StepResult(state=state)

    def _send_bytes(self, state: PublishState, call: Call) -> StepResult:
        assert call.video is not None
        assert state.session_url is not None
        size = call.video.facts.size
        told = self._ask("GET", f"/{state.handle}?fields=video_status", call).get("video_status") or {}
        offset = int((told.get("uploading_phase") or {}).get("bytes_transferred") or 0)
        if offset < size:
            answer = send(
                "POST",
                state.session_url,
                platform=self.title,
                headers={
                    "authorization": f"OAuth {call.tokens.access_token}",
                    "offset": str(offset),
                    "file_size": str(size),
                    "content-type": "application/octet-stream",
                },
                body=FileSlice(path=call.video.path, offset=offset, length=size - offset),
                timeout=self._settings.platform_timeout_seconds * 10,
                policy=policy_for_opaque_url(state.session_url, base=self._settings.meta_rupload_base),
            )
            debug = answer.document().get("debug_info") or {}
            if debug and not debug.get("retriable"):
                reason = "Instagram's upload broke off for good, so it begins again."
                raw = answer.excerpt(call.tokens.secrets)
                raise trouble(OutcomeClass.RESTART, reason, code=str(debug.get("type", "")), raw=raw)
            self._judge(answer, call.now(), call.tokens)
        return StepResult(state=msgspec.structs.replace(state, step="processing", offset=size))

    def _processing(self, state: PublishState, call: Call) -> StepResult:
        found = self._ask("GET", f"/{state.handle}?fields=status_code,status", call)
        match found.get("status_code"):
            case "FINISHED" | "PUBLISHED":
                return StepResult(state=msgspec.structs.replace(state, step="ready"))
            case "EXPIRED":
                reason = "Instagram kept the upload for 24 hours and dropped it; it begins again."
                raise trouble(OutcomeClass.RESTART, reason, code="EXPIRED")
            case "ERROR":
                raise of_status(str(found.get("status", "")))
        if state.polls >= MOST_POLLS:
            reason = "Instagram has worked on the upload for half an hour without an end; it begins again."
            raise trouble(OutcomeClass.RESTART, reason, code="IN_PROGRESS")
        wait = poll_wait(state.polls, POLLS)
        waiting = msgspec.structs.replace(state, polls=state.polls + 1)
        return StepResult(state=waiting, wait=wait, reason="Instagram is processing the video.")

    def _publish(self, state: PublishState, call: Call) -> StepResult:
        path = f"/{call.account_id}/media_publish"
        answer = self._request("POST", path, call, json={"creation_id": state.handle}, committing=True)
        error = graph_error(answer)
        if error is not None and error.error_subcode == NOT_READY:
            waiting = msgspec.structs.replace(state, step="processing", polls=state.polls + 1)
            return StepResult(
                state=waiting, committed=False, wait=POLLS[-1], reason="Instagram is not ready to publish it."
            )
        try:
            self._judge(answer, call.now(), call.tokens, committing=True)
        except PlatformTrouble as raised:
            # Another container after a doubtful call is how reels are posted twice.
            if raised.outcome.kind is OutcomeClass.RESTART and state.facts.get("doubtful"):
                said = raised.outcome
                raise trouble(OutcomeClass.UNKNOWN, said.reason, code=said.code, raw=said.raw) from raised
            raise
        facts = {**state.facts, "media_id": str(answer.document().get("id", "")), "since": call.now().isoformat()}
        published = Published(remote_id=facts["media_id"] or None, visibility="public")
        done = msgspec.structs.replace(state, step="published", facts=facts)
        return StepResult(state=done, committed=True, published=published)

    def _lookup(self, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        media_id = state.facts.get("media_id")
        found: Published | None
        if media_id:
            read = self._ask("GET", f"/{media_id}?fields=id,permalink,shortcode,timestamp,media_product_type", call)
            link = read.get("permalink")
            found = Published(remote_id=media_id, url=link, visibility="public") if link else None
        else:
            since = datetime.fromisoformat(state.facts["since"]) - CLOCK_SKEW
            found = self._find(intent, call, since)
        if found is None:
            waiting = msgspec.structs.replace(state, polls=state.polls + 1)
            reason = "The reel is published; Instagram has not named its address yet."
            published = Published(remote_id=media_id or None, visibility="public")
            return StepResult(state=waiting, wait=LOOKUP_SECONDS, reason=reason, published=published)
        return StepResult(state=msgspec.structs.replace(state, step="over"), published=found)

    def _find(self, intent: PublishIntent, call: Call, since: datetime) -> Published | None:
        found = self._ask("GET", f"/{call.account_id}/media?fields={_LISTED}&limit=10", call)
        for each in found.get("data") or ():
            posted_at = datetime.fromisoformat(each["timestamp"])
            if (each.get("caption") or "") == intent.content.caption and posted_at >= since:
                return Published(remote_id=str(each["id"]), url=each.get("permalink"), visibility="public")
        return None

    # Requests

    def _secret(self) -> str:
        secret = self._settings.instagram_client_secret
        return secret.get_secret_value() if secret else ""

    def _long_lived(self, path: str, now: Clock, scopes: tuple[str, ...], secrets: Sequence[str]) -> Tokens:
        answer = send("GET", f"{self._graph}{path}", platform=self.title, timeout=30.0)
        if answer.status in {400, 401, 403}:
            reason = "Instagram no longer renews this connection; connect the account again."
            raise trouble(OutcomeClass.RECONNECT, reason, code="invalid_token", raw=answer.excerpt(secrets))
        self._judge(answer, now(), Tokens(access_token=""))
        read = answer.document()
        lasts = float(read.get("expires_in", 5_183_944))
        return Tokens(
            access_token=read["access_token"],
            expires_at=now() + timedelta(seconds=lasts),
            scopes=scopes,
            obtained_at=now(),
        )

    def _request(self, method: str, path: str, call: Call, *, json: object = None, committing: bool = False) -> Answer:
        return send(
            method,
            f"{self._graph}/{self._version}{path}",
            platform=self.title,
            headers={"authorization": f"Bearer {call.tokens.access_token}"},
            json=json,
            timeout=self._settings.platform_timeout_seconds,
            committing=committing,
        )

    def _judge(self, answer: Answer, now: datetime, tokens: Tokens, *, committing: bool = False) -> None:
        raised = judged(answer, now=now, tokens=tokens, committing=committing)
        if raised is not None:
            raise raised

    def _ask(self, method: str, path: str, call: Call, *, json: object = None) -> dict[str, Any]:
        answer = self._request(method, path, call, json=json)
        self._judge(answer, call.now(), call.tokens)
        return answer.document()


def adapter(settings: Settings) -> Instagram:
    """Instagram under these settings."""
    return Instagram(settings)


def _options(content: PostContent) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    options = content.options
    if "share_to_feed" in options:
        wanted["share_to_feed"] = options["share_to_feed"] == "yes"
    if content.cover_at is not None:
        wanted["thumb_offset"] = round(content.cover_at * 1000)
    if options.get("audio_name"):
        wanted["audio_name"] = options["audio_name"]
    if options.get("collaborators"):
        wanted["collaborators"] = [name.strip().lstrip("@") for name in options["collaborators"].split(",")]
    if options.get("trial"):
        wanted["trial_params"] = {"graduation_strategy": options["trial"]}
    if content.made_with_ai:
        wanted["is_ai_generated"] = True
    return wanted
