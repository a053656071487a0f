"""What is seen: cuts, motion, and the faces of people."""

from cliply_assets.pipeline import upload_asset
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.work import Check, StepResult, StepWork
from cliply_assets.vision.face_tracks import track_faces
from cliply_assets.vision.scenes import find_scenes
from cliply_resources.documents import MediaProxy, Scenes
from cliply_resources.media_tools.frames import read_frames, read_motion
from cliply_resources.vision import open_detector

__all__ = ["face_tracks", "scenes"]

FASTEST_CUTTING = 3.0
"""Cuts a second, over the whole film, beyond which the detector is taking motion or flashes for cuts."""


@upload_asset(
    STEPS["scenes"],
    group="vision",
    kinds={"python", "opencv"},
    owner="team:vision",
    checks={
        "shots_cover_the_film": "The shots follow each other without gaps from the start to the end.",
        "cuts_are_plausible": "There are not more cuts than an editor would make.",
    },
)
def scenes(work: StepWork) -> StepResult:
    """Where the picture cuts, as exact presentation times, and how much moves in between.

    Runbook: implausibly many cuts usually mean strobe light or a broken source; clips may then be cut too early.
    """
    proxy = work.document("media_proxy", "proxy.json", MediaProxy)
    timing = work.table("media_proxy", "timing.parquet")
    with work.file("media_proxy", "motion.bin") as path:
        motion = read_motion(path, proxy.motion_width, proxy.motion_height)
        found, energy = find_scenes(motion, timing, duration=proxy.duration, progress=work.progress)
    table = work.folder / "motion.parquet"
    energy.write_parquet(table)
    covered = sum(shot.duration for shot in found.shots)
    rate = len(found.cuts) / proxy.duration
    return StepResult(
        files={"motion.parquet": table},
        documents={"scenes.json": found},
        metadata={"shots": len(found.shots), "detector": found.detector},
        checks=(
            Check(
                name="shots_cover_the_film",
                passed=abs(covered - proxy.duration) < 0.1,
                says=f"{len(found.shots)} shots cover {covered:.2f} s of {proxy.duration:.2f} s.",
            ),
            Check(
                name="cuts_are_plausible",
                passed=rate <= FASTEST_CUTTING,
                says=f"{60 * rate:.1f} cuts a minute.",
                serious=False,
            ),
        ),
    )


@upload_asset(
    STEPS["face_tracks"],
    group="vision",
    kinds={"python", "opencv"},
    owner="team:vision",
    pool="vision",
    checks={
        "boxes_are_in_the_picture": "Every face box has a size and lies inside the picture.",
        "faces_were_found": "Somebody is seen; otherwise clips show the whole picture on blurred sides.",
    },
)
def face_tracks(work: StepWork) -> StepResult:
    """Who is seen, where and when; one number a person through the whole video.

    Runbook: no faces is no fault for slides or games. With faces in the film, try YOLO weights (`CLIPLY_YOLO_WEIGHTS`).
    """
    proxy = work.document("media_proxy", "proxy.json", MediaProxy)
    shots = work.document("scenes", "scenes.json", Scenes)
    with work.file("media_proxy", "frames.mkv") as path:
        tracks, boxes = track_faces(
            read_frames(path),
            shots,
            open_detector(work.configuration),
            frames_rate=proxy.frames_rate,
            progress=work.progress,
        )
    table = work.folder / "faces.parquet"
    boxes.write_parquet(table)
    outside = boxes.filter(
        (boxes["w"] <= 0) | (boxes["h"] <= 0) | (boxes["x"] + boxes["w"] < 0) | (boxes["x"] > 1)
    ).height
    return StepResult(
        files={"faces.parquet": table},
        documents={"faces.json": tracks},
        metadata={
            "people": tracks.people,
            "tracks": len(tracks.tracks),
            "boxes": boxes.height,
            "detector": tracks.detector,
        },
        checks=(
            Check(
                name="boxes_are_in_the_picture",
                passed=outside == 0,
                says=f"{outside} of {boxes.height} boxes lie outside.",
            ),
            Check(
                name="faces_were_found",
                passed=tracks.people > 0,
                says=f"{tracks.people} people in {len(tracks.tracks)} appearances.",
                serious=False,
            ),
        ),
    )
