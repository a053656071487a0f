"""The kinds of run, split where the hardware splits."""

import dagster as dg
from dagster._core.storage.tags import RETRY_STRATEGY_TAG

__all__ = ["analyze", "make_clips", "render"]

# Steps find what is done, so that all of them again cost little. Dagster's own way from the failure on leaves out the clips of a run
# that died between choosing them and beginning the first.
_AGAIN = {RETRY_STRATEGY_TAG: "ALL_STEPS"}

_candidates = dg.AssetSelection.assets("clip_candidates").upstream()
_renders = dg.AssetSelection.assets("renders")
# Clips do not wait for it; it is made beside them.
_index = dg.AssetSelection.assets("frame_index")

analyze = dg.define_asset_job(
    "analyze",
    selection=_candidates,
    tags=_AGAIN,
    description="From the source to proposed clips; uses a GPU where there is one.",
)

render = dg.define_asset_job(
    "render",
    selection=_renders | _index,
    tags=_AGAIN,
    description="Renders the proposed clips of an upload that was analyzed, and makes it searchable.",
)

make_clips = dg.define_asset_job(
    "make_clips",
    selection=_candidates | _renders | _index,
    tags=_AGAIN,
    description="The whole way from the source to finished clips in one run.",
)
