"""Instagram's Graph API as it behaves: containers that Meta fills from a link or from bytes, quotas, and errors that lie."""

import itertools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from simulator_base import FakeClock, FaultKind, Harness, Refused, Request, Response, Simulator, Token, route

from cliply_resources.platforms.contract import VideoSource
from cliply_resources.platforms.documents import PostContent, Tokens

SCOPES = ("instagram_business_basic", "instagram_business_content_publish", "instagram_business_manage_insights")
VERSION = "v25.0"
PROCESSES = 8.0  # seconds
ACCOUNT = "17841400000000000"
KNOWN_METRICS = {
    "views": 1234,
    "reach": 1000,
    "likes": 50,
    "comments": 6,
    "shares": 7,
    "saved": 8,
    "total_interactions": 71,
    "ig_reels_avg_watch_time": 9500,
    "ig_reels_video_view_total_time": 11_700_000,
    "reels_skip_rate": 31.5,
}


@dataclass
class Container:
    account: str
    caption: str
    made_at: datetime
    size: int = 0
    received: int = 0
    ready_at: datetime | None = None
    status: str = "IN_PROGRESS"
    detail: str = ""
    media: str | None = None


@dataclass
class Media:
    account: str
    caption: str
    at: datetime
    quiet_until: datetime | None = None


