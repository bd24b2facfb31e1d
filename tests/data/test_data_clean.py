"""Each kind of known dirt is survived, dropped or changed for a stated reason, and counted."""

from __future__ import annotations

import math
from contextlib import nullcontext
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.data.catalog import Catalog, Movie
from matinee.data.clean import (
    as_id,
    as_imdb_id,
    as_seconds,
    as_tmdb_id,
    as_words,
    clean_movies,
    clean_ratings,
    clean_tags,
    detect_scale,
)
from matinee.data.dataset import SEEN
from matinee.data.ratings import Ratings
from matinee.engine.writes import check_user_id
from matinee.errors import InvalidInputError

SCALE = (0.5, 5.0)


def ratings(*rows: tuple[object, ...]) -> pl.DataFrame:
    names = ["user_id", "movie_id", "rating", "timestamp"]
    columns = {name: [None if row[i] is None else str(row[i]) for row in rows] for i, name in enumerate(names)}
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))


def test_clean_rows_pass_unchanged() -> None:
    frame, report = clean_ratings(ratings((1, 10, 4.5, 99), (2, 10, "5", 98)), ["10"], SCALE)
    assert frame.rows() == [("1", "10", 4.5, 99), ("2", "10", 5.0, 98)]
    assert frame.schema == {
        "user_id": pl.String,
        "movie_id": pl.String,
        "rating": pl.Float32,
        "timestamp": pl.Int64,
    }
    assert (report.rows_in, report.rows_out, report.dropped, report.changed) == (2, 2, {}, {})


def test_ids_are_what_they_are_over_http() -> None:
    """Names with blanks are users; what the engine refuses as a user id is dropped, and nothing else."""
    users = ["Ann Lee", "josé", "a/b", "x" * 64, "a\x1fb", "a\u200bb", "x" * 65]
    frame = pl.DataFrame({"user_id": users, "movie_id": "10", "rating": 3.0})
    kept, report = clean_ratings(frame, ["10"], (1.0, 5.0))
    assert kept["user_id"].to_list() == users[:4]
    assert report.dropped == {"user id out of range": 3}
    for user in users:
        accepted = user in users[:4]
        with nullcontext() if accepted else pytest.raises(InvalidInputError):
            check_user_id(user)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((None, 10, 3, 1), "user missing"),
        (("  ", 10, 3, 1), "user missing"),
        ((1, None, 3, 1), "film missing"),
        ((-1, 10, 3, 1), "user id out of range"),
        (("x" * 65, 10, 3, 1), "user id out of range"),
        (("a\nb", 10, 3, 1), "user id out of range"),
        ((1, 10, "nan", 1), "rating is not a number"),
        ((1, 10, "inf", 1), "rating is not a number"),
        ((1, 10, "-inf", 1), "rating is not a number"),
        ((1, 10, "four", 1), "rating is not a number"),
        ((1, 10, None, 1), "rating is not a number"),
        ((1, 10, 0, 1), "rating off the scale"),
        ((1, 10, 5.5, 1), "rating off the scale"),
        ((1, 10, -3, 1), "rating off the scale"),
        ((1, 11, 3, 1), "film not in the catalog"),
        ((1, 99999999999, 3, 1), "film not in the catalog"),
    ],
)
def test_dirt_is_dropped_for_its_reason(row: tuple[object, ...], reason: str) -> None:
    frame, report = clean_ratings(ratings(("good", 10, 3, 1), row), ["10"], SCALE)
    assert frame["user_id"].to_list() == ["good"]
    assert report.dropped == {reason: 1}


def test_of_duplicates_the_latest_is_kept() -> None:
    frame, report = clean_ratings(ratings((1, 10, 1, 50), (1, 10, 2, 70), (1, 10, 3, 60), (2, 10, 4, 1)), ["10"], SCALE)
    assert frame.rows() == [("1", "10", 2.0, 70), ("2", "10", 4.0, 1)]
    assert report.dropped == {"rated again later (the latest is kept)": 2}


def test_of_duplicates_of_one_time_the_last_row_is_kept() -> None:
    frame, _ = clean_ratings(ratings((1, 10, 1, 5), (1, 10, 2, 5), (1, 10, 5, None)), ["10"], SCALE)
    assert frame.rows() == [("1", "10", 2.0, 5)]


