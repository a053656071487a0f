"""Applications over a real database, people who use them, and their mail."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from litestar.testing import TestClient
from pydantic import SecretStr

from cliply_api.app import create_app
from cliply_api.identity.mailing import send_due_mails
from cliply_resources.settings import Settings

PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """Somebody who signed up; their requests carry the access token, and the workspace where one is named."""

    client: TestClient
    email: str
    user_id: str
    workspace_id: str
    access_token: str
    refresh_token: str
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.access_token}", **self.headers, **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **options)

    def within(self, workspace_id: str) -> "Person":
        """The same person in another workspace."""
        return replace(self, workspace_id=workspace_id, headers={"X-Workspace-Id": workspace_id})


def sign_up(client: TestClient, name: str = "ada") -> Person:
    """A new account with its own workspace."""
    email = f"{name}-{uuid4().hex[:12]}@example.com"
    reply = client.post("/api/auth/register", json={"email": email, "password": PASSWORD, "name": name})
    assert reply.status_code == 201, reply.text
    found = reply.json()
    return Person(
        client, email, found["user"]["id"], found["workspace_id"], found["access_token"], found["refresh_token"]
    )


def fresh_mail(client: TestClient, recipient: str, containing: str = "") -> str:
    """Sends what is queued; the newest mail to the address that contains the words, whole."""
    state = client.app.state
    send_due_mails(state.database, state.mailer, state.settings, at_most=1000)
    deadline = time.monotonic() + 5
    while True:
        mails = sorted(state.mailer.folder.glob("*.eml"), reverse=True) if state.mailer.folder.exists() else []
        for path in mails:
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            if message["To"] == recipient and containing in message.get_content():
                return str(message.get_content())
        # The application's own background task may be in the middle of sending it.
        assert time.monotonic() < deadline, f"no mail to {recipient}"
        time.sleep(0.02)


def link_secret(mail: str) -> str:
    """The secret in a mail's link."""
    return re.search(r"#token=(\S+)", mail).group(1)


def join(client: TestClient, owner: Person, role: str, name: str = "ben") -> Person:
    """A new account that came by an invitation of `owner`, in the owner's workspace."""
    guest = sign_up(client, name)
    invited = owner(
        "POST", f"/api/workspaces/{owner.workspace_id}/invitations", json={"email": guest.email, "role": role}
    )
    assert invited.status_code == 201, invited.text
    token = link_secret(fresh_mail(client, guest.email, "/invitation"))
    accepted = guest("POST", "/api/invitations/accept", json={"token": token})
    assert accepted.status_code == 200, accepted.text
    return guest.within(owner.workspace_id)


def relaxed(url: str, home: Path, **changes: Any) -> Settings:
    """Settings whose limits and hashing do not slow tests down."""
    return Settings(
        home=home,
        database_url=SecretStr(url),
        **{
            "password_memory_kib": 8,
            "password_passes": 1,
            "login_per_minute": 10_000,
            "register_per_hour": 10_000,
            "mails_per_hour": 10_000,
            "user_requests_per_minute": 100_000,
            "workspace_requests_per_minute": 100_000,
            **changes,
        },
    )


@contextmanager
def running(settings: Settings) -> Iterator[TestClient]:
    """A client of an application with its lifespan; https, so that Secure cookies come back."""
    client = TestClient(create_app(settings), base_url="https://cliply.test", raise_server_exceptions=False)
    with client:
        yield client


def foreign_ids(theirs: Person, ask: Callable[..., list[Any]]) -> dict[str, str]:
    """For every path parameter the id of something that is `theirs`. New areas add theirs here; `ask` inserts rows directly."""
    place = theirs.workspace_id
    invited = theirs("POST", f"/api/workspaces/{place}/invitations", json={"email": "c@example.com", "role": "viewer"})
    token = theirs("POST", "/api/tokens", json={"name": "t", "scopes": ["upload.read"]})
    [(upload,)] = ask(
        "INSERT INTO uploads (workspace_id, source_kind, source_uri, settings_digest) VALUES (%s, 'file', '/a', 'd') RETURNING id",
        place,
    )
    [(clip,)] = ask(
        "INSERT INTO clips (workspace_id, upload_id, rank, start_s, end_s, score) VALUES (%s, %s, 1, 0, 9, 1) RETURNING id",
        place,
        upload,
    )
    [(rerender,)] = ask(
        "INSERT INTO render_wishes (workspace_id, clip_id, aspects, style, start_s, end_s, settings_digest) "
        "VALUES (%s, %s, '{9:16}', 'none', 0, 9, 'd') RETURNING id",
        place,
        clip,
    )
    [(comment,)] = ask(
        "INSERT INTO clip_comments (workspace_id, clip_id, body, author_id) VALUES (%s, %s, '!', %s) RETURNING id",
        place,
        clip,
        theirs.user_id,
    )
    [(webhook,)] = ask(
        "INSERT INTO webhook_endpoints (workspace_id, url, events, secret) "
        "VALUES (%s, 'https://example.com', '{*}', 'whsec_') RETURNING id",
        place,
    )
    [(delivery,)] = ask(
        "INSERT INTO webhook_deliveries (workspace_id, endpoint_id, event_id, kind, state) "
        "VALUES (%s, %s, uuidv7(), 'webhook.test', 'failed') RETURNING id",
        place,
        webhook,
    )
    [(kit,)] = ask("INSERT INTO brand_kits (workspace_id, name) VALUES (%s, 'k') RETURNING id", place)
    [(brand_file,)] = ask(
        "INSERT INTO brand_files (workspace_id, kit_id, kind, name, content_type, given_size) "
        "VALUES (%s, %s, 'logo', 'a', 'image/png', 1) RETURNING id",
        place,
        kit,
    )
    account = theirs("POST", "/api/accounts/sandbox")
    [(post,)] = ask(
        "INSERT INTO posts (workspace_id, account_id, platform, object_key, video, content, due_at, tolerance_seconds) "
        "VALUES (%s, %s, 'sandbox', 'k', '{}', '{}', now(), 60) RETURNING id",
        place,
        account.json()["id"],
    )
    return {
        "post_id": str(post),
        "workspace_id": place,
        "account_id": account.json()["id"],
        "platform": "elsewhere",
        "user_id": theirs.user_id,
        "invitation_id": invited.json()["id"],
        "token_id": token.json()["info"]["id"],
        "session_id": theirs("GET", "/api/auth/sessions").json()["data"][0]["id"],
        "upload_id": str(upload),
        "clip_id": str(clip),
        "kit_id": str(kit),
        "brand_file_id": str(brand_file),
        "comment_id": str(comment),
        "rerender_id": str(rerender),
        "webhook_id": str(webhook),
        "delivery_id": str(delivery),
    }
