"""The chart shows every signal and every chosen moment, and no label lies on another."""

import io
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cliply_assets.highlights.chart import WIDTH, Area, Label, Strip, lay_out_chart
from cliply_assets.highlights.chart_png import chart_png
from cliply_assets.highlights.chart_svg import chart_svg
from cliply_assets.highlights.timeline import SIGNALS
from cliply_assets.pipeline import picture
from cliply_resources.documents import Candidate, Candidates

SVG = "{http://www.w3.org/2000/svg}"


def clip(start, end, score=50.0, title="t"):
    return Candidate(
        start=start, end=end, score=score, subscores={}, title=title, description="", hashtags=(), reasons=()
    )


def signals(seconds=300.0, names=SIGNALS):
    rows = max(1, int(seconds * 2))
    rng = np.random.default_rng(1)
    return pl.DataFrame({"time": np.arange(rows) * 0.5, **{name: rng.random(rows) for name in (*names, "score")}})


def chosen(*clips, near=(), ranker="built-in"):
    return Candidates(ranker=ranker, profile="talk", candidates=clips, near_misses=near)


@pytest.mark.parametrize("seconds", [0.5, 20.0, 15_000.0])
def test_every_signal_has_a_lane_with_its_name_and_every_clip_a_band(seconds):
    ours = chosen(clip(0.2 * seconds, 0.6 * seconds, 81.0), near=(clip(0.7 * seconds, 0.8 * seconds),))
    chart = lay_out_chart(signals(seconds), ours)

    assert sum(isinstance(mark, Area) for mark in chart.marks) == len(SIGNALS) + 1
    texts = {mark.text for mark in chart.marks if isinstance(mark, Label)}
    assert {"words", "laughter", "most replayed", "together", "1 · 81", "0:00"} <= texts
    named = [mark.says for mark in chart.marks if isinstance(mark, Strip) and mark.says]
    assert [one.partition(",")[0] for one in named] == ["Near miss", "Clip 1"]


def test_a_film_that_gives_one_signal_only_gets_one_lane_and_the_sum():
    chart = lay_out_chart(signals(names=("text",)), chosen())

    assert [mark.text for mark in chart.marks if isinstance(mark, Label) and mark.x == 16][1:] == ["words", "together"]


@given(
    starts=st.lists(st.floats(0, 290), max_size=12), length=st.floats(0.5, 60), seconds=st.sampled_from([30.0, 300.0])
)
def test_no_label_lies_on_another_or_leaves_the_paper(starts, length, seconds):
    clips = [clip(min(start, seconds - 1), min(start + length, seconds), 99.6) for start in starts]
    chart = lay_out_chart(signals(seconds, names=("text",)), chosen(*clips))

    boxes = []
    for mark in chart.marks:
        if isinstance(mark, Label):
            wide = len(mark.text) * mark.size * 0.5
            left = mark.x - {"left": 0.0, "middle": wide / 2, "right": wide}[mark.align]
            boxes.append((left, mark.y - mark.size / 2, left + wide, mark.y + mark.size / 2, mark.text))
    for one, other in combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1], (one, other)
    assert all(box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH and box[3] <= chart.height for box in boxes)


def test_a_curve_stays_in_its_lane_and_shows_the_highest_of_what_it_joins():
    rows = 30_000
    spikes = np.zeros(rows)
    spikes[::5_000] = 1.0
    table = pl.DataFrame({"time": np.arange(rows) * 0.5, "text": spikes, "score": np.full(rows, np.nan)})
    areas = [mark for mark in lay_out_chart(table, chosen()).marks if isinstance(mark, Area)]

    heights = [area.base - y for area in areas for _, y in area.points]
    assert min(heights) == 0
    assert sum(y == areas[0].base - 44 for _, y in areas[0].points) == 2 * 6
    assert all(one[0] <= other[0] for area in areas for one, other in zip(area.points, area.points[1:], strict=False))


def test_the_drawing_is_well_formed_small_and_says_what_each_band_is():
    hostile = '<script>alert(1)</script> & "bread" \x07\ud83d東京'
    document = chart_svg(lay_out_chart(signals(3600.0), chosen(clip(10, 40, 87, hostile), ranker='a<b>"')))

    root = ElementTree.fromstring(document.encode("utf-8", "replace"))
    assert "script" not in {element.tag.removeprefix(SVG) for element in root.iter()}
    assert any("alert(1)" in (element.text or "") for element in root.iter(f"{SVG}title"))
    assert "東京" in document
    assert len(document) < 150_000


@pytest.mark.parametrize("rows", [1, 40, 30_000])
def test_the_picture_has_the_size_of_the_drawing_and_marks_the_clips(rows):
    seconds = rows * 0.5
    chart = lay_out_chart(signals(seconds, names=("text",)), chosen(clip(0.2 * seconds, 0.6 * seconds, 81.0, "東京 ñ")))
    drawn = Image.open(io.BytesIO(chart_png(chart))).convert("RGB")

    assert drawn.size == (chart.width, chart.height)
    assert (0xFF, 0xF1, 0xC2) in {colour for _, colour in drawn.getcolors(1 << 20)}


def test_an_operator_is_shown_the_drawing_itself():
    chart = lay_out_chart(signals(), chosen(clip(10, 40)))

    assert picture(chart_svg(chart).encode()).md_str.startswith("![picture](data:image/svg+xml;base64,")
    assert picture(chart_png(chart)).md_str.startswith("![picture](data:image/png;base64,")
