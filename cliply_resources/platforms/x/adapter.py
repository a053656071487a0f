"""X over its v2 interface: a media upload in segments, then one call that publishes."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

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
from cliply_resources.platforms.wire import Answer, multipart, send
from cliply_resources.platforms.x.errors import judged, said_duplicate
from cliply_resources.settings import Settings

__all__ = ["X", "adapter"]

SEGMENT_BYTES = 1024 * 1024
"""The size of the documentation's own sample; 512 MB are then 512 of the 1,000 segments that one upload may have."""
LONG_TEXT = 25_000
"""Weighted characters of a Premium account."""
LOOKS_BEFORE_A_PERSON = 3
"""Times a post may be found missing and be sent again before a person is asked."""
_OPTIONS = {
    "reply_settings": {"following", "mentionedUsers", "subscribers", "verified"},
    "long_text": {"yes"},
}
_MEDIA_FIELDS = {"expansions": "attachments.media_keys", "media.fields": "duration_ms,width,height,preview_image_url"}


class X(BasePlatform):
    """Publishes by `POST /2/tweets`."""

    name = "x"
    title = "X"
    capabilities = Capabilities(
        scopes=("tweet.read", "tweet.write", "users.read", "media.write", "offline.access"),
        scopes_to_publish=("tweet.write", "media.write"),
        pkce="base64url",
        refresh="rotates",
        can_delete=True,
        can_list=True,
        metrics_batch=100,
        settle=30.0,
    )
    limits = Limits(
        caption_max=280,
        text_unit="weighted characters",
        bytes_max=512_000_000,
        duration_min=0.5,
        duration_max=140.0,
        aspect_min=1 / 3,
        aspect_max=3.0,
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = settings.x_api_base.rstrip("/")

    # Connecting

    def configured(self) -> str | None:
        """Needs the id of an app."""
        if self._settings.x_client_id:
            return None
        return "X is not set up: register an app in X's developer portal and set CLIPLY_X_CLIENT_ID."

    def authorize_url(self, *, redirect_uri: str, state: str, verifier: str) -> str:
        """With PKCE (RFC 7636, S256)."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.x_client_id or "",
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.capabilities.scopes),
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self._settings.x_authorize_url}?{urlencode(query, quote_via=quote)}"

    def exchange_code(self, *, code: str, redirect_uri: str, verifier: str, now: Clock) -> Tokens:
        """The code lives 30 s."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return self._token(form, now)

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:
        """A new pair; the old refresh token is dead from then on, and using it twice ends the connection."""
        if not tokens.refresh_token:
            raise trouble(OutcomeClass.RECONNECT, "X gave no way to renew this connection; connect it again.")
        return self._token({"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}, now)

    def revoke(self, tokens: Tokens) -> None:
        """Of the refresh token, which takes the access token with it."""
        form = {"token": tokens.refresh_token or tokens.access_token, **self._client()}
        answer = send(
            "POST", f"{self._base}/2/oauth2/revoke", platform=self.title, form=form, headers=self._basic(), timeout=30.0
        )
        if answer.status >= 500:
            raise trouble(OutcomeClass.RETRY, f"{self.title} did not take the access back ({answer.status}).")

    def profiles(self, tokens: Tokens, *, now: Clock) -> tuple[Profile, ...]:
        """The one account."""
        call = Call(tokens=tokens, account_id="", now=now)
        found = self._ask("GET", "/2/users/me?user.fields=username,name,profile_image_url,verified_type", call)["data"]
        username = str(found.get("username", ""))
        return (
            Profile(
                remote_id=str(found["id"]),
                name=str(found.get("name", username)),
                username=username,
                avatar_url=found.get("profile_image_url"),
                url=f"https://x.com/{username}",
                facts={"verified_type": str(found.get("verified_type", "none"))},
            ),
        )

    # Publishing

    def validate(self, content: PostContent, video: VideoFacts, account: AccountLimits) -> tuple[Problem, ...]:
        """Text as X counts it, and the video rules of its media guide."""
        from cliply_resources.platforms.x.rules import problems_of

        return tuple(problems_of(content, video, account, self.limits, _OPTIONS, LONG_TEXT))

    def plan(self, intent: PublishIntent, state: PublishState) -> Step | None:
        """Begin, segments, finish, wait, post."""
        if state.handle is None:
            return Step("initialize", StepKind.PREPARE)
        match state.step:
            case "sending" if state.offset < intent.video.size:
                return Step("append", StepKind.PREPARE)
            case "sending":
                return Step("finalize", StepKind.PREPARE)
            case "processing":
                return Step("processing", StepKind.PREPARE)
            case "ready":
                return Step("post", StepKind.COMMIT)
        return None

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        """One request of the upload, or the one that publishes."""
        match step.name:
            case "initialize":
                return self._initialize(intent, call)
            case "append":
                return self._append(state, call)
            case "finalize":
                found = self._ask("POST", f"/2/media/upload/{state.handle}/finalize", call)
                return _processed(state, found)
            case "processing":
                found = self._ask("GET", f"/2/media/upload?command=STATUS&media_id={state.handle}", call)
                return _processed(msgspec.structs.replace(state, polls=state.polls + 1), found)
            case _:
                return self._post(intent, state, call)

    def reconcile(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:
        """Looks for the media id, or the very text, among the account's newest posts."""
        page = self._ask("GET", f"/2/users/{call.account_id}/tweets?{_timeline(10)}", call)
        key = state.facts.get("media_key")
        twin = None
        for post in page.get("data") or ():
            carries = key is not None and key in ((post.get("attachments") or {}).get("media_keys") or ())
            same_text = _plain(post.get("text", "")) == _plain(intent.content.caption)
            if carries or (same_text and datetime.fromisoformat(post["created_at"]) >= call.since):
                return Reconciled(
                    verdict=Verdict.FOUND,
                    evidence="The account's newest posts show it with the same "
                    + ("video." if carries else "text, posted at the same time."),
                    state=msgspec.structs.replace(state, step="posted"),
                    published=self._published(post["id"], call),
                )
            twin = twin or (self._url(post["id"], call) if same_text else None)
        looked = int(state.facts.get("looked", "0")) + 1
        facts = {**state.facts, "looked": str(looked), **({"twin": twin} if twin else {})}
        verdict = Verdict.UNDECIDABLE if looked > LOOKS_BEFORE_A_PERSON else Verdict.NOT_FOUND
        return Reconciled(
            verdict=verdict,
            evidence="The account's ten newest posts do not show it.",
            state=msgspec.structs.replace(state, facts=facts),
            candidates=(twin,) if twin else (),
        )

    # Afterwards

    def status(self, remote_id: str, call: Call) -> RemoteStatus:
        """Live, or gone."""
        answer = self._send("GET", f"/2/tweets/{remote_id}", call)
        if answer.status == 404 or (answer.ok and "data" not in answer.document()):
            return RemoteStatus(state="removed", remote_id=remote_id)
        self._judge(answer, call)
        return RemoteStatus(state="live", remote_id=remote_id, url=self._url(remote_id, call), visibility="public")

    def delete(self, remote_id: str, call: Call) -> None:
        """For good."""
        answer = self._send("DELETE", f"/2/tweets/{remote_id}", call)
        if answer.status != 404:
            self._judge(answer, call)

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:
        """Public counters; how far people watched where X still tells it (own posts of the last 30 days)."""
        query = {
            "ids": ",".join(remote_ids[: self.capabilities.metrics_batch]),
            "tweet.fields": "public_metrics,created_at",
            "expansions": "attachments.media_keys",
            "media.fields": "public_metrics,non_public_metrics,duration_ms",
        }
        found = self._ask("GET", f"/2/tweets?{urlencode(query, quote_via=quote)}", call)
        media = {each["media_key"]: each for each in (found.get("includes") or {}).get("media") or ()}
        return tuple(_metrics(post, media) for post in found.get("data") or ())

    def recent(self, call: Call, *, cursor: str | None = None, at_most: int = 20) -> RecentPage:
        """The account's own posts; X wants to be asked for at least five."""
        query = _timeline(max(5, min(at_most, 100))) + (f"&pagination_token={quote(cursor)}" if cursor else "")
        found = self._ask("GET", f"/2/users/{call.account_id}/tweets?{query}", call)
        media = {each["media_key"]: each for each in (found.get("includes") or {}).get("media") or ()}
        posts = tuple(self._recent(post, media, call) for post in (found.get("data") or ())[:at_most])
        return RecentPage(posts=posts, cursor=(found.get("meta") or {}).get("next_token"))

    # Steps

    def _initialize(self, intent: PublishIntent, call: Call) -> StepResult:
        wanted = {
            "media_type": intent.video.mime_type,
            "total_bytes": intent.video.size,
            "media_category": "tweet_video",
        }
        data = self._ask("POST", "/2/media/upload/initialize", call, json=wanted)["data"]
        lasts = timedelta(seconds=float(data.get("expires_after_secs", 86400)))
        state = PublishState(
            step="sending",
            handle=str(data["id"]),
            opened_at=call.now(),
            expires_at=call.now() + lasts,
            facts={"media_key": str(data["media_key"])} if data.get("media_key") else {},
        )
        return StepResult(state=state)

    def _append(self, state: PublishState, call: Call) -> StepResult:
        assert call.video is not None
        with call.video.path.open("rb") as file:
            file.seek(state.offset)
            segment = file.read(SEGMENT_BYTES)
        index = state.offset // SEGMENT_BYTES
        body, kind = multipart(
            {"segment_index": str(index)}, {"media": ("segment", "application/octet-stream", segment)}
        )
        answer = self._send("POST", f"/2/media/upload/{state.handle}/append", call, body=body, content_type=kind)
        self._judge(answer, call)
        return StepResult(state=msgspec.structs.replace(state, offset=state.offset + len(segment)))

    def _post(self, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        content = intent.content
        wanted: dict[str, Any] = {"text": content.caption, "media": {"media_ids": [state.handle]}}
        if content.options.get("reply_settings"):
            wanted["reply_settings"] = content.options["reply_settings"]
        if content.made_with_ai:
            wanted["made_with_ai"] = True
        if content.paid_partnership:
            wanted["paid_partnership"] = True
        answer = self._send("POST", "/2/tweets", call, json=wanted, committing=True)
        if said_duplicate(answer):
            raw = answer.excerpt(call.tokens.secrets)
            if twin := state.facts.get("twin"):
                reason = f"X refuses this text, because {twin} says the same. Change the text and post it again."
                raise trouble(OutcomeClass.PERMANENT, reason, code="duplicate", raw=raw)
            reason = "X says that this was posted already, so it is being checked whether this very post was."
            raise trouble(OutcomeClass.UNKNOWN, reason, code="duplicate", raw=raw)
        self._judge(answer, call, committing=True)
        remote_id = str((answer.document().get("data") or {}).get("id", ""))
        if not remote_id:
            reason = "X took the post and named no id, so it is being looked for."
            raise trouble(OutcomeClass.UNKNOWN, reason, code="no_id", raw=answer.excerpt(call.tokens.secrets))
        done = msgspec.structs.replace(state, step="posted")
        return StepResult(state=done, committed=True, published=self._published(remote_id, call))

    def _published(self, remote_id: str, call: Call) -> Published:
        return Published(remote_id=remote_id, url=self._url(remote_id, call), visibility="public")

    def _url(self, remote_id: str, call: Call) -> str:
        return f"https://x.com/{call.username or 'i'}/status/{remote_id}"

    def _recent(self, post: Mapping[str, Any], media: Mapping[str, Any], call: Call) -> RecentPost:
        keys = (post.get("attachments") or {}).get("media_keys") or ()
        shown: Mapping[str, Any] = next((media[key] for key in keys if key in media), {})
        lasts = shown.get("duration_ms")
        return RecentPost(
            remote_id=str(post["id"]),
            published_at=datetime.fromisoformat(post["created_at"]),
            caption=post.get("text", ""),
            url=self._url(post["id"], call),
            duration=None if lasts is None else lasts / 1000,
            width=shown.get("width"),
            height=shown.get("height"),
            cover_url=shown.get("preview_image_url"),
            metrics=_metrics(post, media) if "public_metrics" in post else None,
        )

    # Requests

    def _client(self) -> dict[str, str]:
        return {} if self._settings.x_client_secret else {"client_id": self._settings.x_client_id or ""}

    def _basic(self) -> dict[str, str]:
        secret = self._settings.x_client_secret
        if secret is None:
            return {}
        pair = f"{quote(self._settings.x_client_id or '', safe='')}:{quote(secret.get_secret_value(), safe='')}"
        return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _token(self, form: Mapping[str, str], now: Clock) -> Tokens:
        answer = send(
            "POST",
            f"{self._base}/2/oauth2/token",
            platform=self.title,
            form={**form, **self._client()},
            headers=self._basic(),
            timeout=30.0,
        )
        if answer.status in {400, 401}:
            reason = "X no longer renews this connection; connect the account again."
            if form["grant_type"] == "authorization_code":
                reason = "X did not take the sign-in; start connecting the account again."
            secrets = tuple(form.values())
            raise trouble(OutcomeClass.RECONNECT, reason, code="invalid_grant", raw=answer.excerpt(secrets))
        self._judge(answer, Call(tokens=Tokens(access_token=""), account_id="", now=now))
        read = answer.document()
        return Tokens(
            access_token=read["access_token"],
            refresh_token=read.get("refresh_token"),
            expires_at=now() + timedelta(seconds=float(read.get("expires_in", 7200))),
            scopes=tuple(str(read.get("scope", "")).split()),
            obtained_at=now(),
        )

    def _send(
        self,
        method: str,
        path: str,
        call: Call,
        *,
        json: object = None,
        body: bytes | None = None,
        content_type: str | None = None,
        committing: bool = False,
    ) -> Answer:
        headers = {"authorization": f"Bearer {call.tokens.access_token}"}
        if content_type is not None:
            headers["content-type"] = content_type
        return send(
            method,
            f"{self._base}{path}",
            platform=self.title,
            headers=headers,
            json=json,
            body=body,
            timeout=self._settings.platform_timeout_seconds * (10 if body else 1),
            committing=committing,
        )

    def _judge(self, answer: Answer, call: Call, *, committing: bool = False) -> None:
        raised = judged(answer, now=call.now(), secrets=call.tokens.secrets, committing=committing)
        if raised is not None:
            raise raised

    def _ask(self, method: str, path: str, call: Call, *, json: object = None) -> dict[str, Any]:
        answer = self._send(method, path, call, json=json)
        self._judge(answer, call)
        return answer.document()


def adapter(settings: Settings) -> X:
    """X under these settings."""
    return X(settings)


def _processed(state: PublishState, found: Mapping[str, Any]) -> StepResult:
    told = (found.get("data") or {}).get("processing_info") or {"state": "succeeded"}
    match told.get("state"):
        case "succeeded":
            return StepResult(state=msgspec.structs.replace(state, step="ready"))
        case "failed":
            why = (told.get("error") or {}).get("message") or "it gives no reason"
            code = str((told.get("error") or {}).get("name", "processing_failed"))
            raise trouble(OutcomeClass.PERMANENT, f"X cannot use this video: {why}.", code=code)
    return StepResult(
        state=msgspec.structs.replace(state, step="processing"),
        wait=float(told.get("check_after_secs") or 2),
        reason=f"X is converting the video ({told.get('progress_percent', 0)} %).",
    )


def _timeline(count: int) -> str:
    fields = {"max_results": str(count), "tweet.fields": "created_at,attachments,public_metrics", **_MEDIA_FIELDS}
    return urlencode(fields, quote_via=quote)


def _plain(text: str) -> str:
    """Without the link that X appends for the media."""
    return " ".join(word for word in text.split() if not word.startswith("https://t.co/"))


def _metrics(post: Mapping[str, Any], media: Mapping[str, Any]) -> Metrics:
    counted = post.get("public_metrics") or {}
    keys = (post.get("attachments") or {}).get("media_keys") or ()
    shown: Mapping[str, Any] = next((media[key] for key in keys if key in media), {})
    played = shown.get("non_public_metrics") or {}
    return Metrics(
        remote_id=str(post["id"]),
        views=(shown.get("public_metrics") or {}).get("view_count", counted.get("impression_count")),
        likes=counted.get("like_count"),
        comments=counted.get("reply_count"),
        shares=_sum(counted.get("retweet_count"), counted.get("quote_count")),
        saves=counted.get("bookmark_count"),
        extra={name: float(value) for name, value in played.items() if isinstance(value, (int, float))},
    )


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
