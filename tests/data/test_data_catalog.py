from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from matinee.data.catalog import LIST_COLUMNS, Catalog, Movie
from matinee.data.frames import SCHEMA
from matinee.errors import DataError, UnknownMovieError, UnknownTitleError


def tiny(*ids: str) -> Catalog:
    return Catalog(
        pl.DataFrame(
            {"movie_id": list(ids), "title": [f"Film {i}" for i in ids]},
            schema_overrides={"title": pl.String, "movie_id": pl.String},
        )
    )


def test_all_columns_are_there_and_lists_are_never_null() -> None:
    frame = pl.DataFrame({"movie_id": ["1", "2"], "title": ["A", "B"], "genres": [["x"], None]})
    catalog = Catalog(frame)
    assert catalog.frame.schema == SCHEMA
    assert catalog.column("genres") == [["x"], []]
    assert all(catalog.frame[name].null_count() == 0 for name in LIST_COLUMNS)


def test_ids_and_rows() -> None:
    catalog = tiny("7", "3", "9")
    assert len(catalog) == 3
    assert catalog.row("3") == 1
    assert catalog.find("4") is None
    assert catalog.rows(["9", "4", "7"]).tolist() == [2, -1, 0]
    assert catalog.ids([2, 0]) == ["9", "7"]
    with pytest.raises(UnknownMovieError, match="'4'"):
        catalog.row("4")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"movie_id": ["1"]}, "has no column title"),
        ({"movie_id": ["1", None], "title": ["A", "B"]}, "without movie_id or title"),
        ({"movie_id": ["1"], "title": pl.Series([None], dtype=pl.String)}, "without movie_id or title"),
        ({"movie_id": ["1", "1"], "title": ["A", "B"]}, "duplicate movie_id"),
    ],
)
def test_bad_tables_are_refused(frame: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Catalog(pl.DataFrame(frame))


def test_changes_keep_the_rows_of_films() -> None:
    catalog = tiny("a", "b", "c")
    grown = catalog.with_changes([Movie(movie_id="b", title="New B"), Movie(movie_id="d", title="D", year=2020)])
    assert grown.column("title") == ["Film a", "New B", "Film c", "D"]
    assert [grown.find(i) for i in "abcd"] == [0, 1, 2, 3]
    assert catalog.column("title") == ["Film a", "Film b", "Film c"]  # the old one is as it was
    less = grown.with_changes(removed=["a", "nobody"])
    assert less.find("a") is None
    assert less.rows(["a", "b"]).tolist() == [-1, 1]
    assert len(less) == 4
    back = less.with_changes([Movie(movie_id="a", title="A again")])
    assert back.row("a") == 0
    assert back.movie(0).title == "A again"
    assert not less.active.flags.writeable


def test_of_two_changes_of_one_film_the_last_holds() -> None:
    grown = tiny("a").with_changes([Movie(movie_id="x", title="1"), Movie(movie_id="x", title="2")])
    assert grown.column("title") == ["Film a", "2"]


ids = st.sampled_from("abcdefgh")


@settings(max_examples=60, deadline=None)
@given(st.lists(ids, unique=True), st.lists(st.tuples(ids, st.booleans()), max_size=12))
def test_any_changes_behave_like_a_dict(start: list[str], steps: list[tuple[str, bool]]) -> None:
    catalog = tiny(*start)
    expected = {i: f"Film {i}" for i in start}
    rows = {i: row for row, i in enumerate(start)}
    for number, (movie_id, put) in enumerate(steps):
        if put:
            catalog = catalog.with_changes([Movie(movie_id=movie_id, title=f"Title {number}")])
            expected[movie_id] = f"Title {number}"
            rows.setdefault(movie_id, len(rows))
        else:
            catalog = catalog.with_changes(removed=[movie_id])
            expected.pop(movie_id, None)
        for i in "abcdefgh":
            assert catalog.find(i) == (rows[i] if i in expected else None)
    assert {i: catalog.movie(rows[i]).title for i in expected} == expected


def test_save_and_load(tmp_path: Path) -> None:
    movie = Movie(movie_id="1", title="Ünïcode", year=1999, genres=("A", "B"), overview="…", imdb_id="tt0133093")
    catalog = tiny("0").with_changes([movie])
    catalog.save(tmp_path / "c.arrow")
    again = Catalog.load(tmp_path / "c.arrow")
    assert again.frame.equals(catalog.frame)
    assert again.movie(1) == movie


@pytest.mark.parametrize("content", [b"", b"rubbish" * 50, None])
def test_a_broken_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "c.arrow"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="is not a film table"):
        Catalog.load(path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    tiny(*(str(i) for i in range(100))).save(tmp_path / "c.arrow")
    whole = (tmp_path / "c.arrow").read_bytes()
    for share in (0.1, 0.5, 0.99):
        (tmp_path / "c.arrow").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match="is not a film table"):
            Catalog.load(tmp_path / "c.arrow")


@pytest.mark.parametrize(
    "fields",
    [
        {"movie_id": ""},
        {"movie_id": "a#b"},
        {"movie_id": "a?b"},
        {"movie_id": True},
        {"title": " "},
        {"year": 1500},
        {"imdb_id": "0133093"},
        {"genres": ("",)},
        {"surprise": 1},
    ],
)
def test_bad_films_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Movie.model_validate({"movie_id": "1", "title": "A", **fields})


def test_numbers_are_accepted_as_ids() -> None:
    assert Movie.model_validate({"movie_id": 318, "title": "A", "tmdb_id": 862}).movie_id == "318"


def test_movies_are_found_by_any_of_their_names() -> None:
    catalog = Catalog.of(
        [
            Movie(movie_id="1", title="Spirited Away", year=2001, original_title="千と千尋の神隠し"),
            Movie(movie_id="2", title="Seven", year=1995, alternate_titles=("Se7en", "Léon")),
            Movie(movie_id="3", title="Léon", year=1994),
        ]
    )
    assert catalog.resolve("spirited away") == catalog.resolve("千と千尋の神隠し") == 0
    assert catalog.resolve("Spirited Away (Sen to Chihiro no kamikakushi) (2001)") == 0
    assert catalog.resolve("SE7EN") == catalog.resolve("se7en (1995)") == 1
    assert catalog.resolve("Léon") == 2, "a movie of this title comes before one that is also called so"
    assert catalog.resolve("Léon (1995)") == 1
    with pytest.raises(UnknownTitleError):
        catalog.resolve("Se7en (1996)")
    assert catalog.movie(0).other_titles == ("千と千尋の神隠し",)
    assert catalog.other_titles()[1] == ("Se7en", "Léon")
