"""Charts of the report: ticks, labels that do not cover each other, and what marks put into a text."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repo_cli.evaluation.report.charts import (
    HEIGHT,
    WIDTH,
    Line,
    line_chart,
    path_chart,
    smooth,
    ticks,
    timeline,
)
from repo_cli.evaluation.report.marks import Mark, marked, price_marks

NUMBERS = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False)


@given(NUMBERS, st.floats(min_value=1e-6, max_value=1e9))
def test_ticks_are_round_and_inside(low: float, span: float) -> None:
    high = low + span
    if not high > low:
        return
    found = ticks(low, high)
    assert len(found) <= 6 and found == sorted(found)
    assert all(low - 1e-6 * span <= t <= high + 1e-6 * span for t in found)


def test_ticks_by_hand() -> None:
    assert ticks(0, 26) == [0, 10, 20] and ticks(0.31, 0.59) == [0.4, 0.5] and ticks(1, 5) == [1, 2, 3, 4, 5]
    assert ticks(3, 3) == [3] and ticks(math.nan, 1) == []


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=30), min_size=1, max_size=7))
def test_every_line_is_labelled_inside_the_picture_and_apart_from_the_others(
    lines: list[list[float]],
) -> None:
    svg = line_chart([Line(f"line {i}", list(enumerate(v)), f"s{1 + i}") for i, v in enumerate(lines)])
    places = re.findall(r'<text class="s\d" x="([\d.]+)" y="([-\d.]+)">', svg)
    assert len(places) == len(lines)
    heights = sorted(float(y) for _, y in places)
    assert all(b - a >= 12.9 for a, b in zip(heights, heights[1:], strict=False))
    assert all(0 < float(x) < WIDTH for x, _ in places) and 0 < heights[0] and heights[-1] < HEIGHT
    points = [p.split(",") for line in re.findall(r'points="([^"]*)"', svg) for p in line.split()]
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)


def test_a_chart_names_its_axes_values_and_last_value() -> None:
    svg = line_chart([Line("x", [(s, 2.0 + s) for s in range(11)])], about="x over steps")
    texts = re.findall(r">([^<>]+)</text>", svg)
    assert "step" in texts and "12.0" in texts and "10" in texts and 'aria-label="x over steps"' in svg
    both = line_chart([Line("policy", [(0, 1), (1, 2)]), Line("critic", [(0, -1), (1, 0)], "s2")])
    assert ">policy 2.00</text>" in both and ">critic 0</text>" in both and 'class="zero"' in both


def test_charts_without_points_are_nothing_and_labels_are_escaped() -> None:
    assert line_chart([]) == "" and line_chart([Line("a", [(0, math.nan)])]) == ""
    assert path_chart([(0, 1, 1)], "x", "y") == "" and timeline([], 3) == ""
    hostile = "<script>x</script>\"'"
    for svg in (
        line_chart([Line(hostile, [(0, 1.0), (1, 2.0)]), Line("b", [(0, 1.0)], "s2")], about=hostile),
        path_chart([(0, 1, 1), (1, 2, 2)], hostile, hostile, about=hostile),
        timeline([(hostile, [(0, 1)])], 2),
    ):
        assert "<script" not in svg and "&lt;script" in svg
        assert 'aria-label="' in svg and "\"'" not in svg
    with pytest.raises(ValueError, match="tone"):
        line_chart([Line("a", [(0, 1.0)], tone='"><x')])


def test_the_moving_average_is_that_of_its_formula() -> None:
    assert smooth([2.0, 2.0, 2.0]) == pytest.approx([2.0] * 3)
    assert smooth([1.0, 0.0], weight=0.5) == pytest.approx([1.0, 1 / 3])


def test_marks_overlap_without_losing_a_character() -> None:
    text = "first <page> at 350"
    html = marked(
        text,
        [
            Mark(0, 12, "hard", "G01", "a rank"),
            Mark(6, 19, "soft", "G02"),
            Mark(16, 19, "price"),
            Mark(5, 99, "hard"),
        ],
    )
    assert re.sub(r"<sub>.*?</sub>|<[^>]+>", "", html) == "first &lt;page&gt; at 350"
    assert html.count("<sub>G01</sub>") == 1 and html.count("<sub>G02</sub>") == 1
    assert 'class="hard" title="G01 a rank; G02">&lt;page&gt;<' in html
    assert marked("plain & simple", []) == "plain &amp; simple" and marked("", [Mark(0, 1, "hard")]) == ""


def test_prices_are_marked_where_the_reader_finds_them() -> None:
    text = "Could we say 350 yuan on 06-18?"
    marks = price_marks(text, {"language": "en", "current_price": 388})
    assert [text[m.start : m.end] for m in marks] == ["350 yuan"]
