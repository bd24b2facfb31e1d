"""Figures: one look, names as text, colors to be seen on both grounds, data as a table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from matinee.studio import charts
from matinee.studio.style import OPTIONS, SERIES, SERIES_DARK
from studio_support import HOSTILE


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("ground", "series"), [("light", SERIES), ("dark", SERIES_DARK)])
def test_chart_colors_can_be_seen(ground: str, series: tuple[str, ...]) -> None:
    page = OPTIONS[f"theme.{ground}.backgroundColor"]
    for color in (*series, charts.FADED, *(color for _, color in charts.SCALE)):
        assert contrast(color, page) >= 3, color


def test_chart_names_are_text() -> None:
    assert charts.label(HOSTILE, 200).startswith("&lt;script&gt;")
    assert charts.label("a\n b\t c") == "a b c"
    long = charts.label("L" * 10_000)
    assert len(long) == charts.MAX_NAME
    assert long.endswith("…")


def test_chart_bars_of_one_name_are_two_bars() -> None:
    figure = charts.bars(
        ["Twins", "Twins", HOSTILE], [1, 2, 3], x="stars", horizontal=True, strong=[True, False, False]
    )
    [bar] = figure.data
    assert list(bar.y) == [0, 1, 2]
    assert list(figure.layout.yaxis.ticktext)[:2] == ["Twins", "Twins"]
    assert "<script>" not in figure.to_json()
    assert bar.marker.color[0] == SERIES[0]
    assert bar.marker.color[1] == charts.FADED
    assert figure.layout.yaxis.autorange == "reversed"


def test_chart_bars_of_numbers_stand_where_the_numbers_are() -> None:
    figure = charts.bars([1990, 1992], [5, None], x="year", y="films", hover=["five", "none"])
    assert list(figure.data[0].x) == [1990, 1992]
    assert figure.data[0].customdata[0][1] == "five"


def test_chart_lines_have_a_legend_where_they_are_two() -> None:
    one = charts.lines([1, 2], {"ratings": [3, 4]}, x="year", y="ratings", fill=True)
    two = charts.lines([0, 1], {"a": [0, 1], "<b>": [1, 0]}, x="films", y="ratings", percent=True, dots=True)
    assert not one.layout.showlegend
    assert two.layout.showlegend
    assert two.data[1].name == "&lt;b&gt;"
    assert list(two.layout.colorway) == list(SERIES)


def test_chart_dots_of_nothing_have_no_place_on_a_logarithmic_axis() -> None:
    figure = charts.dots([0, 10, 100], [1, 2, 3], ["a", "b", "c"], x="MB", y="ndcg", log_x=True, hover=["", "ten", ""])
    assert figure.data[0].x[0] is None
    low, high = figure.layout.xaxis.range
    assert low < 1
    assert high > 2


def test_chart_names_beside_dots_do_not_cover_one_another() -> None:
    figure = charts.dots([10, 10, 100], [1, 1, 2], ["same place", "same place too", "far"], x="x", y="y")
    first, second, _ = figure.data[0].textposition
    assert first != second


def test_chart_without_any_value_can_be_drawn() -> None:
    figure = charts.dots([None, None], [None, None], ["a", "b"], x="x", y="y", log_x=True)
    assert figure.layout.xaxis.range is None
    assert charts.ranks([], [], x="rank").data[0].x == ()


def test_chart_ranks_are_on_a_logarithmic_axis() -> None:
    figure = charts.ranks(["blend", "<i>"], [1, 9000], x="rank", strong=[True, False])
    assert figure.layout.xaxis.type == "log"
    assert list(figure.data[0].x) == [1, 9000]
    assert figure.data[0].customdata[1][0] == "&lt;i&gt;"


def page() -> None:
    from matinee.studio import charts

    figure = charts.bars(["a", "b"], [1, 2], x="stars", horizontal=True)
    table: dict[str, Any] = {"Name": ["a", "b"], "Stars": [1, 2]}
    charts.draw(figure, key="one", alt="Stars of a and b", caption="Stars *of* a and b.", table=table)
    charts.draw(figure, key="two", alt="The same", table=lambda: table)


def test_chart_has_a_name_a_caption_and_its_data() -> None:
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    charts_shown = app.get("plotly_chart")
    assert [json.loads(chart.proto.spec)["data"][0]["type"] for chart in charts_shown] == ["bar", "bar"]
    assert "Stars of a and b" in str(charts_shown[0].proto)
    assert app.caption[0].value == "Stars \\*of\\* a and b\\."
    assert not app.dataframe
    for toggle in app.toggle:
        toggle.set_value(True)
    app.run()
    assert [list(table.value.columns) for table in app.dataframe] == [["Name", "Stars"]] * 2
