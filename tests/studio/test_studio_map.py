"""The map: spaces, colors, a user's films, a film with its neighbors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from apps_support import Service
from matinee.client import Client, calls
from matinee.studio import pickers, scatter
from matinee.studio.style import plain
from studio_support import HOSTILE, open_app, texts_of

pytestmark = pytest.mark.usefixtures("asked_core")
SPACES = ("content", "taste", "poster")


def traces(app: AppTest) -> dict[str, Any]:
    [chart] = app.get("plotly_chart")
    return {trace["name"]: trace for trace in json.loads(chart.proto.spec)["data"]}


def n_points(trace: dict[str, Any]) -> int:
    return len(trace["text"])


def test_map_shows_every_film_of_the_space(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        points = core.send(calls.film_map("content"))["movie_ids"]
    app = open_app(page="map")
    assert not app.exception
    assert sum(n_points(trace) for trace in traces(app).values()) == len(points)
    assert {trace["type"] for trace in traces(app).values()} == {"scattergl"}
    assert {"Comedy", "Drama", "Other"} <= set(traces(app))
    assert f"{len(points)} films by content" in texts_of(app)


@pytest.mark.parametrize(
    ("space", "color"),
    [
        # Each space and each color once; the other pairs are the same code.
        pytest.param(space, color, marks=[] if number % len(SPACES) == place else [pytest.mark.extended])
        for number, color in enumerate(scatter.COLORS)
        for place, space in enumerate(SPACES)
    ],
)
def test_map_has_every_space_in_every_color(space: str, color: str) -> None:
    app = open_app(page="map", space=space, colour=color)
    assert not app.exception
    assert app.selectbox(key="map-space").value == space
    assert color in traces(app) or color == scatter.GENRES
    assert app.query_params == {"page": "map", "space": space, "colour": color}


def test_map_offers_only_spaces_that_exist() -> None:
    app = open_app(page="map", space="text", colour="no colour")  # there is no encoder of texts
    assert app.selectbox(key="map-space").value == "content"
    assert "Texts" not in app.selectbox(key="map-space").options
    assert app.selectbox(key="map-colour").value == "Genre"


def test_map_marks_a_film_and_its_neighbors(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        near = core.send(calls.similar("1", by="content", n=10))["items"]
    app = open_app(page="map", film="1")
    assert not app.exception
    assert traces(app)["The film"]["text"] == ["Toy Story (1995)"]
    assert n_points(traces(app)["Similar films"]) == len(near)
    assert app.subheader[0].value == r"Toy Story \(1995\)"
    assert "stars on average" in texts_of(app)


def test_map_marks_the_films_of_a_user(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        rated = core.send(calls.history("2"))["items"]
    app = open_app(page="map", user="2", film=rated[0]["movie_id"])
    assert not app.exception
    assert n_points(traces(app)["Rated by the user"]) == len(rated)
    assert plain(f"The user gave it {rated[0]['rating']:g} stars") in texts_of(app)


@pytest.mark.parametrize(
    "film", ["103", "105", *(pytest.param(film, marks=pytest.mark.extended) for film in ("101", "104"))]
)
def test_map_odd_films_are_text(film: str) -> None:
    app = open_app(page="map", film=film, space="taste")
    assert not app.exception
    assert "Nobody has rated it" in texts_of(app)
    assert "<script>" not in texts_of(app)
    [chart] = app.get("plotly_chart")
    assert "<script>" not in chart.proto.spec
    assert len(chart.proto.spec) < 100_000


@pytest.mark.parametrize("user", ["nobody", HOSTILE])
def test_map_of_somebody_who_has_rated_nothing(user: str) -> None:
    app = open_app(page="map", user=user, film="none such")
    assert not app.exception
    assert "has rated nothing" in texts_of(app) or "cannot be the id" in app.warning[0].value
    assert "Click a film on the map" in texts_of(app)


def test_map_genres_in_color_can_be_chosen() -> None:
    app = open_app(page="map")
    app.multiselect(key="map-genres").set_value(["Thriller"]).run()
    assert set(traces(app)) == {"Other", "Thriller"}
    app.multiselect(key="map-genres").set_value([]).run()
    assert set(traces(app)) == {"Other"}


def test_map_as_a_table() -> None:
    app = open_app(page="map")
    app.toggle(key="map-figure-table").set_value(True).run()
    assert not app.exception
    table = app.dataframe[0].value
    assert {"Film", "Across", "Up", "Genres", "Mean stars", "Ratings"} == set(table)
    assert table[table["Film"] == "Toy Story (1995)"]["Ratings"].item() > 0
    assert f"{HOSTILE} (1999)" in set(table["Film"]), "whole, and not escaped as for a figure"


def test_map_film_of_very_many_is_searched_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickers, "MAX_LISTED", 10)
    monkeypatch.setattr(pickers, "MAX_MATCHES", 5)
    app = open_app(page="map", film="2")
    app.text_input(key="map-film-search").set_value("STORY 1995").run()
    assert app.selectbox(key="map-film").options == ["Star Wars (1977)", "Toy Story (1995)"]
    app.selectbox(key="map-film").set_value("Toy Story (1995)").run()
    assert not app.exception
    assert app.query_params["film"] == "1"


def test_map_of_many_films_has_smaller_points() -> None:
    n = scatter.MAX_LARGE_MARKS + 1
    ids = [str(i) for i in range(n)]
    line = np.linspace(0, 1, n)
    points = scatter.MapPoints(
        "pca", ids, ids, ids, line, line, np.full(n, np.nan), {one: i for i, one in enumerate(ids)}
    )
    facts = scatter.Facts({"0": "Drama"}, {"0": 4.0}, {"0": 10, "1": 0})
    figure = scatter.figure(points, facts, color=scatter.RATINGS)
    assert {trace.marker.size for trace in figure.data} == {scatter.SMALL_SIZE}
    assert [len(trace.x) for trace in figure.data] == [n - 1, 1]
    assert list(figure.data[1].marker.colorbar.ticktext) == ["10"]
    assert [trace.name for trace in scatter.figure(points, facts, color=scatter.YEARS).data] == ["Unknown"]
    assert scatter.numbers(points, facts, scatter.MEAN)[0] == 4
