"""What each step reads, how long it may take, and how often it may try."""

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import UNSET

from cliply_resources.documents import UploadSettings
from cliply_resources.documents.clips import OPTION_NAMES

__all__ = ["STEPS", "StepRules", "input_digest"]


class StepRules(msgspec.Struct, frozen=True, kw_only=True):
    """One step's stance; attempts and backoff follow the product plan's retry table."""

    name: str
    label: str
    """What the user reads while it works."""
    after: tuple[str, ...] = ()
    """Steps whose results it reads; their digests are part of its own."""
    code_version: str = "1"
    max_attempts: int = 2
    backoff_seconds: float = 30.0
    exponential: bool = False
    deadline_seconds: float = 600.0
    deadline_per_source_second: float = 0.0
    """Long films may take longer: the deadline is the larger of both."""
    priority: int = 0
    """Which of several waiting steps starts first: the one on the longest way to the clips."""
    needed: bool = True
    """Whether clips are incomplete without it; a run does not fail over a step that is not."""
    settings: tuple[str, ...] = ()
    """The fields of `UploadSettings` that change its result."""

    def deadline(self, source_seconds: float) -> float:
        """Seconds that one attempt may take."""
        return max(self.deadline_seconds, self.deadline_per_source_second * source_seconds)


def _by_name(*rules: StepRules) -> dict[str, StepRules]:
    return {rule.name: rule for rule in rules}


STEPS: Mapping[str, StepRules] = _by_name(
    StepRules(
        name="source_video",
        label="Fetching the video",
        max_attempts=3,
        exponential=True,
        deadline_per_source_second=0.5,
    ),
    StepRules(name="media_proxy", label="Decoding once", after=("source_video",), deadline_per_source_second=1.0),
    StepRules(
        name="transcript",
        label="Transcribing",
        after=("source_video", "media_proxy"),
        backoff_seconds=60.0,
        deadline_seconds=1200.0,
        deadline_per_source_second=2.0,
        priority=10,
        settings=("language", "transcript"),
    ),
    StepRules(name="scenes", label="Finding cuts", after=("media_proxy",), deadline_per_source_second=0.5),
    StepRules(
        name="face_tracks",
        label="Following faces",
        after=("media_proxy", "scenes"),
        deadline_seconds=900.0,
        deadline_per_source_second=0.5,
    ),
    StepRules(name="audio_features", label="Listening", after=("media_proxy",), deadline_per_source_second=0.5),
    StepRules(
        name="clip_candidates",
        label="Choosing moments",
        code_version="4",
        after=("source_video", "transcript", "scenes", "face_tracks", "audio_features"),
        max_attempts=3,
        backoff_seconds=10.0,
        deadline_seconds=180.0,
        settings=("clips", "min_seconds", "max_seconds", "language", "profile", "topic", "exclude", "audience"),
    ),
    StepRules(
        name="renders",
        label="Rendering",
        after=("source_video", "transcript", "scenes", "face_tracks", "audio_features", "clip_candidates"),
        deadline_seconds=300.0,
        settings=("aspects", "style", "brand", *OPTION_NAMES),
    ),
    StepRules(
        name="frame_index",
        label="Indexing for search",
        after=("media_proxy", "transcript"),
        deadline_seconds=300.0,
        deadline_per_source_second=1.0,
        priority=-10,
        needed=False,
    ),
)
"""Every step from the source to finished clips, in the order a user sees them."""


def input_digest(
    rules: StepRules, settings: UploadSettings, inputs: Mapping[str, str], *, part: str = "", fingerprint: str = ""
) -> str:
    """Names everything that decides a step's result, so that equal digests mean equal results.

    `inputs` maps step names to their output digests; `fingerprint` adds what else matters: the source's address, the
    engine that would be used.
    """
    document = {
        "step": rules.name,
        "code_version": rules.code_version,
        # What is absent has no part in the digest, so that a new kind of setting leaves finished work finished.
        "settings": {name: value for name in rules.settings if (value := getattr(settings, name)) is not UNSET},
        "inputs": dict(inputs),
        "part": part,
        "fingerprint": fingerprint,
    }
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()
