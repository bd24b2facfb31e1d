"""Tables of films as snapshots keep them, and the files that hold them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from matinee._util.tensor_file import read_tensors, write_tensors
from matinee.data.catalog import Catalog, Movie
from matinee.data.frames import FrameTable
from matinee.data.packed import ADDED, COLUMNS, ChangedTable, Coded, PackedTable, Texts, write_table
from matinee.data.titles import article_first, split_title, without_year, year_in_title
from matinee.errors import DataError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
records = st.lists(
    st.fixed_dictionaries(
        {
            name: {
                "text": text if name in ("movie_id", "title") else st.none() | text,
                "year": st.none() | st.integers(1870, 2200),
                "list": st.lists(text, max_size=3),
            }[kind]
            for name, kind in COLUMNS.items()
        }
    ),
    max_size=6,
)


def lists_of(coded: Coded) -> list[list[str]]:
    words = [coded.words[code] for code in coded.codes]
    return [words[start:stop] for start, stop in pairwise(coded.cuts.tolist())]


def test_lists_come_as_numbers_of_words_from_any_table(tmp_path: Path) -> None:
    genres = [["Drama", "War"], [], ["War"], ["Comedy", "Drama", "War"]]
    rows = [{"movie_id": str(n), "title": "T", "genres": words} for n, words in enumerate(genres)]
    frame = FrameTable(
        pl.DataFrame(rows, schema={"movie_id": pl.String, "title": pl.String, "genres": pl.List(pl.String)})
    )
    write_table(tmp_path / "t", frame)
    packed = PackedTable.read(tmp_path / "t")
    changes = {1: {**packed.row(1), "genres": ["War", "New"]}, 4: {**packed.row(0), "genres": []}}
    grown = [genres[0], ["War", "New"], *genres[2:], []]
    for table, lists in ((frame, genres), (packed, genres), (ChangedTable(packed, changes), grown)):
        for chosen in (np.arange(len(lists)), np.array([3, 1, 3, 0]), np.zeros(0, dtype=np.int64), np.array([1])):
            assert lists_of(table.coded("genres", chosen)) == [lists[row] for row in chosen]


def test_a_part_of_a_column_from_any_table(tmp_path: Path) -> None:
    years = [1990, None, 2001, 1950]
    rows = [{"movie_id": str(n), "title": f"T{n}", "year": year, "genres": ["War"] * n} for n, year in enumerate(years)]
    frame = FrameTable(pl.DataFrame(rows))
    write_table(tmp_path / "t", frame)
    packed = PackedTable.read(tmp_path / "t")
    changes = {1: {**packed.row(1), "year": 2020}, 4: {**packed.row(0), "title": "New"}}
    for table in (frame, packed, ChangedTable(packed, changes), ChangedTable(None, {0: packed.row(2)})):
        for name in ("movie_id", "title", "year", "genres", "imdb_id"):
            column, n = table.column(name), len(table)
            assert len(column) == n
            for start, stop in ((0, n), (0, 1), (n - 1, n + 7), (n, n + 1), (1, 3)):
                assert table.part(name, start, stop) == column[start:stop]
            for chosen in ([n - 1, 0, 0], [], [0]):
                assert table.some(name, chosen) == [column[row] for row in chosen]


@settings(max_examples=60, deadline=None)
@given(records)
@example([])
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, films: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("tables") / "table"
    table = ChangedTable(None, dict(enumerate(films)))
    write_table(path, table)
    found = PackedTable.read(path)
    assert len(found) == len(films)
    assert [found.row(row) for row in range(len(found))] == films
    for name in COLUMNS:
        assert found.column(name) == table.column(name) == [film[name] for film in films]
    for name in ("title", "overview"):
        filled = [bool(film[name]) for film in films]
        assert found.filled(name).tolist() == table.filled(name).tolist() == filled
        assert ChangedTable(found, dict(enumerate(films[:1]))).filled(name).tolist() == filled


def test_tables_from_before_other_titles_are_read(tmp_path: Path) -> None:
    films: list[dict[str, object]] = [{"movie_id": str(row)} for row in range(3)]
    write_table(tmp_path / "table", ChangedTable(None, dict(enumerate(film(**one) for one in films))))
    arrays = read_tensors(tmp_path / "table")
    old = {name: array for name, array in arrays.items() if not name.startswith(ADDED)}
    assert len(old) < len(arrays)
    write_tensors(tmp_path / "old", old)
    table = PackedTable.read(tmp_path / "old")
    assert table.column("original_title") == [None] * 3
    assert table.column("alternate_titles") == [[], [], []]
    assert table.row(2) == PackedTable.read(tmp_path / "table").row(2)
    assert not table.filled("original_title").any()


@given(st.lists(text))
def test_texts(texts: list[str]) -> None:
    packed = Texts.of(texts)
    assert packed.to_list() == list(packed) == packed[:] == texts
    if texts:
        assert packed[-1] == texts[-1]
    with pytest.raises(IndexError):
        packed[len(texts)]


@pytest.mark.parametrize(
    ("buffer", "cuts"),
    [
        (b"ab", [0, 1]),
        (b"ab", [1, 2]),
        (b"ab", []),
        (b"ab", [0, 2, 1, 2]),
        ("é".encode(), [0, 1, 2]),
        (b"\xff\xfe", [0, 2]),
        (b"\xc3", [0, 1]),
    ],
)
def test_texts_that_are_none(buffer: bytes, cuts: list[int]) -> None:
    with pytest.raises(ValueError):
        Texts(np.frombuffer(buffer, dtype=np.uint8), np.array(cuts, dtype=np.int64))


def film(**fields: object) -> dict[str, Any]:
    return Movie.model_validate({"movie_id": "1", "title": "A"} | fields).model_dump()


@pytest.mark.parametrize(
    "change",
    [
        {"genres.codes": np.array([5, 0], dtype=np.int32)},
        {"genres.cuts": np.array([0, 1], dtype=np.int64)},
        {"year": np.array([1999, 2000], dtype=np.int32)},
        {"overview.known": np.array([1, 1], dtype=np.uint8)},
        {"title": None},
        {"title.cuts": None},
        {"year": None},
    ],
)
def test_arrays_that_make_no_table_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    write_table(tmp_path / "table", ChangedTable(None, {0: film(genres=("Drama", "War"))}))
    arrays = read_tensors(tmp_path / "table") | change
    write_tensors(tmp_path / "other", {name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DataError, match="is not a film table"):
        Catalog.load(tmp_path / "other")


def test_one_id_for_two_films_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "table", ChangedTable(None, {0: film(), 1: film()}))
    with pytest.raises(DataError, match="duplicate movie_id"):
        Catalog.load(tmp_path / "table")
    with pytest.raises(DataError, match="duplicate movie_id"):
        Catalog.of([Movie(movie_id="1", title="A"), Movie(movie_id="1", title="B")])


def header(entry: object, data: bytes = bytes(16)) -> bytes:
    body = json.dumps(entry).encode()
    return len(body).to_bytes(8, "little") + body + data


@pytest.mark.parametrize(
    "content",
    [
        b"\x01",
        (1 << 60).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{x",
        header({"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}}),
        header({"a": {"dtype": "I64", "shape": [3], "data_offsets": [0, 16]}}),
        header({"a": {"dtype": "I64", "shape": [1, 2], "data_offsets": [0, 16]}}),
        header({"a": {"dtype": "I64", "shape": [2], "data_offsets": [8, 24]}}),
        header({"a": {"dtype": "I64", "shape": [2], "data_offsets": [-8, 8]}}),
        header({"a": {"dtype": "I64", "shape": ["2"], "data_offsets": [0, 16]}}),
        header({"a": {"shape": [2], "data_offsets": [0, 16]}}),
        header({"a": None}),
    ],
)
def test_files_that_hold_no_tensors(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError):
        read_tensors(tmp_path / "file")


def test_tensors_are_read_only_and_of_the_format(tmp_path: Path) -> None:
    arrays = {"b": np.arange(3, dtype=np.int64), "a": np.array([1], dtype=np.uint8), "c": np.arange(2, dtype=np.int32)}
    write_tensors(tmp_path / "file", arrays)
    found = read_tensors(tmp_path / "file")
    assert {name: array.tolist() for name, array in found.items()} == {"a": [1], "b": [0, 1, 2], "c": [0, 1]}
    assert not any(array.flags.writeable for array in found.values())
    raw = (tmp_path / "file").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert length % 8 == 0
    assert json.loads(raw[8 : 8 + length])["b"] == {"dtype": "I64", "shape": [3], "data_offsets": [0, 24]}
    assert len(raw) == 8 + length + 24 + 8 + 1


def test_many_changes_refer_to_the_first_table_alone() -> None:
    catalog = Catalog.of([Movie(movie_id="a", title="A")])
    for number in range(50):
        catalog = catalog.with_changes([Movie(movie_id=f"m{number % 7}", title=f"T{number}")])
    table = catalog.table
    assert isinstance(table, ChangedTable)
    assert table._root is None
    assert len(table) == 8
    assert catalog.movie(catalog.row("m6")).title == "T48"
    with pytest.raises(IndexError):
        table.row(8)
    assert catalog.frame["title"].to_list() == catalog.column("title")


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"\A(Boot|Matrix|Avventura| Été)(, (The|Das|L'|L’|Foo))?( \((a\.k\.a\. )?[A-C]+, (An|Le|L')\))?\Z"),
    st.sampled_from(["", " (1999)", " (2006–2007)", " (2006- ) (TV)", " (0000)", "(2001)", " (1999) ", "\n(1999)"]),
)
@example("", "(1999)")
def test_titles_are_split_as_the_readers_do(name: str, year: str) -> None:
    title = pl.lit(name + year)
    want, number = pl.select(article_first(without_year(title)), year_in_title(title).alias("year")).row(0)
    assert split_title(name + year) == (want or name + year, number)


def test_what_is_filled_of_a_frame() -> None:
    frame = pl.DataFrame({"movie_id": ["1", "2", "3"], "title": ["A", "B", "C"], "overview": ["x", None, ""]})
    assert FrameTable(frame).filled("overview").tolist() == [True, False, False]
    assert FrameTable(frame.drop("overview")).filled("overview").tolist() == [False] * 3
