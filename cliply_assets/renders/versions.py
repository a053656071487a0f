"""Makes the versions of one clip, whoever asked for them: planned, found done, copied from a twin, or rendered and stored."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

from cliply_assets.renders.branding import BrandFiles, fetch_brand_files
from cliply_assets.renders.brought_music import fetch_music
from cliply_assets.renders.making import Material, listen, make_files, plan_render
from cliply_assets.renders.profanity import mask_text, mask_transcript
from cliply_assets.renders.records import ClipRecords, RenderVersion
from cliply_assets.renders.spec import spec_digest
from cliply_assets.steps.work import Check, StepResult, StepWork, StoredObject
from cliply_resources.documents import Candidate, ClipSettings, FaceTracks, Scenes, SourceVideo, Transcript
from cliply_resources.documents.sound import MusicFile
from cliply_resources.errors import CliplyError, DeadlineExceeded
from cliply_resources.media_tools.graphics_card import NVENC, forgo_card
from cliply_resources.progress import Progress, part_of
from cliply_resources.storage import Storage
from cliply_resources.storage.files import hash_file
from cliply_resources.storage.keys import clip_key

__all__ = ["make_versions", "said_in"]


def make_versions(
    step: StepWork, records: ClipRecords, identity: UUID, candidate: Candidate, settings: Sequence[ClipSettings]
) -> StepResult:
    """One version of the clip for each of the settings; its metadata maps each aspect ratio to the version's number."""
    stored: dict[str, StoredObject] = {}
    checks: list[Check] = []
    numbers: dict[str, int] = {}
    with ExitStack() as stack:
        source = step.document("source_video", "source.json", SourceVideo)
        path = stack.enter_context(step.file("source_video", "source"))
        transcript = step.document("transcript", "transcript.json", Transcript)
        if any(each.mask_profanity for each in settings):
            transcript = mask_transcript(transcript)
            candidate = msgspec.structs.replace(
                candidate, title=mask_text(candidate.title), hook=mask_text(candidate.hook)
            )
        material = Material(
            source=source,
            path=path,
            name=Path(step.source_uri).name if step.source_kind == "file" else f"{source.title}{path.suffix}",
            transcript=transcript,
            scenes=step.document("scenes", "scenes.json", Scenes),
            faces=step.table("face_tracks", "faces.parquet"),
            detector=step.document("face_tracks", "faces.json", FaceTracks).detector,
            heard=step.table("audio_features", "audio.parquet"),
            brand_files=_brand_files(step, settings),
        )
        order = _Order(step=step, records=records, identity=identity, candidate=candidate, material=material)
        for number, each in enumerate(settings):
            progress = part_of(step.progress, number / len(settings), (number + 1) / len(settings))
            made = _make(order, each, progress)
            numbers[each.aspect] = made.version
            stored.update({f"{each.aspect} {kind}": file for kind, file in made.files.items()})
            checks.extend(made.checks)
    metadata: dict[str, str | int | float] = {"title": candidate.title, "clip": identity.hex, **numbers}
    return StepResult(stored=stored, metadata=metadata, checks=tuple(checks))


def _brand_files(step: StepWork, settings: Sequence[ClipSettings]) -> BrandFiles:
    kits = [each.brand for each in settings if each.brand]
    found: dict[str, Path] = {}
    for number, kit in enumerate(dict.fromkeys(kits)):
        found.update(fetch_brand_files(kit, step.storage, step.scratch(f"brand{number}")))
    pieces = {each.music for each in settings if isinstance(each.music, MusicFile)}
    for number, music in enumerate(sorted(pieces, key=lambda piece: piece.sha256)):
        found[music.sha256] = fetch_music(music, step.storage, step.scratch(f"music{number}"))
    return found


@dataclass(frozen=True, kw_only=True)
class _Order:
    step: StepWork
    records: ClipRecords
    identity: UUID
    candidate: Candidate
    material: Material


