"""Evaluations that are kept, compared, repeated and searched, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matinee.cli.tuning import parse_ranges
from matinee.errors import InvalidInputError


@pytest.fixture
def kept(home: Path, folder: Path, run: Any) -> str:
    """Id of a run of three models."""
    done = run("evaluate", "holdout", "-d", str(folder), "-m", "popular", "-m", "ease", "-m", "stars", "--json")
    assert done.code == 0, done.err
    return str(json.loads(done.out)["run"])


def test_runs_are_listed_and_shown(kept: str, home: Path, run: Any, tmp_path: Path) -> None:
    assert [item["id"] for item in json.loads(run("runs", "list", "--json").out)["items"]] == [kept]
    listed = run("runs", "list").out
    assert kept in listed
    assert "holdout" in listed
    for name in (kept, "last", kept[-8:]):
        shown = run("runs", "show", name)
        assert shown.code == 0, shown.err
        assert "ndcg@10" in shown.out
        assert "BLAS threads" in shown.err
    record = json.loads(run("runs", "show", "last", "--json").out)
    assert record["request"]["protocol"] == "holdout"
    assert record["lineups"][0]["ease"]["kind"] == "ease"
    copy = tmp_path / "report.html"
    assert run("runs", "report", "last", "-o", str(copy)).code == 0
    assert copy.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path(run("runs", "report", "last").out.strip()).is_file()
    assert kept in run("runs", "delete", "last").out
    assert "There is no run yet" in run("runs", "list").out
    wrong = run("runs", "show", "last")
    assert wrong.code == 1
    assert "matinee runs list" in wrong.err


def test_rerun_says_whether_every_digit_is_the_same(kept: str, home: Path, run: Any) -> None:
    done = run("rerun", "last")
    assert done.code == 0, done.err
    assert "figures are the same to the digit" in done.out
    path = home / "runs" / kept / "run.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    body["lineups"][0]["stars"]["config"]["n_factors"] = 3
    path.write_text(json.dumps(body), encoding="utf-8")
    done = run("rerun", kept)
    assert done.code == 1
    assert "figures differ" in done.out
    assert "more; --json has all" in done.out
    differences = json.loads(run("rerun", kept, "--json").out)
    assert not differences["same"]
    assert any(line.startswith("stars, split 1: rmse") for line in differences["differences"])
    assert run("rerun", "nope").code == 1


def test_nothing_is_kept_where_that_is_asked(home: Path, folder: Path, run: Any) -> None:
    done = run("evaluate", "holdout", "-d", str(folder), "-m", "popular", "--no-save", "--json")
    assert json.loads(done.out)["run"] is None
    assert not (home / "runs").exists()


def test_compare_models(home: Path, folder: Path, run: Any) -> None:
    done = run("compare", "popular", "ease", "-d", str(folder), "-p", "holdout", "--baseline", "popular")
    assert done.code == 0, done.err
    assert "better:worse:equal" in done.out
    assert "Wilcoxon" in done.err
    found = json.loads(run("compare", "--run", "last", "--json").out)
    assert found["run"] is None
    assert {result["name"] for result in found["results"]} == {"popular", "ease"}
    both = run("compare", "ease", "--run", "last", "--baseline", "popular")
    assert both.code == 1
    assert "no model 'popular'" in both.err
    alone = run("compare", "ease", "-d", str(folder), "-p", "holdout")
    assert "nothing to compare" in alone.out
    wrong = run("compare", "ease", "-d", str(folder), "--baseline", "stars")
    assert wrong.code == 1
    assert "not among the models" in wrong.err


def test_tune(home: Path, folder: Path, run: Any) -> None:
    words = ("tune", "ease", "-d", str(folder), "-n", "4", "--sampler", "random", "-s", "regularization=1:1000")
    done = run(*words)
    assert done.code == 0, done.err
    assert "Best by ndcg@10 on validation: regularization=" in done.out
    assert "test parts were not looked at" in done.err
    assert "What was tried" in run("runs", "show", "last").out
    found = json.loads(run(*words, "--json").out)
    assert len(found["trials"]) == 4
    assert found["report"]["validation"]
    assert found["config"]["regularization"] == found["best"]["settings"]["regularization"]
    assert run("rerun", "last").code == 0
    for wrong in ("nothing=1:2", "regularization", "regularization=5:1"):
        refused = run("tune", "ease", "-d", str(folder), "-s", wrong)
        assert refused.code == 1
        assert refused.err.startswith("Error: ")


def test_ranges() -> None:
    assert parse_ranges(["a=1:2", " b = x,y "]) == {"a": "1:2", "b": "x,y"}
    assert parse_ranges(None) == {}
    with pytest.raises(InvalidInputError, match="NAME=RANGE"):
        parse_ranges(["=1:2"])


def test_mlflow_is_an_extra(kept: str, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee._util.extras.find_spec", lambda name: None)
    for words in (
        ("runs", "track", "last"),
        ("snapshots", "register"),
        ("snapshots", "promote", "--from-registry", "x"),
    ):
        refused = run(*words)
        assert refused.code == 1
        assert "pip install 'matinee[tracking]'" in refused.err


def test_promote_needs_one_way_to_say_which(home: Path, run: Any) -> None:
    for words in ((), ("20200101T000000Z-00000000", "--from-registry", "production")):
        refused = run("snapshots", "promote", *words)
        assert refused.code == 1
        assert "--from-registry ALIAS" in refused.err
