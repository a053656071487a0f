"""Requests to platforms: sent once, pieces of a file exact, and never in doubt about whether they were sent."""

import socket

import pytest
from simulator_base import FaultKind, Response, Simulator, route

from cliply_resources.outbound import CONFIGURED, PUBLIC, FileSlice
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, scrub
from cliply_resources.platforms.wire import common_trouble, multipart, policy_for_opaque_url, send


class Echo(Simulator):
    """Says what it heard."""

    @route("PUT", "/bytes")
    def bytes(self, asked):
        return Response(200, asked.body)

    @route("POST", "/parts")
    def parts(self, asked):
        return Response(200, {name: len(content) for name, (_, content) in asked.parts().items()})

    @route("POST", "/moved")
    def moved(self, asked):
        return Response(307, b"", {"Location": "/bytes"})


@pytest.fixture
def echo():
    with Echo() as opened:
        yield opened


def test_a_slice_of_a_file_is_sent_exactly(echo, tmp_path):
    film = tmp_path / "film"
    film.write_bytes(bytes(range(256)) * 10_000)
    piece = FileSlice(path=film, offset=1_000_001, length=1_500_000)
    answer = send("PUT", f"{echo.url}/bytes", platform="Echo", body=piece)
    assert answer.body == film.read_bytes()[1_000_001:2_500_001]
    with pytest.raises(Exception, match="has only 2560000 bytes"):
        send("PUT", f"{echo.url}/bytes", platform="Echo", body=FileSlice(path=film, offset=2_560_000, length=1))


@pytest.mark.parametrize(("kind", "committing", "said"), [
    (FaultKind.DROP_BEFORE, False, OutcomeClass.RETRY),
    (FaultKind.DROP_AFTER, False, OutcomeClass.RETRY),
    (FaultKind.DROP_BEFORE, True, OutcomeClass.UNKNOWN),
    (FaultKind.DROP_AFTER, True, OutcomeClass.UNKNOWN),
    (FaultKind.DROP_BODY, True, OutcomeClass.UNKNOWN),
])  # fmt: skip
def test_a_broken_connection_leaves_a_doubt_only_where_something_may_have_been_published(echo, kind, committing, said):
    echo.faults.add(kind)
    with pytest.raises(PlatformTrouble) as raised:
        send("PUT", f"{echo.url}/bytes", platform="Echo", body=b"x" * 1000, committing=committing)
    assert raised.value.outcome.kind is said


def test_without_a_connection_nothing_was_published_for_certain():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(PlatformTrouble) as raised:
        send("POST", f"http://127.0.0.1:{port}/", platform="Echo", committing=True)
    assert raised.value.outcome.kind is OutcomeClass.RETRY


def test_a_redirect_is_an_answer_and_is_not_followed(echo):
    assert send("POST", f"{echo.url}/moved", platform="Echo").status == 307
    assert len(echo.log) == 1


def test_statuses_mean_the_same_everywhere(echo):
    def said(status, committing=False):
        echo.faults.add(FaultKind.RATE_LIMIT if status == 429 else FaultKind.ERROR_BEFORE, status=status, retry_after=7)
        answer = send("POST", f"{echo.url}/parts", platform="Echo")
        found = common_trouble(answer, platform="Echo", now=echo.clock(), committing=committing)
        return found and (found.outcome.kind, found.outcome.retry_after)

    assert said(401) == (OutcomeClass.REAUTH, None)
    assert said(429) == (OutcomeClass.RETRY, 7.0)
    assert said(503) == (OutcomeClass.RETRY, None)
    assert said(503, committing=True) == (OutcomeClass.UNKNOWN, None)
    assert said(404) is None


def test_a_form_of_parts_arrives_as_it_was_sent(echo):
    body, kind = multipart({"segment_index": "0"}, {"media": ("a.mp4", "video/mp4", b"\r\n--" * 50)})
    answer = send("POST", f"{echo.url}/parts", platform="Echo", headers={"content-type": kind}, body=body)
    assert answer.document() == {"segment_index": 1, "media": 200}


def test_an_upload_url_may_lead_inside_only_while_its_platform_is_there_itself():
    assert policy_for_opaque_url("http://127.0.0.1:5/up", base="http://127.0.0.1:5") is CONFIGURED
    assert policy_for_opaque_url("http://169.254.169.254/up", base="http://127.0.0.1:5") is PUBLIC
    assert policy_for_opaque_url("http://127.0.0.1/up", base="https://api.example.com") is PUBLIC
    with pytest.raises(PlatformTrouble) as raised:
        send("PUT", "https://127.0.0.1/up", platform="Echo", body=b"x", policy=PUBLIC)
    assert raised.value.outcome.code == "address_refused"


@pytest.mark.parametrize("text", [
    "Authorization: Bearer canary-0123456789", "https://up.example.com/video?upload_token=canary", '{"access_token": "canary"}',
    "refresh_token=canary&x=1", "OAuth canary-0123456789", "code_verifier=canary", "client_secret: canary",
])  # fmt: skip
def test_what_looks_like_a_secret_is_scrubbed(text):
    assert "canary" not in scrub(text)
    assert "canary" not in scrub("a canary flew", ["canary"])
