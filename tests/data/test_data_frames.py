"""`load_dataset` of Polars and pandas frames."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from matinee import Dataset, load_dataset
from matinee.data.ratings import NO_TIME
from matinee.errors import DataError, InvalidInputError
from small_folder import write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("frames") / "small")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "text"])
def test_frames_are_read_as_the_files_are(folder: Path, kind: str) -> None:
    paths = folder / "ratings.csv", folder / "movies.csv"
    if kind == "pandas":
        ratings, movies = (pd.read_csv(path) for path in paths)
    elif kind == "text":
        ratings, movies = (pd.DataFrame(rows(path)) for path in paths)
    else:
        ratings, movies = (pl.scan_csv(path) if kind == "lazy" else pl.read_csv(path) for path in paths)
    (folder / "alone").mkdir(exist_ok=True)
    for path in paths:
        (folder / "alone" / path.name).write_bytes(path.read_bytes())
    want = load_dataset(folder / "alone", credits=False)
    found = load_dataset(ratings, movies=movies, credits=False, name="mine")
    assert found.name == "mine"
    assert found.fingerprint == want.fingerprint
    assert found.report.tables == want.report.tables


def test_missing_values_times_and_lists_of_pandas() -> None:
    ratings = pd.DataFrame(
        {
            "user": ["ann", "bob", "eve", "eve"],
            "item": pd.array([1, 2, None, 1], dtype="Int64"),
            "stars": [4.5, float("nan"), 3.0, 5.0],
            "date": [datetime(2020, 1, 1, tzinfo=UTC), None, None, datetime(2021, 1, 1, tzinfo=UTC)],
        }
    )
    movies = pd.DataFrame(
        {"item": [1, 2], "name": ["A", "B"], "genres": [["Drama", "War"], None], "year": [1999, None]}
    )
    dataset = load_dataset(ratings, movies=movies, credits=False)
    assert dataset.ratings.user_ids.to_list() == ["ann", "eve"]
    assert dataset.report.tables["ratings"].dropped == {"film missing": 1, "rating is not a number": 1}
    assert dataset.ratings.times.tolist() == [1577836800, 1609459200]
    assert dataset.catalog.column("genres") == [["Drama", "War"], []]
    assert dataset.catalog.column("year") == [1999, None]


def test_columns_can_be_mapped_and_are_named_where_they_are_missing() -> None:
    ratings = pl.DataFrame({"who": ["a", "b"], "movie": [1, 2], "points": [5.0, 1.0]})
    mapping = {"user_id": "who", "rating": "points"}
    assert len(load_dataset(ratings, mapping=mapping, credits=False).ratings) == 2
    with pytest.raises(DataError, match="The frame of ratings has no column for user_id; it has: who, movie, points"):
        load_dataset(ratings, credits=False)
    with pytest.raises(DataError, match="The frame of movies has no column for movie_id and title; it has: x"):
        load_dataset(ratings, mapping=mapping, movies=pl.DataFrame({"x": [1]}), credits=False)
    with pytest.raises(DataError, match="no column 'nobody'"):
        load_dataset(ratings, mapping={"user_id": "nobody"}, credits=False)


def test_ratings_alone_may_name_the_films() -> None:
    ratings = pl.DataFrame({"user": ["a", "b"], "movie": [1, 2], "title": ["Heat (1995)", "Big"]})
    dataset = load_dataset(ratings, credits=False)
    assert dataset.catalog.titles([0, 1]) == ["Heat (1995)", "Big"]
    assert dataset.ratings.times.tolist() == [NO_TIME] * 2


def test_what_is_no_frame_is_refused() -> None:
    ratings = pl.DataFrame({"user": ["a"], "movie": [1]})
    with pytest.raises(InvalidInputError, match="A list is not a valid source of data"):
        load_dataset([1, 2])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="goes with a frame of ratings"):
        load_dataset("ml-100k", movies=ratings)
    with pytest.raises(DataError, match="The frame of movies is a dict"):
        load_dataset(ratings, movies={"a": 1}, credits=False)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not plain values"):
        load_dataset(pl.DataFrame({"user": [["a"]], "movie": [1]}), credits=False)


def test_a_frame_of_nothing_says_so() -> None:
    with pytest.raises(DataError, match="frame has no usable"):
        load_dataset(
            pl.DataFrame({"user": [], "movie": []}, schema={"user": pl.String, "movie": pl.Int64}), credits=False
        )


def test_the_dataset_of_frames_is_shown(folder: Path) -> None:
    dataset = load_dataset(folder, credits=False)
    assert isinstance(dataset, Dataset)
    shown = dataset._repr_html_()
    assert "40 films" in shown
    assert "(19" in shown