@pytest.mark.parametrize("time", ["yesterday", "-5", "nan", "1e30", "99999999999"])
def test_a_bad_time_becomes_unknown(time: str) -> None:
    frame, report = clean_ratings(ratings((1, 10, 3, time)), ["10"], SCALE)
    assert frame["timestamp"].to_list() == [None]
    assert report.changed == {"time is not a time (left unknown)": 1}
    assert report.dropped == {}


def test_a_missing_time_is_no_fault() -> None:
    frame, report = clean_ratings(ratings((1, 10, 3, None)).drop("timestamp"), ["10"], SCALE)
    assert frame["timestamp"].to_list() == [None]
    assert not report.changed


def test_milliseconds_become_seconds() -> None:
    frame, report = clean_ratings(ratings((1, 10, 3, 964982703123)), ["10"], SCALE)
    assert frame["timestamp"].to_list() == [964982703]
    assert report.changed == {"time was in milliseconds": 1}


@pytest.mark.parametrize("text", ["2000-07-30 18:45:03", "2000-07-30T18:45:03", "2000-07-30T18:45:03Z"])
def test_iso_times(text: str) -> None:
    frame = pl.DataFrame({"t": [text, "964982703", "2000-07-30", None, "2000-13-99"]})
    seconds = frame.select(as_seconds(frame, "t").cast(pl.Int64)).to_series().to_list()
    assert seconds == [964982703, 964982703, 964915200, None, None]


def test_temporal_columns() -> None:
    frame = pl.DataFrame({"t": [datetime(2000, 7, 30, 18, 45, 3)], "z": [datetime(1970, 1, 2, tzinfo=UTC)]})
    assert frame.select(as_seconds(frame, "t")).item() == 964982703
    assert frame.select(as_seconds(frame, "z")).item() == 86400


def test_numeric_columns_are_ids_too() -> None:
    frame = pl.DataFrame({"user_id": [1.0, 2.0], "movie_id": [10, 10], "rating": [3, 4]})
    cleaned, _ = clean_ratings(frame, ["10"], (1, 5))
    assert cleaned["user_id"].to_list() == ["1", "2"]
    text = pl.DataFrame({"i": ["12.0", " 7 ", "tt1", "1.5"]})
    assert text.select(as_id(text, "i")).to_series().to_list() == ["12", "7", "tt1", "1.5"]


cell = st.one_of(
    st.none(),
    st.sampled_from(["1", "2", "10", "10.0", "", " ", "nan", "inf", "-1", "4.5", "1e400", "é", "x y", "0", "6"]),
    st.text(max_size=5),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cell, cell, cell, cell), max_size=12))
def test_whatever_comes_in_every_row_is_accounted_for(rows: list[tuple[str | None, ...]]) -> None:
    frame, report = clean_ratings(ratings(*rows), ["10", "1", "2"], SCALE)
    assert report.rows_in == len(rows)
    assert report.rows_out == frame.height == len(rows) - sum(report.dropped.values())
    assert frame.select("user_id", "movie_id").is_duplicated().sum() == 0
    assert frame["rating"].is_between(*SCALE).all()
    assert frame["timestamp"].drop_nulls().is_between(0, 1 << 33).all()
    catalog = Catalog(pl.DataFrame({"movie_id": ["10", "1", "2"], "title": ["A", "B", "C"]}))
    assert len(Ratings.from_frame(frame, catalog)) == frame.height


