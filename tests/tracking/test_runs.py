"""Stored runs: whole or not at all, without pickles, repeated to the digit, compared with one another."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinee.data.dataset import Dataset
from matinee.errors import InvalidInputError, RunError
from matinee.evaluation.environment import Blas, Environment
from matinee.evaluation.experiment import Evaluation, evaluate_in_detail
from matinee.evaluation.html_report import charts, html_report
from matinee.evaluation.tune import tune
from matinee.models import Ease, Popularity, Stars
from matinee.models.base import Model
from matinee.settings import Settings
from matinee.tracking.recording import record_run, report_of, unpacked
from matinee.tracking.rerun import environment_changes, leaves, rerun
from matinee.tracking.run_comparison import compare_runs
from matinee.tracking.runs import RunRecord, RunStore, new_run_id
from small_folder import write_folder
from support import random_dataset


def lineup(_: Dataset) -> dict[str, Model[Any]]:
    return {"popular": Popularity(), "ease": Ease(), "stars": Stars(n_factors=2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(offline=True, cache_dir=tmp_path / "cache", data_dir=tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> RunStore:
    return RunStore(settings.runs_dir)


def evaluated(folder: Path | Dataset, settings: Settings, models: list[str] | None = None) -> Evaluation:
    return evaluate_in_detail("holdout", models, data=folder, settings=settings, lineup=lineup, resamples=50)


def kept(folder: Path | Dataset, settings: Settings, models: list[str] | None = None) -> RunRecord:
    evaluation = evaluated(folder, settings, models)
    return record_run(RunStore(settings.runs_dir), "evaluate", evaluation, memory_limit=settings.memory_limit)


def test_a_run_has_all_that_was_measured(folder: Path, settings: Settings, store: RunStore) -> None:
    evaluation = evaluated(folder, settings)
    record = record_run(store, "evaluate", evaluation, memory_limit=5)
    assert store.ids() == [record.id]
    assert report_of(record) == evaluation.report
    assert record.request.data == str(folder)
    assert record.request.memory_limit == 5
    assert record.lineups[0]["ease"] == {"kind": "ease", "config": Ease().config.model_dump(mode="json")}
    environment = report_of(record).environment
    assert environment is not None
    assert {"python", "numpy", "scipy", "matinee"} <= set(environment.versions)
    assert environment.blas_threads
    found = unpacked(record, store.values(record))
    assert found.keys() == evaluation.figures.keys()
    for name, splits in evaluation.figures.items():
        for old, new in zip(splits, found[name], strict=True):
            assert np.array_equal(old.users, new.users)
            for figure, sums in old.sums.items():
                assert np.array_equal(sums.numerators, new.sums[figure].numerators)
                assert sums.value == pytest.approx(new.sums[figure].value, nan_ok=True)
    files = sorted(path.name for path in store.folder(record.id).iterdir())
    assert files == ["report.html", "run.json", "values.npz"]


def test_nothing_is_pickled(folder: Path, settings: Settings, store: RunStore) -> None:
    record = kept(folder, settings)
    with zipfile.ZipFile(store.folder(record.id) / "values.npz") as file:
        for name in file.namelist():
            header = file.read(name)[:128]
            assert header.startswith(b"\x93NUMPY")
            assert b"'descr': '|O'" not in header
    with pytest.raises(ValueError, match="Object"):
        store.save(record.model_copy(update={"id": new_run_id()}), {"x": np.array([{}], dtype=object)}, "")
    assert [path.name for path in store.root.iterdir()] == [record.id]


def test_ids_by_part(folder: Path, settings: Settings, store: RunStore) -> None:
    first = kept(folder, settings, ["popular"])
    assert store.show("last").id == first.id
    assert store.show(first.id[-8:]).id == first.id
    assert store.show(first.id[:12]).id == first.id
    for wrong in ("nope", "../..", "ffff-no", ""):
        with pytest.raises(RunError, match="There is no run"):
            store.show(wrong)
    other = store.root / f"{first.id[:-8]}00000000"
    shutil.copytree(store.root / first.id, other)
    with pytest.raises(RunError, match="Several runs"):
        store.show(first.id[:10])
    with pytest.raises(RunError, match="that of another run"):
        store.show(other.name)
    assert store.list()[1].keys() == {other.name}
    assert store.delete(other.name) == other.name
    assert store.ids() == [first.id]
    assert RunStore(store.root / "none").list() == ([], {})
    with pytest.raises(RunError):
        RunStore(store.root / "none").show("last")


def test_damage_is_told(folder: Path, settings: Settings, store: RunStore) -> None:
    record = kept(folder, settings, ["popular"])
    values = store.folder(record.id) / "values.npz"
    whole = values.read_bytes()
    values.write_bytes(whole[:-20])
    with pytest.raises(RunError, match="is damaged"):
        store.values(record)
    values.unlink()
    with pytest.raises(RunError, match="cannot be read"):
        store.values(record)
    (store.folder(record.id) / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be read"):
        store.show(record.id)


def test_a_run_that_cannot_be_written_leaves_nothing(folder: Path, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be written"):
        record_run(RunStore(tmp_path / "file"), "evaluate", evaluated(folder, settings, ["popular"]), memory_limit=1)


# --- repeating --------------------------------------------------------------------------------------------------------
def test_a_repetition_is_the_same_to_the_digit(folder: Path, settings: Settings, store: RunStore) -> None:
    record = kept(folder, settings)
    found = rerun(store, record.id, settings)
    assert found.differences == ()
    assert found.same
    assert found.changes == ()
    assert found.figures > 1000


def test_a_changed_configuration_is_noticed(folder: Path, settings: Settings, store: RunStore) -> None:
    record = kept(folder, settings)
    path = store.folder(record.id) / "run.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    body["lineups"][0]["ease"]["config"]["regularization"] = 1.0
    path.write_text(json.dumps(body), encoding="utf-8")
    found = rerun(store, record.id, settings)
    assert not found.same
    assert any(line.startswith("ease, split 1: ndcg@10 (") for line in found.differences)
    assert any("config/regularization: 600.0 → 1.0" in line for line in found.differences)
    assert not any(line.startswith("popular,") for line in found.differences)


def test_one_bit_of_one_user_is_noticed(folder: Path, settings: Settings, store: RunStore) -> None:
    record = kept(folder, settings, ["popular"])
    arrays = store.values(record)
    stored = record.figures["popular"][0]
    column = arrays[f"{stored.key}.numerators"][:, stored.names.index("ndcg@10")]
    user = int(np.flatnonzero(column)[0])
    column[user] = np.nextafter(column[user], 1.0)
    store.delete(record.id)
    store.save(record, arrays, "")
    assert rerun(store, record.id, settings).differences == ("popular, split 1: ndcg@10 (1 users)",)


def test_other_data_are_refused(folder: Path, settings: Settings, store: RunStore, tmp_path: Path) -> None:
    record = kept(folder, settings, ["popular"])
    moved = tmp_path / "moved" / "small"
    shutil.copytree(folder, moved)
    assert rerun(store, record.id, settings, data=str(moved)).same
    lines = (moved / "ratings.csv").read_text(encoding="utf-8").splitlines()
    (moved / "ratings.csv").write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="data have changed"):
        rerun(store, record.id, settings, data=str(moved))
    in_memory = kept(random_dataset(60, 40, 0.4), settings, ["popular"])
    with pytest.raises(RunError, match="data in memory"):
        rerun(store, in_memory.id, settings)


def test_a_search_is_repeated(folder: Path, settings: Settings, store: RunStore) -> None:
    found = tune("ease", data=folder, trials=4, sampler="random", settings=settings, resamples=20)
    record = record_run(
        store, "tune", found.evaluation, memory_limit=settings.memory_limit, baseline="ease", search=found.search,
        trials=tuple(trial.model_dump(mode="json") for trial in found.trials),
    )  # fmt: skip
    assert "What was tried" in (store.folder(record.id) / "report.html").read_text(encoding="utf-8")
    again = rerun(store, record.id, settings)
    assert again.differences == ()


def test_what_else_changed() -> None:
    now = Environment.here()
    assert environment_changes(now, now) == []
    assert environment_changes(None, now) == ["The run does not say where it was made."]
    then = now.model_copy(
        update={
            "versions": {**now.versions, "numpy": "1.0"},
            "machine": "abacus",
            "blas": (Blas(library="openblas", version="1", threads=64),),
        }
    )
    lines = environment_changes(then, now)
    assert lines[0] == f"numpy: 1.0 then, {now.versions['numpy']} now"
    assert lines[1].startswith("machine: abacus then")
    assert lines[2].startswith("BLAS threads: 64 then")
    assert then.model_copy(update={"blas": ()}).blas_threads is None
    assert dict(leaves({"a": [1, {"b": None}], "created": 3})) == {"a/0": 1, "a/1/b": None}


# --- comparing stored runs ------------------------------------------------------------------------------------------
def test_models_of_several_runs(folder: Path, settings: Settings, store: RunStore) -> None:
    whole = evaluated(folder, settings)
    both = record_run(store, "evaluate", whole, memory_limit=1)
    alone = [kept(folder, settings, [name]).id for name in ("popular", "ease", "stars")]
    found = compare_runs(store, alone, baseline="popular", resamples=50)
    expected = compare_runs(store, [both.id], baseline="popular", resamples=50)
    assert {r.name: r.comparisons for r in found.results} == {r.name: r.comparisons for r in expected.results}
    fitted = evaluate_in_detail(
        "holdout", data=folder, settings=settings, lineup=lineup, baseline="popular", resamples=50
    ).report
    assert fitted.result("ease").comparisons == found.result("ease").comparisons
    twice = compare_runs(store, [both.id, alone[1]], ["ease"], resamples=50)
    assert len(twice.results) == 2
    names = [result.name for result in twice.results]
    assert names == [f"ease@{both.id[-8:]}", f"ease@{alone[1][-8:]}"]
    comparison = twice.result(names[1]).comparisons["ndcg@10"]
    assert (comparison.difference, comparison.p) == (0.0, 1.0)
    other = evaluate_in_detail("likes", ["popular"], data=folder, settings=settings, lineup=lineup, resamples=0)
    likes = record_run(store, "evaluate", other, memory_limit=1)
    with pytest.raises(RunError, match="protocol differ"):
        compare_runs(store, [both.id, likes.id])
    with pytest.raises(RunError, match="no model nope"):
        compare_runs(store, [both.id], ["nope"])
    with pytest.raises(RunError, match="no model 'nope'"):
        compare_runs(store, [both.id], baseline="nope")


# --- the report -----------------------------------------------------------------------------------------------------
def test_the_report_is_one_page_without_anything_from_elsewhere(folder: Path, settings: Settings) -> None:
    from xml.etree import ElementTree

    report = evaluated(folder, settings).report
    page = html_report(report, run="20260101T000000Z-00000000")
    assert "<script" not in page
    assert "src=" not in page
    assert "href=" not in page
    assert "url(" not in page
    for heading in ("Accuracy against cost", "Paired comparisons", "Calibration of stars", "Users by the size"):
        assert heading in page
    found = charts(report)
    assert {"cost", "calibration", "groups-history-ndcg", "groups-popularity-recall", "groups-history-rmse"} <= set(
        found
    )
    for svg in found.values():
        root = ElementTree.fromstring(svg)  # well-formed
        assert root.attrib["role"] == "img"
        _, _, width, height = (float(number) for number in root.attrib["viewBox"].split())
        for element in root.iter():
            for name, limit in (("cx", width), ("cy", height), ("x", width), ("y", height)):
                if name in element.attrib:
                    assert -1 <= float(element.attrib[name]) <= limit + 1
    for name in ("ease", "popular", "stars"):
        assert f"<title>{name}: " in found["cost"]


def test_names_are_escaped(folder: Path, settings: Settings) -> None:
    report = evaluated(folder, settings).report
    evil = report.model_copy(update={"dataset": "<b>x</b>", "notes": ("<script>alert(1)</script>",)})
    page = html_report(evil)
    assert "<script" not in page
    assert "<b>x" not in page


def test_a_report_of_one_model_without_intervals(folder: Path, settings: Settings) -> None:
    report = evaluate_in_detail("few", ["popular"], data=folder, settings=settings, lineup=lineup, resamples=0).report
    page = html_report(report)
    assert "Paired comparisons" not in page
    assert "Calibration" not in page
    assert set(charts(report)) == {"cost"}
