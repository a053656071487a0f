import json
import re

import av
import pytest
from msgspec import UNSET

from cliply_resources.errors import (
    CallerError,
    CliplyError,
    DeadlineExceeded,
    MediaError,
    Rejected,
    StepFailed,
    TryLater,
)
from cliply_resources.media_tools import downloads
from cliply_resources.media_tools.downloads import download
from cliply_resources.progress import silent


def attempt(url, tmp_path, settings, **more):
    into = tmp_path / "into"
    return download(url, into, settings=settings, progress=more.pop("progress", silent), deadline_seconds=60, **more)


def refused(kind, url, tmp_path, settings, match):
    """The download fails in the way named, and leaves nothing."""
    with pytest.raises(kind, match=match) as refusal:
        attempt(url, tmp_path, settings)
    assert list((tmp_path / "into").glob("*")) == []
    assert str(refusal.value).endswith(".")
    assert str(refusal.value).isprintable()


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch):
    monkeypatch.setattr(downloads, "RETRY_PAUSE", "0.05")
    monkeypatch.setattr(downloads, "RETRIES", 2)


# What arrives


def test_a_described_video_arrives_with_its_title_and_chapters(site, settings, tmp_path, film):
    site.talk(
        "/talk",
        name="A talk\u202e about\x07 clips",
        duration="PT2S",
        author={"@type": "Person", "name": "Ada"},
        hasPart=[
            {"@type": "Clip", "name": "Start", "startOffset": 0, "endOffset": 1},
            {"@type": "Clip", "name": "End", "startOffset": 1, "endOffset": 99},
        ],
    )
    told = []
    path, origin = attempt(
        f"{site.url}/talk", tmp_path, settings, progress=lambda done, doing: told.append((done, doing))
    )
    assert path == tmp_path / "into" / "source.mp4"
    assert path.read_bytes() == film
    assert list(path.parent.iterdir()) == [path]
    assert origin.title == "A talk about clips"
    assert origin.extractor == "generic"
    assert origin.url == f"{site.url}/talk"
    assert [(c.start, c.end, c.title) for c in origin.chapters] == [(0.0, 1.0, "Start"), (1.0, 2.0, "End")]
    assert origin.captions is None
    fractions = [done for done, _ in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert any(re.search(r"downloading from .*, [\d.]+ MB", doing) for _, doing in told)


def test_a_videos_own_captions_come_with_it(site, settings, tmp_path):
    track = '<track kind="subtitles" srclang="en" src="/en.vtt">'
    site.page(
        "/watch", f"<html><head><title>Watch</title></head><body><video src='/talk.mp4'>{track}</video></body></html>"
    )
    _, origin = attempt(f"{site.url}/watch", tmp_path, settings)
    assert "Hello there." in origin.captions
    assert (origin.captions_language, origin.captions_automatic) == ("en", False)


def test_a_video_whose_captions_cannot_be_had_is_still_a_video(site, settings, tmp_path, film):
    track = '<track kind="subtitles" srclang="en" src="/gone.vtt">'
    site.page(
        "/watch", f"<html><head><title>Watch</title></head><body><video src='/talk.mp4'>{track}</video></body></html>"
    )
    path, origin = attempt(f"{site.url}/watch", tmp_path, settings)
    assert path.read_bytes() == film
    assert origin.captions is None
    assert origin.captions_language is None


def chatted_page(site, chat):
    """What follows the film beside it: its site lists the chat as one more track, as video sites do."""
    track = f'<track kind="subtitles" srclang="live_chat" src="{chat}">'
    site.page(
        "/watch", f"<html><head><title>Watch</title></head><body><video src='/talk.mp4'>{track}</video></body></html>"
    )


def chat_line(seconds, who):
    item = {"liveChatTextMessageRenderer": {"authorExternalChannelId": who}}
    action = {"actions": [{"addChatItemAction": {"item": item}}], "videoOffsetTimeMsec": str(seconds * 1000)}
    return json.dumps({"replayChatItemAction": action})


def test_what_viewers_wrote_comes_only_when_asked_for(site, settings, tmp_path, film):
    chatted_page(site, "/chat.json")
    chat = "\n".join(chat_line(second, f"UC{second}") for second in (1, 2, 3, 7))
    site.pages["/chat.json"] = ("application/json", chat.encode())
    _, plain = attempt(f"{site.url}/watch", tmp_path, settings)
    assert plain.audience is UNSET
    assert "/chat.json" not in site.asked
    path, origin = attempt(f"{site.url}/watch", tmp_path / "again", settings.model_copy(update={"url_viewers": True}))
    assert [(w.start, w.chatters) for w in origin.audience.chat] == [(0.0, 3), (5.0, 1)]
    assert path.read_bytes() == film
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("chat", ["/gone.json", "/broken.json"])
def test_a_video_whose_viewers_cannot_be_heard_is_still_a_video(chat, site, settings, tmp_path, film):
    chatted_page(site, chat)
    site.pages["/broken.json"] = ("application/json", b"<html>no</html>")
    path, origin = attempt(f"{site.url}/watch", tmp_path, settings.model_copy(update={"url_viewers": True}))
    assert path.read_bytes() == film
    assert origin.audience is UNSET


def test_a_download_continues_where_its_connection_broke(site, settings, tmp_path, film):
    site.break_after["/talk.mp4"] = 3
    path, _ = attempt(f"{site.url}/talk.mp4", tmp_path, settings)
    assert path.read_bytes() == film


def test_picture_and_sound_apart_are_put_together(site, settings, tmp_path, film):
    # An HLS master with a separate sound track is what makes yt-dlp start ffmpeg, guards and all.
    segment = "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n"
    master = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",LANGUAGE="en",DEFAULT=YES,URI="sound.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=320x180,CODECS="avc1.42c00d,mp4a.40.2",AUDIO="a"\npicture.m3u8\n'
    )
    for name, text in (
        ("film", master),
        ("picture", segment.format("talk.mp4")),
        ("sound", segment.format("talk.mp4")),
    ):
        site.pages[f"/{name}.m3u8"] = ("application/vnd.apple.mpegurl", text.encode())
    path, _ = attempt(f"{site.url}/film.m3u8", tmp_path, settings)
    assert path.suffix in {".mp4", ".mkv"}
    with av.open(path) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