class _Made(NamedTuple):
    version: int
    files: dict[str, StoredObject]
    checks: list[Check]


def _make(order: _Order, settings: ClipSettings, progress: Progress) -> _Made:
    step, records, identity, aspect = order.step, order.records, order.identity, settings.aspect
    sound = listen(order.material, order.candidate, settings, deadline_seconds=step.seconds_left)
    spec = plan_render(order.material, order.candidate, settings, deadline_seconds=step.seconds_left, sound=sound)
    digest = spec_digest(spec)
    made = records.begin_render(
        identity,
        aspect=aspect,
        style=settings.style,
        spec_digest=digest,
        brand=settings.brand or None,
        options=settings.chosen,
    )
    ready = _ready(step.storage, made, records, identity, spec_digest=digest)
    if ready is not None:
        progress(1.0, "unchanged, nothing to render")
        files = {kind: _described(step.storage, key) for kind, key in ready.items()}
        unchanged = Check(name="clips_can_be_posted", passed=True, says=f"{aspect} is unchanged.")
        return _Made(made.version, files, [unchanged])
    try:
        fresh = make_files(
            spec,
            order.material,
            order.candidate,
            step.scratch(f"{identity.hex}-{aspect.replace(':', 'x')}"),
            progress=progress,
            deadline_seconds=step.seconds_left,
            settings=settings,
            sound=sound,
        )
    except CliplyError as error:
        records.fail_render(made.id, str(error))
        if spec.settings["encoder"] != NVENC or isinstance(error, DeadlineExceeded):
            raise
        # A card that coded ten frames may still fail over a whole clip: its sessions are few, its memory is shared.
        forgo_card(str(error))
        return _make(order, settings, progress)
    files = {}
    for kind, path in fresh.files.items():
        key = clip_key(step.workspace_id, identity, made.version, f"{aspect.replace(':', 'x')}-{path.name}")
        put = step.storage.put_file(key, path)
        files[kind] = StoredObject(key=key, size=put.size, sha256=put.sha256)
    keys = {kind: file.key for kind, file in files.items()}
    records.finish_render(
        made.id,
        objects=keys,
        sha256=fresh.rendered.sha256,
        duration=fresh.rendered.duration,
        sound=fresh.sound_facts,
    )
    return _Made(made.version, files, _checks(aspect, fresh.problems))


def said_in(transcript: Transcript, start: float, end: float) -> str:
    """The words whose middle lies in the span."""
    return " ".join(word.text for word in transcript.words if start <= (word.start + word.end) / 2 < end)


def _ready(
    storage: Storage, made: RenderVersion, records: ClipRecords, identity: UUID, *, spec_digest: str
) -> Mapping[str, str] | None:
    """The files of exactly this spec by kind, where they are there already: this clip's own, or copied from its twin."""
    if made.objects is not None and all(storage.exists(key) for key in made.objects.values()):
        return made.objects
    twin = records.same_made_elsewhere(identity, spec_digest=spec_digest)
    if twin is None or not all(storage.exists(key) for key in twin.objects.values()):
        return None
    keys = {}
    for kind, key in twin.objects.items():
        name = key.rpartition("/")[2]
        keys[kind] = clip_key(records.workspace_id, identity, made.version, name)
        storage.copy(key, keys[kind])
    records.finish_render(made.id, objects=keys, sha256=twin.sha256, duration=twin.duration, sound=twin.sound)
    return keys


def _described(storage: Storage, key: str) -> StoredObject:
    with storage.local_path(key) as path, path.open("rb") as file:
        found = hash_file(file)
    return StoredObject(key=key, size=found.size, sha256=found.sha256)


def _checks(aspect: str, problems: tuple[str, ...]) -> list[Check]:
    if not problems:
        return [Check(name="clips_can_be_posted", passed=True, says=f"{aspect} is ready to be posted.")]
    return [Check(name="clips_can_be_posted", passed=False, says=f"{aspect}: {problem}") for problem in problems]
