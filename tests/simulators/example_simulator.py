"""A platform that does not exist, small enough to read: a template for simulators, and what the publisher is killed against.

Two of them: `example` publishes by a call of its own, `example_tail` with the last byte of the upload. Both take bytes at an opaque URL,
process for five seconds before and after, and list an account's posts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
from simulator_base import FakeClock, FaultKind, Harness, Refused, Request, Response, Simulator, route

from cliply_resources.outbound import FileSlice
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
    Reconciled,
    Step,
    StepKind,
    StepResult,
    Tokens,
    Verdict,
    VideoFacts,
)
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, trouble
from cliply_resources.platforms.wire import Answer, common_trouble, policy_for_opaque_url, send

CHUNK = 100_000
WORKS = 5.0  # seconds that processing takes, unless the simulator says otherwise


@dataclass
class Session:
    account: str
    size: int
    caption: str
    data: int = 0
    ready_at: Any = None
    post: str | None = None
    live_at: Any = None
    refused: bool = False


class ExampleSimulator(Simulator):
    """`tail`: the last byte publishes."""

    def __init__(self, clock: FakeClock | None = None, *, tail: bool = False, works: float = WORKS) -> None:
        self.tail = tail
        self.works = works
        self.sessions: dict[str, Session] = {}
        self.refreshed = 0
        super().__init__(clock)
        self.connect("ann")

    def connect(self, account: str) -> None:
        self.give_token(f"at-{account}-0", account, seconds=3600, scopes=("post",), refresh=f"rt-{account}-0")

    @route("POST", "/token")
    def token(self, asked: Request) -> Response:
        old = next((t for t in self.tokens.values() if t.refresh == asked.form().get("refresh_token")), None)
        if old is None or old.revoked:
            return Response(400, {"error": "invalid_grant"})
        old.revoked = True  # single use
        self.refreshed += 1
        name = f"{old.account}-{uuid4().hex[:6]}"
        new = self.give_token(f"at-{name}", old.account, seconds=3600, scopes=old.scopes, refresh=f"rt-{name}")
        return Response(200, {"access_token": new.value, "refresh_token": new.refresh, "expires_in": 3600})

    @route("POST", "/sessions")
    def start(self, asked: Request) -> Response:
        token = self.account_of(asked, scope="post")
        wanted = asked.json() or {}
        name = uuid4().hex
        self.sessions[name] = Session(token.account, wanted["size"], wanted["caption"])
        return Response(201, {"id": name, "upload": f"{self.url}/upload/{name}?upload_token=hush"})

    @route("PUT", "/upload/(?P<session>[0-9a-f]+)")
    def upload(self, asked: Request) -> Response:
        session = self._session(asked)
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", asked.headers.get("content-range", ""))
        if found is None:
            if asked.headers.get("content-range") == f"bytes */{session.size}":
                return self._progress(session)
            return Response(400, {"error": "no content-range"})
        first, last, size = map(int, found.groups())
        if size != session.size or first > session.data or last - first + 1 != len(asked.body):
            return Response(416, {"stored": session.data})
        kept = last + 1
        if self.fault_is(FaultKind.PARTIAL, asked):
            kept = first + (last - first + 1) // 2
        if session.data < session.size:
            session.data = max(session.data, kept)
        if session.data >= session.size and session.ready_at is None:
            session.ready_at = self.clock() + timedelta(seconds=self.works)
            if self.tail:
                self._publish(session, asked)
        return self._progress(session)

    @route("GET", "/sessions/(?P<session>[0-9a-f]+)")
    def look(self, asked: Request) -> Response:
        self.account_of(asked)
        session = self._session(asked)
        stuck = bool(self.fault_is(FaultKind.STUCK, asked))
        ready = session.ready_at is not None and session.ready_at <= self.clock() and not stuck
        late = bool(self.fault_is(FaultKind.LATE_ID, asked))
        live = session.live_at is not None and session.live_at <= self.clock() and not stuck
        if live and self.fault_is(FaultKind.REJECT, asked):
            session.refused = True
        state = (
            "refused"
            if session.refused
            else "live"
            if live
            else "published"
            if session.post
            else "ready"
            if ready
            else "wait"
        )
        return Response(200, {"state": state, "post": None if late else session.post, "stored": session.data})

    @route("POST", "/sessions/(?P<session>[0-9a-f]+)/publish")
    def publish(self, asked: Request) -> Response:
        self.account_of(asked, scope="post")
        session = self._session(asked)
        if session.ready_at is None or session.ready_at > self.clock():
            return Response(409, {"error": "not ready"})
        if not session.post:
            self._publish(session, asked)
        return Response(200, {"post": None if self.fault_is(FaultKind.LATE_ID, asked) else session.post})

    @route("GET", "/posts")
    def posts(self, asked: Request) -> Response:
        token = self.account_of(asked)
        mine = [e for e in self.ledger.entries if e.account == token.account]
        return Response(200, {"posts": [{"id": e.remote_id, "caption": e.key} for e in mine]})

    def _publish(self, session: Session, asked: Request) -> None:
        session.post = f"post-{uuid4().hex[:10]}"
        session.live_at = self.clock() + timedelta(seconds=self.works)
        self.ledger.publish(account=session.account, remote_id=session.post, key=session.caption)

    def _progress(self, session: Session) -> Response:
        done = session.data >= session.size
        return Response(200 if done else 202, {"stored": session.data, "post": session.post})

    def _session(self, asked: Request) -> Session:
        name = asked.match["session"]
        if name in self.sessions and not self.sessions[name].post and self.fault_is(FaultKind.LOSE_SESSION, asked):
            del self.sessions[name]
        if name not in self.sessions:
            raise Refused(Response(404, {"error": "no such session"}))
        return self.sessions[name]


class ExamplePlatform(BasePlatform):
    """The adapter; `base` is all it needs to know."""

    title = "Example"
    limits = Limits(caption_max=200)

    def __init__(self, base: str, *, tail: bool = False, wait: float = 1.0, settle: float = 2.0) -> None:
        self._wait_seconds = wait
        self.name = "example_tail" if tail else "example"
        self._base = base
        self._tail = tail
        self.capabilities = Capabilities(
            scopes=("post",), scopes_to_publish=("post",), refresh="rotates", can_list=True, settle=settle
        )

    def authorize_url(self, *, redirect_uri: str, state: str, verifier: str) -> str:
        return f"{self._base}/authorize?state={state}"

    def exchange_code(self, *, code: str, redirect_uri: str, verifier: str, now: Clock) -> Tokens:
        raise self.unsupported("has no code")

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:
        answer = send(
            "POST", f"{self._base}/token", platform=self.title, form={"refresh_token": tokens.refresh_token or ""}
        )
        if answer.status == 400:
            raise trouble(OutcomeClass.RECONNECT, "Connect the account again.", code="invalid_grant")
        self._judge(answer, now, tokens)
        read = answer.document()
        end = now() + timedelta(seconds=read["expires_in"])
        return Tokens(
            access_token=read["access_token"], refresh_token=read["refresh_token"], expires_at=end, scopes=tokens.scopes
        )

    def profiles(self, tokens: Tokens, *, now: Clock) -> tuple[Profile, ...]:
        return (Profile(remote_id="ann", name="Ann"),)

    def validate(self, content: PostContent, video: VideoFacts, account: AccountLimits) -> tuple[Problem, ...]:
        if len(content.caption) <= 200:
            return ()
        return (Problem(field="caption", code="too_long", message="The caption is too long."),)

    def plan(self, intent: PublishIntent, state: PublishState) -> Step | None:
        match state.step:
            case "":
                return Step("start", StepKind.PREPARE)
            case "sending":
                last = self._tail and state.offset + CHUNK >= intent.video.size
                return Step("send", StepKind.COMMIT if last else StepKind.PREPARE)
            case "waiting":
                return Step("wait", StepKind.PREPARE)
            case "ready":
                return Step("publish", StepKind.COMMIT)
            case "published":
                return Step("confirm", StepKind.CONFIRM)
        return None

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        return getattr(self, f"_{step.name}")(step, intent, state, call)  # type: ignore[no-any-return]

    def _start(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        wanted = {"size": intent.video.size, "caption": intent.content.caption}
        read = self._ask("POST", "/sessions", call, json=wanted)
        begun = PublishState(step="sending", handle=read["id"], session_url=read["upload"], opened_at=call.now())
        return StepResult(state=begun)

    def _send(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        assert call.video is not None
        assert state.session_url is not None
        length = min(CHUNK, intent.video.size - state.offset)
        committing = step.kind is StepKind.COMMIT
        answer = send(
            "PUT",
            state.session_url,
            platform=self.title,
            headers={"content-range": f"bytes {state.offset}-{state.offset + length - 1}/{intent.video.size}"},
            body=FileSlice(path=call.video.path, offset=state.offset, length=length),
            policy=policy_for_opaque_url(state.session_url, base=self._base),
            committing=committing,
        )
        self._judge(answer, call.now, call.tokens, committing=committing)
        read = answer.document()
        following = msgspec.structs.replace(state, offset=read["stored"])
        if read["stored"] < intent.video.size:
            return StepResult(state=following)
        if self._tail:
            made = Published(remote_id=read["post"], live=False)
            return StepResult(
                state=msgspec.structs.replace(following, step="published"), committed=True, published=made
            )
        return StepResult(state=msgspec.structs.replace(following, step="waiting"))

    def _wait(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        read = self._ask("GET", f"/sessions/{state.handle}", call)
        if read["state"] == "wait":
            return StepResult(state=state, wait=self._wait_seconds, reason="Example is still converting the video.")
        return StepResult(state=msgspec.structs.replace(state, step="ready"))

    def _publish(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        read = self._ask("POST", f"/sessions/{state.handle}/publish", call, committing=True)
        done = msgspec.structs.replace(state, step="published")
        return StepResult(state=done, committed=True, published=Published(remote_id=read["post"], live=False))

    def _confirm(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        read = self._ask("GET", f"/sessions/{state.handle}", call)
        if read["state"] == "refused":
            raise trouble(OutcomeClass.PERMANENT, "Example has taken the post down.", code="refused")
        if read["state"] != "live":
            return StepResult(state=state, wait=self._wait_seconds, reason="Example is still checking the post.")
        if read["post"] is None:
            return StepResult(state=state, wait=self._wait_seconds, published=Published())
        done = msgspec.structs.replace(state, step="over")
        return StepResult(state=done, published=Published(remote_id=read["post"], url=f"{self._base}/p/{read['post']}"))

    def reconcile(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:
        posts = self._ask("GET", "/posts", call)["posts"]
        found = next((post for post in posts if post["caption"] == intent.content.caption), None)
        if found is not None:
            return Reconciled(
                verdict=Verdict.FOUND,
                evidence="The account's list of posts shows it.",
                state=msgspec.structs.replace(state, step="published"),
                published=Published(remote_id=found["id"], live=False),
            )
        following = state
        if self._tail:
            assert state.session_url is not None
            asking = send(
                "PUT", state.session_url, platform=self.title, headers={"content-range": f"bytes */{intent.video.size}"}
            )
            if asking.status == 404:
                following = PublishState()
            else:
                self._judge(asking, call.now, call.tokens)
                following = msgspec.structs.replace(state, offset=asking.document()["stored"])
        return Reconciled(
            verdict=Verdict.NOT_FOUND, evidence="The account's list of posts does not show it.", state=following
        )

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:
        return ()

    def _ask(self, method: str, path: str, call: Call, *, json: object = None, committing: bool = False) -> Any:
        answer = send(
            method,
            f"{self._base}{path}",
            platform=self.title,
            headers={"authorization": f"Bearer {call.tokens.access_token}"},
            json=json,
            committing=committing,
        )
        self._judge(answer, call.now, call.tokens, committing=committing)
        return answer.document()

    def _judge(self, answer: Answer, now: Clock, tokens: Tokens, *, committing: bool = False) -> None:
        raised: PlatformTrouble | None = common_trouble(
            answer, platform=self.title, now=now(), committing=committing, secrets=tokens.secrets
        )
        if raised is None and answer.status in {404, 416}:
            raised = trouble(OutcomeClass.RESTART, "Example has lost the upload.", code=str(answer.status))
        if raised is None and not answer.ok:
            raised = trouble(
                OutcomeClass.PERMANENT, "Example refuses the post.", code=str(answer.status), raw=answer.excerpt()
            )
        if raised is not None:
            raise raised


def _tokens(simulator: ExampleSimulator) -> Tokens:
    name = uuid4().hex[:8]
    token = simulator.give_token(f"at-{name}", "ann", seconds=3600, scopes=("post",), refresh=f"rt-{name}")
    return Tokens(
        access_token=token.value, refresh_token=token.refresh, expires_at=token.expires_at, scopes=token.scopes
    )


HARNESS = Harness(
    name="example",
    simulator=ExampleSimulator,
    settings=lambda simulator: {"public_url": simulator.url},
    connect=_tokens,
    content=lambda text: PostContent(caption=text),
    sizes=(50_000, 250_000),
    commit_path="/publish$",
    platform=lambda settings: ExamplePlatform(settings.public_url),
)

HARNESS_TAIL = Harness(
    name="example_tail",
    simulator=lambda: ExampleSimulator(tail=True),
    settings=lambda simulator: {"public_url": simulator.url},
    connect=_tokens,
    content=lambda text: PostContent(caption=text),
    sizes=(50_000, 250_000),
    commit_path="^/upload/",
    commit_method="PUT",
    platform=lambda settings: ExamplePlatform(settings.public_url, tail=True),
)
