"""What probing says about good, odd and bad files."""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.documents.media import SourceMedia
from cliply_resources.errors import MediaError
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.media_tools.limits import check_limits
from cliply_resources.media_tools.probe import probe
from cliply_resources.media_tools.probe_worker import Refused, examine, orientation, varies
from cliply_resources.progress import silent
from cliply_resources.settings import Settings

Film = Callable[..., Path]
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1")
PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=1")
TONE = ("-f", "lavfi", "-i", "sine=f=440:d=1:r=48000")
STAGE = Path(__file__).parents[4] / "shared" / "media" / "stage-9s.mp4"


def look(path: Path) -> SourceMedia:
    return probe(path, settings=Settings())


def refusal(path: Path) -> str:
    with pytest.raises(MediaError) as caught:
        look(path)
    sentence = str(caught.value)
    assert path.name in sentence
    assert sentence.endswith(".")
    return sentence


class Canary:
    """A server on this machine that remembers whether anybody called."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.calls = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(timeout=5)


@pytest.fixture
def canary() -> Iterator[Canary]:
    bird = Canary()
    yield bird
    bird.close()


def test_a_plain_film_is_described_exactly(talk: Path) -> None:
    media = look(talk)
    assert (media.video.width, media.video.height) == (320, 180)
    assert media.video.fps == 30
    assert media.video.codec == "h264"
    assert media.video.rotation == 0
    assert not media.video.variable_frame_rate
    assert media.duration == pytest.approx(3.0, abs=0.03)
    assert [(sound.codec, sound.channels, sound.sample_rate) for sound in media.audio] == [("aac", 1, 48000)]
    assert media.size_bytes == talk.stat().st_size
    assert media.bit_rate == pytest.approx(talk.stat().st_size * 8 / 3, rel=0.02)


@pytest.mark.skipif(not STAGE.exists(), reason="the shared recording is not here")
def test_a_real_recording_is_described_exactly() -> None:
    media = look(STAGE)
    assert (media.video.width, media.video.height) == (640, 360)
    assert media.video.fps == Fraction(2997, 100)
    assert media.duration == pytest.approx(10.02, abs=0.01)
    assert media.audio[0].language == "eng"


def test_a_missing_file_a_folder_and_an_empty_file_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "empty (0 bytes)" in refusal(empty)
    assert "is a folder" in refusal(tmp_path)
    assert "There is no file" in refusal(tmp_path / "nowhere.mp4")
    assert "There is no file" in refusal(empty / "below.mp4")


def test_a_device_is_no_file() -> None:
    assert "not an ordinary file" in refusal(Path(os.devnull))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, talk: Path) -> None:
    locked = tmp_path / "locked.mp4"
    shutil.copy(talk, locked)
    locked.chmod(0)
    assert "permissions" in refusal(locked)


def test_a_file_over_the_size_limit_is_not_even_opened(talk: Path) -> None:
    with pytest.raises(MediaError, match="CLIPLY_MAX_SOURCE_BYTES"):
        probe(talk, settings=Settings(max_source_bytes=1000))


def test_text_renamed_mp4_is_called_text(tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear reader, übrigens: " + "no film here. " * 1000)
    assert "is a text file" in refusal(letter)


def test_bytes_that_are_no_media_are_refused(tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(bytes(range(256)) * 400)
    assert "not a video that Cliply reads" in refusal(noise)


def test_a_picture_renamed_mp4_is_refused(film: Film, tmp_path: Path) -> None:
    picture = film("one.png", *PICTURE, "-frames:v", "1")
    renamed = tmp_path / "picture.mp4"
    shutil.copy(picture, renamed)
    assert "not a video that Cliply reads" in refusal(renamed)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.mp4'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>'
    "http://127.0.0.1:{port}/</BaseURL></Period></MPD>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_renamed_mp4_is_not_followed(kind: str, tmp_path: Path, canary: Canary) -> None:
    playlist = tmp_path / "film.mp4"
    playlist.write_text(PLAYLISTS[kind].format(port=canary.port))
    assert "playlist" in refusal(playlist)
    # The guards hold by themselves too, for a playlist that a better disguise gets past the first look.
    with pytest.raises(Refused):
        examine(playlist)
    with pytest.raises(MediaError):
        run_ffmpeg(
            [*guarded_input(playlist), "-f", "null", "-"],
            duration=None,
            progress=silent,
            deadline_seconds=20,
            doing="reading a playlist",
        )
    assert canary.calls == 0


def test_a_playlist_of_local_files_is_not_followed_either(tmp_path: Path, talk: Path) -> None:
    playlist = tmp_path / "film.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile '{talk}'\n")
    with pytest.raises(Refused):
        examine(playlist)


def test_a_rarely_used_decoder_is_out_of_reach(film: Film) -> None:
    assert "coded as magicyuv" in refusal(film("magic.mkv", *PICTURE, "-c:v", "magicyuv"))


@pytest.mark.slow
def test_an_impossibly_large_picture_is_not_decoded(film: Film) -> None:
    huge = film(
        "huge.mkv",
        "-f",
        "lavfi",
        "-i",
        "color=red:s=9000x8000:r=1:d=1",
        "-frames:v",
        "1",
        "-c:v",
        "mjpeg",
        "-threads",
        "1",
    )
    assert "pixels" in refusal(huge)


def test_an_8k_film_is_described_so_that_the_limits_can_name_its_size(film: Film) -> None:
    eight = film(
        "eight.mov",
        "-f",
        "lavfi",
        "-i",
        "color=red:s=7680x4320:r=1:d=1",
        "-frames:v",
        "1",
        "-c:v",
        "mjpeg",
        "-threads",
        "1",
    )
    media = look(eight)
    assert (media.video.width, media.video.height) == (7680, 4320)
    with pytest.raises(MediaError, match="7680"):
        check_limits(media, Settings(require_audio=False))


def test_sound_in_a_refused_coding_is_named(film: Film) -> None:
    odd = film("odd-sound.mkv", *PICTURE, *TONE, *FAST, "-c:a", "wavpack")
    assert "sound coded as wavpack" in refusal(odd)


def cut(path: Path, to: Path, fraction: float) -> Path:
    data = path.read_bytes()
    to.write_bytes(data[: int(len(data) * fraction)])
    return to


def test_a_file_that_breaks_off_before_its_index_is_truncated(film: Film, tmp_path: Path) -> None:
    whole = film("late-index.mp4", *PICTURE, *TONE, *FAST, "-c:a", "aac")
    assert "truncated" in refusal(cut(whole, tmp_path / "half.mp4", 0.5))


@pytest.mark.parametrize("fraction", [0.3, 0.6])
def test_a_file_whose_data_ends_far_before_its_promise_is_truncated(
    fraction: float, talk: Path, film: Film, tmp_path: Path
) -> None:
    matroska = film("talk.mkv", "-i", str(talk), "-c", "copy")
    for whole in (talk, matroska):
        sentence = refusal(cut(whole, tmp_path / f"cut{whole.suffix}", fraction))
        assert "truncated" in sentence


def test_a_little_loss_at_the_end_is_no_refusal(film: Film, tmp_path: Path) -> None:
    long = film(
        "long.mkv",
        *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=10", "-f", "lavfi", "-i", "sine=d=10", *FAST, "-g", "15"),
    )
    assert look(cut(long, tmp_path / "nearly.mkv", 0.97)).duration == pytest.approx(10, abs=0.1)


def test_a_film_without_sound_is_described_without_sound(film: Film) -> None:
    assert look(film("mute.mp4", *PICTURE, *FAST)).audio == ()


def test_a_file_without_picture_is_refused_and_cover_art_is_no_picture(film: Film) -> None:
    assert "has sound but no video" in refusal(film("sound.m4a", *TONE, "-c:a", "aac"))
    cover = film("cover.jpg", *PICTURE, "-frames:v", "1")
    song = film(
        "song.m4a",
        *("-i", str(cover), *TONE, "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v:0", "attached_pic"),
    )
    assert "has sound but no video" in refusal(song)


def test_cover_art_beside_a_film_is_not_taken_for_the_film(film: Film, talk: Path) -> None:
    poster = film("poster.jpg", "-f", "lavfi", "-i", "color=red:s=1280x720:d=0.1", "-frames:v", "1")
    covered = film(
        "covered.mp4",
        *(
            "-i",
            str(talk),
            "-i",
            str(poster),
            "-map",
            "1",
            "-map",
            "0",
            "-c",
            "copy",
            "-disposition:v:0",
            "attached_pic",
        ),
    )
    assert (look(covered).video.width, look(covered).video.codec) == (320, "h264")


def test_a_film_of_no_length_is_refused(film: Film) -> None:
    none = film("none.mkv", *PICTURE, "-frames:v", "0", *FAST)
    assert refusal(none)


@pytest.mark.parametrize(
    ("turn", "size", "expected"),
    [("90", (180, 320), 270), ("-90", (180, 320), 90), ("180", (320, 180), 180)],
)
def test_a_turned_phone_video_has_the_size_a_viewer_sees(
    turn: str, size: tuple[int, int], expected: int, film: Film, talk: Path
) -> None:
    turned = film(f"turned{turn}.mp4", "-display_rotation", turn, "-i", str(talk), "-c", "copy")
    video = look(turned).video
    assert (video.width, video.height) == size
    assert (video.rotation, video.mirrored) == (expected, False)


def test_a_mirrored_video_says_so(film: Film, talk: Path) -> None:
    video = look(film("mirrored.mp4", "-display_hflip", "-i", str(talk), "-c", "copy")).video
    assert (video.rotation, video.mirrored) == (180, True)


def test_pixel_aspect_is_part_of_the_size(film: Film) -> None:
    wide = film("anamorphic.mp4", "-f", "lavfi", "-i", "testsrc2=s=240x180:r=30:d=1", "-vf", "setsar=4/3", *FAST)
    assert (look(wide).video.width, look(wide).video.height) == (320, 180)


def test_an_uneven_frame_rate_is_noticed_and_an_even_one_is_not(film: Film) -> None:
    uneven = film(
        "uneven.mp4",
        *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=3", "-vf", "select='lt(t,1)+not(mod(n,4))'"),
        *("-fps_mode", "vfr", *FAST),
    )
    assert look(uneven).video.variable_frame_rate
    ntsc = film("ntsc.mkv", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=30000/1001:d=2", *FAST, "-bf", "3")
    assert not look(ntsc).video.variable_frame_rate
    assert float(look(ntsc).video.fps) == pytest.approx(29.97, abs=0.01)


def test_a_missing_duration_is_measured(film: Film, talk: Path) -> None:
    live = film("live.mkv", "-i", str(talk), "-c", "copy", "-f", "matroska", "-live", "1")
    fragments = film("fragments.mp4", "-i", str(talk), "-c", "copy", "-movflags", "frag_keyframe+empty_moov")
    for path in (live, fragments):
        assert look(path).duration == pytest.approx(3, abs=0.06)


def test_tracks_chapters_and_title_are_listed_and_their_text_is_tamed(film: Film, tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    (tmp_path / "marks.txt").write_text(
        ";FFMETADATA1\ntitle=A talk\\\n\x1b[31m about \x07nothing\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=Opening\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=99000\ntitle=Rest\n"
    )
    rich = film(
        "rich.mkv",
        *(*PICTURE, *TONE, *TONE, "-i", str(tmp_path / "words.srt"), "-i", str(tmp_path / "marks.txt")),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map_metadata", "4", "-map_chapters", "4"),
        *("-metadata:s:a:1", "language=fra", *FAST, "-c:a", "aac", "-c:s", "srt"),
    )
    media = look(rich)
    assert [sound.language for sound in media.audio] == [None, "fra"]
    assert [track.codec for track in media.subtitles] == ["subrip"]
    assert [(mark.start, mark.title) for mark in media.chapters] == [(0.0, "Opening"), (0.5, "Rest")]
    assert media.chapters[-1].end <= media.duration
    assert media.title == "A talk [31m about nothing"


def test_a_name_that_looks_like_an_option_or_an_address_is_only_a_name(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-i.mp4", "concat:a|b.mp4", "http:x.mp4", "%03d.mp4", "with ünïcode 'quotes'.mp4"):
        shutil.copy(talk, tmp_path / name)
        assert look(Path(name)).video.width == 320


def test_the_description_survives_json(talk: Path) -> None:
    media = look(talk)
    assert msgspec.json.decode(msgspec.json.encode(media), type=SourceMedia) == media


@given(gap=st.integers(1, 10_000), count=st.integers(0, 500), start=st.integers(-1000, 1000))
@settings(max_examples=50, deadline=None)
def test_even_spacing_never_counts_as_variable(gap: int, count: int, start: int) -> None:
    assert not varies([start + gap * number for number in range(count)])


@given(count=st.integers(10, 200), where=st.integers(2, 8), gap=st.integers(10, 5000))
@settings(max_examples=50, deadline=None)
def test_one_doubled_gap_counts_as_variable(count: int, where: int, gap: int) -> None:
    assert varies([gap * (number + (number >= where)) for number in range(count)])


def test_orientation_follows_the_matrix() -> None:
    one = 65536
    assert orientation(None) == (0, False)
    assert orientation((one, 0, 0, 0, one, 0, 0, 0, 1 << 30)) == (0, False)
    assert orientation((0, one, 0, -one, 0, 0, 0, 0, 1 << 30)) == (90, False)
    assert orientation((one, 0, 0, 0, -one, 0, 0, 0, 1 << 30)) == (0, True)
    assert orientation((0,) * 9) == (0, False)
