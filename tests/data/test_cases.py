"""Files as people have them: each case of `../shared/cases` is read right, or refused with what to do.

`expected.md` of each case says what was seen and what should be. The kinds that they stand for are tested in
`test_kinds_of_files` and `test_kinds_of_values`, without those files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from matinee.data.dataset import SEEN, Dataset
from matinee.data.load import load_dataset, read_movies_file
from matinee.errors import DataError
from matinee.settings import Settings
from support import SHARED

CASES = SHARED.parent / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is not there")

Load = Callable[..., Dataset]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads a case without the description that lies beside it."""

    def read(name: str, **options: object) -> Dataset:
        folder = tmp_path / name
        shutil.copytree(CASES / name, folder, ignore=shutil.ignore_patterns("expected.md", "command*.txt"))
        settings = Settings(cache_dir=tmp_path / "cache", offline=True)
        return load_dataset(folder, settings, credits=False, **options)  # type: ignore[arg-type]

    return read


AS_SEEN = {
    "a_bigint": (1.0, 5.0),
    "a_bom": (1.0, 5.0),
    "a_dup_header": (1.0, 5.0),
    "a_email_users": (1.0, 5.0),
    "a_float_ids": (1.0, 5.0),
    "a_leading_zero": (1.0, 5.0),
    "a_percent_ids": (1.0, 5.0),
    "a_parquet_cat": (1.0, 5.0),
    "a_scale10": (1.0, 10.0),
    "a_space_ids": (1.0, 5.0),
    "a_widecols": (1.0, 5.0),
    "a_comment": (1.0, 5.0),
    "a_gz": (1.0, 5.0),
    "a_upper": (1.0, 5.0),
    "a_zip": (1.0, 5.0),
    "a_rating_stars": (1.0, 5.0),
    "a_quoted_comma_decimal": (0.5, 5.0),
    "a_thumbs01": (0.0, 1.0),
    "a_thumbs_text": (0.0, 1.0),
    "blank_after_comma_10": (1.0, 10.0),
}


@pytest.mark.parametrize("name", AS_SEEN)
def test_every_rating_is_read(name: str, load: Load) -> None:
    data = load(name)
    assert (len(data.ratings), data.ratings.n_users, len(data.catalog)) == (120, 12, 10)
    assert data.scale == AS_SEEN[name]
    assert not data.report.tables["ratings"].dropped


def test_ids_are_read_as_they_are(load: Load) -> None:
    assert "18446744073709551614" in load("a_bigint").ratings.user_ids
    assert "1" in load("a_float_ids").ratings.user_ids
    assert load("a_leading_zero").catalog.movie(0).movie_id == "0000001"
    assert len(load("a_single_user").ratings) == 10


def test_titles(load: Load) -> None:
    assert load("a_badquote").titles(range(4)) == [
        'The "Film" (1999)',
        '"Un"closed (1999)',
        '5" Screen (1999)',
        "Film 4 (1999)",
    ]
    assert load("a_cp1252").titles([0]) == ["L’été “1” – déjà vu (1999)"]
    assert load("a_crlf_quoted_newline").titles([0]) == ["Film 1 (1999)"]
    assert load("html_entities").titles(range(5)) == [
        "Q&A (1990)",
        "Pokémon (1999)",
        "A B (1990)",
        "Film 4 (1994)",
        "Été (1995)",
    ]
    assert load("a_genres_comma").catalog.movie(0).genres == ("Drama", "Comedy")


def test_one_byte_of_another_encoding_spoils_one_line_only(load: Load) -> None:
    data = load("a_mixed_enc")
    assert data.titles([0, 9]) == ["Café 1 (1999)", "Amélie (2001)"]
    assert "movies.csv: one line is not UTF-8 and read as Windows-1252: line 11." in data.report.notes


def test_the_encoding_is_told(load: Load) -> None:
    assert any("Windows-1252" in note for note in load("a_cp1252").report.notes)


