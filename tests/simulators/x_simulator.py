"""X as its v2 interface behaves: strict about media uploads, texts and tokens."""

import base64
import hashlib
import itertools
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from simulator_base import FakeClock, FaultKind, Harness, Refused, Request, Response, Simulator, Token, route

from cliply_resources.platforms.documents import PostContent, Tokens

SCOPES = ("tweet.read", "tweet.write", "users.read", "media.write", "offline.access")
CONVERTS = 3.0  # seconds
PROBLEM = "https://api.x.com/2/problems/"
MOST_SEGMENT = 5 * 1024 * 1024
OPTIONAL = {"text", "media", "reply_settings", "made_with_ai", "paid_partnership", "reply", "quote_tweet_id"}


@dataclass
class Media:
    account: str
    size: int
    expires_at: datetime
    segments: dict[int, int] = field(default_factory=dict)
    ready_at: datetime | None = None
    failed: bool = False


@dataclass
class Post:
    account: str
    text: str
    at: datetime
    media: tuple[str, ...]


def problem(status: int, kind: str, detail: str) -> Response:
    body = {"title": kind, "detail": detail, "type": f"{PROBLEM}{kind}", "status": status}
    return Response(status, body, {"Content-Type": "application/problem+json"})


class XSimulator(Simulator):
    def __init__(self, clock: FakeClock | None = None) -> None:
        self.codes: dict[str, tuple[str, str, str, datetime]] = {}
        self.media: dict[str, Media] = {}
        self.tweets: dict[str, Post] = {}
        self.spent = 0.0
        self.numbers = itertools.count(1880028106020515840)
        self.cap_reached = False
        self.families: dict[str, str] = {}
        super().__init__(clock)

    def connect(self, account: str = "1001") -> Token:
        number = next(self.numbers)
        self.families[f"rt-{number}"] = account
        return self.give_token(f"at-{number}", account, seconds=7200, scopes=SCOPES, refresh=f"rt-{number}")

    def unauthorized(self, asked: Request) -> Response:
        return Response(401, {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"})

    def forbidden(self, asked: Request, scope: str) -> Response:
        return problem(403, "client-forbidden", f"The token lacks the permission {scope}.")

    def too_many(self, asked: Request, fault: Any) -> Response:
        reset = str(int((self.clock() + timedelta(seconds=fault.retry_after or 1)).timestamp()))
        headers = {"x-rate-limit-limit": "100", "x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
        return Response(429, {"title": "Too Many Requests", "type": "about:blank", "status": 429}, headers)

    # Signing in

    @route("GET", "/i/oauth2/authorize")
    def authorize(self, asked: Request) -> Response:
        query = asked.query
        wanted = {"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge"}
        if not wanted <= set(query) or query["code_challenge_method"] != "S256":
            return problem(400, "invalid-request", "A parameter is missing.")
        code = f"code-{next(self.numbers)}"
        self.codes[code] = (query["code_challenge"], query["redirect_uri"], query["scope"], self.clock())
        return Response(
            302, b"", {"Location": f"{query['redirect_uri']}?{urlencode({'state': query['state'], 'code': code})}"}
        )

    @route("POST", "/2/oauth2/token")
    def token(self, asked: Request) -> Response:
        form = asked.form()
        basic = asked.headers.get("authorization", "")
        if basic != f"Basic {base64.b64encode(b'app:hush').decode()}":
            return Response(401, {"error": "unauthorized_client"})
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form.get("refresh_token", ""))
        challenge, redirect, scope, given_at = self.codes.pop(form.get("code", ""), ("", "", "", self.clock()))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        fits = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        late = self.clock() - given_at > timedelta(seconds=30)
        if not fits or late or form.get("redirect_uri") != redirect:
            return Response(
                400, {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
            )
        return self._pair("1001", tuple(scope.split()))

    def _refreshed(self, old: str) -> Response:
        if old not in self.families:
            return Response(400, {"error": "invalid_request"})
        holder = next((token for token in self.tokens.values() if token.refresh == old), None)
        if holder is None or holder.revoked:
            # A spent one: somebody has a copy, so the whole family ends.
            for token in self.tokens.values():
                if token.account == self.families[old]:
                    token.revoked = True
            return Response(400, {"error": "invalid_grant"})
        holder.revoked = True
        return self._pair(holder.account, holder.scopes)

    def _pair(self, account: str, scopes: tuple[str, ...]) -> Response:
        new = self.connect(account)
        new.scopes = scopes
        body = {"token_type": "bearer", "expires_in": 7200, "access_token": new.value, "scope": " ".join(scopes)}
        return Response(200, {**body, "refresh_token": new.refresh})

    @route("POST", "/2/oauth2/revoke")
    def revoke(self, asked: Request) -> Response:
        for token in self.tokens.values():
            if asked.form().get("token") in {token.value, token.refresh}:
                token.revoked = True
        return Response(200, {"revoked": True})

    @route("GET", "/2/users/me")
    def me(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="users.read").account
        told = {"id": account, "name": "Ann", "username": "ann", "verified_type": "none"}
        return Response(200, {"data": {**told, "profile_image_url": f"{self.url}/ann.png"}})

    # Media

    @route("POST", "/2/media/upload/initialize")
    def initialize(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="media.write").account
        wanted = asked.json() or {}
        if wanted.get("media_category") != "tweet_video" or wanted.get("media_type") != "video/mp4":
            return problem(400, "invalid-request", "media_type is not valid.")
        name = str(next(self.numbers))
        self.media[name] = Media(account, int(wanted["total_bytes"]), self.clock() + timedelta(days=1))
        return Response(200, {"data": {"id": name, "media_key": f"13_{name}", "expires_after_secs": 86400}})

    @route("POST", r"/2/media/upload/(?P<media>\d+)/append")
    def append(self, asked: Request) -> Response:
        media = self._media(asked)
        parts = asked.parts()
        if set(parts) != {"media", "segment_index"}:
            return problem(400, "invalid-request", "media and segment_index are needed.")
        index, content = int(parts["segment_index"][1]), parts["media"][1]
        if not 0 <= index <= 999 or len(content) > MOST_SEGMENT:
            return Response(413, {"title": "Payload Too Large", "status": 413})
        media.segments[index] = len(content)
        return Response(200, {"data": {"expires_at": int(media.expires_at.timestamp())}})

    @route("POST", r"/2/media/upload/(?P<media>\d+)/finalize")
    def finalize(self, asked: Request) -> Response:
        media = self._media(asked)
        whole = sorted(media.segments) == list(range(len(media.segments)))
        if not whole or sum(media.segments.values()) != media.size:
            return problem(400, "invalid-request", "Segments do not add up to provided total file size of the media.")
        media.ready_at = media.ready_at or self.clock() + timedelta(seconds=CONVERTS)
        return self._told(asked, media)

    @route("GET", "/2/media/upload")
    def status(self, asked: Request) -> Response:
        if asked.query.get("command") != "STATUS":
            return problem(400, "invalid-request", "command is not valid.")
        return self._told(asked, self._media(asked))

    def _media(self, asked: Request) -> Media:
        account = self.account_of(asked, scope="media.write").account
        name = asked.match.get("media") or asked.query.get("media_id", "")
        if name in self.media and self.fault_is(FaultKind.LOSE_SESSION, asked):
            del self.media[name]
        media = self.media.get(name)
        if media is None or media.account != account or media.expires_at <= self.clock():
            raise Refused(problem(404, "resource-not-found", f"Could not find media with id {name}."))
        return media

    def _told(self, asked: Request, media: Media) -> Response:
        name = asked.match.get("media") or asked.query["media_id"]
        if media.ready_at is not None and self.fault_is(FaultKind.REJECT, asked):
            media.failed = True
        if self.fault_is(FaultKind.STUCK, asked) and media.ready_at is not None:
            media.ready_at = self.clock() + timedelta(seconds=20)
        info: dict[str, Any] = {"state": "pending", "check_after_secs": 1, "progress_percent": 0}
        if media.failed:
            error = {"code": 1, "name": "InvalidMedia", "message": "Unsupported video format"}
            info = {"state": "failed", "error": error}
        elif media.ready_at is not None and media.ready_at <= self.clock():
            info = {"state": "succeeded", "progress_percent": 100}
        data = {"id": name, "media_key": f"13_{name}", "size": media.size, "expires_after_secs": 86400}
        return Response(200, {"data": {**data, "processing_info": info}})

    # Posts

    @route("POST", "/2/tweets")
    def tweet(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="tweet.write").account
        if self.cap_reached:
            return problem(403, "usage-capped", "Usage cap exceeded.")
        wanted = asked.json() or {}
        if set(wanted) - OPTIONAL:
            return problem(400, "invalid-request", "One or more parameters to your request was invalid.")
        ids = wanted.get("media", {}).get("media_ids", [])
        for name in ids:
            media = self.media.get(name)
            ready = media is not None and media.ready_at is not None and media.ready_at <= self.clock()
            if media is None or media.account != account or not ready or media.expires_at <= self.clock():
                return problem(400, "invalid-request", "Your media IDs are invalid.")
        text = wanted.get("text", "")
        if any(post.account == account and post.text == text for post in self.tweets.values()):
            detail = "You are not allowed to create a Tweet with duplicate content."
            return Response(403, {"title": "Forbidden", "detail": detail, "type": "about:blank", "status": 403})
        name = str(next(self.numbers))
        self.tweets[name] = Post(account, text, self.clock(), tuple(ids))
        self.spent += 0.2 if re.search(r"https?://", text) else 0.015
        self.ledger.publish(account=account, remote_id=name, key=text)
        return Response(
            201, {"data": {"id": name, "text": f"{text} https://t.co/abc", "edit_history_tweet_ids": [name]}}
        )

    @route("GET", r"/2/users/(?P<user>\d+)/tweets")
    def timeline(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="tweet.read").account
        count = int(asked.query.get("max_results", "10"))
        if not 5 <= count <= 100:
            return problem(400, "invalid-request", "max_results must be between 5 and 100.")
        mine = [name for name, post in reversed(self.tweets.items()) if post.account == account]
        first = int(asked.query.get("pagination_token", "0"))
        shown = mine[first : first + count]
        meta: dict[str, Any] = {"result_count": len(shown)}
        if len(mine) > first + count:
            meta["next_token"] = str(first + count)
        return Response(
            200, {"data": [self._shown(name) for name in shown], "includes": self._media_of(shown), "meta": meta}
        )

    @route("GET", "/2/tweets")
    def several(self, asked: Request) -> Response:
        self.account_of(asked, scope="tweet.read")
        names = asked.query["ids"].split(",")
        here = [name for name in names if name in self.tweets]
        gone = [
            {"value": name, "type": f"{PROBLEM}resource-not-found", "title": "Not Found Error"}
            for name in names
            if name not in here
        ]
        old = [name for name in here if self.clock() - self.tweets[name].at > timedelta(days=30)]
        private = [{"value": name, "type": f"{PROBLEM}field-unauthorized", "detail": "Too old."} for name in old]
        body: dict[str, Any] = {
            "data": [self._shown(name) for name in here],
            "includes": self._media_of(here, hide=set(old)),
        }
        return Response(200, {**body, **({"errors": gone + private} if gone or private else {})})

    @route("GET", r"/2/tweets/(?P<tweet>\d+)")
    def one(self, asked: Request) -> Response:
        self.account_of(asked, scope="tweet.read")
        name = asked.match["tweet"]
        if name not in self.tweets:
            return Response(
                200,
                {
                    "errors": [
                        {"value": name, "type": f"{PROBLEM}resource-not-found", "detail": "Could not find tweet."}
                    ]
                },
            )
        return Response(200, {"data": self._shown(name)})

    @route("DELETE", r"/2/tweets/(?P<tweet>\d+)")
    def delete(self, asked: Request) -> Response:
        self.account_of(asked, scope="tweet.write")
        if self.tweets.pop(asked.match["tweet"], None) is None:
            return problem(404, "resource-not-found", "Could not find tweet.")
        return Response(200, {"data": {"deleted": True}})

    def _shown(self, name: str) -> dict[str, Any]:
        post = self.tweets[name]
        hours = (self.clock() - post.at) / timedelta(hours=1)
        counts = {"like_count": int(hours), "reply_count": 2, "retweet_count": 3, "quote_count": 1, "bookmark_count": 4}
        return {
            "id": name,
            "text": f"{post.text} https://t.co/abc",
            "created_at": post.at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "attachments": {"media_keys": [f"13_{media}" for media in post.media]},
            "public_metrics": {**counts, "impression_count": int(50 * hours)},
        }

    def _media_of(self, names: list[str], *, hide: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
        media = []
        for name in names:
            for each in self.tweets[name].media:
                told = {
                    "media_key": f"13_{each}",
                    "type": "video",
                    "duration_ms": 20_000,
                    "width": 1080,
                    "height": 1920,
                }
                told["public_metrics"] = {"view_count": 77}
                if name not in hide:
                    told["non_public_metrics"] = {"playback_0_count": 70, "playback_100_count": 12}
                media.append(told)
        return {"media": media}


def _connected(simulator: XSimulator) -> Tokens:
    token = simulator.connect()
    return Tokens(access_token=token.value, refresh_token=token.refresh, expires_at=token.expires_at, scopes=SCOPES)


HARNESS = Harness(
    name="x",
    simulator=XSimulator,
    settings=lambda simulator: {
        "x_client_id": "app",
        "x_client_secret": "hush",
        "x_authorize_url": f"{simulator.url}/i/oauth2/authorize",
        "x_api_base": simulator.url,
    },
    connect=_connected,
    content=lambda text: PostContent(caption=text),
    sizes=(300_000, 2_500_000),
    commit_path="^/2/tweets$",
    commit_method="POST",
    faults=tuple(kind for kind in FaultKind if kind not in {FaultKind.LATE_ID, FaultKind.PARTIAL}),
)
