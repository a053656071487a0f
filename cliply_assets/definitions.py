"""Everything Dagster loads: assets, jobs, resources, sensors and schedules."""

import os

import dagster as dg

from cliply_assets.audio.assets import audio_features
from cliply_assets.automation.pools import POOL_TAG, pool_sizes
from cliply_assets.highlights.assets import clip_candidates
from cliply_assets.instance.fork_server import PRELOADED
from cliply_assets.jobs import analyze, make_clips, render
from cliply_assets.pipeline import Pipeline
from cliply_assets.posts.assets import publish, published_posts
from cliply_assets.posts.checks import published_posts_are_proved
from cliply_assets.renders.assets import renders
from cliply_assets.renders.rerender import rerender
from cliply_assets.search.assets import frame_index
from cliply_assets.source.assets import media_proxy, source_video
from cliply_assets.transcript.assets import transcript
from cliply_assets.vision.assets import face_tracks, scenes
from cliply_resources.settings import get_settings
from schedules.alerts import alerts_every_minute, tell_alerts
from schedules.daily_look import daily_look, daily_look_daily, storage_tally, tool_health
from schedules.keep_feeds import keep_feeds, keep_feeds_often
from schedules.orphans import orphans, orphans_nightly
from schedules.purge_runs import purge_runs, purge_runs_daily
from schedules.read_accounts import (
    import_posts,
    import_posts_often,
    measure_posts,
    measure_posts_often,
    post_metrics,
    post_metrics_daily,
    tabulate_metrics,
)
from schedules.refresh_sign_ins import refresh_sign_ins, refresh_sign_ins_often
from schedules.retention import retention, retention_hourly
from schedules.stuck_steps import stuck_steps, stuck_steps_often
from schedules.tidy_uploads import tidy_uploads, tidy_uploads_hourly
from sensors.control import control
from sensors.due_posts import due_posts
from sensors.new_uploads import new_uploads
from sensors.render_wishes import render_wishes
from sensors.run_outcomes import run_outcomes

__all__ = ["defs"]


def _executor() -> dg.ExecutorDefinition:
    """Steps side by side in forked processes: a fresh interpreter a step would cost 2 to 4 s each.

    A cluster's worker does one step after the other in its own warm process, and as many runs at once as it has processes.
    """
    if get_settings().broker_url is not None:
        return dg.in_process_executor
    return dg.multiprocess_executor.configured(
        {
            "max_concurrent": get_settings().worker_cpus or os.cpu_count() or 1,
            # The first clip of another run waits for one of this run's at most, not for all of them.
            "tag_concurrency_limits": [
                {"key": POOL_TAG, "value": "render", "limit": pool_sizes(get_settings())["render"]}
            ],
            "start_method": {"forkserver": {"preload_modules": [PRELOADED[-1]]}},
        },
        name="side_by_side",
    )


def _cluster_sensors() -> list[dg.SensorDefinition]:
    """What only an installation with a broker needs; without one, Celery need not be installed."""
    if get_settings().broker_url is None:
        return []
    from sensors.analyzed_uploads import analyzed_uploads
    from sensors.lost_runs import lost_runs

    return [analyzed_uploads, lost_runs]


defs = dg.Definitions(
    assets=[
        source_video,
        media_proxy,
        transcript,
        scenes,
        face_tracks,
        audio_features,
        clip_candidates,
        renders,
        frame_index,
        published_posts,
        post_metrics,
        storage_tally,
        tool_health,
    ],
    asset_checks=[published_posts_are_proved],
    jobs=[
        analyze,
        render,
        make_clips,
        rerender,
        purge_runs,
        tidy_uploads,
        retention,
        orphans,
        stuck_steps,
        daily_look,
        tell_alerts,
        publish,
        refresh_sign_ins,
        keep_feeds,
        measure_posts,
        import_posts,
        tabulate_metrics,
    ],
    sensors=[new_uploads, render_wishes, control, run_outcomes, due_posts, *_cluster_sensors()],
    schedules=[
        purge_runs_daily,
        tidy_uploads_hourly,
        retention_hourly,
        orphans_nightly,
        stuck_steps_often,
        daily_look_daily,
        alerts_every_minute,
        refresh_sign_ins_often,
        keep_feeds_often,
        measure_posts_often,
        import_posts_often,
        post_metrics_daily,
    ],
    resources={"pipeline": Pipeline()},
    executor=_executor(),
)
