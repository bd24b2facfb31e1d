"""The page of stored runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps_support import Service
from matinee.evaluation.experiment import Evaluation, evaluate_in_detail
from matinee.evaluation.tune import Tuning, tune
from matinee.settings import Settings
from matinee.studio.charts import Measured
from matinee.studio.pages.runs import line
from matinee.studio.run_pair import differences
from matinee.studio.run_report import cell, measured
from matinee.tracking.recording import record_run
from matinee.tracking.runs import RunRecord, RunStore
from studio_support import HOSTILE, open_app, texts_of
from support import random_dataset

pytestmark = pytest.mark.usefixtures("asked_core")


def settings_of(core: Service) -> Settings:
    return Settings(data_dir=Path(core.environment["MATINEE_DATA_DIR"]), offline=True)


@pytest.fixture(scope="module")
def measures(odd_core: Service) -> tuple[Evaluation, Tuning]:
    """An evaluation and a search."""
    settings, data = settings_of(odd_core), random_dataset(60, 40, 0.4)
    evaluation = evaluate_in_detail("holdout", ["popular", "ease", "stars"], data=data, settings=settings, resamples=40)
    return evaluation, tune("ease", data=data, trials=2, sampler="random", settings=settings, resamples=40)


@pytest.fixture
def runs(asked_core: Service, measures: tuple[Evaluation, Tuning]) -> Iterator[tuple[RunRecord, RunRecord]]:
    """An evaluation, and a later search, in the core's data folder; they are deleted behind."""
    store = RunStore(settings_of(asked_core).runs_dir)
    evaluation, found = measures
    first = record_run(store, "evaluate", evaluation, memory_limit=1)
    trials = tuple(trial.model_dump(mode="json") for trial in found.trials)
    second = record_run(store, "tune", found.evaluation, memory_limit=1, search=found.search, trials=trials)
    yield first, second
    for record in (first, second):
        store.delete(record.id)


def test_runs_without_any() -> None:
    app = open_app(page="runs")
    assert not app.exception
    assert "matinee evaluate" in texts_of(app)


def test_runs_figures_have_intervals(runs: tuple[RunRecord, RunRecord]) -> None:
    first, _ = runs
    app = open_app(page="runs", run=first.id)
    assert not app.exception
    report = first.report
    frames = [table.value for table in app.dataframe]
    every = frames[0]
    assert list(every["Run"]) == sorted(every["Run"], reverse=True)
    figures = next(frame for frame in frames if "Fitting (s)" in frame)
    assert list(figures["Model"]) == [result["name"] for result in report["results"]]
    low, high = report["results"][0]["intervals"]["ndcg@10"]
    assert f"[{low:.4f}, {high:.4f}]" in figures["nDCG@10"][0]
    assert figures["RMSE"].isna().sum() == 2  # only one model predicts stars
    compared = next(frame for frame in frames if "p (Holm)" in frame)
    assert set(compared["Model"]) <= {"popular", "ease", "stars"}
    calibrated = next(frame for frame in frames if "Slope" in frame)
    assert list(calibrated["Model"]) == ["stars"]
    assert first.id[-8:] in texts_of(app)
    assert app.query_params == {"page": "runs", "run": first.id, "metric": "ndcg@10"}
    assert len(app.get("plotly_chart")) == 5  # intervals, costs, differences, groups, calibration


def test_runs_charts_follow_the_figure_chosen(runs: tuple[RunRecord, RunRecord]) -> None:
    first, _ = runs
    app = open_app(page="runs", run=first.id, metric="rmse")
    assert not app.exception
    assert app.selectbox(key="runs-metric").value == "rmse"
    app.selectbox(key="runs-metric").set_value("coverage").run()
    app.selectbox(key="runs-against").set_value("ndcg@10").run()
    assert not app.exception
    assert app.query_params["metric"] == "coverage"


def test_runs_two_against_each_other(runs: tuple[RunRecord, RunRecord]) -> None:
    first, second = runs
    app = open_app(page="runs", view="two", run=first.id, other=second.id)
    assert not app.exception
    assert "The runs differ in the protocol" in app.warning[0].value
    pair = next(table.value for table in app.dataframe if "Difference" in table.value)
    row = pair[pair["Model"] == "ease"].iloc[0]
    values = [
        next(result["metrics"]["ndcg@10"] for result in run.report["results"] if result["name"] == "ease")
        for run in runs
    ]
    assert [row["First"], row["Second"]] == values
    assert row["Difference"] == pytest.approx(values[1] - values[0])
    assert pair[pair["Model"] == "popular"]["Settings"].tolist() == ["in one run only"]
    assert app.query_params["view"] == "two"
    app.selectbox(key="runs-other").set_value(first.id).run()
    assert "the same run" in texts_of(app)


def test_runs_of_one_question_do_not_differ(runs: tuple[RunRecord, RunRecord]) -> None:
    assert differences(runs[0].report, runs[0].report) == []


def test_runs_groups_follow_the_choice(runs: tuple[RunRecord, RunRecord]) -> None:
    first, _ = runs
    app = open_app(page="runs", run=first.id)
    groups = next(table.value for table in app.dataframe if "Group" in table.value)
    assert list(groups["Group"]) == ["new", "regular", "heavy"]
    choice = app.selectbox(key="runs-group")
    choice.set_value(("popularity", "recall@10")).run()
    assert not app.exception
    groups = next(table.value for table in app.dataframe if "Group" in table.value)
    assert "10" in list(groups["Group"])


def test_runs_the_newest_comes_first_and_shows_its_trials(runs: tuple[RunRecord, RunRecord]) -> None:
    first, second = runs
    app = open_app(page="runs", run=HOSTILE)
    assert not app.exception
    shown = app.selectbox(key="runs-run")
    assert shown.value in (first.id, second.id)
    app.selectbox(key="runs-run").set_value(second.id).run()
    trials = next(table.value for table in app.dataframe if "Trial" in table.value)
    assert list(trials["State"]) == ["complete", "complete"]
    assert "search" in line({**second.report, "kind": "tune", "created": "2026-11-28T16:40:59+00:00"})


def test_cells() -> None:
    result = {"metrics": {"a": 0.12344, "b": 1.0}, "intervals": {"a": [0.1, 0.2]}}
    assert cell(measured(result, "a")) == "0.1234 [0.1000, 0.2000]"
    assert cell(Measured(1.0)) == "1.0000"
    assert cell(measured(result, "c")) is None
