"""A card codes pictures only where a trial shows that it can; otherwise the processor does, and a sentence says why."""

import pytest

from cliply_resources.media_tools import graphics_card
from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from cliply_resources.media_tools.graphics_card import (
    NVENC,
    NVENC_SETTINGS,
    Card,
    card_here,
    decide,
    decoding_options,
    encoder_options,
    forgo_card,
    listed,
    video_coding,
)
from cliply_resources.media_tools.process import run

# As ffmpeg 9.0 prints it, shortened.
LISTING = """Encoders:
 V..... = Video
 .F.... = Frame-level multithreading
 ------
 V....D libx264              libx264 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10 (codec h264)
 V....D h264_amf             AMD AMF H.264 Encoder (codec h264)
 V....D h264_nvenc           NVIDIA NVENC H.264 encoder (codec h264)
 A....D aac                  AAC (Advanced Audio Coding)
"""
WITHOUT = LISTING.replace(" V....D h264_nvenc           NVIDIA NVENC H.264 encoder (codec h264)\n", "")
CARD = Card(name="NVIDIA L4, driver 550.54.14")


def works():
    return None


def fails():
    return "its driver is too old for this ffmpeg"


def never():
    pytest.fail("The card was tried, although it does not matter.")


def machine(root, *, card=True):
    """The files that the driver of an NVIDIA card shows on Linux."""
    about = root / "proc/driver/nvidia/gpus/0000:01:00.0/information"
    for path in (about, root / "dev/nvidiactl"):
        path.parent.mkdir(parents=True)
    about.write_text("Model: \t\t NVIDIA L4\nIRQ:   \t\t 35\n", encoding="utf-8")
    version = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version: 12\n"
    )
    (root / "proc/driver/nvidia/version").write_text(version, encoding="utf-8")
    if card:
        (root / "dev/nvidiactl").touch()
    return root


def test_the_listing_of_encoders_is_read():
    assert listed(LISTING) == {"libx264", "h264_amf", "h264_nvenc", "aac"}
    assert listed("") == frozenset()


def test_the_ffmpeg_at_hand_is_read_too():
    here = listed(run([str(ffmpeg_path()), "-hide_banner", "-encoders"], deadline_seconds=30).stdout)
    assert {"libx264", "aac"} <= here
    assert "=" not in here


def test_a_card_is_named_with_its_driver(tmp_path):
    assert card_here(machine(tmp_path)) == CARD


def test_a_card_that_tells_nothing_is_still_a_card(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    assert card_here(tmp_path) == Card(name="NVIDIA card")


def test_a_driver_without_a_device_is_no_card(tmp_path):
    assert card_here(machine(tmp_path, card=False)) is None


def test_a_card_that_works_is_taken_and_named_in_the_settings():
    choice = decide("auto", listed(LISTING), CARD, encodes=works, decodes=works)
    assert choice.settings == {**NVENC_SETTINGS, "card": CARD.name, "decoder": "cuda"}
    assert choice.says == "NVIDIA L4, driver 550.54.14 encodes and decodes."
    assert not choice.is_fallback


def test_a_card_that_only_encodes_is_fed_by_the_processor():
    choice = decide("auto", listed(LISTING), CARD, encodes=works, decodes=fails)
    assert choice.settings["encoder"] == NVENC
    assert "decoder" not in choice.settings
    assert decoding_options(choice) == ()


def test_a_card_that_only_decodes_helps_the_analysis():
    choice = decide("auto", listed(LISTING), CARD, encodes=lambda: "the card has no encoder", decodes=works)
    assert choice.settings == {}
    assert decoding_options(choice) == ("-hwaccel", "cuda")
    assert choice.says.endswith("Films are decoded by the card.")


@pytest.mark.parametrize("wanted", ["auto", "h264_nvenc"])
def test_a_card_that_fails_its_trial_leaves_the_work_to_the_processor_and_says_why(wanted):
    choice = decide(wanted, listed(LISTING), CARD, encodes=fails, decodes=fails)
    assert (choice.encoder, choice.settings, choice.is_fallback) == ("libx264", {}, True)
    assert "does not encode: its driver is too old" in choice.says


def test_an_ffmpeg_without_the_encoder_is_not_tried_and_another_can_be_named():
    choice = decide("auto", listed(WITHOUT), CARD, encodes=never, decodes=fails)
    assert choice.is_fallback
    assert "IMAGEIO_FFMPEG_EXE" in choice.says


def test_without_a_card_nothing_is_tried_and_only_who_asked_for_one_is_told():
    assert not decide("auto", frozenset(), None, encodes=never, decodes=never).is_fallback
    assert decide("h264_nvenc", frozenset(), None, encodes=never, decodes=never).is_fallback


def test_who_asks_for_the_processor_gets_it():
    choice = decide("libx264", listed(LISTING), CARD, encodes=never, decodes=never)
    assert (choice.settings, choice.is_fallback) == ({}, False)


def test_the_real_trial_gives_a_reason_or_works():
    for trial in (graphics_card.trial_encoding, graphics_card.trial_decoding):
        reason = trial()
        if card_here() is None:
            assert reason == "the library of its driver is not here"


def test_ffmpeg_knows_every_option_of_the_card():
    here = run([str(ffmpeg_path()), "-hide_banner", "-h", f"encoder={NVENC}"], deadline_seconds=30).stdout
    asked = [option for option in encoder_options(NVENC_SETTINGS) if option in {"-preset", "-rc", "-cq"}]
    assert all(f"  {option} " in here for option in asked)
    assert f" {NVENC_SETTINGS['preset']} " in here


def test_a_card_that_failed_in_the_middle_of_work_is_given_up(monkeypatch):
    works_here = decide("auto", listed(LISTING), CARD, encodes=works, decodes=works)
    monkeypatch.setattr(graphics_card, "_tried", lambda _wanted: works_here)
    monkeypatch.setattr(graphics_card, "_forgone", [])
    assert video_coding("auto").encoder == NVENC
    forgo_card("Failed while rendering a clip: no session was free.")
    given_up = video_coding("auto")
    assert (given_up.encoder, given_up.is_fallback, given_up.decodes) == ("libx264", True, False)
    assert "no session was free" in given_up.says