def test_titles_without_a_letter(load: Load) -> None:
    data = load("odd_titles")
    assert data.titles(range(3)) == ["!!! (1999)", "... (2000)", "??? (2001)"]
    assert len(data.ratings) == 40


def test_a_row_with_too_many_fields_is_counted(load: Load) -> None:
    data = load("a_ragged")
    assert len(data.ratings) == 121
    assert data.report.tables["ratings"].dropped == {"line with more than the 4 fields expected": 1}
    assert any("line 122" in note for note in data.report.notes)


def test_no_header_line(load: Load) -> None:
    data = load("a_noheader")
    assert len(data.ratings) == 120
    assert data.ratings.times[0] == 1600000101
    assert any("no header line" in note and "user_id=1, movie_id=2" in note for note in data.report.notes)


def test_words_for_nothing_are_nobody(load: Load) -> None:
    data = load("a_null_words")
    assert not {"NULL", "NaN"} & set(data.ratings.user_ids)
    assert data.report.tables["ratings"].dropped == {
        "user missing": 3,
        "rating is not a number": 1,
        "film missing": 1,
    }


def test_times(load: Load) -> None:
    assert load("a_ts_iso_offset").ratings.times[0] == 1599021000
    assert load("a_ts_iso_z").ratings.times[0] == 1598954401
    in_millis = load("a_ts_ms")
    assert in_millis.ratings.times[0] == 1600000101
    assert in_millis.report.tables["ratings"].changed == {"time was in milliseconds": 120}
    dates = load("a_ts_us_date").report
    assert dates.tables["ratings"].changed == {"time is not a time (left unknown)": 120}
    assert any("1/1/2020" in note and "day or the month" in note for note in dates.notes)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a_header_only", "the table is empty"),
        ("a_nested_parquet", "has the type Struct"),
        ("a_slash_ids", "The ratings have ids such as 'tt/1', 'tt/10', 'tt/2', the films '10', '2', '3'"),
        ("a_wide", "film11 and 2,989 more. If each column is a film"),
        ("case_of_ids", "differ only in case"),
        ("imdb_datasets", "IMDb's data, and no ratings of users"),
        ("tmdb5000", "TMDB's data, and no ratings of users"),
        ("tmdb_ids", "TMDB's list of ids: it has neither ratings"),
        ("two_id_names", "movie_id=film_ref"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(name: str, told: str, load: Load) -> None:
    with pytest.raises(DataError) as refused:
        load(name)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 700


def test_ids_with_slashes_are_taken(load: Load) -> None:
    """Only the first of the case's films has the id that its ratings have, so it is refused as a whole."""
    with pytest.raises(DataError, match="differ only in leading zeros, or in what stands before the number"):
        load("a_slash_ids")


def test_data_without_stars(load: Load) -> None:
    for name, rows in (("a_implicit", 120), ("recbole_implicit", 190)):
        data = load(name)
        assert (data.scale, len(data.ratings)) == (SEEN, rows)
        assert "each row counts as a film seen" in data.report.notes[0]


def test_hours_are_no_stars(load: Load) -> None:
    data = load("hours_as_rating")
    assert (data.scale, len(data.ratings)) == (SEEN, 120)
    assert not data.report.tables["ratings"].dropped
    assert any("counts or amounts" in note for note in data.report.notes)


def test_numbers_that_are_no_ratings(load: Load) -> None:
    data = load("ninetynine_is_unrated")
    assert (data.scale, len(data.ratings)) == ((-10.0, 9.0), 80)
    assert data.report.tables["ratings"].dropped == {"not rated (99)": 40}
    assert any("99" in note and "--unrated none" in note for note in data.report.notes)


def test_zeros_are_noticed_and_can_be_left_out(load: Load, tmp_path: Path) -> None:
    data = load("zero_is_unrated")
    assert (data.scale, len(data.ratings)) == ((0.0, 10.0), 120)
    assert data.report.tables["ratings"].noticed == {'rating is 0, which may mean "not rated" (--unrated 0)': 80}
    shutil.rmtree(tmp_path / "zero_is_unrated")
    data = load("zero_is_unrated", unrated=[0])
    assert (data.scale, len(data.ratings)) == ((1.0, 10.0), 40)
    assert data.report.tables["ratings"].dropped == {"not rated (0)": 80}


def test_ids_as_spreadsheets_write_them_are_noticed(load: Load) -> None:
    noticed = load("a_sci_ids").report.tables["ratings"].noticed
    assert any("1E+14" in reason and "spreadsheets" in reason for reason in noticed)


def test_amazon(load: Load) -> None:
    data = load("amazon")
    assert (len(data.ratings), data.ratings.n_users, data.scale) == (200, 20, (1.0, 5.0))
    assert data.ratings.times[0] == 1362960000


def test_goodbooks(load: Load) -> None:
    data = load("goodbooks")
    assert (len(data.ratings), data.catalog.movie(0).title, data.catalog.movie(0).year) == (171, "Book 1", 2008)


def test_movietweetings(load: Load) -> None:
    data = load("movietweetings")
    matrix = data.catalog.movie(0)
    assert (matrix.movie_id, matrix.imdb_id, data.scale) == ("0133093", "tt0133093", (0.0, 10.0))
    assert any("IMDb" in note for note in data.report.notes)


def test_the_movies_dataset(load: Load) -> None:
    data = load("kaggle_movies")
    matrix = data.catalog.movie(data.catalog.row("2571"))
    assert (matrix.title, matrix.year, matrix.tmdb_id, matrix.imdb_id) == ("The Matrix", 1999, "603", "tt0133093")
    assert (matrix.genres, matrix.keywords) == (("Drama", "Crime"), ("hacker",))
    assert (matrix.cast, matrix.directors) == (("Someone",), ("Somebody",))
    assert matrix.languages == ("English",)
    assert (len(data.catalog), len(data.ratings)) == (10, 290)
    assert data.report.tables["movies"].dropped == {"no TMDB id (a line broken in two)": 1}


def test_films_for_an_import() -> None:
    movies, _ = read_movies_file(CASES / "tmdb5000" / "tmdb_5000_movies.csv")
    [movie] = movies.to_dicts()
    assert (movie["movie_id"], movie["title"], movie["year"], movie["tmdb_id"]) == (
        "tmdb:19995",
        "Blue Folk",
        2009,
        "19995",
    )
    assert (movie["genres"], movie["keywords"]) == (["Action"], ["culture clash"])
    movies, report = read_movies_file(CASES / "imdb_datasets" / "title.basics.tsv")
    assert movies.height == report.rows_in == 11
    assert movies.row(0, named=True)["genres"] == ["Drama", "Crime"]
    quoted = movies.row(10, named=True)
    assert (quoted["title"], quoted["year"], quoted["genres"]) == ('"Quoted start', None, [])
    for name in ("imdb_datasets/title.ratings.tsv", "tmdb_ids/movie_ids_06_01_2024.json.gz"):
        with pytest.raises(DataError, match=r"mean rating of each title|list of ids"):
            read_movies_file(CASES / name)


def test_a_mapping_for_each_table(load: Load, tmp_path: Path) -> None:
    columns = {"user_id": "viewer_id", "rating": "score"}
    each = load("two_id_names", mapping={**columns, "ratings.movie_id": "film_ref", "movies.movie_id": "film_no"})
    shutil.rmtree(tmp_path / "two_id_names")
    both = load("two_id_names", mapping={**columns, "movie_id": ("film_ref", "film_no")})
    assert len(each.ratings) == len(both.ratings) > 0
    assert each.titles([0]) == both.titles([0]) == ["Piece 1"]


def test_a_column_mapped_twice_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match="The column 'film' is mapped twice, to movie_id and to rating"):
        load("map_same_column", mapping={"user_id": "who", "movie_id": "film", "rating": "film"})
