"""YouTube: a resumable session whose last byte publishes, and a look at what YouTube made of it."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from cliply_resources.outbound import FileSlice
from cliply_resources.platforms.contract import BasePlatform, Call, Clock, poll_wait
from cliply_resources.platforms.documents import (
    AccountLimits,
    Capabilities,
    FeedAnswer,
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
from cliply_resources.platforms.wire import Answer, policy_for_opaque_url, send
from cliply_resources.platforms.youtube.client import GoogleError, google_call
from cliply_resources.platforms.youtube.errors import PACIFIC, judged, reason_of, rejection
from cliply_resources.platforms.youtube.feeds import events_of, feed_answer, subscription_form
from cliply_resources.platforms.youtube.numbers import duration_seconds, metrics_of, watch_times
from cliply_resources.platforms.youtube.rules import MOST_TAGS, problems_of, tags_length
from cliply_resources.settings import Settings

__all__ = ["YouTube", "adapter"]

CHUNK_BYTES = 8 * 1024 * 1024
"""A multiple of 256 KiB, as YouTube wants of all but the last."""
POLLS = (5.0, 10.0, 30.0)
PEOPLE_AND_BLOGS = "22"
HUB = "YouTube's hub"
SCOPE = "https://www.googleapis.com/auth/"
ANALYTICS = f"{SCOPE}yt-analytics.readonly"
_RANGE = re.compile(r"bytes=0-(\d+)")
_GONE = {404, 410}


class YouTube(BasePlatform):
    """Publishes with the last byte of a resumable upload."""

    name = "youtube"
    title = "YouTube"
    capabilities = Capabilities(
        scopes=(f"{SCOPE}youtube.upload", f"{SCOPE}youtube.readonly", f"{SCOPE}youtube.force-ssl", ANALYTICS),
        scopes_to_publish=(f"{SCOPE}youtube.upload", f"{SCOPE}youtube.readonly"),
        pkce="base64url",
        refresh="keeps",
        editable=("title", "caption", "tags"),
        can_delete=True,
        can_list=True,
        metrics_batch=50,
        feeds=True,
        # The list of a channel's uploads lags behind.
        settle=300.0,
        confirm_for=6 * 3600.0,
    )
    limits = Limits(
        title_max=100,
        caption_max=5000,
        text_unit="bytes",
        bytes_max=274_877_906_944,
        visibilities=("public", "unlisted", "private"),
    )

    def __init__(self, settings: Settings, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._settings = settings
        self._base = settings.youtube_api_base.rstrip("/")
        self._chunk_bytes = chunk_bytes

    # Connecting

    def configured(self) -> str | None:
        """Needs an OAuth client's id and secret."""
        if self._settings.youtube_client_id and self._settings.youtube_client_secret:
            return None
        return (
            "YouTube is not set up: make an OAuth client in Google's cloud console and set CLIPLY_YOUTUBE_CLIENT_ID and "
            "CLIPLY_YOUTUBE_CLIENT_SECRET."
        )

    def authorize_url(self, *, redirect_uri: str, state: str, verifier: str) -> str:
        """With PKCE, and asking for consent anew, since only then a refresh token comes."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": self._settings.youtube_client_id or "",
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": " ".join(self.capabilities.scopes),
            "access_type": "offline",
            "prompt": "consent",
            "include_granted_scopes": "true",
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self._settings.google_authorize_url}?{urlencode(query, quote_via=quote)}"

    def exchange_code(self, *, code: str, redirect_uri: str, verifier: str, now: Clock) -> Tokens:
        """What was granted may be less than was asked for."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return self._token(form, now)

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:
        """A new access token; the refresh token stays."""
        if not tokens.refresh_token:
            raise trouble(OutcomeClass.RECONNECT, "Google gave no way to renew this connection; connect it again.")
        new = self._token({"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}, now)
        return msgspec.structs.replace(
            new, refresh_token=new.refresh_token or tokens.refresh_token, scopes=new.scopes or tokens.scopes
        )

    def revoke(self, tokens: Tokens) -> None:
        """Ends everything that was granted to this project."""
        form = {"token": tokens.refresh_token or tokens.access_token}
        answer = send("POST", self._settings.google_revoke_url, platform=self.title, form=form, timeout=30.0)
        if answer.status >= 500:
            raise trouble(OutcomeClass.RETRY, f"Google did not take the access back ({answer.status}).")

    def profiles(self, tokens: Tokens, *, now: Clock) -> tuple[Profile, ...]:
        """The account's channels."""
        call = Call(tokens=tokens, account_id="", now=now)
        found = self._google("channels.list", call, part="snippet,contentDetails", mine=True).get("items") or ()
        if not found:
            reason = "This Google account has no YouTube channel; make one at youtube.com first."
            raise trouble(OutcomeClass.PERMANENT, reason, code="youtubeSignupRequired")
        return tuple(_profile(each) for each in found)

    # Publishing

    def validate(self, content: PostContent, video: VideoFacts, account: AccountLimits) -> tuple[Problem, ...]:
        """Title, description in bytes, tags, options and visibility."""
        return tuple(problems_of(content, video, account, self.limits))

    def plan(self, intent: PublishIntent, state: PublishState) -> Step | None:
        """Session, chunks, the last of which publishes, and YouTube's own check."""
        match state.step:
            case "":
                return Step("session", StepKind.PREPARE)
            case "sending":
                last = state.offset + self._chunk_bytes >= intent.video.size
                return Step("chunk", StepKind.COMMIT if last else StepKind.PREPARE)
            case "processing":
                return Step("processing", StepKind.CONFIRM)
        return None

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        """One request."""
        match step.name:
            case "session":
                return self._session(intent, call)
            case "chunk":
                return self._chunk(intent, state, call, committing=step.kind is StepKind.COMMIT)
            case _:
                return self._processing(state, call)

    def reconcile(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:
        """The session knows; once it is gone, the channel's newest uploads are looked through."""
        assert state.session_url is not None
        answer = self._put(state.session_url, intent, call, content_range=f"bytes */{intent.video.size}")
        if answer.status == 308:
            stored = _stored(answer)
            return Reconciled(
                verdict=Verdict.NOT_FOUND,
                evidence=f"YouTube has {stored} of {intent.video.size} bytes, so there is no video yet.",
                state=msgspec.structs.replace(state, offset=stored),
                certain=True,
            )
        if answer.ok:
            evidence = "The upload session answered with the finished video."
            return self._found(str(answer.document().get("id", "")), state, evidence)
        if answer.status not in _GONE:
            self._judge(answer, call)
        for item in self._newest(call):
            snippet = item["snippet"]
            marked = intent.marker in (snippet.get("tags") or ())
            same = (
                snippet.get("title") == intent.content.title
                and datetime.fromisoformat(snippet["publishedAt"]) >= call.since
            )
            if marked or same:
                evidence = "The channel's newest uploads show it " + (
                    "with Cliply's own mark." if marked else "with this title, uploaded at the same time."
                )
                return self._found(str(item["id"]), state, evidence)
        return Reconciled(
            verdict=Verdict.NOT_FOUND,
            evidence="The upload session is gone, and the channel's ten newest uploads do not show the video.",
            state=PublishState(),
        )

    # Afterwards

    def status(self, remote_id: str, call: Call) -> RemoteStatus:
        """Live, still processing, refused, or gone."""
        found = self._google("videos.list", call, part="status,processingDetails", id=remote_id).get("items") or ()
        if not found:
            return RemoteStatus(state="removed", remote_id=remote_id)
        told = found[0].get("status") or {}
        match told.get("uploadStatus"):
            case "failed" | "rejected":
                reason = str(told.get("rejectionReason") or told.get("failureReason") or "")
                said = rejection(reason).outcome.reason
                return RemoteStatus(state="rejected", remote_id=remote_id, reason=said)
            case "deleted":
                return RemoteStatus(state="removed", remote_id=remote_id)
            case "processed":
                live = True
            case _:
                live = False
        return RemoteStatus(
            state="live" if live else "processing",
            remote_id=remote_id,
            url=_url(remote_id),
            visibility=told.get("privacyStatus"),
        )

    def edit(self, remote_id: str, content: PostContent, call: Call) -> None:
        """Title, description and tags; what else YouTube keeps with them is read first and sent back."""
        found = self._google("videos.list", call, part="snippet", id=remote_id).get("items") or ()
        if not found:
            reason = "YouTube no longer has this video."
            raise trouble(OutcomeClass.PERMANENT, reason, code="videoNotFound")
        old = found[0]["snippet"]
        kept = {name: old[name] for name in ("categoryId", "defaultLanguage", "defaultAudioLanguage") if name in old}
        snippet = {**kept, "title": content.title, "description": content.caption, "tags": list(content.tags)}
        self._google("videos.update", call, part="snippet", body={"id": remote_id, "snippet": snippet})

    def delete(self, remote_id: str, call: Call) -> None:
        """For good; one that is gone already counts as deleted."""
        try:
            self._google("videos.delete", call, accept_gone=True, id=remote_id)
        except GoogleError as error:
            if error.answer.status != 404:
                raise

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:
        """Counters of up to fifty videos, and their watch time where Analytics was granted (it lags two to three days)."""
        asked = list(remote_ids[: self.capabilities.metrics_batch])
        found = self._google("videos.list", call, part="statistics", id=",".join(asked)).get("items") or ()
        watched = watch_times(self._report(asked, call)) if ANALYTICS in call.tokens.scopes else {}
        return tuple(metrics_of(each, watched) for each in found)

    def recent(self, call: Call, *, cursor: str | None = None, at_most: int = 20) -> RecentPage:
        """The channel's own uploads."""
        where: dict[str, Any] = {"playlistId": self._uploads(call), "maxResults": min(at_most, 50)}
        if cursor:
            where["pageToken"] = cursor
        listed = self._google("playlistItems.list", call, part="contentDetails", **where)
        ids = [each["contentDetails"]["videoId"] for each in listed.get("items") or ()]
        if not ids:
            return RecentPage(posts=(), cursor=listed.get("nextPageToken"))
        parts = "snippet,contentDetails,statistics"
        videos = self._google("videos.list", call, part=parts, id=",".join(ids)).get("items") or ()
        by_id = {each["id"]: each for each in videos}
        posts = tuple(_recent(by_id[each]) for each in ids if each in by_id)
        return RecentPage(posts=posts, cursor=listed.get("nextPageToken"))

    def subscribe(self, remote_id: str, *, callback: str, secret: str, wanted: bool = True) -> None:
        """To the channel's feed, at Google's WebSub hub."""
        topic = self._settings.youtube_websub_topic
        form = subscription_form(topic, remote_id, callback=callback, secret=secret, wanted=wanted)
        answer = send("POST", self._settings.youtube_websub_hub_url, platform=HUB, form=form, timeout=30.0)
        if not answer.ok:
            kind = OutcomeClass.RETRY if answer.status >= 500 or answer.status == 429 else OutcomeClass.PERMANENT
            reason = f"{HUB} did not take the subscription ({answer.status})."
            raise trouble(kind, reason, code=str(answer.status), raw=answer.excerpt((secret,)))

    def feed_answer(self, remote_id: str, query: Mapping[str, str]) -> FeedAnswer | None:
        """The hub's verification of a subscription to the channel's feed, or its refusal."""
        return feed_answer(query, topic=self._settings.youtube_websub_topic, channel=remote_id)

    def parse_feed(self, headers: Mapping[str, str], body: bytes, *, secret: str) -> tuple[WebhookEvent, ...]:
        """An Atom feed of new, changed and deleted videos."""
        return events_of(headers, body, secret)

    # Steps

    def _session(self, intent: PublishIntent, call: Call) -> StepResult:
        content, video = intent.content, intent.video
        notify = "true" if content.options.get("notify_subscribers") == "yes" else "false"
        query = urlencode({"uploadType": "resumable", "part": "snippet,status", "notifySubscribers": notify})
        answer = send(
            "POST",
            f"{self._base}/upload/youtube/v3/videos?{query}",
            platform=self.title,
            headers={
                "authorization": f"Bearer {call.tokens.access_token}",
                "x-upload-content-length": str(video.size),
                "x-upload-content-type": video.mime_type,
            },
            json=_resource(intent),
            timeout=self._settings.platform_timeout_seconds,
        )
        self._judge(answer, call)
        location = answer.headers.get("location", "")
        if not location:
            raise trouble(OutcomeClass.RETRY, "YouTube began an upload and did not say where.", code="no_location")
        return StepResult(state=PublishState(step="sending", session_url=location, opened_at=call.now()))

    def _chunk(self, intent: PublishIntent, state: PublishState, call: Call, *, committing: bool) -> StepResult:
        assert call.video is not None
        assert state.session_url is not None
        size, first = intent.video.size, state.offset
        end = min(first + self._chunk_bytes, size)
        piece = FileSlice(path=call.video.path, offset=first, length=end - first)
        answer = self._put(
            state.session_url,
            intent,
            call,
            content_range=f"bytes {first}-{end - 1}/{size}",
            body=piece,
            committing=committing,
        )
        if answer.status == 308:
            return StepResult(state=msgspec.structs.replace(state, offset=_stored(answer)), committed=False)
        if answer.ok:
            return self._committed(answer, state, size)
        if answer.status in _GONE:
            if committing:
                reason = "YouTube no longer knows the upload, so it is being checked whether the video exists."
                raise trouble(OutcomeClass.UNKNOWN, reason, code=str(answer.status))
            reason = "YouTube no longer knows the upload, so it begins again."
            raise trouble(OutcomeClass.RESTART, reason, code=str(answer.status))
        self._judge(answer, call, committing=committing)
        raise trouble(OutcomeClass.RETRY, "YouTube's upload gave an answer that says nothing.", code=str(answer.status))

    def _committed(self, answer: Answer, state: PublishState, size: int) -> StepResult:
        video = answer.document()
        remote_id = str(video.get("id", ""))
        if not remote_id:
            reason = "YouTube took the video and named no id, so it is being looked for."
            raise trouble(OutcomeClass.UNKNOWN, reason, code="no_id")
        told = (video.get("status") or {}).get("privacyStatus")
        done = msgspec.structs.replace(state, step="processing", offset=size, handle=remote_id)
        published = Published(remote_id=remote_id, url=_url(remote_id), visibility=told, live=False)
        return StepResult(state=done, committed=True, published=published)

    def _processing(self, state: PublishState, call: Call) -> StepResult:
        remote_id = state.handle or ""
        now = self.status(remote_id, call)
        if now.state == "rejected":
            raise trouble(OutcomeClass.PERMANENT, now.reason, code="rejected")
        if now.state == "removed":
            reason = "The video was removed from YouTube before its check was over."
            raise trouble(OutcomeClass.PERMANENT, reason, code="removed")
        published = Published(remote_id=remote_id, url=now.url, visibility=now.visibility, live=now.state == "live")
        if now.state == "live":
            return StepResult(state=msgspec.structs.replace(state, step="over"), published=published)
        wait = poll_wait(state.polls, POLLS)
        polled = msgspec.structs.replace(state, polls=state.polls + 1)
        return StepResult(state=polled, wait=wait, reason="YouTube is processing the video.", published=published)

    def _found(self, remote_id: str, state: PublishState, evidence: str) -> Reconciled:
        published = Published(remote_id=remote_id, url=_url(remote_id), live=False)
        after = msgspec.structs.replace(state, step="processing", handle=remote_id)
        return Reconciled(verdict=Verdict.FOUND, evidence=evidence, state=after, published=published)

    def _newest(self, call: Call) -> list[dict[str, Any]]:
        listed = self._google(
            "playlistItems.list", call, part="contentDetails", playlistId=self._uploads(call), maxResults=10
        )
        ids = [each["contentDetails"]["videoId"] for each in listed.get("items") or ()]
        if not ids:
            return []
        return list(self._google("videos.list", call, part="snippet", id=",".join(ids)).get("items") or ())

    def _uploads(self, call: Call) -> str:
        known = call.facts.get("uploads")
        if known:
            return known
        found = self._google("channels.list", call, part="contentDetails", mine=True)["items"]
        return str(found[0]["contentDetails"]["relatedPlaylists"]["uploads"])

    def _report(self, asked: Sequence[str], call: Call) -> dict[str, Any]:
        today = call.now().astimezone(PACIFIC).date()
        return self._google(
            "reports.query",
            call,
            document="youtubeAnalytics.v2.json",
            base=self._settings.youtube_analytics_base,
            ids="channel==MINE",
            # Before YouTube itself, which is the same as "from the beginning".
            startDate="2005-02-14",
            endDate=today.isoformat(),
            metrics="estimatedMinutesWatched,averageViewDuration,shares",
            dimensions="video",
            filters=f"video=={','.join(asked)}",
            maxResults=200,
            sort="-estimatedMinutesWatched",
        )

    # Requests

    def _token(self, form: Mapping[str, str], now: Clock) -> Tokens:
        secret = self._settings.youtube_client_secret
        client = {
            "client_id": self._settings.youtube_client_id or "",
            "client_secret": secret.get_secret_value() if secret else "",
        }
        answer = send(
            "POST", self._settings.google_token_url, platform=self.title, form={**form, **client}, timeout=30.0
        )
        if answer.status in {400, 401}:
            reason = "Google no longer renews this connection; connect the channel again."
            if form["grant_type"] == "authorization_code":
                reason = "Google did not take the sign-in; start connecting the channel again."
            raw = answer.excerpt((*form.values(), client["client_secret"]))
            raise trouble(OutcomeClass.RECONNECT, reason, code=reason_of(answer) or "invalid_grant", raw=raw)
        self._judge(answer, Call(tokens=Tokens(access_token=""), account_id="", now=now))
        read = answer.document()
        return Tokens(
            access_token=read["access_token"],
            refresh_token=read.get("refresh_token"),
            expires_at=now() + timedelta(seconds=float(read.get("expires_in", 3599))),
            scopes=tuple(str(read.get("scope", "")).split()),
            obtained_at=now(),
        )

    def _put(
        self,
        url: str,
        intent: PublishIntent,
        call: Call,
        *,
        content_range: str,
        body: FileSlice | None = None,
        committing: bool = False,
    ) -> Answer:
        return send(
            "PUT",
            url,
            platform=self.title,
            headers={
                "authorization": f"Bearer {call.tokens.access_token}",
                "content-type": intent.video.mime_type,
                "content-range": content_range,
            },
            body=body,
            timeout=self._settings.platform_timeout_seconds * 10,
            committing=committing,
            policy=policy_for_opaque_url(url, base=self._base),
        )

    def _google(
        self,
        path: str,
        call: Call,
        *,
        document: str = "youtube.v3.json",
        base: str | None = None,
        accept_gone: bool = False,
        **parameters: Any,
    ) -> dict[str, Any]:
        try:
            return google_call(
                document,
                base or self._base,
                call.tokens.access_token,
                path,
                timeout=self._settings.platform_timeout_seconds,
                **parameters,
            )
        except GoogleError as error:
            if accept_gone and error.answer.status == 404:
                raise
            self._judge(error.answer, call)
            raise

    def _judge(self, answer: Answer, call: Call, *, committing: bool = False) -> None:
        raised = judged(answer, now=call.now(), secrets=call.tokens.secrets, committing=committing)
        if raised is not None:
            raise raised


def adapter(settings: Settings) -> YouTube:
    """YouTube under these settings."""
    return YouTube(settings)


def _resource(intent: PublishIntent) -> dict[str, Any]:
    content = intent.content
    tags = list(content.tags)
    # Our own mark, by which the video is found again; left out rather than a tag of the person's.
    if tags_length([*tags, intent.marker]) <= MOST_TAGS:
        tags.append(intent.marker)
    return {
        "snippet": {
            "title": content.title,
            "description": content.caption,
            "tags": tags,
            "categoryId": content.options.get("category", PEOPLE_AND_BLOGS),
        },
        "status": {
            "privacyStatus": content.visibility,
            "selfDeclaredMadeForKids": content.made_for_kids,
            "containsSyntheticMedia": content.made_with_ai,
            "embeddable": content.options.get("embeddable", "yes") == "yes",
            "license": "youtube",
            "publicStatsViewable": True,
        },
    }


def _profile(found: Mapping[str, Any]) -> Profile:
    snippet = found["snippet"]
    pictures = snippet.get("thumbnails") or {}
    best = pictures.get("high") or pictures.get("default") or {}
    return Profile(
        remote_id=str(found["id"]),
        name=str(snippet.get("title", "")),
        username=str(snippet.get("customUrl", "")),
        avatar_url=best.get("url"),
        url=f"https://www.youtube.com/channel/{found['id']}",
        kind="channel",
        facts={"uploads": str(found["contentDetails"]["relatedPlaylists"]["uploads"])},
    )


def _recent(video: Mapping[str, Any]) -> RecentPost:
    snippet = video["snippet"]
    return RecentPost(
        remote_id=str(video["id"]),
        published_at=datetime.fromisoformat(snippet["publishedAt"]),
        title=snippet.get("title", ""),
        caption=snippet.get("description", ""),
        url=_url(str(video["id"])),
        duration=duration_seconds((video.get("contentDetails") or {}).get("duration", "")),
        cover_url=((snippet.get("thumbnails") or {}).get("high") or {}).get("url"),
        metrics=metrics_of(video, {}),
    )


def _stored(answer: Answer) -> int:
    """How many bytes YouTube says it has; what was sent does not count."""
    found = _RANGE.fullmatch(answer.headers.get("range", ""))
    return int(found[1]) + 1 if found else 0


def _url(remote_id: str) -> str:
    return f"https://www.youtube.com/watch?v={remote_id}"