@pytest.mark.parametrize(
    ("values", "hint", "scale"),
    [
        ([1, 2, 3, 4, 5], None, (1.0, 5.0)),
        ([0.5, 2, 3.5, 5], None, (0.5, 5.0)),
        ([1, 7, 9, 10], None, (1.0, 10.0)),
        ([0, 0, 4, 5], None, (0.0, 5.0)),
        ([0, 60, 100], None, (0.0, 100.0)),
        ([-10, 9.5, 3], None, (-10.0, 9.5)),
        ([], None, (0.5, 5.0)),
        ([math.nan], (1.0, 5.0), (1.0, 5.0)),
        ([1, 2, 3], (0.5, 5.0), (0.5, 5.0)),
        ([1, 8, 9, 10], (0.5, 5.0), (1.0, 10.0)),  # the layout's scale does not fit
        ([1, 1, 1], None, SEEN),
        ([1, 1, 1], (0.5, 5.0), (0.5, 5.0)),
        ([4, 4, 4], None, (1.0, 5.0)),
        ([*[4] * 50, 99], None, (1.0, 5.0)),  # a stray value does not stretch it
    ],
)
def test_scale(values: list[float], hint: tuple[float, float] | None, scale: tuple[float, float]) -> None:
    assert detect_scale(pl.DataFrame({"rating": pl.Series(values, dtype=pl.Float64)}), hint) == scale


def movies(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), infer_schema_length=None)


def test_other_titles_become_fields() -> None:
    frame, report = clean_movies(
        movies(
            {"movie_id": "1", "title": "Hate (Haine, La) (1995)", "alternate_titles": "Odio|La Haine"},
            {"movie_id": "2", "title": "Amelie", "original_title": "Fabuleux destin, Le"},
            {"movie_id": "3", "title": "Heat (1995)", "original_title": "Heat"},
        )
    )
    columns = frame.select("title", "original_title", "alternate_titles")
    assert columns.rows() == [
        ("Hate", None, ["Odio", "La Haine"]),
        ("Amelie", "Le Fabuleux destin", []),
        ("Heat", None, []),
    ]
    assert report.changed["other titles split from the title"] == 1


def test_films_are_cleaned() -> None:
    frame, report = clean_movies(
        movies(
            {"movie_id": "1", "title": "Matrix, The (1999)", "genres": "Action| Sci-Fi |Action|"},
            {"movie_id": "2", "title": 'Secret "X", or: A, B (2001)', "genres": "(no genres listed)"},
            {"movie_id": "3", "title": "Babylon 5", "genres": None},
            {"movie_id": "4", "title": "Godzilla (1954)", "genres": "Drama"},
            {"movie_id": "5", "title": "Godzilla (1998)", "genres": "Action"},
        )
    )
    assert frame.rows() == [
        ("1", "The Matrix", 1999, ["Action", "Sci-Fi"]),
        ("2", 'Secret "X", or: A, B', 2001, []),
        ("3", "Babylon 5", None, []),
        ("4", "Godzilla", 1954, ["Drama"]),
        ("5", "Godzilla", 1998, ["Action"]),
    ]
    assert report.changed == {"year split from the title": 4, "article moved to the front": 1}
    assert report.noticed == {"no genres": 2, "no year": 1, "title used by several films (kept apart)": 2}
    assert not report.dropped


def test_films_that_only_their_ids_tell_apart_are_noticed() -> None:
    titles = ["Chasing Amy (1997)", "Chasing Amy (1997)", "Hamlet (1996)", "Hamlet (1948)", "Cosmos", "Cosmos"]
    frame, report = clean_movies(movies(*({"movie_id": str(i), "title": title} for i, title in enumerate(titles))))
    assert frame.height == report.rows_out == 6
    assert report.noticed["title used by several films (kept apart)"] == 6
    assert report.noticed["title and year of several films (kept apart)"] == 2


@pytest.mark.parametrize(
    ("movie_id", "title", "reason"),
    [
        (None, "A", "film id missing"),
        ("", "A", "film id missing"),
        ("-4", "A", "film id out of range"),
        ("a?b", "A", "film id out of range"),
        ("2", "  ", "title missing"),
        ("2", None, "title missing"),
        ("1", "Second of that id", "film id used again (the first is kept)"),
    ],
)
def test_unusable_films_are_dropped(movie_id: str | None, title: str | None, reason: str) -> None:
    frame, report = clean_movies(movies({"movie_id": "1", "title": "Good"}, {"movie_id": movie_id, "title": title}))
    assert frame["title"].to_list() == ["Good"]
    assert report.dropped == {reason: 1}


