"""Every limit names the value, the limit and the setting that moves it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.documents.media import AudioStream, SourceMedia, VideoStream
from cliply_resources.errors import MediaError
from cliply_resources.media_tools.limits import check_limits
from cliply_resources.settings import Settings

FINE = SourceMedia(
    container="mov",
    duration=3600.0,
    size_bytes=10**9,
    bit_rate=8_000_000,
    video=VideoStream(index=0, codec="h264", width=1920, height=1080, frame_rate="30/1"),
    audio=(AudioStream(index=1, codec="aac", channels=2, sample_rate=48000),),
)


def sized(width: int, height: int) -> SourceMedia:
    return msgspec.structs.replace(FINE, video=msgspec.structs.replace(FINE.video, width=width, height=height))


@pytest.mark.parametrize(
    ("media", "value", "limit", "setting"),
    [
        (msgspec.structs.replace(FINE, duration=5 * 3600.0), "5 h 00 min", "4 h 00 min", "MAX_DURATION_SECONDS"),
        (msgspec.structs.replace(FINE, bit_rate=80_000_000), "80.0 Mbit/s", "50 Mbit/s", "MAX_BIT_RATE"),
        (msgspec.structs.replace(FINE, size_bytes=21 * 1024**3), "21.00 GiB", "20.00 GiB", "MAX_SOURCE_BYTES"),
        (msgspec.structs.replace(FINE, audio=()), "0 sound tracks", "at least 1", "REQUIRE_AUDIO"),
        (sized(7680, 4320), "7680", "4096", "MAX_WIDTH"),
        (sized(2160, 4320), "4320", "4096", "MAX_HEIGHT"),
        (sized(4000, 4000), "16000000", "8294400", "MAX_PIXELS"),
    ],
)
def test_each_refusal_is_one_sentence_with_value_limit_and_setting(
    media: SourceMedia, value: str, limit: str, setting: str
) -> None:
    with pytest.raises(MediaError) as caught:
        check_limits(media, Settings())
    sentence = str(caught.value)
    assert value in sentence
    assert limit in sentence
    assert f"CLIPLY_{setting}" in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("media", [FINE, sized(3840, 2160), sized(2160, 3840), sized(2, 2)])
def test_what_is_within_the_limits_passes(media: SourceMedia) -> None:
    check_limits(media, Settings())


def test_the_limits_are_settings_and_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPLY_MAX_DURATION_SECONDS", "60")
    with pytest.raises(MediaError, match=r"01 min 00 s"):
        check_limits(FINE, Settings())
    monkeypatch.setenv("CLIPLY_MAX_DURATION_SECONDS", "99999")
    monkeypatch.setenv("CLIPLY_REQUIRE_AUDIO", "false")
    check_limits(msgspec.structs.replace(FINE, audio=(), duration=90000.0), Settings())


@given(duration=st.floats(0.01, 1e6), limit=st.floats(0.01, 1e6))
@settings(max_examples=100, deadline=None)
def test_the_duration_limit_itself_is_allowed_and_nothing_above(duration: float, limit: float) -> None:
    media = msgspec.structs.replace(FINE, duration=duration)
    rules = Settings(max_duration_seconds=limit)
    if duration <= limit:
        check_limits(media, rules)
    else:
        with pytest.raises(MediaError):
            check_limits(media, rules)