def failure(code: int, subcode: int = 0, message: str = "An error", *, status: int = 400, **more: Any) -> Response:
    error = {"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode, "fbtrace_id": "A1"}
    return Response(status, {"error": {**error, "is_transient": False, **more}})


class InstagramSimulator(Simulator):
    def __init__(self, clock: FakeClock | None = None, *, resumable: bool = False) -> None:
        self.resumable = resumable
        self.containers: dict[str, Container] = {}
        self.media: dict[str, Media] = {}
        self.files: dict[str, int] = {}
        self.fetched: list[str] = []
        self.codes: dict[str, str] = {}
        self.given_at: dict[str, datetime] = {}
        self.quota_total = 100
        self.metrics = dict(KNOWN_METRICS)
        self.live_but_error = 0
        self.numbers = itertools.count(17_890_000_000_000_001)
        super().__init__(clock)

    def connect(self, account: str = ACCOUNT) -> Token:
        token = self.give_token(f"IGAA{uuid4().hex}", account, seconds=5_183_944, scopes=SCOPES)
        self.given_at[token.value] = self.clock()
        return token

    def link_for(self, video: VideoSource) -> VideoSource:
        """The same, with a link that Meta can fetch: the test's own file server."""
        name = uuid4().hex
        self.files[f"/files/{name}.mp4"] = video.facts.size
        return replace(video, link=lambda _: f"{self.url}/files/{name}.mp4?signature=hush")

    def unauthorized(self, asked: Request) -> Response:
        return failure(190, 463, "Error validating access token: Session has expired", status=401)

    def forbidden(self, asked: Request, scope: str) -> Response:
        return failure(10, 0, f"Application does not have permission for this action ({scope})", status=403)

    def too_many(self, asked: Request, fault: Any) -> Response:
        answer = failure(4, 0, "Application request limit reached", status=403)
        usage = '{"1784":[{"type":"instagram","call_count":101,"estimated_time_to_regain_access":1}]}'
        return replace(answer, headers={"X-Business-Use-Case-Usage": usage})

    # Signing in

    @route("GET", "/oauth/authorize")
    def authorize(self, asked: Request) -> Response:
        query = asked.query
        code = uuid4().hex
        self.codes[code] = query["redirect_uri"]
        back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}#_"
        return Response(302, b"", {"Location": back})

    @route("POST", "/oauth/access_token")
    def short_token(self, asked: Request) -> Response:
        form = asked.form()
        if (form.get("client_id"), form.get("client_secret")) != ("app", "hush"):
            return failure(101, 0, "Error validating client secret.")
        if self.codes.pop(form.get("code", ""), None) != form.get("redirect_uri"):
            return failure(100, 36009, "This authorization code has been used")
        token = self.give_token(f"IGAA-short-{uuid4().hex}", ACCOUNT, seconds=3600, scopes=SCOPES)
        told = {"access_token": token.value, "user_id": int(ACCOUNT), "permissions": ",".join(SCOPES)}
        return Response(200, {"data": [told]})

    @route("GET", "/access_token")
    def long_token(self, asked: Request) -> Response:
        query = asked.query
        short = self.tokens.get(query.get("access_token", ""))
        if query.get("client_secret") != "hush" or short is None or short.expires_at <= self.clock():
            return failure(190, 0, "Invalid token")
        token = self.connect(short.account)
        return Response(200, {"access_token": token.value, "token_type": "bearer", "expires_in": 5_183_944})

    @route("GET", "/refresh_access_token")
    def refresh(self, asked: Request) -> Response:
        old = self.tokens.get(asked.query.get("access_token", ""))
        if old is None or old.expires_at <= self.clock():
            return failure(190, 463, "Error validating access token: Session has expired")
        if self.clock() - self.given_at.get(old.value, self.clock()) < timedelta(hours=24):
            return failure(100, 0, "The token is not old enough")
        token = self.connect(old.account)
        return Response(200, {"access_token": token.value, "token_type": "bearer", "expires_in": 5_183_944})

    @route("GET", f"/{VERSION}/me")
    def me(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="instagram_business_basic").account
        told = {"user_id": account, "username": "ann", "name": "Ann", "account_type": "BUSINESS"}
        return Response(200, {"data": [{**told, "profile_picture_url": f"{self.url}/ann.jpg"}]})

    @route("GET", rf"/{VERSION}/(?P<account>\d+)/content_publishing_limit")
    def limit(self, asked: Request) -> Response:
        account = self.account_of(asked).account
        config = {"quota_total": self.quota_total, "quota_duration": 86400}
        return Response(200, {"data": [{"quota_usage": self._used(account), "config": config}]})

    def _used(self, account: str) -> int:
        since = self.clock() - timedelta(days=1)
        return sum(1 for media in self.media.values() if media.account == account and media.at > since)

    # Publishing

    @route("POST", rf"/{VERSION}/(?P<account>\d+)/media")
    def container(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="instagram_business_content_publish").account
        wanted = asked.json() or {}
        if wanted.get("media_type") != "REELS":
            return failure(100, 2207023, "Unknown media type")
        if len(wanted.get("caption", "")) > 2200:
            return failure(36004, 2207010, "Caption too long")
        name = str(next(self.numbers))
        made = Container(account, wanted.get("caption", ""), self.clock())
        self.containers[name] = made
        if wanted.get("upload_type") == "resumable" and self.resumable:
            return Response(200, {"id": name, "uri": f"{self.url}/ig-api-upload/{VERSION}/{name}"})
        path = urlsplit(wanted.get("video_url", "")).path
        if path not in self.files:
            return failure(9004, 2207052, "The media could not be fetched from this URI")
        self.fetched.append(path)
        made.ready_at = self.clock() + timedelta(seconds=PROCESSES)
        return Response(200, {"id": name})

    @route("POST", rf"/ig-api-upload/{VERSION}/(?P<container>\d+)")
    def upload(self, asked: Request) -> Response:
        container = self.containers[asked.match["container"]]
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme != "OAuth" or token not in self.tokens:
            return Response(401, {"debug_info": {"retriable": False, "type": "NotAuthorizedError", "message": "no"}})
        if self.fault_is(FaultKind.LOSE_SESSION, asked):
            del self.containers[asked.match["container"]]
            failed = {"retriable": False, "type": "ProcessingFailedError", "message": "Request processing failed"}
            return Response(400, {"debug_info": failed})
        size, offset = int(asked.headers["file_size"]), int(asked.headers["offset"])
        if offset != container.received:
            return Response(400, {"debug_info": {"retriable": True, "type": "OffsetInvalidError", "message": "offset"}})
        container.size = size
        kept = len(asked.body) // 2 if self.fault_is(FaultKind.PARTIAL, asked) else len(asked.body)
        container.received += kept
        if container.received < size:
            return Response(500, {"debug_info": {"retriable": True, "type": "PartialRequestError", "message": "half"}})
        container.ready_at = self.clock() + timedelta(seconds=PROCESSES)
        return Response(200, {"success": True, "message": "Upload successful."})

    @route("GET", rf"/{VERSION}/(?P<name>\d+)")
    def look(self, asked: Request) -> Response:
        account = self.account_of(asked).account
        name = asked.match["name"]
        if name in self.media:
            return self._media(asked, name)
        container = self.containers.get(name)
        if container is not None and container.media is None and self.fault_is(FaultKind.LOSE_SESSION, asked):
            container = self.containers.pop(name) and None
        if container is None or container.account != account:
            return failure(24, 2207006, "The media container could not be found")
        if "video_status" in asked.query.get("fields", ""):
            phase = {"status": "in_progress", "bytes_transferred": container.received}
            return Response(200, {"video_status": {"uploading_phase": phase}, "id": name})
        if container.ready_at is not None and self.fault_is(FaultKind.STUCK, asked):
            container.ready_at = self.clock() + timedelta(seconds=90)
        if self.fault_is(FaultKind.REJECT, asked):
            container.status, container.detail = "ERROR", "Error: Media upload has failed with error code 2207026"
        return Response(200, {"status_code": self._status(container), "status": container.detail, "id": name})

    def _status(self, container: Container) -> str:
        if container.status in {"ERROR", "PUBLISHED"}:
            return container.status
        if self.clock() - container.made_at > timedelta(hours=24):
            return "EXPIRED"
        return "FINISHED" if container.ready_at and container.ready_at <= self.clock() else "IN_PROGRESS"

    @route("POST", rf"/{VERSION}/(?P<account>\d+)/media_publish")
    def publish(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="instagram_business_content_publish").account
        container = self.containers.get(str((asked.json() or {}).get("creation_id")))
        if container is None or container.account != account:
            return failure(24, 2207006, "The media container could not be found")
        state = self._status(container)
        if state == "PUBLISHED":
            return failure(24, 2207008, "The media was published already")
        if state == "EXPIRED":
            return failure(-2, 2207020, "The media container expired")
        if state != "FINISHED":
            return failure(9007, 2207027, "The media is not ready for publishing")
        if self._used(account) >= self.quota_total:
            return failure(9, 2207042, "The quota is used up")
        name = str(next(self.numbers))
        late = self.clock() + timedelta(seconds=30) if self.fault_is(FaultKind.LATE_ID, asked) else None
        self.media[name] = Media(account, container.caption, self.clock(), late)
        container.status, container.media = "PUBLISHED", name
        self.ledger.publish(account=account, remote_id=name, key=container.caption)
        if self.live_but_error:
            self.live_but_error -= 1
            return failure(2, 0, "An unexpected error has occurred. Please retry your request later.", status=500)
        return Response(200, {"id": name})

    @route("GET", rf"/{VERSION}/(?P<account>\d+)/media")
    def listed(self, asked: Request) -> Response:
        account = self.account_of(asked).account
        count, first = int(asked.query.get("limit", "25")), int(asked.query.get("after", "0"))
        mine = [name for name, media in reversed(self.media.items()) if media.account == account]
        shown = [name for name in mine[first : first + count] if self._is_listed(name)]
        paging: dict[str, Any] = {"cursors": {"after": str(first + count)}}
        if len(mine) > first + count:
            paging["next"] = "more"
        return Response(200, {"data": [self._told(name) for name in shown], "paging": paging})

    def _is_listed(self, name: str) -> bool:
        quiet = self.media[name].quiet_until
        return quiet is None or quiet <= self.clock()

    def _media(self, asked: Request, name: str) -> Response:
        told = self._told(name)
        if not self._is_listed(name):
            del told["permalink"]
        return Response(200, told)

    def _told(self, name: str) -> dict[str, Any]:
        media = self.media[name]
        stamp = media.at.strftime("%Y-%m-%dT%H:%M:%S+0000")
        told = {"id": name, "caption": media.caption, "timestamp": stamp, "media_product_type": "REELS"}
        return {**told, "permalink": f"https://www.instagram.com/reel/{name}/"}

    @route("GET", rf"/{VERSION}/(?P<name>\d+)/insights")
    def insights(self, asked: Request) -> Response:
        self.account_of(asked, scope="instagram_business_manage_insights")
        if asked.match["name"] not in self.media:
            raise Refused(failure(100, 33, "Unsupported get request. Object does not exist"))
        names = asked.query["metric"].split(",")
        unknown = [name for name in names if name not in self.metrics]
        if unknown:
            return failure(100, 0, f"(#100) metric[0] must be one of the following values: … ({unknown[0]})")
        data = [{"name": name, "period": "lifetime", "values": [{"value": self.metrics[name]}]} for name in names]
        return Response(200, {"data": data})


def _connected(simulator: InstagramSimulator) -> Tokens:
    token = simulator.connect()
    return Tokens(access_token=token.value, expires_at=token.expires_at, scopes=SCOPES)


def _settings(simulator: InstagramSimulator) -> dict[str, Any]:
    return {
        "instagram_client_id": "app",
        "instagram_client_secret": "hush",
        "instagram_authorize_url": f"{simulator.url}/oauth/authorize",
        "instagram_token_base": simulator.url,
        "instagram_graph_base": simulator.url,
        "meta_rupload_base": simulator.url,
        "instagram_resumable": simulator.resumable,
        "meta_verify_token": "the word",
    }


_KNOWN = tuple(kind for kind in FaultKind if kind is not FaultKind.PARTIAL)

HARNESS = Harness(
    name="instagram",
    simulator=InstagramSimulator,
    settings=_settings,
    connect=_connected,
    content=lambda text: PostContent(caption=text),
    sizes=(300_000,),
    commit_path="/media_publish$",
    commit_method="POST",
    faults=_KNOWN,
)

HARNESS_RESUMABLE = replace(
    HARNESS, simulator=lambda: InstagramSimulator(resumable=True), sizes=(300_000, 2_000_000), faults=tuple(FaultKind)
)