def test_a_year_column_goes_before_the_title() -> None:
    frame, report = clean_movies(
        movies(
            {"movie_id": "1", "title": "Full Monty, The", "year": "1997"},
            {"movie_id": "2", "title": "Blade Runner (1982)", "year": "1982"},
            {"movie_id": "3", "title": "Remade (1960)", "year": "1998"},
            {"movie_id": "4", "title": "unkonwn", "year": "unkonwn"},
            {"movie_id": "5", "title": "(1995)", "year": ""},
        )
    )
    assert frame.select("title", "year").rows() == [
        ("The Full Monty", 1997),
        ("Blade Runner", 1982),
        ("Remade (1960)", 1998),
        ("unkonwn", None),
        ("(1995)", 1995),
    ]
    assert report.changed["year is not a year (left unknown)"] == 1


def test_all_columns_of_the_catalog_are_taken() -> None:
    frame, _ = clean_movies(
        movies(
            {
                "movie_id": 7,
                "title": "Seven",
                "genres": ["Crime"],
                "directors": "David Fincher",
                "cast": ["A", " A", "", None, "x" * 300],
                "overview": " Two policemen. ",
                "imdb_id": "114369",
                "tmdb_id": "807.0",
                "poster": "",
            }
        )
    )
    movie = Catalog(frame).movie(0)
    assert movie == Movie(
        movie_id="7",
        title="Seven",
        genres=("Crime",),
        directors=("David Fincher",),
        cast=("A",),
        overview="Two policemen.",
        imdb_id="tt0114369",
        tmdb_id="807",
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(cell, st.one_of(st.none(), st.text(max_size=20)), cell), max_size=8))
def test_any_film_table_gives_a_valid_catalog(rows: list[tuple[str | None, ...]]) -> None:
    schema = {"movie_id": pl.String, "title": pl.String, "genres": pl.String}
    frame, report = clean_movies(pl.DataFrame(rows, schema=schema, orient="row"))
    catalog = Catalog(frame)
    assert report.rows_in - sum(report.dropped.values()) == report.rows_out == len(catalog)
    for row in range(len(catalog)):
        Movie.model_validate(catalog.movie(row).model_dump())


def test_external_ids() -> None:
    frame = pl.DataFrame({"i": ["0114709", "tt0114709", "114709", "tt12345678", "x", "", None, "0"]})
    assert frame.select(as_imdb_id(frame, "i")).to_series().to_list() == [
        *["tt0114709"] * 3,
        "tt12345678",
        *[None] * 4,
    ]
    frame = pl.DataFrame({"i": ["862.0", "862", " 862 ", "n/a", None]})
    assert frame.select(as_tmdb_id(frame, "i")).to_series().to_list() == ["862", "862", "862", None, None]
    numbers = pl.DataFrame({"i": [862.0, None, np.nan]})
    assert numbers.select(as_tmdb_id(numbers, "i")).to_series().to_list() == ["862", None, None]


def test_words_have_a_limit() -> None:
    frame = pl.DataFrame({"genres": ["|".join(f"g{i}" for i in range(60))]})
    assert len(frame.select(as_words(frame, "genres")).item()) == 50


def test_tags() -> None:
    rows = [
        ("1", "10", "Funny"),
        ("2", "10", " funny "),
        ("2", "10", "FUNNY"),  # twice by one user
        ("1", "10", "dark  comedy"),
        ("1", "10", "Alpha"),
        ("1", "11", ""),
        ("1", "99", "lost"),
        ("1", None, "lost"),
        ("1", "10", "x" * 201),
        (None, "11", "anonymous"),
        (None, "11", "anonymous"),
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "movie_id", "tag"], orient="row")
    tags, report = clean_tags(frame, pl.Series(["10", "11"]))
    assert dict(tags.rows()) == {"10": ["funny", "alpha", "dark comedy"], "11": ["anonymous"]}
    assert report.dropped == {
        "film missing": 1,
        "film not in the catalog": 1,
        "tag empty": 1,
        "tag too long": 1,
        "given twice by one user": 1,
    }
    assert report.rows_out == 6
    alone, _ = clean_tags(frame.drop("user_id"), pl.Series(["10", "11"]))
    assert alone["tags"].to_list()[0][0] == "funny"
