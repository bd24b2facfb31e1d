"""The page of the models: figures and snapshots."""

from __future__ import annotations

import pytest

from apps_support import Service
from matinee.client import Client, calls
from matinee.studio.pages.models import configuration, cost, state
from matinee.studio.style import plain
from studio_support import open_app, texts_of

pytestmark = pytest.mark.usefixtures("asked_core")


def test_models_every_model_has_its_figures(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        models = core.send(calls.models())["items"]
    app = open_app(page="models")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Model"]) == [model["name"] + " (default)" * model["default"] for model in models]
    assert list(table["nDCG@10"]) == [model["metrics"]["ndcg@10"] for model in models]
    assert {"Recall@10", "Coverage", "RMSE", "Training (s)", "Memory (MB)", "Predicts stars"} <= set(table)
    described = app.table[0].value
    assert list(described["Model"]) == [plain(model["name"]) for model in models]
    assert not described["What it does"].str.contains("A model of your own").any()
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
    assert state({"served": False, "current": False}) == "kept"
