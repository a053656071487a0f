"""LinkedIn: a video in parts to addresses of its own, then one call that posts, which LinkedIn recognises for ten minutes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

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
from cliply_resources.platforms.linkedin.errors import code_of, duplicate_of, judged
from cliply_resources.platforms.linkedin.numbers import member_metrics, organization_metrics
from cliply_resources.platforms.linkedin.rules import problems_of
from cliply_resources.platforms.linkedin.text import little_text
from cliply_resources.platforms.outcomes import OutcomeClass, trouble
from cliply_resources.platforms.wire import Answer, policy_for_opaque_url, send
from cliply_resources.settings import Settings

__all__ = ["LinkedIn", "adapter"]

RECOGNISED_FOR = timedelta(minutes=9)
"""LinkedIn recognises a repetition for ten minutes; one is kept for our clock and the request's way."""
PROCESSING_SECONDS = 5.0
_VISIBILITY = {"public": "PUBLIC", "friends": "CONNECTIONS"}
_MEMBER = ("openid", "profile", "w_member_social")
_ORGANIZATION = ("w_organization_social", "r_organization_social", "rw_organization_admin")
_STILL_WORKING = {"MEDIA_ASSET_WAITING_UPLOAD", "MEDIA_ASSET_PROCESSING"}


class _Part(msgspec.Struct, frozen=True, array_like=True):
    url: str
    first: int
    last: int
    """Inclusive."""


