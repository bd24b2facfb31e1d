"""Commands that write."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from matinee.api import create_app
from matinee.settings import Settings
from socket_support import on_a_socket


def rated(run: Any, user: str) -> dict[str, float]:
    done = run("history", user, "--json")
    return {entry["movie_id"]: entry["rating"] for entry in json.loads(done.out)["items"]} if done.code == 0 else {}


def test_a_rating_counts_at_once(home: Path, run: Any) -> None:
    done = run("rate", "newcomer", "Toy Story", "4.5")
    assert (done.code, done.out) == (0, "User newcomer rates Toy Story (1995) 4.5 stars.\n")
    assert rated(run, "newcomer") == {"1": 4.5}
    answer = json.loads(run("recommend", "--user", "newcomer", "--json").out)
    assert answer.get("fallback") != "popular"
    assert "1" not in [item["movie_id"] for item in answer["items"]]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("u", "Toy Story", "6"), 1),
        (("u", "Toy Story", "nan"), 1),
        (("u", "Toy Story", "many"), 2),
        (("u", "qqqqqqqqqqqqq", "3"), 1),
        (("u" * 1000, "Toy Story", "3"), 1),
        (("u", "Toy Story"), 2),
    ],
)
def test_bad_ratings_store_nothing(home: Path, run: Any, words: tuple[str, ...], code: int) -> None:
    done = run("rate", *words)
    assert done.code == code
    assert rated(run, words[0]) == {}


def test_a_file_is_sent_to_the_service_and_goes_on_after_a_bad_line(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "more.ndjson"
    good = '{"user_id": "zoe", "movie_id": "1", "rating": 5}\n{"user_id": "zoe", "movie_id": "2", "rating": 2}\n'
    path.write_text(good + "{}\n", encoding="utf-8")
    table = tmp_path / "more.csv"
    table.write_text("uid,movie_id,rating,time\nyan,1,4.5,2020-01-01\nyan,2,,\n7,3,1,1000\n", encoding="utf-8")
    with on_a_socket(create_app(Settings(data_dir=home))) as url:
        to = ("--core-url", url)
        failed = run("import", "stream", str(path), *to, "--key", "zoe")
        assert failed.code == 1
        assert "Line 3 was refused" in failed.err
        assert rated(run, "zoe") == {"1": 5.0, "2": 2.0}
        done = run("import", "stream", str(path), *to, "--key", "zoe", "--skip-errors")
        assert (done.code, done.out) == (0, "Import zoe: 3 lines, 2 ratings, 1 lines refused.\n"), done.err
        assert "Line 3:" in done.err
        done = run("import", "stream", str(table), *to, "--map", "user=uid", "--json")
        assert json.loads(done.out)["ratings"] == 2
        assert rated(run, "yan") == {"1": 4.5}
        assert run("import", "stream", str(table), *to, "--map", "user=uid", "--json").out == done.out
        assert run("import", "stream", str(tmp_path / "none.ndjson"), *to).code == 1


def test_import_ratings_reports_what_was_dropped(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text(
        "uid,film,score,at\nann,1,5,1000000000\nann,2,9,1\nann,nope,4,1\n,1,4,1\nbob,3,2.5,\n", encoding="utf-8"
    )
    maps = ("--map", "user=uid", "--map", "movie=film", "--map", "stars=score", "--map", "time=at")
    done = run("import", "ratings", str(path), *maps)
    assert done.code == 0, done.err
    assert "Stored 2 of 5 ratings." in done.out
    assert "dropped" in done.out
    assert rated(run, "ann") == {"1": 5.0}
    assert rated(run, "bob") == {"3": 2.5}
    report = json.loads(run("import", "ratings", str(path), *maps, "--json").out)
    assert report["stored"] == 2
    assert sum(report["dropped"].values()) == 3


def test_import_keeps_times(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text("user_id,movie_id,rating,timestamp\nann,1,5,1000000000\nann,2,4,900000000\n", encoding="utf-8")
    assert run("import", "ratings", str(path)).code == 0
    times = {e["movie_id"]: e["timestamp"] for e in json.loads(run("history", "ann", "--json").out)["items"]}
    assert times == {"1": 1_000_000_000, "2": 900_000_000}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "user,movie,rating\n", ("--map", "nonsense")),
        ("a.csv", "x,y,z\n1,2,3\n", ()),
        ("a.csv", "", ()),
        ("a.xyz", "user,movie,rating\n1,1,4\n", ()),
        ("a.parquet", "no parquet", ()),
        ("a.ndjson", "{broken", ()),
    ],
)
def test_import_refuses_broken_files(
    home: Path, run: Any, tmp_path: Path, name: str, content: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    for what in ("ratings", "movies"):
        done = run("import", what, str(path), *words)
        assert done.code == 1
        assert done.err.startswith("Error: ")
    assert run("import", "ratings", str(tmp_path / "absent.csv")).code == 1


def test_imported_films_are_found_at_once(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text(
        'movie_id,title,year,genres\n900,"Matinee, The (1993)",,Comedy|Drama\n901,Later,1800,\n902,,1999,\n',
        encoding="utf-8",
    )
    done = run("import", "movies", str(path))
    assert done.code == 0, done.err
    found = json.loads(run("search", "the matinee", "--json").out)["items"][0]["movie"]
    assert (found["movie_id"], found["title"], found["year"], found["genres"]) == (
        "900",
        "The Matinee",
        1993,
        ["Comedy", "Drama"],
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_export_comes_back_by_import(home: Path, run: Any, tmp_path: Path, suffix: str) -> None:
    run("rate", "newcomer", "Alien", "5")
    ratings, movies = tmp_path / f"r.{suffix}", tmp_path / f"m.{suffix}"
    done = run("export", "ratings", str(ratings))
    assert done.code == 0, done.err
    assert run("export", "movies", str(movies)).code == 0
    read = {
        "csv": partial(pl.read_csv, infer_schema_length=None),
        "parquet": pl.read_parquet,
        "ndjson": pl.read_ndjson,
    }[suffix]
    frame = read(ratings)
    assert frame.columns == ["user_id", "movie_id", "rating", "timestamp"]
    assert f"Wrote {frame.height:,} ratings" in done.out
    assert frame.filter(pl.col("user_id").cast(pl.String) == "newcomer")["rating"].to_list() == [5.0]
    assert read(movies).height == 40
    assert f"Stored {frame.height:,} of {frame.height:,} ratings." in run("import", "ratings", str(ratings)).out
    assert "Stored 40 of 40 films." in run("import", "movies", str(movies)).out
    assert not list(tmp_path.glob("*.part"))


def test_export_spares_what_is_there(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("mine", encoding="utf-8")
    assert run("export", "ratings", str(path)).code == 1
    assert path.read_text(encoding="utf-8") == "mine"
    assert run("export", "ratings", str(path), "--force").code == 0
    assert run("export", "ratings", str(tmp_path / "r.xlsx")).code == 1
    assert run("export", "movies", str(tmp_path / "no" / "such" / "folder.csv")).code == 1


def test_a_backup_is_put_back(home: Path, run: Any, tmp_path: Path) -> None:
    run("rate", "newcomer", "Toy Story", "4.5")
    done = run("backup", str(tmp_path), "--snapshots")
    assert done.code == 0
    (file,) = tmp_path.glob("matinee-*.tar")
    assert "1 ratings" in done.out
    assert run("restore", str(file), "--check").code == 0
    run("rate", "newcomer", "Toy Story", "1")
    for snapshot in (home / "snapshots").glob("2*"):
        snapshot.rename(tmp_path / snapshot.name)
    done = run("restore", str(file))
    assert done.code == 0
    assert "replaced" in done.err
    assert rated(run, "newcomer") == {"1": 4.5}
    assert run("snapshots", "verify").code == 0
    assert run("backup", str(file)).code == 1
    done = run("compact")
    assert done.code == 0
    assert "MiB now" in done.out
    assert rated(run, "newcomer") == {"1": 4.5}
