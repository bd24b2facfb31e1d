"""The Netflix Prize: a line `MOVIE:`, then `CUSTOMER,STARS,DATE` for each of its ratings; titles with commas.

Layout: README of the data set (`training_set/mv_0000001.txt`, `movie_titles.txt`), and its form in four files
(`combined_data_1.txt` …, `movie_titles.csv`).
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from matinee.data.readers.delimited import read_text
from matinee.data.readers.memory import check_text_file
from matinee.data.readers.remarks import remark
from matinee.data.readers.tables import RawData
from matinee.errors import DataError


def _files(folder: Path) -> list[Path]:
    """The files of ratings, in order."""
    combined = sorted(folder.glob("combined_data_*.txt"))
    return combined or sorted((folder / "training_set").glob("mv_*.txt")) or sorted(folder.glob("mv_*.txt"))


def matches(folder: Path) -> bool:
    """Whether a folder has the files of the Netflix Prize."""
    return bool(_files(folder))


def read(folder: Path) -> RawData:
    """Read the folder.

    Raises:
        DataError: a file is damaged, or too large.
    """
    ratings = pl.concat([_ratings(path) for path in _files(folder)])
    titles = next(
        (path for name in ("movie_titles.csv", "movie_titles.txt") if (path := folder / name).is_file()), None
    )
    if titles is None:
        remark("There is no movie_titles.csv beside the ratings of the Netflix Prize.")
    return RawData(ratings, None if titles is None else _titles(titles), scale=(1.0, 5.0))


def _ratings(path: Path) -> pl.DataFrame:
    check_text_file(path, 4)
    lines = pl.read_csv(
        path, has_header=False, separator="\x1f", quote_char=None, new_columns=["line"], infer_schema=False
    )
    movie = pl.col("line").str.extract(r"^\s*(\d+):\s*$", 1)
    rows = lines.with_columns(movie_id=movie.forward_fill()).filter(movie.is_null())
    parts = pl.col("line").str.strip_chars().str.split_exact(",", 2)
    table = rows.select(
        user_id=parts.struct.field("field_0"),
        movie_id="movie_id",
        rating=parts.struct.field("field_1"),
        timestamp=parts.struct.field("field_2"),
    )
    if table.height and table["movie_id"].null_count() == table.height:
        raise DataError(f"{path} has no line with the number of a film (1:).", "Fetch the data set again.")
    return table


def _titles(path: Path) -> pl.DataFrame:
    """`8,2004,What the #$*! Do We Know!?`: only the first two commas separate."""
    lines = read_text(path, separator="\x1f", names=["line"], quote=None)
    found = pl.col("line").str.extract_groups(r"^\s*(\d+),\s*(\d{4}|NULL)?,(.*)$")
    table = lines.select(
        movie_id=found.struct.field("1"),
        year=found.struct.field("2"),
        title=found.struct.field("3").str.strip_chars().str.strip_chars_end(",").str.strip_chars('"'),
    )
    return table.with_columns(year=pl.when(pl.col("year") != "NULL").then("year")).filter(
        pl.col("movie_id").is_not_null()
    )
