"""TikTok as its Content Posting and Display APIs behave: envelopes, chunks, moderation, and an id that comes late."""

import hashlib
import itertools
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from simulator_base import FakeClock, FaultKind, Harness, Refused, Request, Response, Simulator, Token, route

from cliply_resources.platforms.contract import VideoSource
from cliply_resources.platforms.documents import PostContent, Tokens
from cliply_resources.platforms.tiktok import TikTok

SCOPES = ("user.info.basic", "user.info.profile", "video.publish", "video.list")
OPTIONS = ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]
PROCESSES, MODERATES = 4.0, 6.0  # seconds
MB = 1_000_000


@dataclass
class Task:
    account: str
    title: str
    level: str
    size: int
    chunk: int
    count: int
    made_at: datetime
    pulled: bool = False
    stored: int = 0
    whole_at: datetime | None = None
    fail_reason: str = ""
    late: bool = False
    post: str | None = None
    sent: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Video:
    account: str
    title: str
    level: str
    at: datetime
    counted: bool = True


def envelope(data: dict[str, Any] | None = None, code: str = "ok", status: int = 200, message: str = "") -> Response:
    return Response(status, {"data": data or {}, "error": {"code": code, "message": message, "log_id": "20261120"}})


class TikTokSimulator(Simulator):
    def __init__(self, clock: FakeClock | None = None, *, desktop: bool = False, pulls: bool = False) -> None:
        self.desktop, self.pulls = desktop, pulls
        self.tasks: dict[str, Task] = {}
        self.videos: dict[str, Video] = {}
        self.codes: dict[str, tuple[str, str, tuple[str, ...]]] = {}
        self.links: set[str] = set()
        self.untick: set[str] = set()
        self.options = list(OPTIONS)
        self.comment_disabled = False
        self.longest = 300
        self.audited = True
        self.per_day = 15
        self.numbers = itertools.count(7_412_345_678_901_234_567)
        super().__init__(clock)

    def connect(self, account: str = "oid-1", scopes: tuple[str, ...] = SCOPES) -> Token:
        name = uuid4().hex
        return self.give_token(f"act.{name}", account, seconds=86400, scopes=scopes, refresh=f"rft.{name}")

    def link_for(self, video: VideoSource) -> VideoSource:
        if not self.pulls:
            return video
        url = f"{self.url}/files/{uuid4().hex}.mp4?signature=hush"
        self.links.add(url)
        return replace(video, link=lambda _: url)

    def unauthorized(self, asked: Request) -> Response:
        return envelope(code="access_token_invalid", status=401, message="The access token is invalid.")

    def forbidden(self, asked: Request, scope: str) -> Response:
        return envelope(code="scope_not_authorized", status=401, message=f"The user did not authorize {scope}.")

    def too_many(self, asked: Request, fault: Any) -> Response:
        return envelope(code="rate_limit_exceeded", status=429)

    def broken(self, asked: Request, fault: Any) -> Response:
        return envelope(code="internal_error", status=fault.status)

    # Signing in

    @route("GET", "/v2/auth/authorize/")
    def authorize(self, asked: Request) -> Response:
        query = asked.query
        if ("code_challenge" in query) != self.desktop or query.get("client_key") != "key":
            return Response(400, {"error": "invalid_request"})
        granted = tuple(scope for scope in query["scope"].split(",") if scope not in self.untick)
        code = uuid4().hex
        self.codes[code] = (query["redirect_uri"], query.get("code_challenge", ""), granted)
        back = urlencode({"code": code, "scopes": ",".join(granted), "state": query["state"]})
        return Response(302, b"", {"Location": f"{query['redirect_uri']}?{back}"})

    @route("POST", "/v2/oauth/token/")
    def token(self, asked: Request) -> Response:
        form = asked.form()
        if asked.headers.get("content-type") != "application/x-www-form-urlencoded":
            return Response(400, {"error": "invalid_request", "log_id": "1"})
        if (form.get("client_key"), form.get("client_secret")) != ("key", "hush"):
            return Response(401, {"error": "invalid_client", "log_id": "1"})
        if form.get("grant_type") == "refresh_token":
            old = next((token for token in self.tokens.values() if token.refresh == form.get("refresh_token")), None)
            if old is None or old.revoked:
                return Response(400, {"error": "invalid_grant", "error_description": "expired", "log_id": "1"})
            old.revoked = True
            return self._pair(old.account, old.scopes)
        redirect, challenge, granted = self.codes.pop(form.get("code", ""), ("", "", ()))
        if not redirect or form.get("redirect_uri") != redirect:
            return Response(400, {"error": "invalid_grant", "error_description": "Code is invalid.", "log_id": "1"})
        if self.desktop and hashlib.sha256(form.get("code_verifier", "").encode()).hexdigest() != challenge:
            said = "Code verifier or code challenge is invalid."
            return Response(400, {"error": "invalid_request", "error_description": said, "log_id": "1"})
        return self._pair("oid-1", granted)

    def _pair(self, account: str, scopes: tuple[str, ...]) -> Response:
        new = self.connect(account, scopes)
        told = {"access_token": new.value, "expires_in": 86400, "open_id": account, "refresh_token": new.refresh}
        return Response(
            200, {**told, "refresh_expires_in": 31_536_000, "scope": ",".join(scopes), "token_type": "Bearer"}
        )

    @route("POST", "/v2/oauth/revoke/")
    def revoke(self, asked: Request) -> Response:
        if found := self.tokens.get(asked.form().get("token", "")):
            found.revoked = True
        return Response(200)

    @route("GET", "/v2/user/info/")
    def user(self, asked: Request) -> Response:
        token = self.account_of(asked, scope="user.info.basic")
        if "username" in asked.query["fields"] and "user.info.profile" not in token.scopes:
            return self.forbidden(asked, "user.info.profile")
        told = {"open_id": token.account, "union_id": "u-1", "avatar_url": f"{self.url}/a.jpg", "display_name": "Ann"}
        if "username" in asked.query["fields"]:
            told["username"] = "ann"
        return envelope({"user": told})

    # Posting

    def _json(self, asked: Request) -> dict[str, Any]:
        if not asked.headers.get("content-type", "").startswith("application/json"):
            raise Refused(envelope(code="invalid_param", status=400, message="Content-Type"))
        return asked.json() or {}

    def _used(self, account: str) -> int:
        since = self.clock() - timedelta(days=1)
        return sum(
            1 for video in self.videos.values() if video.account == account and video.at > since and video.counted
        )

    @route("POST", "/v2/post/publish/creator_info/query/")
    def creator(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="video.publish").account
        self._json(asked)
        if self._used(account) >= self.per_day:
            return envelope(code="spam_risk_too_many_posts")
        told = {"creator_avatar_url": f"{self.url}/a.jpg", "creator_username": "ann", "creator_nickname": "Ann"}
        flags = {"comment_disabled": self.comment_disabled, "duet_disabled": False, "stitch_disabled": True}
        return envelope(
            {**told, **flags, "privacy_level_options": self.options, "max_video_post_duration_sec": self.longest}
        )

    @route("POST", "/v2/post/publish/video/init/")
    def init(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="video.publish").account
        wanted = self._json(asked)
        info, source = wanted["post_info"], wanted["source_info"]
        if info["privacy_level"] not in self.options:
            return envelope(code="privacy_level_option_mismatch", status=403)
        if not self.audited and info["privacy_level"] != "SELF_ONLY":
            return envelope(code="unaudited_client_can_only_post_to_private_accounts", status=403)
        if self._used(account) >= self.per_day:
            return envelope(code="spam_risk_too_many_posts", status=403)
        too_long = len(info["title"].encode("utf-16-le")) // 2 > 2200
        if too_long or (self.comment_disabled and not info["disable_comment"]) or not info["disable_stitch"]:
            return envelope(code="invalid_param", status=400, message="post_info")
        if info["brand_content_toggle"] and info["privacy_level"] == "SELF_ONLY":
            return envelope(code="invalid_param", status=400, message="brand_content_toggle")
        task = Task(account, info["title"], info["privacy_level"], 0, 0, 0, self.clock())
        if source["source"] == "PULL_FROM_URL":
            if source["video_url"] not in self.links:
                return envelope(code="url_ownership_unverified", status=403)
            task.pulled, task.whole_at = True, self.clock()
            name = f"v_pub_url~v2-1.{next(self.numbers)}"
            self.tasks[name] = task
            self._decide(task, asked)
            return envelope({"publish_id": name})
        size, chunk, count = source["video_size"], source["chunk_size"], source["total_chunk_count"]
        whole = count == 1 and chunk == size and size <= 64 * MB
        parted = count == size // chunk and 5 * MB <= chunk <= 64 * MB and 1 <= count <= 1000
        if not whole and not parted:
            return envelope(code="invalid_param", status=400, message="The total chunk count is invalid")
        task.size, task.chunk, task.count = size, chunk, count
        name = f"v_pub_file~v2-1.{next(self.numbers)}"
        self.tasks[name] = task
        query = urlencode({"upload_id": name, "upload_token": "hush"})
        return envelope({"publish_id": name, "upload_url": f"{self.url}/video/?{query}"})

    @route("PUT", "/video/")
    def upload(self, asked: Request) -> Response:
        name = asked.query.get("upload_id", "")
        task = self.tasks.get(name)
        if task is not None and task.whole_at is None and self.fault_is(FaultKind.LOSE_SESSION, asked):
            del self.tasks[name]
            task = None
        if task is None:
            return Response(404)
        if self.clock() - task.made_at > timedelta(hours=1):
            return Response(403)
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", asked.headers.get("content-range", ""))
        if found is None or asked.headers.get("content-type") != "video/mp4":
            return Response(400)
        first, last, size = map(int, found.groups())
        if size != task.size or last - first + 1 != len(asked.body):
            return Response(400)
        headers = {"Content-Range": f"bytes 0-{task.stored - 1}/{task.size}"} if task.stored else {}
        if first != task.stored:
            return Response(416, b"", headers)
        kept = len(asked.body) // 2 if self.fault_is(FaultKind.PARTIAL, asked) else len(asked.body)
        is_last = last + 1 == size
        if not is_last and not 5 * MB <= len(asked.body) <= 64 * MB and first % task.chunk == 0:
            return Response(400)
        task.stored += kept
        task.sent.append((first, last))
        if task.stored == task.size:
            task.whole_at = self.clock()
            self._decide(task, asked)
        headers = {"Content-Range": f"bytes 0-{task.stored - 1}/{task.size}"}
        return Response(201 if task.stored == task.size else 206, b"", headers)

    def _decide(self, task: Task, asked: Request) -> None:
        if self.fault_is(FaultKind.REJECT, asked):
            task.fail_reason = "spam_risk_text"
            return
        task.late = self.fault_is(FaultKind.LATE_ID, asked) is not None
        task.post = str(next(self.numbers))
        self.videos[task.post] = Video(task.account, task.title, task.level, self.clock())
        self.ledger.publish(account=task.account, remote_id=task.post, key=task.title)

    @route("POST", "/v2/post/publish/status/fetch/")
    def status(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="video.publish").account
        task = self.tasks.get(str(self._json(asked).get("publish_id")))
        if task is None or task.account != account:
            return envelope(code="invalid_publish_id", status=400, message="The publish_id does not exist.")
        told: dict[str, Any] = {"uploaded_bytes": task.stored, "downloaded_bytes": 0, "fail_reason": ""}
        if task.whole_at is not None and self.fault_is(FaultKind.STUCK, asked):
            task.whole_at = self.clock() + timedelta(seconds=30)
        since = self.clock() - task.whole_at if task.whole_at is not None else timedelta(0)
        if task.whole_at is None or since < timedelta(seconds=PROCESSES):
            return envelope({**told, "status": "PROCESSING_DOWNLOAD" if task.pulled else "PROCESSING_UPLOAD"})
        if task.fail_reason:
            return envelope({**told, "status": "FAILED", "fail_reason": task.fail_reason})
        moderated = since >= timedelta(seconds=MODERATES + (600 if task.late else 0))
        ids = [int(task.post)] if task.post and moderated and task.level == "PUBLIC_TO_EVERYONE" else []
        return envelope({**told, "status": "PUBLISH_COMPLETE", "publicaly_available_post_id": ids})

    # Display

    @route("POST", "/v2/video/list/")
    def listed(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="video.list").account
        wanted = self._json(asked)
        count = wanted.get("max_count", 10)
        if not 1 <= count <= 20:
            return envelope(code="invalid_params", status=400)
        mine = [
            name
            for name, video in reversed(self.videos.items())
            if video.account == account and video.level == "PUBLIC_TO_EVERYONE"
        ]
        first = int(wanted.get("cursor", 0))
        data = {"videos": [self._told(name) for name in mine[first : first + count]], "cursor": first + count}
        return envelope({**data, "has_more": len(mine) > first + count})

    @route("POST", "/v2/video/query/")
    def query(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="video.list").account
        names = self._json(asked)["filters"]["video_ids"]
        if len(names) > 20:
            return envelope(code="invalid_params", status=400)
        mine = [name for name in names if name in self.videos and self.videos[name].account == account]
        return envelope({"videos": [self._told(name) for name in mine]})

    def _told(self, name: str) -> dict[str, Any]:
        video = self.videos[name]
        told = {"id": name, "create_time": int(video.at.timestamp()), "video_description": video.title, "title": ""}
        counts = {"like_count": 9, "comment_count": 2, "share_count": 1, "view_count": 321}
        shape = {"duration": 20, "height": 1920, "width": 1080, "cover_image_url": f"{self.url}/c.jpg"}
        return {**told, **counts, **shape, "share_url": f"https://www.tiktok.com/@ann/video/{name}"}


