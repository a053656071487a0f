"""The asset graph as operators meet it: complete, described, and loadable by plain Dagster commands."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from cliply_assets.definitions import defs
from cliply_assets.steps.rules import STEPS

ROOT = Path(__file__).parents[2]

GRAPH = {
    "source_video": set(),
    "media_proxy": {"source_video"},
    "transcript": {"source_video", "media_proxy"},
    "scenes": {"media_proxy"},
    "face_tracks": {"media_proxy", "scenes"},
    "audio_features": {"media_proxy"},
    "clip_candidates": {"source_video", "transcript", "scenes", "face_tracks", "audio_features"},
    "renders": {"source_video", "transcript", "scenes", "face_tracks", "audio_features", "clip_candidates"},
    "frame_index": {"media_proxy", "transcript"},
}
"""Every asset and what it is made from; a change here is a change of the product."""


def graph() -> Any:
    return defs.resolve_asset_graph()


def names(keys: object) -> set[str]:
    return {key.to_user_string() for key in keys}


def test_the_graph_is_the_one_that_is_documented() -> None:
    found = {
        node.key.to_user_string(): names(node.parent_keys)
        for node in graph().asset_nodes
        if node.group_name not in {"operations", "posts"}
    }
    assert found == GRAPH


@pytest.mark.parametrize("name", list(GRAPH))
def test_an_operator_finds_group_owner_kind_description_and_version(name: str) -> None:
    node = graph().get(dg.AssetKey(name))
    assert node.group_name not in (None, "default")
    assert node.owners
    assert node.kinds
    assert node.description
    assert "Runbook" in node.description
    assert node.code_version == STEPS[name].code_version
    assert node.partitions_def is not None
    assert node.check_keys, "an asset without a check cannot say that it is wrong"


def test_every_step_retries_as_its_rules_say() -> None:
    for name in set(GRAPH) - {"renders"}:
        policy = defs.resolve_assets_def(dg.AssetKey(name)).op.retry_policy
        assert policy is not None
        assert policy.max_retries == STEPS[name].max_attempts - 1
        assert policy.delay == STEPS[name].backoff_seconds


def test_renders_fan_out_one_step_a_clip() -> None:
    nodes = {node.name for node in defs.resolve_assets_def(dg.AssetKey("renders")).node_def.nodes}
    assert nodes == {"choose_clips", "render_clip", "collect_renders"}


def test_the_executor_is_chosen_and_never_spawns() -> None:
    assert defs.executor.name == "side_by_side"


def test_every_job_is_described_and_can_be_built() -> None:
    for name in ("analyze", "render", "make_clips"):
        assert defs.resolve_job_def(name).description


def test_the_workspace_names_modules_that_load() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"]["module_name"] == "cliply_assets.definitions"


def test_the_instance_settings_are_accepted_by_dagster(
    settings: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    monkeypatch.setenv("CLIPLY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPLY_DATABASE_URL", settings.database_url.get_secret_value())
    from cliply_resources.settings import get_settings

    get_settings.cache_clear()
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert type(instance.run_launcher).__name__ == "HealthCheckedRunLauncher"
            assert instance.run_launcher.supports_check_run_worker_health
            parts = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
            engines = {id(part._engine) for part in parts}
            assert len(engines) == 1, "three storages, one pool"
            instance.add_dynamic_partitions("uploads", ["one"])
            assert instance.get_dynamic_partitions("uploads") == ["one"]
    finally:
        get_settings.cache_clear()


@pytest.mark.parametrize("name", [*GRAPH, "storage_tally", "tool_health"])
def test_every_asset_has_an_owner_a_check_and_a_place_in_the_runbook(name: str) -> None:
    node = graph().get(dg.AssetKey(name))
    assert node.owners
    assert node.check_keys
    document, _, anchor = str(node.metadata["runbook"].value).partition("#")
    text = (ROOT / document).read_text()
    headings = [line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")]
    assert anchor in headings or f'<a id="{anchor}"></a>' in text


def test_what_is_made_every_day_says_when_it_is_late() -> None:
    for name in ("storage_tally", "tool_health"):
        spec = defs.resolve_assets_def(dg.AssetKey(name)).get_asset_spec(dg.AssetKey(name))
        assert spec.freshness_policy is not None


def test_an_upload_that_an_older_version_made_is_stale(tmp_path: Path) -> None:
    from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
    from dagster._core.loader import LoadingContextForTest

    key = dg.AssetKey("source_video")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("uploads", ["old", "new"])
        for partition, version in (("old", "0"), ("new", STEPS["source_video"].code_version)):
            tags = {"dagster/code_version": version, "dagster/data_version": "d"}
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition, tags=tags))
        judge = CachingStaleStatusResolver(instance, graph(), LoadingContextForTest(instance))
        assert judge.get_status(key, "old") == StaleStatus.STALE
        assert judge.get_status(key, "new") == StaleStatus.FRESH