def test_a_proxy_of_the_settings_is_used_and_needs_no_other_permission(site, settings, tmp_path, film, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    site.pages["http://films.example/talk.mp4"] = site.pages["/talk.mp4"]
    behind = settings.model_copy(
        update={"url_hosts": ("films.example",), "url_proxy": site.url, "url_private_networks": ()}
    )
    path, _ = attempt("http://films.example/talk.mp4", tmp_path, behind)
    assert path.read_bytes() == film
    assert set(site.asked) == {"http://films.example/talk.mp4"}


# What does not, and why


def test_a_server_that_stays_dead_is_to_be_tried_later(site, settings, tmp_path):
    site.break_after["/talk.mp4"] = 99
    refused(TryLater, f"{site.url}/talk.mp4", tmp_path, settings, "did not deliver")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(503, TryLater), (429, TryLater), (404, MediaError), (403, Rejected)],
)
def test_what_a_status_means_is_said(status, kind, site, settings, tmp_path):
    site.status["/talk"] = status
    refused(kind, f"{site.url}/talk", tmp_path, settings, site.host.split(":")[0])


@pytest.mark.parametrize("unsized", [False, True], ids=["announced", "not announced"])
def test_a_file_over_the_limit_is_refused(unsized, site, settings, tmp_path, film):
    site.pages["/talk.mp4"] = ("video/mp4", film + bytes(3_000_000))
    if unsized:
        site.unsized.add("/talk.mp4")
    limited = settings.model_copy(update={"max_source_bytes": 1_000_000})
    refused(MediaError, f"{site.url}/talk.mp4", tmp_path, limited, "larger than")


def test_a_video_over_the_time_limit_is_refused_before_it_is_downloaded(site, settings, tmp_path):
    site.talk("/talk", name="Long", duration="PT5H")
    refused(MediaError, f"{site.url}/talk", tmp_path, settings, r"lasts 5 h 0 min; at most 4 h 0 min")


def test_a_page_of_several_videos_is_refused(site, settings, tmp_path):
    site.page(
        "/list", "<html><title>L</title><body><video src='/talk.mp4'></video><video src='/b.mp4'></video></body></html>"
    )
    refused(CallerError, f"{site.url}/list", tmp_path, settings, "names 2 videos")


def test_a_page_without_a_video_is_refused(site, settings, tmp_path):
    site.page("/about", "<html><title>About us</title><body>No film here.</body></html>")
    refused(CallerError, f"{site.url}/about", tmp_path, settings, "not the page of a single video")


def test_the_generic_extractor_does_not_run_unless_it_is_named(site, settings, tmp_path):
    usual = settings.model_copy(update={"url_extractors": type(settings)().url_extractors})
    refused(CallerError, f"{site.url}/talk.mp4", tmp_path, usual, "not the page of a single video")
    assert site.connections == 0


def test_an_allowed_name_that_leads_inside_is_not_connected_to(site, settings, tmp_path):
    strict = settings.model_copy(update={"url_private_networks": ()})
    refused(CallerError, f"{site.url}/talk.mp4", tmp_path, strict, "not public")
    assert site.connections == 0


@pytest.mark.parametrize("way", ["redirect", "description", "playlist", "encrypted playlist"])
def test_a_site_cannot_send_the_download_inside(way, site, settings, tmp_path, canary):
    secret = f"{canary.url}/secret.mp4"
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n{{}}#EXTINF:2.0,\n{secret}\n#EXT-X-ENDLIST\n"
    if way == "redirect":
        site.redirects["/x"] = secret
    elif way == "description":
        site.talk("/x", media="@")
        kind, data = site.pages["/x"]
        site.pages["/x"] = (kind, data.replace(f"{site.url}@".encode(), secret.encode()))
    else:
        # yt-dlp would hand the second kind to ffmpeg, network and all.
        key = f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{canary.url}/key"\n' if way == "encrypted playlist" else ""
        site.pages["/x"] = ("application/vnd.apple.mpegurl", playlist.format(key).encode())
    refused(CliplyError, f"{site.url}/x", tmp_path, settings, "not public|only in a form")
    assert site.connections > 0
    assert canary.connections == 0


def test_a_playlist_that_names_files_of_this_machine_reads_none(site, settings, tmp_path):
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    site.pages["/x.m3u8"] = ("application/vnd.apple.mpegurl", playlist.encode())
    refused(MediaError, f"{site.url}/x.m3u8", tmp_path, settings, "only in a form that Cliply does not download")


def test_a_folder_that_cannot_be_written_is_named(site, settings, tmp_path):
    (tmp_path / "into").write_text("a file")
    with pytest.raises(StepFailed, match=r"Nothing can be downloaded to .*into"):
        attempt(f"{site.url}/talk.mp4", tmp_path, settings)


def test_a_download_that_takes_too_long_is_stopped(site, settings, tmp_path):
    with pytest.raises(DeadlineExceeded, match="longer than it may"):
        download(f"{site.url}/talk.mp4", tmp_path / "into", settings=settings, progress=silent, deadline_seconds=0.2)
    assert list((tmp_path / "into").glob("*")) == []