class LinkedIn(BasePlatform):
    """Publishes by `POST /rest/posts`."""

    name = "linkedin"
    title = "LinkedIn"
    limits = Limits(
        caption_max=3000,
        bytes_max=500_000_000,
        duration_min=3.0,
        duration_max=1800.0,
        visibilities=("public", "friends"),
        posts_per_day=150,
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = settings.linkedin_api_base.rstrip("/")
        self._auth = settings.linkedin_auth_base.rstrip("/")
        self.capabilities = Capabilities(
            scopes=_MEMBER + (_ORGANIZATION if settings.linkedin_organizations else ()),
            scopes_to_publish=("w_member_social",),
            refresh="keeps",
            refresh_ahead=3 * 86400.0,
            editable=("caption",),
            can_delete=True,
            metrics_batch=20,
            settle=0.0,
        )

    # Connecting

    def configured(self) -> str | None:
        """Needs an app's id and secret."""
        if self._settings.linkedin_client_id and self._settings.linkedin_client_secret:
            return None
        return (
            "LinkedIn is not set up: register an app in LinkedIn's developer portal and set CLIPLY_LINKEDIN_CLIENT_ID "
            "and CLIPLY_LINKEDIN_CLIENT_SECRET."
        )

    def authorize_url(self, *, redirect_uri: str, state: str, verifier: str) -> str:  # noqa: ARG002 - no PKCE
        """LinkedIn's consent page."""
        query = {
            "response_type": "code",
            "client_id": self._settings.linkedin_client_id or "",
            "redirect_uri": redirect_uri,
            "state": state,
            "scope": " ".join(self.capabilities.scopes),
        }
        return f"{self._auth}/oauth/v2/authorization?{urlencode(query, quote_via=quote)}"

    def exchange_code(self, *, code: str, redirect_uri: str, verifier: str, now: Clock) -> Tokens:  # noqa: ARG002
        """The code lives 30 minutes; a refresh token comes only to apps that LinkedIn approved for it."""
        return self._token({"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}, now)

    def refresh(self, tokens: Tokens, *, now: Clock) -> Tokens:
        """A new access token; the refresh token stays, and its own end with it."""
        if not tokens.refresh_token:
            reason = "LinkedIn gives this app no way to renew a connection; connect the account again."
            raise trouble(OutcomeClass.RECONNECT, reason, code="no_refresh_token")
        new = self._token({"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}, now)
        return msgspec.structs.replace(
            new,
            refresh_token=new.refresh_token or tokens.refresh_token,
            refresh_expires_at=new.refresh_expires_at or tokens.refresh_expires_at,
            scopes=new.scopes or tokens.scopes,
        )

    def profiles(self, tokens: Tokens, *, now: Clock) -> tuple[Profile, ...]:
        """The member, and the organisations that the member administers where the app may post for them."""
        call = Call(tokens=tokens, account_id="", now=now)
        found = self._ask("GET", "/v2/userinfo", call)
        name = str(found.get("name", ""))
        member = Profile(
            remote_id=f"urn:li:person:{found['sub']}", name=name, avatar_url=found.get("picture"), kind="person"
        )
        if "w_organization_social" not in tokens.scopes:
            return (member,)
        query = "q=roleAssignee&role=ADMINISTRATOR&state=APPROVED"
        acls = self._ask("GET", f"/rest/organizationAcls?{query}", call).get("elements") or ()
        return (
            member,
            *(
                Profile(
                    remote_id=str(each["organization"]),
                    name=f"Organization {str(each['organization']).rsplit(':', 1)[-1]}",
                    kind="organization",
                )
                for each in acls
            ),
        )

    # Publishing

    def validate(self, content: PostContent, video: VideoFacts, account: AccountLimits) -> tuple[Problem, ...]:  # noqa: ARG002
        """Text, visibility, length and size."""
        return tuple(problems_of(content, video, self.limits))

    def plan(self, intent: PublishIntent, state: PublishState) -> Step | None:  # noqa: ARG002 - the state says it all
        """Begin, parts, finish, wait, post."""
        match state.step:
            case "":
                return Step("initialize", StepKind.PREPARE)
            case "sending" if len(state.parts) < len(_parts(state)):
                return Step("part", StepKind.PREPARE)
            case "sending":
                return Step("finalize", StepKind.PREPARE)
            case "processing":
                return Step("processing", StepKind.PREPARE)
            case "ready":
                return Step("post", StepKind.COMMIT)
        return None

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        """One request."""
        match step.name:
            case "initialize":
                return self._initialize(intent, call)
            case "part":
                return self._send_part(state, call)
            case "finalize":
                wanted = {
                    "video": state.handle,
                    "uploadToken": state.facts.get("upload_token", ""),
                    "uploadedPartIds": list(state.parts),
                }
                self._ask("POST", "/rest/videos?action=finalizeUpload", call, json={"finalizeUploadRequest": wanted})
                return StepResult(state=msgspec.structs.replace(state, step="processing", session_url=None))
            case "processing":
                return self._processing(state, call)
            case _:
                return self._post(intent, state, call)

    def reconcile(self, intent: PublishIntent, state: PublishState, call: Call) -> Reconciled:
        """Sends the identical post once more while LinkedIn recognises it; members' posts cannot be read back."""
        committed_at = call.committed_at or call.now()
        waited = call.now() - committed_at
        if waited > RECOGNISED_FOR:
            return Reconciled(
                verdict=Verdict.UNDECIDABLE,
                evidence="LinkedIn recognises a repeated post for ten minutes only, and shows apps no list of a member's "
                f"posts. The call was made at {committed_at:%H:%M:%S} UTC. Look at the profile: is the post there?",
                state=state,
            )
        answer = self._send_post(intent, state, call)
        done = msgspec.structs.replace(state, step="posted")
        twin = duplicate_of(answer)
        if twin is not None:
            evidence = "LinkedIn recognised the post and named the one that exists."
            return Reconciled(verdict=Verdict.FOUND, evidence=evidence, state=done, published=_published(intent, twin))
        if code_of(answer) in _STILL_WORKING:
            waiting = msgspec.structs.replace(state, step="processing")
            evidence = "LinkedIn is still working on the video, so nothing can have been posted with it."
            return Reconciled(verdict=Verdict.NOT_FOUND, evidence=evidence, state=waiting, certain=True)
        self._judge(answer, call)
        urn = answer.headers.get("x-restli-id", "")
        evidence = "LinkedIn did not know the post, and has it now."
        return Reconciled(verdict=Verdict.FOUND, evidence=evidence, state=done, published=_published(intent, urn))

    # Afterwards

    def edit(self, remote_id: str, content: PostContent, call: Call) -> None:
        """The text only."""
        patch = {"patch": {"$set": {"commentary": little_text(content.caption)}}}
        path = f"/rest/posts/{quote(remote_id, safe='')}"
        self._ask("POST", path, call, json=patch, restli_method="PARTIAL_UPDATE")

    def delete(self, remote_id: str, call: Call) -> None:
        """For good."""
        path = f"/rest/posts/{quote(remote_id, safe='')}"
        answer = self._send("DELETE", path, call, restli_method="DELETE")
        if answer.status != 404:
            self._judge(answer, call)

    def metrics(self, remote_ids: Sequence[str], call: Call) -> tuple[Metrics, ...]:
        """Of an organisation's posts; of a member's only where LinkedIn gave the app `r_member_postAnalytics`."""
        asked = tuple(remote_ids[: self.capabilities.metrics_batch])
        if ":organization:" in call.account_id:
            return organization_metrics(asked, call.account_id, lambda path: self._ask("GET", path, call))
        if "r_member_postAnalytics" in call.tokens.scopes:
            return member_metrics(asked, lambda path: self._ask("GET", path, call))
        raise self.unsupported("tells a member's numbers only to apps that it has vetted for them")

    # Steps

    def _initialize(self, intent: PublishIntent, call: Call) -> StepResult:
        wanted = {
            "owner": call.account_id,
            "fileSizeBytes": intent.video.size,
            "uploadCaptions": False,
            "uploadThumbnail": False,
        }
        body = {"initializeUploadRequest": wanted}
        value = self._ask("POST", "/rest/videos?action=initializeUpload", call, json=body)["value"]
        parts = [
            _Part(str(each["uploadUrl"]), int(each["firstByte"]), int(each["lastByte"]))
            for each in value["uploadInstructions"]
        ]
        dies = value.get("uploadUrlsExpireAt")
        state = PublishState(
            step="sending",
            handle=str(value["video"]),
            session_url=msgspec.json.encode(parts).decode(),
            opened_at=call.now(),
            expires_at=None if dies is None else datetime.fromtimestamp(int(dies) / 1000, UTC),
            facts={"upload_token": str(value.get("uploadToken") or "")},
        )
        return StepResult(state=state)

    def _send_part(self, state: PublishState, call: Call) -> StepResult:
        assert call.video is not None
        part = _parts(state)[len(state.parts)]
        answer = send(
            "PUT",
            part.url,
            platform=self.title,
            # The address itself is the permission; LinkedIn refuses a token beside it.
            headers={"content-type": "application/octet-stream"},
            body=FileSlice(path=call.video.path, offset=part.first, length=part.last - part.first + 1),
            timeout=self._settings.platform_timeout_seconds * 10,
            policy=policy_for_opaque_url(part.url, base=self._base),
        )
        if answer.status in {400, 401, 403, 404, 410}:
            reason = "LinkedIn's upload address is no longer good, so the video is sent again."
            raise trouble(OutcomeClass.RESTART, reason, code=str(answer.status), raw=answer.excerpt())
        self._judge(answer, call)
        etag = answer.headers.get("etag", "")
        if not etag:
            raise trouble(OutcomeClass.RETRY, "LinkedIn took a part of the video and did not name it.", code="no_etag")
        return StepResult(
            state=msgspec.structs.replace(state, parts=(*state.parts, etag), offset=part.last + 1),
        )

    def _processing(self, state: PublishState, call: Call) -> StepResult:
        found = self._ask("GET", f"/rest/videos/{quote(state.handle or '', safe='')}", call)
        match found.get("status"):
            case "AVAILABLE":
                return StepResult(state=msgspec.structs.replace(state, step="ready"))
            case "PROCESSING_FAILED":
                why = str(found.get("processingFailureReason") or "it gives no reason")
                reason = f"LinkedIn could not process the video: {why}. It is sent again."
                raise trouble(OutcomeClass.RESTART, reason, code="PROCESSING_FAILED")
        waiting = msgspec.structs.replace(state, polls=state.polls + 1)
        return StepResult(state=waiting, wait=PROCESSING_SECONDS, reason="LinkedIn is processing the video.")

    def _post(self, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        answer = self._send_post(intent, state, call, committing=True)
        done = msgspec.structs.replace(state, step="posted")
        # The video belongs to this very post, so what it duplicates can only be itself.
        twin = duplicate_of(answer)
        if twin is not None:
            return StepResult(state=done, committed=True, published=_published(intent, twin))
        if answer.status == 400 and code_of(answer) in _STILL_WORKING:
            waiting = msgspec.structs.replace(state, step="processing")
            reason = "LinkedIn is still processing the video."
            return StepResult(state=waiting, committed=False, wait=PROCESSING_SECONDS, reason=reason)
        self._judge(answer, call, committing=True)
        return StepResult(
            state=done, committed=True, published=_published(intent, answer.headers.get("x-restli-id", ""))
        )

    def _send_post(self, intent: PublishIntent, state: PublishState, call: Call, *, committing: bool = False) -> Answer:
        content = intent.content
        media: dict[str, str] = {"id": state.handle or ""}
        if content.title:
            media["title"] = content.title
        wanted = {
            "author": call.account_id,
            "commentary": little_text(content.caption),
            "visibility": _VISIBILITY[content.visibility],
            "distribution": {
                "feedDistribution": "MAIN_FEED",
                "targetEntities": [],
                "thirdPartyDistributionChannels": [],
            },
            "content": {"media": media},
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": False,
        }
        return self._send("POST", "/rest/posts", call, json=wanted, committing=committing)

    # Requests

    def _token(self, form: Mapping[str, str], now: Clock) -> Tokens:
        secret = self._settings.linkedin_client_secret
        client = {
            "client_id": self._settings.linkedin_client_id or "",
            "client_secret": secret.get_secret_value() if secret else "",
        }
        answer = send(
            "POST",
            f"{self._auth}/oauth/v2/accessToken",
            platform=self.title,
            form={**form, **client},
            timeout=30.0,
        )
        if answer.status in {400, 401}:
            reason = "LinkedIn no longer renews this connection; connect the account again."
            if form["grant_type"] == "authorization_code":
                reason = "LinkedIn did not take the sign-in; start connecting the account again."
            secrets = (*form.values(), client["client_secret"])
            raise trouble(OutcomeClass.RECONNECT, reason, code="invalid_grant", raw=answer.excerpt(secrets))
        self._judge(answer, Call(tokens=Tokens(access_token=""), account_id="", now=now))
        read = answer.document()
        lasts = read.get("refresh_token_expires_in")
        return Tokens(
            access_token=read["access_token"],
            refresh_token=read.get("refresh_token"),
            expires_at=now() + timedelta(seconds=float(read.get("expires_in", 5_184_000))),
            refresh_expires_at=None if lasts is None else now() + timedelta(seconds=float(lasts)),
            scopes=tuple(str(read.get("scope", "")).replace(",", " ").split()),
            obtained_at=now(),
        )

    def _send(
        self,
        method: str,
        path: str,
        call: Call,
        *,
        json: object = None,
        restli_method: str | None = None,
        committing: bool = False,
    ) -> Answer:
        headers = {
            "authorization": f"Bearer {call.tokens.access_token}",
            "linkedin-version": self._settings.linkedin_version,
            "x-restli-protocol-version": "2.0.0",
            "content-type": "application/json",
        }
        if restli_method is not None:
            headers["x-restli-method"] = restli_method
        return send(
            method,
            f"{self._base}{path}",
            platform=self.title,
            headers=headers,
            json=json,
            timeout=self._settings.platform_timeout_seconds,
            committing=committing,
        )

    def _judge(self, answer: Answer, call: Call, *, committing: bool = False) -> None:
        raised = judged(answer, now=call.now(), tokens=call.tokens, committing=committing)
        if raised is not None:
            raise raised

    def _ask(
        self, method: str, path: str, call: Call, *, json: object = None, restli_method: str | None = None
    ) -> dict[str, Any]:
        answer = self._send(method, path, call, json=json, restli_method=restli_method)
        self._judge(answer, call)
        return answer.document()


def adapter(settings: Settings) -> LinkedIn:
    """LinkedIn under these settings."""
    return LinkedIn(settings)


def _parts(state: PublishState) -> list[_Part]:
    return msgspec.json.decode(state.session_url or "[]", type=list[_Part])


def _published(intent: PublishIntent, urn: str) -> Published:
    url = f"https://www.linkedin.com/feed/update/{urn}/" if urn else None
    return Published(remote_id=urn or None, url=url, visibility=intent.content.visibility)
