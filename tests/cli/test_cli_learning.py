"""Commands that learn, and those about data sets and snapshots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matinee.cli.training import main_columns


def snapshots(run: Any) -> list[dict[str, Any]]:
    return list(json.loads(run("snapshots", "list", "--json").out)["items"])


def test_train_promote_rollback_prune(home: Path, run: Any) -> None:
    first = snapshots(run)[0]["id"]
    done = run("train", "--no-measure", "--no-promote", "--json")
    assert done.code == 0, done.err
    second = json.loads(done.out)["snapshot"]
    assert {s["id"]: s["current"] for s in snapshots(run)} == {first: True, second: False}
    assert run("snapshots", "promote", second).code == 0
    assert f"*   {second}" in run("snapshots", "list").out
    assert next(s["id"] for s in snapshots(run) if s["current"]) == second
    assert first in run("snapshots", "rollback").out
    assert "is intact" in run("snapshots", "verify").out
    assert json.loads(run("snapshots", "show").out)["id"] == first
    assert json.loads(run("snapshots", "show", second).out)["report"]["source"] == "small"
    assert "Deleted 0 snapshots." in run("snapshots", "prune", "--keep", "2").out
    assert f"Deleted 1 snapshots: {second}." in run("snapshots", "prune", "--keep", "1").out or len(snapshots(run)) == 2


def test_train_incrementally(home: Path, run: Any) -> None:
    first = snapshots(run)[0]["id"]
    assert run("rate", "1", "Heat (1995)", "4.5").code == 0
    done = run("train", "--incremental")
    assert done.code == 0, done.err
    assert f"Begun with {first}: " in done.out
    assert "nothing was measured" in done.out
    assert "It is served from now on." in done.out
    assert "not both" in run("train", "--incremental", "--quick").err
    spark = run("train", "--incremental", "--engine", "spark")
    assert "An incremental training is done here, not on Spark." in spark.err


def test_a_damaged_snapshot_is_told(home: Path, run: Any) -> None:
    damaged = home / "snapshots" / snapshots(run)[0]["id"] / "catalog.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    done = run("snapshots", "verify")
    assert done.code == 1
    assert "catalog.safetensors" in done.err
    assert run("recommend", "--user", "1").code == 1
    (home / "snapshots" / "pointer.json").write_text("rubbish", encoding="utf-8")
    listed = run("snapshots", "list")
    assert listed.code == 0
    assert "pointer.json" in listed.err


@pytest.mark.parametrize(
    "words",
    [("show", "nonsense"), ("verify", "../.."), ("promote", "20200101T000000Z-00000000"), ("rollback",)],
)
def test_snapshot_commands_refuse_what_is_not_there(home: Path, run: Any, words: tuple[str, ...]) -> None:
    done = run("snapshots", *words)
    assert done.code == 1
    assert done.err.startswith("Error: ")


def test_snapshot_commands_without_any(run: Any) -> None:
    assert "matinee train" in run("snapshots", "list").out
    for words in (("show",), ("verify",), ("rollback",)):
        assert run("snapshots", *words).code == 1
    assert "Deleted 0" in run("snapshots", "prune").out


def test_train_learns_from_the_store_and_prints_metrics(home: Path, run: Any) -> None:
    run("rate", "newcomer", "Alien", "5")
    done = run("train")
    assert done.code == 0, done.err
    assert "ndcg" in done.out.lower()
    newest = snapshots(run)[0]
    assert newest["current"]
    assert newest["n_users"] == 61


@pytest.mark.parametrize("data", ["no-such-data-set", "/no/such/folder", ""])
def test_train_refuses_data_that_are_not_there(run: Any, data: str, tmp_path: Path) -> None:
    done = run("train", "--data", data or str(tmp_path))
    assert done.code == 1
    assert done.err.startswith("Error: ") or "Error: " in done.err
    assert "Traceback" not in done.err


def test_data_list_and_inspect(folder: Path, home: Path, run: Any) -> None:
    assert "ml-latest-small" in [entry["name"] for entry in json.loads(run("data", "list", "--json").out)["items"]]
    assert "ml-25m" in run("data", "list").out
    done = run("data", "inspect", str(folder))
    assert done.code == 0, done.err
    assert "year split from the title" in done.out
    found = json.loads(run("data", "inspect", str(folder), "--json").out)
    assert found["statistics"]["films"] == 40
    assert found["tables"]["ratings"]["rows_in"] == found["statistics"]["ratings"]
    assert run("data", "inspect", "nonsense").code == 1
    assert run("data", "get", "nonsense").code == 1


def test_evaluate(home: Path, folder: Path, run: Any) -> None:
    done = run("evaluate", "holdout", "--data", str(folder), "--model", "popular", "--model", "ease")
    assert done.code == 0, done.err
    assert "popular" in done.out
    assert "ndcg" in done.out.lower()
    report = run("evaluate", "holdout", "--data", str(folder), "--model", "popular", "--validation", "--json")
    assert json.loads(report.out)["protocol"] == "holdout"
    shown = run("evaluate", "holdout", "--data", str(folder), "--model", "popular", "--validation")
    assert "validation part (a fifth of the users)" in " ".join(shown.out.split())
    assert "|" in run("evaluate", "holdout", "--data", str(folder), "--model", "popular", "--markdown").out
    for words in (("nonsense",), ("holdout", "--model", "nonsense"), ("holdout", "--data", "/no/such")):
        wrong = run("evaluate", *words)
        assert wrong.code == 1
        assert wrong.err.startswith("Error: ")


def test_evaluate_tables_fit_a_terminal(home: Path, folder: Path, run: Any) -> None:
    """The main columns alone, in 100 columns at most; JSON has all of them."""
    words = ("--data", str(folder), "--model", "popular", "--model", "userkernel")
    for protocol, shown, hidden in (
        ("likes", "disliked@10", "disliked_per_list@10"),
        ("few", "ndcg@10/10", "recall@10/10"),
    ):
        done = run("evaluate", protocol, *words)
        assert done.code == 0, done.err
        assert shown in done.out
        assert hidden not in done.out
        assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 100
        report = json.loads(run("evaluate", protocol, *words, "--json").out)
        assert {shown, hidden} <= set(report["results"][0]["metrics"])


def test_intervals_are_shown_where_there_is_room() -> None:
    columns, cell = ["model", "rmse", "mae", "predicted", "fit s", "score s"], "0.9000 [0.8990, 0.9010]"
    rows = [["stars", cell, cell, "1.000", "0.1", "0.2"], ["SVD (a long source of it)", "0.9", "", "", "", ""]]
    assert main_columns(columns, rows)[1][0] == ["stars", cell, cell, "0.1", "0.2"]
    main, narrow = main_columns(
        ["model", "ndcg@10", "precision@10", "map@10", "recall@10", "p", "fit s"],
        [["a", cell, cell, cell, cell, ".1", "1"]],
    )
    assert main == ["model", "ndcg@10", "precision@10", "map@10", "recall@10", "p", "fit s"]
    assert narrow == [["a", cell, "0.9000", "0.9000", "0.9000", ".1", "1"]]
    wide = ["model", *(f"ndcg@10/{n}" for n in range(5)), "fit s", "recall@10/0"]
    found = main_columns(wide, [["ease", *([cell] * 5), "0.1", cell]])
    assert found == (wide[:-1], [["ease", cell, *(["0.9000"] * 4), "0.1"]])


def test_data_without_stars(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained as seen; what is left out is said; a rating says no more than seen."""
    folder = tmp_path / "views"
    folder.mkdir()
    films = ["movieId,title,genres", *(f"{n},Film number {n} (19{80 + n}),Drama" for n in range(1, 9))]
    views = ["userId,movieId", *(f"{u},{n}" for u in range(1, 13) for n in range(1, 9) if (u * n) % 5)]
    (folder / "movies.csv").write_text("\n".join(films), encoding="utf-8")
    (folder / "ratings.csv").write_text("\n".join(views), encoding="utf-8")
    for name, value in (("DATA_DIR", tmp_path / "home"), ("CACHE_DIR", tmp_path / "cache"), ("OFFLINE", 1)):
        monkeypatch.setenv(f"MATINEE_{name}", str(value))
    shown = run("data", "inspect", str(folder))
    assert "none: a film was seen, or was not" in shown.out
    assert "1 stars" not in shown.out
    trained = run("train", "--data", str(folder))
    assert trained.code == 0, trained.err
    assert "each row counts as a film seen" in trained.err
    assert "Left out: stars. All ratings are equal, so there are no stars to predict." in trained.err
    monkeypatch.setenv("MATINEE_DATA", str(folder))
    assert run("rate", "new", "Film number 3").out == "User new has seen Film number 3 (1983).\n"
    assert run("rate", "new", "Film number 4", "1").code == 0
    refused = run("rate", "new", "Film number 5", "4.5")
    assert (refused.code, "hold no stars" in refused.err) == (1, True)
    answer = json.loads(run("recommend", "--user", "new", "--json").out)
    assert answer.get("fallback") is None
    assert not {"3", "4"} & {item["movie_id"] for item in answer["items"]}
    assert all(item.get("stars") is None for item in answer["items"])
    (tmp_path / "more.csv").write_text("userId,movieId,rating\nold,1,\nold,2,4\n", encoding="utf-8")
    assert "Stored 2 of 2 ratings." in run("import", "ratings", str(tmp_path / "more.csv")).out
    assert "Stored 3 of 3" in run("import", "ratings", str(_bare(tmp_path))).out


def _bare(folder: Path) -> Path:
    path = folder / "bare.csv"
    path.write_text("user,film\nolder,1\nolder,2\nolder,3\n", encoding="utf-8")
    return path
