"""The page that explains: sentences first, then figures, for any film and user."""

from __future__ import annotations

import pytest

from apps_support import Service
from matinee.client import Client, calls
from studio_support import HOSTILE, open_app, texts_of

pytestmark = pytest.mark.usefixtures("asked_core")


def test_explain_begins_with_the_first_film_of_the_list(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        first = core.send(calls.recommendations("2", n=1))["items"][0]
    app = open_app(page="explain", user="2")
    assert not app.exception
    assert app.query_params == {"page": "explain", "user": "2", "film": first["movie_id"], "model": "blend"}
    assert app.selectbox(key="explain-Recommended").value == first["movie_id"]
    text = texts_of(app)
    assert "You would probably give it" in text
    assert "Because you " in text or "No single film decides" in text
    assert "of similar taste" in text
    assert "models have it among their first" in text
    assert len(app.get("plotly_chart")) == 4


def test_explain_figures_are_those_of_the_core(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        answer = core.send(calls.explanation("2", "1", model="ease"))
    app = open_app(page="explain", user="2", film="1", model="ease")
    assert app.subheader[0].value == r"Toy Story \(1995\)"
    for key in ("explain-shares", "explain-models", "explain-factors"):
        app.toggle(key=f"{key}-table").set_value(True)
    app.run()
    assert not app.exception
    shares, models, users, factors = (table.value for table in app.dataframe)
    assert list(shares["Share"])[: len(answer["because"])] == [row["share"] for row in answer["because"]]
    assert sum(shares["Share"]) == pytest.approx(1)
    assert set(models["Model"]) == {row["name"] for row in answer["models"]}
    assert list(users["User"]) == [row["user_id"] for row in answer["neighbors"]]
    assert list(factors["Adds"]) == [row["product"] for row in answer["factors"]]


def test_explain_a_film_that_the_user_has_rated(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        rated = core.send(calls.history("2"))["items"][0]
    app = open_app(page="explain", user="2", film=rated["movie_id"])
    assert app.radio(key="explain-source").value == "Rated"
    assert f"You gave it {rated['rating']:g} star" in texts_of(app)


def test_explain_any_film(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        listed = core.send(calls.recommendations("2", n=20))["items"] + core.send(calls.history("2"))["items"]
        known = {film["movie_id"] for film in listed}
        film = next(one for one in core.send(calls.titles())["movie_ids"] if one not in known)
    app = open_app(page="explain", user="2", film=film)
    assert not app.exception
    assert app.radio(key="explain-source").value == "Any film"
    assert app.query_params["film"] == film


def test_explain_a_film_that_nobody_has_rated() -> None:
    app = open_app(page="explain", user="2", film="104")
    assert not app.exception
    assert app.subheader[0].value == "Nameless"
    assert "Nobody of similar taste has rated it" in texts_of(app)


def test_explain_picks_from_all_three_lists() -> None:
    app = open_app(page="explain", user="2")
    app.radio(key="explain-source").set_value("Rated").run()
    rated = app.query_params["film"]
    app.radio(key="explain-source").set_value("Any film").run()
    app.selectbox(key="explain-any").set_value("Twins (1988) – id 102").run()
    assert not app.exception
    assert app.query_params["film"] == "102" != rated
    app.selectbox(key="explain-any").set_value(None).run()
    assert "Choose a film" in texts_of(app)


@pytest.mark.extended
def test_explain_every_model() -> None:
    app = open_app(page="explain", user="2")
    film = app.query_params["film"]
    for model in ("popular", "itemknn", "ease", "edlae", "ials", "content", "stars"):
        app.selectbox(key="explain-model").set_value(model).run()
        assert not app.exception
        assert app.query_params["model"] == model
        assert app.query_params["film"] == film  # the film stays while models change
        assert "of similar taste" in texts_of(app)
    app.selectbox(key="explain-user").set_value("3").run()
    assert not app.exception
    assert app.query_params["user"] == "3"


def test_explain_hostile_titles_are_text() -> None:
    app = open_app(page="explain", user="2", film="103")
    assert not app.exception
    assert "<script>" not in texts_of(app)
    assert r"\<script\>" in app.subheader[0].value
    specs = [chart.proto.spec for chart in app.get("plotly_chart")]
    assert not any("<script>" in spec for spec in specs)
    assert open_app(page="explain", user="2", film="105").exception == app.exception


@pytest.mark.parametrize(
    "user", ["nobody", HOSTILE, *(pytest.param(user, marks=pytest.mark.extended) for user in ("L" * 200, "."))]
)
def test_explain_somebody_who_has_rated_nothing(user: str) -> None:
    app = open_app(page="explain", user=user, film="1")
    assert not app.exception
    assert "has rated nothing" in texts_of(app) or "cannot be the id" in app.warning[0].value
    assert "<script>" not in texts_of(app)


def test_explain_unknown_film_and_model_of_the_address_are_passed_over() -> None:
    app = open_app(page="explain", user="2", film=HOSTILE, model=HOSTILE)
    assert not app.exception
    assert app.query_params["model"] == "blend"
    assert app.query_params["film"].isdecimal()
