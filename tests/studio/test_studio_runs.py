"""The page of stored runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps_support import Service
from matinee.evaluation.experiment import evaluate_in_detail
from matinee.evaluation.tune import tune
from matinee.settings import Settings
from matinee.studio.pages.runs import cell, line
from matinee.tracking.recording import record_run
from matinee.tracking.runs import RunRecord, RunStore
from studio_support import HOSTILE, open_app, texts_of
from support import random_dataset

pytestmark = pytest.mark.usefixtures("asked_core")


def settings_of(core: Service) -> Settings:
    return Settings(data_dir=Path(core.environment["MATINEE_DATA_DIR"]), offline=True)


@pytest.fixture
def runs(asked_core: Service) -> Iterator[tuple[RunRecord, RunRecord]]:
    """An evaluation, and a later search, in the core's data folder; they are deleted behind."""
    settings, data = settings_of(asked_core), random_dataset(60, 40, 0.4)
    store = RunStore(settings.runs_dir)
    evaluation = evaluate_in_detail("holdout", ["popular", "ease", "stars"], data=data, settings=settings, resamples=40)
    first = record_run(store, "evaluate", evaluation, memory_limit=1)
    found = tune("ease", data=data, trials=2, sampler="random", settings=settings, resamples=40)
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
    figures = app.dataframe[0].value
    assert list(figures["Model"]) == [result["name"] for result in report["results"]]
    low, high = report["results"][0]["intervals"]["ndcg@10"]
    assert f"[{low:.4f}, {high:.4f}]" in figures["ndcg@10"][0]
    frames = [table.value for table in app.dataframe]
    compared = next(frame for frame in frames if "p (Holm)" in frame)
    assert set(compared["Model"]) <= {"popular", "ease", "stars"}
    calibrated = next(frame for frame in frames if "Slope" in frame)
    assert list(calibrated["Model"]) == ["stars"]
    assert first.id[-8:] in texts_of(app)
    assert app.query_params == {"page": "runs", "run": first.id}


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
    assert cell(result, "a") == "0.1234 [0.1000, 0.2000]"
    assert cell(result, "b") == "1.0000"
    assert cell(result, "c") == ""
