"""The page Data in the app over a real core: everything that is shown goes by the filters, and can be downloaded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from apps_support import Service
from matinee.client import Client, calls
from studio_support import HOSTILE, open_app, texts_of

pytestmark = pytest.mark.usefixtures("asked_core")
PARTS = ("ratings", "users", "films", "content", "cleaning")


def figures(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


@pytest.mark.parametrize("part", PARTS)
def test_studio_every_part_has_charts_tables_and_downloads(part: str) -> None:
    app = open_app(page="data", part=part)
    assert not app.exception
    assert app.title[0].value == "Data"
    toggles, charts = app.toggle, app.get("plotly_chart")
    assert len(toggles) == len(charts)
    shown = len(charts) or len(app.dataframe)
    assert shown
    assert len(app.get("download_button")) == shown + 1  # and one for all
    for toggle in toggles:
        toggle.set_value(True)
    app.run()
    assert not app.exception
    assert len(app.dataframe) == shown
    assert all(chart.proto.alt for chart in charts)


def test_studio_numbers_are_those_of_the_core(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        totals = core.send(calls.statistics())["totals"]
    shown = metrics(open_app(page="data"))
    assert shown["Ratings"] == f"{totals['ratings']:,}"
    assert shown["Users"] == "60"
    assert shown["Films"] == f"{totals['films']:,}"


def test_studio_filters_apply_to_everything_and_are_in_the_address(asked_core: Service) -> None:
    app = open_app(page="data", part="content")
    whole = metrics(app)
    app.multiselect[0].set_value(["Comedy"])
    app.slider[0].set_value((1980, 1999))
    app.text_input[0].set_value('title ~ "o"')
    app.run()
    wanted = 'genre in ("Comedy") and year between 1980 and 1999 and (title ~ "o")'
    with Client(asked_core.url) as core:
        totals = core.send(calls.statistics(filter=wanted))["totals"]
    assert metrics(app)["Films"] == f"{totals['films']:,}" != whole["Films"]
    assert metrics(app)["Ratings"] == f"{totals['ratings']:,}" != whole["Ratings"]
    assert app.query_params == {
        "page": "data",
        "part": "content",
        "genre": "Comedy",
        "from": "1980",
        "to": "1999",
        "filter": 'title ~ "o"',
    }
    drawn = figures(app)[0]["data"][0]["customdata"]
    assert {row[0] for row in drawn} == {"Comedy", "Romance"}
    again = open_app(**app.query_params)
    assert metrics(again) == metrics(app)
    assert again.multiselect[0].value == ["Comedy"]


def test_studio_filter_with_a_fault_shows_where() -> None:
    app = open_app(page="data", genre="Comedy", filter='title ~ "o" or yaer = 1990')
    assert not app.exception
    assert "yaer" in app.error[0].value
    line, mark = app.code[0].value.splitlines()
    assert line[mark.index("^") :].startswith("yaer")
    assert app.text_input[0].value == 'title ~ "o" or yaer = 1990'


@pytest.mark.parametrize(
    "text",
    [HOSTILE, "title ~ 'a') or (title ~ 'b'"]
    + [pytest.param(text, marks=pytest.mark.extended) for text in ("(", '"', "🎬 = 1", "x" * 1000)],
)
def test_studio_any_text_for_a_filter_is_answered(text: str) -> None:
    app = open_app(page="data", genre="Comedy", filter=text)
    assert not app.exception
    assert "<script" not in texts_of(app).replace(r"\<script", "").replace(app.code[0].value if app.code else "", "")


@pytest.mark.parametrize("part", ["ratings", *(pytest.param(part, marks=pytest.mark.extended) for part in PARTS[1:4])])
def test_studio_films_that_nobody_rated_and_no_films(part: str) -> None:
    unrated = open_app(page="data", part=part, filter="ratings = 0")
    assert not unrated.exception
    assert metrics(unrated)["Ratings"] == "0"
    assert metrics(unrated)["Mean stars"] == "–"
    if part != "content":
        assert "Nobody has rated these films." in texts_of(unrated)
    none = open_app(page="data", part=part, filter="year = 1066")
    assert not none.exception
    assert "No film fits these filters." in texts_of(none)


def test_studio_odd_addresses_are_no_error() -> None:
    app = open_app(page="data", part="nonsense", bars="nonsense", genre=["Nothing", "Comedy"])
    app.query_params["from"], app.query_params["to"] = "٣", "99999999999"
    app.run()
    assert not app.exception
    assert app.multiselect[0].value == ["Comedy"]
    low, high = app.slider[0].value
    assert low < high
    turned = open_app(**{"page": "data", "from": "1999", "to": "1980"})
    assert turned.slider[0].value == (1980, 1999)


def test_studio_bars_show_what_is_chosen() -> None:
    app = open_app(page="data", part="content")
    app.main.radio[0].set_value("Mean stars").run()
    assert app.query_params == {"page": "data", "part": "content", "bars": "mean stars"}
    assert figures(app)[0]["layout"]["xaxis"]["title"]["text"] == "Mean stars"


def test_studio_cleaning_tells_reasons() -> None:
    app = open_app(page="data", part="cleaning", genre="Comedy")
    rows, reasons = app.dataframe[0].value, app.dataframe[1].value
    assert list(rows["Table"])[:2] == ["movies", "ratings"]
    assert (rows["Rows in"] - rows["Rows out"] == rows["Dropped"]).all()
    assert "title and year of several films (kept apart)" in list(reasons["Reason"])


def test_studio_hostile_names_are_text_in_figures() -> None:
    app = open_app(page="data", part="content")
    names = [row[0] for figure in figures(app) for row in figure["data"][0]["customdata"]]
    assert "<x>Odd</x>" not in names
    assert "&lt;x&gt;Odd&lt;/x&gt;" in names
