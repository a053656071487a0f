"""LinkedIn as its versioned REST interface behaves: headers, ranges, processing, and ten minutes of recognising doubles."""

import itertools
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlencode
from uuid import uuid4

from simulator_base import FakeClock, FaultKind, Harness, Refused, Request, Response, Simulator, Token, route

from cliply_resources.platforms.documents import PostContent, Tokens

SCOPES = ("openid", "profile", "w_member_social")
PART = 4_194_304
PROCESSES = 8.0  # seconds
VERSIONS = {"202606", "202607", "202608"}
DAILY = 150
AUTHOR = "urn:li:person:ann01"


@dataclass
class Video:
    owner: str
    size: int
    parts: list[tuple[int, int]]
    etags: dict[int, str] = field(default_factory=dict)
    ready_at: datetime | None = None
    failed: bool = False
    dead: bool = False


@dataclass
class Post:
    urn: str
    author: str
    commentary: str
    media: str
    at: datetime
    deleted: bool = False


def failure(status: int, code: str, message: str) -> Response:
    return Response(status, {"status": status, "serviceErrorCode": 100, "code": code, "message": message})


class LinkedInSimulator(Simulator):
    def __init__(self, clock: FakeClock | None = None) -> None:
        self.videos: dict[str, Video] = {}
        self.posts: dict[str, Post] = {}
        self.codes: dict[str, str] = {}
        self.numbers = itertools.count(7_400_000_000_000_000_000)
        self.today: tuple[str, int] = ("", 0)
        super().__init__(clock)

    def connect(self, account: str = "ann01", scopes: tuple[str, ...] = SCOPES) -> Token:
        name = uuid4().hex[:12]
        return self.give_token(f"AQ-{name}", account, seconds=5_184_000, scopes=scopes, refresh=f"AQR-{name}")

    def unauthorized(self, asked: Request) -> Response:
        return failure(401, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired")

    def forbidden(self, asked: Request, scope: str) -> Response:
        return failure(403, "ACCESS_DENIED", f"Not enough permissions to access: {scope}")

    # Signing in

    @route("GET", "/oauth/v2/authorization")
    def authorize(self, asked: Request) -> Response:
        query = asked.query
        code = uuid4().hex
        self.codes[code] = query["redirect_uri"]
        return Response(
            302, b"", {"Location": f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"}
        )

    @route("POST", "/oauth/v2/accessToken")
    def token(self, asked: Request) -> Response:
        form = asked.form()
        if (form.get("client_id"), form.get("client_secret")) != ("app", "hush"):
            return Response(401, {"error": "invalid_client"})
        if form.get("grant_type") == "refresh_token":
            holder = next((t for t in self.tokens.values() if t.refresh == form.get("refresh_token")), None)
            if holder is None or holder.revoked:
                return Response(400, {"error": "invalid_grant"})
            new = self.give_token(
                f"AQ-{uuid4().hex[:12]}",
                holder.account,
                seconds=5_184_000,
                scopes=holder.scopes,
                refresh=holder.refresh,
            )
        elif self.codes.pop(form.get("code", ""), None) == form.get("redirect_uri"):
            new = self.connect()
        else:
            return Response(400, {"error": "invalid_request", "error_description": "authorization code not found"})
        told = {
            "access_token": new.value,
            "expires_in": 5_184_000,
            "scope": ",".join(new.scopes),
            "token_type": "Bearer",
        }
        return Response(200, {**told, "refresh_token": new.refresh, "refresh_token_expires_in": 31_536_000})

    @route("GET", "/v2/userinfo")
    def userinfo(self, asked: Request) -> Response:
        account = self.account_of(asked, scope="profile").account
        return Response(200, {"sub": account, "name": "Ann Example", "picture": f"{self.url}/ann.jpg"})

    @route("GET", "/rest/organizationAcls")
    def organizations(self, asked: Request) -> Response:
        self._rest(asked, "rw_organization_admin")
        return Response(200, {"elements": [{"organization": "urn:li:organization:77", "role": "ADMINISTRATOR"}]})

    # Videos

    def _rest(self, asked: Request, scope: str = "w_member_social") -> str:
        if asked.headers.get("linkedin-version") not in VERSIONS:
            raise Refused(failure(426, "NONEXISTENT_VERSION", "Requested version is not active"))
        if asked.headers.get("x-restli-protocol-version") != "2.0.0":
            raise Refused(failure(400, "ILLEGAL_ARGUMENT", "X-Restli-Protocol-Version is missing"))
        if asked.headers.get("content-type") != "application/json":
            raise Refused(failure(400, "ILLEGAL_ARGUMENT", "Content-Type is not application/json"))
        return self.account_of(asked, scope=scope).account

    @route("POST", "/rest/videos")
    def videos_action(self, asked: Request) -> Response:
        account = self._rest(asked)
        if asked.query.get("action") == "initializeUpload":
            return self._initialize(account, (asked.json() or {})["initializeUploadRequest"])
        if asked.query.get("action") == "finalizeUpload":
            return self._finalize(asked, (asked.json() or {})["finalizeUploadRequest"])
        return failure(400, "ILLEGAL_ARGUMENT", "No such action")

    def _initialize(self, account: str, wanted: dict[str, Any]) -> Response:
        if wanted["owner"] not in {f"urn:li:person:{account}", "urn:li:organization:77"}:
            return failure(403, "ACCESS_DENIED", "The owner is somebody else")
        size = int(wanted["fileSizeBytes"])
        name = f"C4E10AQ{uuid4().hex[:16]}"
        ranges = [(first, min(first + PART, size) - 1) for first in range(0, size, PART)]
        self.videos[f"urn:li:video:{name}"] = Video(wanted["owner"], size, ranges)
        instructions = [
            {"uploadUrl": f"{self.url}/dms-uploads/{name}/{number}?sig=hush", "firstByte": first, "lastByte": last}
            for number, (first, last) in enumerate(ranges)
        ]
        expires = int((self.clock() + timedelta(days=30)).timestamp() * 1000)
        value = {"uploadUrlsExpireAt": expires, "video": f"urn:li:video:{name}", "uploadToken": ""}
        return Response(200, {"value": {**value, "uploadInstructions": instructions}})

    @route("PUT", r"/dms-uploads/(?P<video>\w+)/(?P<number>\d+)")
    def part(self, asked: Request) -> Response:
        video = self.videos.get(f"urn:li:video:{asked.match['video']}")
        if video is not None and self.fault_is(FaultKind.LOSE_SESSION, asked):
            video.dead = True
        if video is None or video.dead:
            return failure(400, "EXPIRED_UPLOAD_URL", "The upload URL has expired")
        if "authorization" in asked.headers:
            return Response(403, b"a signed address takes no token")
        if asked.headers.get("content-type") != "application/octet-stream":
            return Response(400, b"wrong content type")
        first, last = video.parts[int(asked.match["number"])]
        if len(asked.body) != last - first + 1:
            return Response(400, b"wrong length")
        etag = f'"{uuid4().hex}"'
        video.etags[int(asked.match["number"])] = etag
        return Response(200, b"", {"ETag": etag})

    def _finalize(self, asked: Request, wanted: dict[str, Any]) -> Response:
        video = self.videos.get(wanted["video"])
        if video is None or video.dead:
            return failure(400, "EXPIRED_UPLOAD_URL", "The upload has expired")
        expected = [video.etags.get(number) for number in range(len(video.parts))]
        if wanted["uploadedPartIds"] != expected or wanted["uploadToken"] != "":
            return failure(400, "ILLEGAL_ARGUMENT", "uploadedPartIds are not those of the parts, in order")
        video.ready_at = video.ready_at or self.clock() + timedelta(seconds=PROCESSES)
        return Response(200)

    @route("GET", r"/rest/videos/(?P<video>[^/]+)")
    def video(self, asked: Request) -> Response:
        self._rest(asked)
        if ":" in asked.match["video"]:
            return failure(400, "ILLEGAL_ARGUMENT", "The URN is not encoded")
        video = self.videos.get(unquote(asked.match["video"]))
        if video is None:
            return failure(404, "NOT_FOUND", "No such video")
        if self.fault_is(FaultKind.REJECT, asked):
            video.failed = True
        if self.fault_is(FaultKind.STUCK, asked) and video.ready_at:
            video.ready_at = self.clock() + timedelta(seconds=40)
        return Response(
            200, {"status": self._status(video), "processingFailureReason": "BAD_CODEC" if video.failed else None}
        )

    def _status(self, video: Video) -> str:
        if video.failed:
            return "PROCESSING_FAILED"
        if video.ready_at is None:
            return "WAITING_UPLOAD"
        return "AVAILABLE" if video.ready_at <= self.clock() else "PROCESSING"

    # Posts

    @route("POST", "/rest/posts")
    def post(self, asked: Request) -> Response:
        account = self._rest(asked)
        day = f"{self.clock():%Y-%m-%d}"
        count = self.today[1] if self.today[0] == day else 0
        if count >= DAILY:
            return failure(
                429, "TOO_MANY_REQUESTS", "Resource level throttle limit for calls to this resource is reached."
            )
        wanted = asked.json() or {}
        if set(wanted) != {
            "author",
            "commentary",
            "visibility",
            "distribution",
            "content",
            "lifecycleState",
            "isReshareDisabledByAuthor",
        } or wanted["visibility"] not in {"PUBLIC", "CONNECTIONS", "LOGGED_IN"}:
            return failure(422, "FIELD_INVALID", "A field is wrong")
        if wanted["author"] not in {f"urn:li:person:{account}", "urn:li:organization:77"}:
            return failure(403, "ACCESS_DENIED", "Not the author")
        media = wanted["content"]["media"]["id"]
        video = self.videos.get(media)
        if video is None or self._status(video) == "PROCESSING_FAILED":
            return failure(400, "MEDIA_ASSET_PROCESSING_FAILED", "The media failed")
        if self._status(video) != "AVAILABLE":
            return failure(400, f"MEDIA_ASSET_{self._status(video)}", "The media is not ready")
        for known in self.posts.values():
            same = (known.author, known.commentary, known.media) == (wanted["author"], wanted["commentary"], media)
            if same and self.clock() - known.at < timedelta(minutes=10):
                return failure(422, "DUPLICATE_POST", f"Content is a duplicate of {known.urn}")
        self.today = (day, count + 1)
        urn = f"urn:li:share:{next(self.numbers)}"
        shown = self._shown(wanted["commentary"])
        self.posts[urn] = Post(urn, wanted["author"], wanted["commentary"], media, self.clock())
        self.ledger.publish(account=wanted["author"], remote_id=urn, key=shown)
        return Response(201, b"", {"x-restli-id": urn})

    @staticmethod
    def _shown(commentary: str) -> str:
        """What readers see: cut off at the first parenthesis that is not escaped."""
        kept = re.split(r"(?<!\\)\((?!urn:li:)", commentary, maxsplit=1)[0]
        return re.sub(r"\\(.)", r"\1", kept)

    @route("POST", r"/rest/posts/(?P<post>[^/]+)")
    def update(self, asked: Request) -> Response:
        self._rest(asked)
        post = self.posts.get(unquote(asked.match["post"]))
        if asked.headers.get("x-restli-method") != "PARTIAL_UPDATE" or post is None:
            return failure(404 if post is None else 400, "NOT_FOUND", "No such post")
        post.commentary = (asked.json() or {})["patch"]["$set"]["commentary"]
        return Response(204)

    @route("DELETE", r"/rest/posts/(?P<post>[^/]+)")
    def remove(self, asked: Request) -> Response:
        self._rest(asked)
        if asked.headers.get("x-restli-method") != "DELETE":
            return failure(400, "ILLEGAL_ARGUMENT", "X-RestLi-Method is missing")
        if found := self.posts.get(unquote(asked.match["post"])):
            found.deleted = True
        return Response(204)

    # Numbers

    @route("GET", "/rest/organizationalEntityShareStatistics")
    def organization_numbers(self, asked: Request) -> Response:
        self._rest(asked, "r_organization_social")
        urns = re.findall(r"urn:li:share:\d+", asked.query.get("shares", ""))
        told = {"impressionCount": 900, "uniqueImpressionsCount": 700, "clickCount": 12, "likeCount": 30}
        counts = {**told, "commentCount": 4, "shareCount": 5, "engagement": 0.05}
        here = [urn for urn in urns if urn in self.posts]
        return Response(200, {"elements": [{"share": urn, "totalShareStatistics": counts} for urn in here]})

    @route("GET", "/rest/memberCreatorPostAnalytics")
    def member_numbers(self, asked: Request) -> Response:
        self._rest(asked, "r_member_postAnalytics")
        counts = {"IMPRESSION": 500, "MEMBERS_REACHED": 400, "RESHARE": 3, "REACTION": 20, "COMMENT": 2}
        return Response(200, {"elements": [{"count": counts[asked.query["queryType"]]}]})


def _connected(simulator: LinkedInSimulator) -> Tokens:
    token = simulator.connect()
    return Tokens(access_token=token.value, refresh_token=token.refresh, expires_at=token.expires_at, scopes=SCOPES)


HARNESS = Harness(
    name="linkedin",
    simulator=LinkedInSimulator,
    settings=lambda simulator: {
        "linkedin_client_id": "app",
        "linkedin_client_secret": "hush",
        "linkedin_auth_base": simulator.url,
        "linkedin_api_base": simulator.url,
    },
    connect=_connected,
    content=lambda text: PostContent(caption=text),
    sizes=(300_000, 5_000_000),
    commit_path="^/rest/posts$",
    commit_method="POST",
    faults=tuple(kind for kind in FaultKind if kind not in {FaultKind.LATE_ID, FaultKind.PARTIAL}),
)
