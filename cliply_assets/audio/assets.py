"""What is heard besides words."""

import polars as pl

from cliply_assets.audio.features import empty_features, measure_audio
from cliply_assets.pipeline import upload_asset
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.work import Check, StepResult, StepWork
from cliply_resources.documents import MediaProxy

__all__ = ["audio_features"]


@upload_asset(
    STEPS["audio_features"],
    group="audio",
    kinds={"python", "parquet"},
    owner="team:audio",
    checks={
        "covers_the_film": "There is one row for every tenth of a second of sound.",
        "is_not_all_silence": "Something can be heard.",
    },
)
def audio_features(work: StepWork) -> StepResult:
    """Energy, speech, pitch, speech rate, laughter, applause, silence and beats, ten times a second.

    Runbook: all silence is usually a wrong or muted sound track; look at the source's tracks.
    """
    proxy = work.document("media_proxy", "proxy.json", MediaProxy)
    if proxy.has_audio:
        with work.file("media_proxy", "audio.wav") as path:
            features = measure_audio(path, progress=work.progress)
    else:
        features = empty_features(proxy.duration)
    table = work.folder / "audio.parquet"
    features.write_parquet(table)
    loud = features.filter(~pl.col("silence")).height
    return StepResult(
        files={"audio.parquet": table},
        metadata={
            "rows": features.height,
            "speech_share": round(float(features["speech"].mean() or 0.0), 3),  # type: ignore[arg-type]  # polars: mean of f32 is a float
            "applause_seconds": round(features.filter(pl.col("applause") > 0.5).height / 10, 1),
            "laughter_seconds": round(features.filter(pl.col("laughter") > 0.5).height / 10, 1),
        },
        checks=(
            Check(
                name="covers_the_film",
                passed=abs(features.height / 10 - proxy.duration) <= max(1.0, 0.02 * proxy.duration),
                says=f"{features.height / 10:.1f} s of sound for {proxy.duration:.1f} s of picture.",
                serious=False,
            ),
            Check(
                name="is_not_all_silence",
                passed=loud > 0,
                says=f"{loud / 10:.1f} s are not silent.",
                serious=False,
            ),
        ),
    )
