"""The kinds of run, split where the hardware splits."""

import dagster as dg

__all__ = ["analyze", "make_clips", "render"]

_candidates = dg.AssetSelection.assets("clip_candidates").upstream()
_renders = dg.AssetSelection.assets("renders")
# Clips do not wait for it; it is made beside them.
_index = dg.AssetSelection.assets("frame_index")

analyze = dg.define_asset_job(
    "analyze",
    selection=_candidates,
    description="From the source to proposed clips; uses a GPU where there is one.",
)

render = dg.define_asset_job(
    "render",
    selection=_renders | _index,
    description="Renders the proposed clips of an upload that was analyzed, and makes it searchable.",
)

make_clips = dg.define_asset_job(
    "make_clips",
    selection=_candidates | _renders | _index,
    description="The whole way from the source to finished clips in one run.",
)
