import socket

import pytest

from cliply_resources.errors import CallerError, MediaError, Rejected, StepFailed, TryLater
from cliply_resources.media_tools.download_guard import connection_is_allowed, program_is_allowed
from cliply_resources.media_tools.download_refusals import refusal_from
from cliply_resources.media_tools.downloads import checked_source_url
from cliply_resources.media_tools.guards import guarded_input
from cliply_resources.settings import Settings

SETTINGS = Settings()


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://www.youtube.com/watch?v=abc", "https://www.youtube.com/watch?v=abc"),
        ("  https://youtu.be/abc?t=3  ", "https://youtu.be/abc?t=3"),
        ("https://WWW.YouTube.com./watch?v=abc&list=PL1&index=2", "https://www.youtube.com./watch?v=abc"),
        ("https://youtu.be/abc?list=PL1", "https://youtu.be/abc"),
        ("https://www.youtube.com/playlist?list=PL1", "https://www.youtube.com/playlist?list=PL1"),
        ("https://vimeo.com/1?list=x", "https://vimeo.com/1?list=x"),
    ],
)
def test_a_video_is_asked_for_alone(url, asked):
    assert checked_source_url(url, SETTINGS)[0] == asked


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/watch?v=abc",
        "https://notyoutube.com/watch?v=abc",
        "https://youtube.com.evil.example/",
        "https://evil.example/?u=youtube.com",
        "https://evil.example#youtube.com",
        "https://youtube.com@evil.example/",
        "https://youtube.com\\@evil.example/",
        "http://www.youtube.com/watch?v=abc",
        "https://www.youtube.com:8443/watch?v=abc",
        "https://yоutube.com/watch?v=abc",  # noqa: RUF100, RUF001 - the first o is Cyrillic
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "file:///etc/passwd",
        "file://youtube.com/etc/passwd",
        "ytsearch5:cats",
        "youtube.com/watch?v=abc",
        "--exec=rm",
        "https://www.youtube.com/watch?v=abc#__youtubedl_smuggle=%7B%7D",
        "",
    ],
)
def test_anything_but_a_page_of_an_accepted_site_is_refused_unasked(url):
    with pytest.raises(CallerError) as refusal:
        checked_source_url(url, SETTINGS)
    assert str(refusal.value).isprintable()


def test_a_refused_host_is_named_with_those_that_are_accepted():
    with pytest.raises(CallerError, match=r"from evil\.example are not accepted. Accepted are youtube\.com, youtu\.be"):
        checked_source_url("https://evil.example/x", SETTINGS)


def test_a_host_may_be_accepted_in_its_own_script_and_with_its_own_port():
    settings = Settings(url_hosts=("bücher.example", "films.example:8443"))
    assert checked_source_url("https://www.bücher.example/x", settings)[1] == "www.xn--bcher-kva.example"
    assert checked_source_url("https://xn--bcher-kva.example/x", settings)[1] == "xn--bcher-kva.example"
    assert checked_source_url("https://films.example:8443/x", settings)[1] == "films.example"
    with pytest.raises(CallerError, match=r"from xn--bcher-kva\.example:8443"):
        checked_source_url("https://bücher.example:8443/x", settings)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("[youtube] x: Private video. Sign in if you've been granted access to this video", MediaError),
        ("[youtube] x: Video unavailable. This video has been removed by the uploader", MediaError),
        ("[youtube] x: Sign in to confirm your age. This video may be inappropriate for some users.", MediaError),
        ("[youtube] x: Sign in to confirm you’re not a bot. Use --cookies-from-browser", Rejected),
        ("[youtube] x: This live event will begin in 3 hours.", MediaError),
        ("[vimeo] 1: Unable to download webpage: HTTP Error 404: Not Found", MediaError),
        ("[vimeo] 1: Unable to download webpage: HTTP Error 503: Service Unavailable", TryLater),
        ("[vimeo] 1: Unable to download JSON metadata: HTTP Error 429: Too Many Requests", TryLater),
        ("[twitter] 1: Unable to download webpage: The read operation timed out", TryLater),
        ("[twitter] 1: [Errno -3] Temporary failure in name resolution", TryLater),
        ("unable to download video data: HTTP Error 403: Forbidden", Rejected),
        ("[Instagram] x: The current page needs a different torrent of parents", StepFailed),
        ("Unsupported URL: https://www.youtube.com/playlist?list=PL1", CallerError),
        ("unable to write data: [Errno 28] No space left on device", StepFailed),
        ("unable to write data: [Errno 27] File too large", MediaError),
        ("something never seen before", StepFailed),
    ],
)
def test_what_went_wrong_is_said_in_the_callers_terms(error, kind):
    refusal = refusal_from(f"WARNING: HTTP Error 503 earlier\nERROR: {error}\n", host="site.example", returncode=1)
    assert type(refusal) is kind
    assert "site.example" in str(refusal) or kind is StepFailed
    assert "--cookies" not in str(refusal)
    assert str(refusal).endswith(".")


def test_only_public_addresses_and_ones_own_are_connected_to():
    inet = socket.AF_INET
    assert connection_is_allowed(inet, ("93.184.216.34", 443), ())
    assert not connection_is_allowed(inet, ("127.0.0.1", 443), ())
    assert not connection_is_allowed(socket.AF_INET6, ("::ffff:127.0.0.1", 443, 0, 0), ())
    assert not connection_is_allowed(socket.AF_UNIX, "/run/docker.sock", ())
    assert not connection_is_allowed(inet, ("localhost", 443), ())
    assert not connection_is_allowed(inet, (), ())


def test_only_our_ffmpeg_on_local_files_may_be_started(tmp_path):
    ffmpeg = "/opt/ffmpeg"
    reading = guarded_input(tmp_path / "a.mp4")
    assert program_is_allowed([ffmpeg, "-bsfs"], ffmpeg)
    assert program_is_allowed([ffmpeg, "-y", *reading, *reading, "-c", "copy", "file:out.mp4"], ffmpeg)
    assert program_is_allowed([b"/usr/bin/deno", b"run", b"-"], ffmpeg)
    assert not program_is_allowed([ffmpeg, "-i", "file:a.mp4"], ffmpeg)
    assert not program_is_allowed([ffmpeg, *reading, "-i", "http://127.0.0.1/"], ffmpeg)
    assert not program_is_allowed([ffmpeg, "-protocol_whitelist", "file", "-i"], ffmpeg)
    assert not program_is_allowed(["/usr/bin/ffmpeg", *reading], ffmpeg)
    assert not program_is_allowed(["rtmpdump", "-r", "rtmp://127.0.0.1"], ffmpeg)
    assert not program_is_allowed("sh -c true", ffmpeg)
    assert not program_is_allowed([], ffmpeg)
