"""YouTube's Data API as it behaves: sessions that keep less than was sent, quotas, its own check, and numbers as text."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from simulator_base import FakeClock, FaultKind, Harness, Refused, Request, Response, Simulator, Token, route

from cliply_resources.platforms.documents import PostContent, Tokens
from cliply_resources.platforms.youtube import YouTube

SCOPE = "https://www.googleapis.com/auth/"
SCOPES = tuple(
    f"{SCOPE}{name}" for name in ("youtube.upload", "youtube.readonly", "youtube.force-ssl", "yt-analytics.readonly")
)
UPLOAD, READ, WRITE, ANALYTICS = SCOPES
CHANNEL, UPLOADS = "UC0123456789abcdefghijkl", "UU0123456789abcdefghijkl"
PROCESSES = 8.0  # seconds
KIB_256 = 262_144
COSTS = {"list": 1, "update": 50, "delete": 50}


@dataclass
class Session:
    account: str
    size: int
    resource: dict[str, Any]
    made_at: datetime
    data: int = 0
    video: str | None = None


@dataclass
class Video:
    account: str
    resource: dict[str, Any]
    at: datetime
    size: int
    refused: str = ""
    deleted: bool = False
    ready_at: datetime | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def failure(status: int, reason: str, domain: str = "youtube.video", message: str = "An error") -> Response:
    listed = [{"domain": domain, "reason": reason, "message": message}]
    return Response(status, {"error": {"code": status, "message": message, "errors": listed}})


class YouTubeSimulator(Simulator):
    def __init__(self, clock: FakeClock | None = None) -> None:
        self.sessions: dict[str, Session] = {}
        self.videos: dict[str, Video] = {}
        self.codes: dict[str, tuple[str, str, str]] = {}
        self.inserts_left, self.units_left = 100, 10_000
        self.has_channel = True
        self.force_privacy: str | None = None
        self.upload_limit = False
        self.feeds: dict[str, dict[str, str]] = {}  # by callback, what was asked for last
        self.leases: dict[str, datetime] = {}
        super().__init__(clock)

    def connect(self, account: str = "ann", scopes: tuple[str, ...] = SCOPES) -> Token:
        name = uuid4().hex
        return self.give_token(f"ya29.{name}", account, seconds=3599, scopes=scopes, refresh=f"1//{name}")

    def unauthorized(self, asked: Request) -> Response:
        return failure(401, "authError", "global", "Invalid Credentials")

    def forbidden(self, asked: Request, scope: str) -> Response:
        return failure(403, "insufficientPermissions", "global", "Insufficient Permission")

    def broken(self, asked: Request, fault: Any) -> Response:
        return failure(fault.status if fault.status != 500 else 503, "backendError", "global")

    # Signing in

    @route("GET", "/o/oauth2/v2/auth")
    def authorize(self, asked: Request) -> Response:
        query = asked.query
        if (query.get("access_type"), query.get("prompt"), query.get("code_challenge_method")) != (
            "offline",
            "consent",
            "S256",
        ):
            return Response(400, {"error": "invalid_request"})
        code = f"4/{uuid4().hex}"
        self.codes[code] = (query["redirect_uri"], query["code_challenge"], query["scope"])
        return Response(
            302, b"", {"Location": f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"}
        )

    @route("POST", "/token")
    def token(self, asked: Request) -> Response:
        form = asked.form()
        if (form.get("client_id"), form.get("client_secret")) != ("app", "hush"):
            return Response(401, {"error": "invalid_client"})
        if form.get("grant_type") == "refresh_token":
            held = next((token for token in self.tokens.values() if token.refresh == form.get("refresh_token")), None)
            if held is None or held.revoked:
                return Response(
                    400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
                )
            new = self.give_token(
                f"ya29.{uuid4().hex}", held.account, seconds=3599, scopes=held.scopes, refresh=held.refresh
            )
            return Response(200, {"access_token": new.value, "expires_in": 3599, "scope": " ".join(new.scopes)})
        redirect, challenge, scope = self.codes.pop(form.get("code", ""), ("", "", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        fits = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        if not fits or form.get("redirect_uri") != redirect:
            return Response(400, {"error": "invalid_grant", "error_description": "Malformed auth code."})
        new = self.connect(scopes=tuple(scope.split()))
        told = {"access_token": new.value, "expires_in": 3599, "refresh_token": new.refresh, "scope": scope}
        return Response(200, {**told, "token_type": "Bearer"})

    @route("POST", "/revoke")
    def revoke(self, asked: Request) -> Response:
        for token in self.tokens.values():
            if asked.form().get("token") in {token.value, token.refresh}:
                token.revoked = True
        return Response(200, {})

    # The hub of feeds. It calls back only when a test says so: real ones may take seconds, days, or forget it.

    @route("POST", "/subscribe")
    def subscribe(self, asked: Request) -> Response:
        form = asked.form()
        known = form.get("hub.mode") in {"subscribe", "unsubscribe"} and form.get("hub.verify") == "async"
        topic = urlsplit(form.get("hub.topic", ""))
        if not known or topic.path != "/xml/feeds/videos.xml" or not form.get("hub.callback", "").startswith("http"):
            return Response(400, "Invalid value for hub.topic")
        self.feeds[form["hub.callback"]] = form
        return Response(202)

    def verify_feed(self, callback: str, get: Callable[..., Any], **changed: str) -> int:
        """Asks the subscriber whether it means it, by `get(path, params=…)`; the status of its answer."""
        form, challenge = self.feeds[callback], uuid4().hex
        asked = {"hub.mode": form["hub.mode"], "hub.topic": form["hub.topic"], "hub.challenge": challenge}
        lease = form.get("hub.lease_seconds", "432000")
        answer = get(urlsplit(callback).path, params=asked | {"hub.lease_seconds": lease} | changed)
        if answer.status_code == 200 and answer.text == challenge:
            self.leases[callback] = self.clock() + timedelta(seconds=float(lease))
            if form["hub.mode"] == "unsubscribe":
                del self.leases[callback]
        return int(answer.status_code)

    def push_feed(self, callback: str, post: Callable[..., Any], feed: str) -> int:
        """Tells the subscriber of the feed, signed, where it is leased; the status of its answer, or 0."""
        if self.leases.get(callback, self.clock()) <= self.clock():
            return 0
        body = feed.encode()
        signed = hmac.new(self.feeds[callback]["hub.secret"].encode(), body, hashlib.sha1).hexdigest()
        headers = {"Content-Type": "application/atom+xml", "X-Hub-Signature": f"sha1={signed}"}
        return int(post(urlsplit(callback).path, content=body, headers=headers).status_code)

    # Uploading

    @route("POST", "/upload/youtube/v3/videos")
    def session(self, asked: Request) -> Response:
        token = self.account_of(asked, scope=UPLOAD)
        if self.inserts_left <= 0:
            return failure(403, "quotaExceeded", "youtube.quota", "The request cannot be completed.")
        self.inserts_left -= 1
        if self.upload_limit:
            return failure(400, "uploadLimitExceeded")
        resource = asked.json() or {}
        snippet, size = resource["snippet"], asked.headers.get("x-upload-content-length", "")
        title = snippet.get("title", "")
        if asked.query.get("uploadType") != "resumable" or not size.isdigit():
            return failure(400, "badRequest", "global")
        if not 1 <= len(title) <= 100 or set("<>") & set(title):
            return failure(400, "invalidTitle")
        if len(snippet.get("description", "").encode()) > 5000:
            return failure(400, "invalidDescription")
        if sum(map(len, snippet.get("tags", []))) > 500:
            return failure(400, "invalidTags")
        name = uuid4().hex
        self.sessions[name] = Session(token.account, int(size), resource, self.clock())
        query = urlencode({"uploadType": "resumable", "upload_id": name})
        return Response(200, b"", {"Location": f"{self.url}/upload/youtube/v3/videos?{query}"})

    @route("PUT", "/upload/youtube/v3/videos")
    def upload(self, asked: Request) -> Response:
        name = asked.query.get("upload_id", "")
        session = self.sessions.get(name)
        if session is not None and session.video is None and self.fault_is(FaultKind.LOSE_SESSION, asked):
            del self.sessions[name]
            session = None
        if session is None:
            return Response(404)
        self.account_of(asked, scope=UPLOAD)
        if session.video is not None:
            return Response(200, self._told(session.video))
        wanted = asked.headers.get("content-range", "")
        if wanted == f"bytes */{session.size}":
            return self._partly(session)
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", wanted)
        if found is None:
            return failure(400, "badRequest", "global")
        first, last, size = map(int, found.groups())
        whole = last + 1 == size
        if size != session.size or last - first + 1 != len(asked.body) or (not whole and len(asked.body) % KIB_256):
            return failure(400, "badRequest", "global")
        if first > session.data:
            return self._partly(session)
        kept = last + 1
        if self.fault_is(FaultKind.PARTIAL, asked):
            kept = first + (last - first + 1) // 2 // KIB_256 * KIB_256
        session.data = max(session.data, kept)
        if session.data < session.size:
            return self._partly(session)
        session.video = self._publish(session, asked)
        return Response(201, self._told(session.video))

    @staticmethod
    def _partly(session: Session) -> Response:
        return Response(308, b"", {"Range": f"bytes=0-{session.data - 1}"} if session.data else {})

    def _publish(self, session: Session, asked: Request) -> str:
        name = uuid4().hex[:11]
        video = Video(session.account, session.resource, self.clock(), session.size)
        video.ready_at = self.clock() + timedelta(seconds=PROCESSES)
        if self.fault_is(FaultKind.REJECT, asked):
            video.refused = "copyright"
        if self.force_privacy:
            video.resource["status"]["privacyStatus"] = self.force_privacy
        self.videos[name] = video
        self.ledger.publish(account=session.account, remote_id=name, key=session.resource["snippet"]["title"])
        return name

    # Reading and changing

    def _spend(self, asked: Request, what: str, scope: str = READ) -> str:
        account = self.account_of(asked, scope=scope).account
        if self.units_left < COSTS[what]:
            raise Refused(failure(403, "quotaExceeded", "youtube.quota"))
        self.units_left -= COSTS[what]
        return account

    @route("GET", "/youtube/v3/channels")
    def channels(self, asked: Request) -> Response:
        self._spend(asked, "list")
        if not self.has_channel or asked.query.get("mine") != "true":
            return Response(200, {"items": []})
        pictures = {"high": {"url": f"{self.url}/ann.jpg"}}
        snippet = {"title": "Ann's channel", "customUrl": "@ann", "thumbnails": pictures}
        details = {"relatedPlaylists": {"uploads": UPLOADS}}
        return Response(200, {"items": [{"id": CHANNEL, "snippet": snippet, "contentDetails": details}]})

    @route("GET", "/youtube/v3/playlistItems")
    def playlist(self, asked: Request) -> Response:
        account = self._spend(asked, "list")
        if asked.query.get("playlistId") != UPLOADS:
            return failure(404, "playlistNotFound")
        count, first = int(asked.query.get("maxResults", "5")), int(asked.query.get("pageToken", "0"))
        mine = [name for name, video in reversed(self.videos.items()) if video.account == account and not video.deleted]
        told = [{"contentDetails": {"videoId": name}} for name in mine[first : first + count]]
        more = {"nextPageToken": str(first + count)} if len(mine) > first + count else {}
        return Response(200, {"items": told, **more})

    @route("GET", "/youtube/v3/videos")
    def listed(self, asked: Request) -> Response:
        self._spend(asked, "list")
        names = asked.query["id"].split(",")
        for name in names:
            if name in self.videos and self.fault_is(FaultKind.STUCK, asked):
                self.videos[name].ready_at = self.clock() + timedelta(seconds=90)
        here = [name for name in names if name in self.videos and not self.videos[name].deleted]
        return Response(200, {"items": [self._told(name) for name in here]})

    def _told(self, name: str) -> dict[str, Any]:
        video = self.videos[name]
        processed = video.ready_at is not None and video.ready_at <= self.clock()
        status = dict(video.resource["status"])
        status["uploadStatus"] = "uploaded" if not processed else "rejected" if video.refused else "processed"
        if processed and video.refused:
            status["rejectionReason"] = video.refused
        stamp = video.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        counts = {"viewCount": "1234", "likeCount": "56", "commentCount": "7", "dislikeCount": "2"}
        return {
            "kind": "youtube#video",
            "id": name,
            "snippet": {**video.resource["snippet"], "publishedAt": stamp},
            "status": status,
            "processingDetails": {"processingStatus": "succeeded" if processed else "processing"},
            "contentDetails": {"duration": "PT1M2S"},
            "statistics": counts,
        }

    @route("PUT", "/youtube/v3/videos")
    def update(self, asked: Request) -> Response:
        self._spend(asked, "update", WRITE)
        wanted = asked.json() or {}
        video = self.videos.get(wanted.get("id", ""))
        if video is None:
            return failure(404, "videoNotFound")
        if "categoryId" not in wanted["snippet"]:
            return failure(400, "invalidCategoryId")
        video.resource["snippet"] = wanted["snippet"]
        return Response(200, self._told(wanted["id"]))

    @route("DELETE", "/youtube/v3/videos")
    def delete(self, asked: Request) -> Response:
        self._spend(asked, "delete", WRITE)
        video = self.videos.get(asked.query["id"])
        if video is None or video.deleted:
            return failure(404, "videoNotFound")
        video.deleted = True
        return Response(204)

    @route("GET", "/v2/reports")
    def report(self, asked: Request) -> Response:
        self.account_of(asked, scope=ANALYTICS)
        query = asked.query
        if query.get("dimensions") != "video" or "sort" not in query or query.get("ids") != "channel==MINE":
            return failure(400, "badRequest", "global", "The query is not supported.")
        names = query["filters"].removeprefix("video==").split(",")
        columns = [{"name": name} for name in ("video", "estimatedMinutesWatched", "averageViewDuration", "shares")]
        rows = [[name, 200, 14, 9] for name in names if name in self.videos]
        return Response(200, {"kind": "youtubeAnalytics#resultTable", "columnHeaders": columns, "rows": rows})


def _connected(simulator: YouTubeSimulator) -> Tokens:
    token = simulator.connect()
    return Tokens(access_token=token.value, refresh_token=token.refresh, expires_at=token.expires_at, scopes=SCOPES)


def _settings(simulator: YouTubeSimulator) -> dict[str, Any]:
    return {
        "youtube_client_id": "app",
        "youtube_client_secret": "hush",
        "google_authorize_url": f"{simulator.url}/o/oauth2/v2/auth",
        "google_token_url": f"{simulator.url}/token",
        "google_revoke_url": f"{simulator.url}/revoke",
        "youtube_api_base": simulator.url,
        "youtube_analytics_base": simulator.url,
        "youtube_websub_hub_url": f"{simulator.url}/subscribe",
    }


HARNESS = Harness(
    name="youtube",
    simulator=YouTubeSimulator,
    settings=_settings,
    connect=_connected,
    content=lambda text: PostContent(title=text, caption=f"About {text}."),
    # Small chunks, so that the suite moves few bytes.
    sizes=(200_000, 1_200_000),
    platform=lambda settings: YouTube(settings, chunk_bytes=2 * KIB_256),
    commit_path="^/upload/youtube/v3/videos$",
    commit_method="PUT",
    faults=tuple(kind for kind in FaultKind if kind is not FaultKind.LATE_ID),
)
