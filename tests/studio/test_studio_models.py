"""The page of the models: figures, two models side by side, snapshots."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from apps_support import Service
from matinee.client import Client, calls
from matinee.studio.pages.models import configuration, cost, state
from studio_support import HOSTILE, open_app, texts_of, titles_of

pytestmark = pytest.mark.usefixtures("asked_core")


def side_by_side(**query: str) -> AppTest:
    return open_app(page="models", view="side-by-side", **query)


def test_models_every_model_has_its_figures(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        models = core.send(calls.models())["items"]
    app = open_app(page="models")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Model"]) == [model["name"] + " (default)" * model["default"] for model in models]
    assert list(table["ndcg@10"]) == [model["metrics"]["ndcg@10"] for model in models]
    assert {"recall@10", "coverage", "rmse", "Training (s)", "Memory (MB)", "Kind", "Configuration"} <= set(table)
    assert "held out at random" in texts_of(app)
    assert "Lower is better" in texts_of(app)
    assert len(app.get("plotly_chart")) == 3


def test_models_charts_follow_the_figure_chosen() -> None:
    app = open_app(page="models")
    app.selectbox(key="models-metric").set_value("rmse").run()
    app.toggle(key="models-bars-table").set_value(True).run()
    assert not app.exception
    assert list(app.dataframe[1].value["Model"]) == ["stars"]


def test_models_cost_counts_the_parts() -> None:
    models = [
        {"name": "ials", "config": {}, "seconds": 2.0, "bytes": 1_000_000},
        {"name": "coldstart", "config": {"taste": "ials", "content": "gone"}, "seconds": 1.0, "bytes": 500_000},
        {"name": "blend", "config": {"weights": {"ials": 0.5}, "mapping": "coldstart"}, "seconds": None, "bytes": None},
    ]
    assert cost("ials", models) == (2.0, 1.0)
    assert cost("blend", models) == (3.0, 1.5)
    assert configuration({"a": 1, "b": None, "c": {"d": 0.5}}) == "a=1, c={d: 0.5}"


def test_models_side_by_side_mark_the_films_of_both() -> None:
    app = side_by_side(user="2", left="ease", right="edlae", n="10")
    assert not app.exception
    first, second = (part.proto.body for part in app.get("html"))
    both = first.count("in the other")
    assert both == second.count("in the other") > 0
    assert f"{both} of 10 films" in texts_of(app)
    assert len(titles_of(app)) == 20
    assert "<img" in first
    wanted = {"view": "side-by-side", "user": "2", "left": "ease", "right": "edlae", "n": "10"}
    assert app.query_params == {"page": "models", **wanted}


def test_models_side_by_side_begins_with_the_default_and_somebody() -> None:
    app = side_by_side()
    assert app.selectbox(key="models-left").value == "blend"
    assert app.selectbox(key="models-right").value == "content"
    assert app.selectbox(key="models-user").value == "1"
    assert "Liked most" in texts_of(app)
    app.selectbox(key="models-right").set_value("blend").run()
    assert "Both sides show the same model" in texts_of(app)
    assert app.query_params["right"] == "blend"


def test_models_side_by_side_obey_the_filter() -> None:
    app = side_by_side(user="2")
    app.text_input(key="models-filter").set_value("year < 1960").run()
    assert not app.exception
    assert titles_of(app)
    assert all(int(title[-5:-1]) < 1960 for title in titles_of(app))
    app.text_input(key="models-filter").set_value("year < 1000").run()
    assert "No film passes the filter" in texts_of(app)


def test_models_fault_of_a_filter_is_shown_at_its_place() -> None:
    app = side_by_side(user="2", filter="year >= 1990 and gnre = Drama")
    assert not app.exception
    assert "Did you mean" in app.error[0].value
    line, mark = app.code[0].value.split("\n")
    assert line[mark.index("^") :].startswith("gnre")


@pytest.mark.parametrize("user", ["nobody", "<script>alert(1)</script> $x^2$".replace("/", "")])
def test_models_somebody_who_has_rated_nothing(user: str) -> None:
    app = side_by_side(user=user)
    assert not app.exception
    assert "has rated nothing" in texts_of(app)
    assert "most popular films" in texts_of(app)
    assert "<script>" not in texts_of(app)


@pytest.mark.parametrize("user", [HOSTILE, "L" * 2000, "\u202e"])
def test_models_somebody_who_cannot_be(user: str) -> None:
    app = side_by_side(user=user)
    assert not app.exception
    assert "cannot be the id" in app.warning[0].value
    assert "Choose a user" in texts_of(app)


@pytest.mark.parametrize("n", ["0", "-3", "x", "9999999", "12"])
def test_models_odd_lengths_of_the_address_are_mended(n: str) -> None:
    app = side_by_side(n=n, left="none", right=HOSTILE)
    assert not app.exception
    assert 5 <= app.number_input(key="models-n").value <= 50


def test_models_address_that_changes_by_itself_counts() -> None:
    app = side_by_side(user="2", left="ease")
    app.selectbox(key="models-left").set_value("ials").run()
    assert app.query_params["left"] == "ials"
    app.query_params["left"] = "ease"  # a step back
    app.run()
    assert app.selectbox(key="models-left").value == "ease"
    app.selectbox(key="models-left").set_value("stars").run()
    assert app.query_params["left"] == "stars"


def test_models_snapshots_say_which_serves(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        served = core.send(calls.ready())["snapshot"]
    app = open_app(page="models", view="snapshots")
    assert not app.exception
    snapshots, figures = (table.value for table in app.dataframe)
    assert list(snapshots[snapshots["State"] == "serves"]["Snapshot"]) == [served]
    assert {"Created", "Data set", "Users", "Films", "Ratings"} <= set(snapshots)
    assert "blend" in figures
    assert state({"served": False, "current": True}).startswith("promoted")
    assert state({"served": False, "current": False}) == ""