def _connected(simulator: TikTokSimulator) -> Tokens:
    token = simulator.connect()
    return Tokens(access_token=token.value, refresh_token=token.refresh, expires_at=token.expires_at, scopes=SCOPES)


def _settings(simulator: TikTokSimulator) -> dict[str, Any]:
    return {
        "tiktok_client_key": "key",
        "tiktok_client_secret": "hush",
        "tiktok_authorize_url": f"{simulator.url}/v2/auth/authorize/",
        "tiktok_api_base": simulator.url,
        "tiktok_desktop_app": simulator.desktop,
        "tiktok_source": "PULL_FROM_URL" if simulator.pulls else "FILE_UPLOAD",
    }


HARNESS = Harness(
    name="tiktok",
    simulator=TikTokSimulator,
    settings=_settings,
    connect=_connected,
    content=lambda text: PostContent(caption=text),
    # Two chunks of the smallest size that TikTok takes, so that the suite moves half the bytes.
    sizes=(300_000, 10_500_123),
    platform=lambda settings: TikTok(settings, chunk_bytes=5_250_000),
    commit_path="^/video/$",
    commit_method="PUT",
)

HARNESS_PULL = replace(
    HARNESS,
    simulator=lambda: TikTokSimulator(pulls=True),
    sizes=(300_000,),
    commit_path="/video/init/$",
    commit_method="POST",
    faults=tuple(kind for kind in FaultKind if kind not in {FaultKind.PARTIAL, FaultKind.LOSE_SESSION}),
)
