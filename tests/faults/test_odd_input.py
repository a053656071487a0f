"""Films that are unusual and right: what phones, broadcasters, musicians and screen recorders make."""

from pathlib import Path

import av
import pytest
from cliply_command import Cliply, Done, Films

pytestmark = pytest.mark.slow

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1")
AAC = ("-c:a", "aac")
PATTERN = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=8")


def rendered(cliply: Cliply, film: Path, *arguments: object, **changes: str) -> Done:
    """A run that made at least one clip, whose picture and sound decode to the end and are equally long."""
    done = cliply.clip(film, "--aspect", "1:1", "--out", cliply.folder / film.stem, *arguments, **changes)
    assert done.code == 0, done.said
    clips = done.document["clips"]
    assert clips
    assert all(clip["problem"] is None for clip in clips)
    for clip in clips:
        with av.open(clip["files"]["video"]) as container:
            picture = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
        with av.open(clip["files"]["video"]) as container:
            sound = sum(frame.samples for frame in container.decode(audio=0)) / 48000
        assert picture == sorted(picture)
        assert picture[-1] == pytest.approx(clip["duration"], abs=0.15)
        assert sound == pytest.approx(clip["duration"], abs=0.15)
    cliply.nothing_is_half_written()
    return done


def summary(cliply: Cliply, done: Done, step: str) -> dict[str, object]:
    query = "SELECT summary FROM upload_steps WHERE upload_id = %s AND step = %s"
    return cliply.rows(query, done.document["upload"], step)[0][0]


def failed_checks(cliply: Cliply, done: Done) -> set[str]:
    """Of the steps that the clips are made from; there is nobody to be seen in most of these films."""
    query = """SELECT c->>'name' FROM upload_steps, jsonb_array_elements(output->'checks') c
               WHERE upload_id = %s AND step NOT IN ('frame_index', 'face_tracks') AND NOT (c->>'passed')::bool"""
    return {name for (name,) in cliply.rows(query, done.document["upload"])}


def test_a_turned_phone_video_with_uneven_frames_and_an_odd_size(cliply: Cliply, films: Films) -> None:
    uneven = films.twin(
        "uneven.mkv",
        *("-vf", "select='not(mod(n,3))+gt(random(1),0.4)',crop=637:359:0:0,format=yuv444p", "-fps_mode", "vfr"),
        *(*X264, *AAC),
    )
    film = films.draw("phone.mp4", "-display_rotation", "90", "-i", str(uneven), "-c", "copy")
    done = rendered(cliply, film)
    assert str(summary(cliply, done, "source_video")["picture"]).startswith("359 × 637")
    assert failed_checks(cliply, done) == set()


def test_a_broadcast_with_six_channels_and_times_that_jump(cliply: Cliply, films: Films, tmp_path: Path) -> None:
    sound = "pan=5.1|FC=c0|FL=0.3*c0|FR=0.3*c1"
    broadcast = (*X264, "-g", "25", "-c:a", "ac3", "-af", sound)
    one = films.draw("one.ts", "-t", "6", "-i", str(films.talk), *broadcast, "-output_ts_offset", "7000")
    two = films.draw("two.ts", "-ss", "6", "-t", "6", "-i", str(films.talk), *broadcast, "-output_ts_offset", "7011")
    film = tmp_path / "jumps.ts"
    film.write_bytes(one.read_bytes() + two.read_bytes())
    done = rendered(cliply, film)
    assert "6 ch" in str(summary(cliply, done, "source_video")["sound"])


def test_music_alone_gives_clips_and_says_that_nobody_speaks(cliply: Cliply, films: Films) -> None:
    melody = "aevalsrc='0.3*sin(2*PI*(220+110*floor(mod(t*2,4)))*t)*exp(-3*mod(t,0.5))':s=48000:d=8"
    film = films.draw("music.mp4", *PATTERN, "-f", "lavfi", "-i", melody, *X264, *AAC)
    done = rendered(cliply, film)
    assert "no speech" in done.document["note"].lower()
    assert failed_checks(cliply, done) == {"speech_was_found"}
    assert Path(done.clip()["files"]["srt"]).read_text().strip() == ""


def test_silence_gives_clips_and_says_that_nobody_speaks(cliply: Cliply, films: Films) -> None:
    film = films.draw(
        "silent.mp4",
        *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=8"),
        *("-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-shortest", *X264, *AAC),
    )
    done = rendered(cliply, film)
    assert "no speech" in done.document["note"].lower()
    assert failed_checks(cliply, done) == {"speech_was_found", "is_not_all_silence"}


def test_a_film_without_sound_works_where_that_is_allowed(cliply: Cliply, films: Films) -> None:
    film = films.draw("mute.mp4", *PATTERN, *X264)
    done = rendered(cliply, film, CLIPLY_REQUIRE_AUDIO="false")
    assert "has_audio" in failed_checks(cliply, done)


def test_a_film_shorter_than_the_shortest_clip_is_one_clip_and_says_so(cliply: Cliply, films: Films) -> None:
    film = films.draw("short.mp4", "-t", "4", "-i", str(films.talk), "-c", "copy")
    done = rendered(cliply, film, "--min", 15, "--max", 30)
    assert done.clip()["duration"] == pytest.approx(4, abs=0.1)
    assert "less than the shortest clip of 15 s" in done.document["note"]
