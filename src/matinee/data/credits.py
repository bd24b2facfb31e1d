"""Credits from the Wikidata movies (CC0) in the `bokeh-sampledata` wheel, converted to a small Parquet file."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import polars as pl

from matinee._util.progress import Progress
from matinee.data.assets import Asset, ensure
from matinee.data.joins import fill_missing
from matinee.data.titles import title_key, title_keys
from matinee.errors import DataError, FetchError
from matinee.settings import Settings

CREDIT_COLUMNS = ("directors", "writers", "cast", "countries", "languages")
_SUFFIXES = r", (Jr|Sr|II|III|IV|Esq|PhD|M\.?D)\b"


def _reduce(folder: Path) -> None:
    """movies.db (8 MB) → credits.parquet (about 1 MB)."""
    database = folder / "movies.db"
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            rows = connection.execute(
                'SELECT imdbID, Title, Year, Director, Writer, "Cast", Country, Language FROM omdb'
            ).fetchall()
    except sqlite3.Error as error:
        raise FetchError(f"The film database is damaged ({error}).", "Repeat the command.") from error
    names = ("imdb_id", "title", "year", *CREDIT_COLUMNS)
    schema = {name: pl.Int32 if name == "year" else pl.String for name in names}
    frame = pl.DataFrame(rows, schema=schema, orient="row", strict=False)
    people = [
        # "Sammy Davis, Jr." is one name, so its comma is removed before splitting.
        pl.col(name)
        .str.replace_all(_SUFFIXES, " ${1}")
        .str.split(", ")
        .list.eval(pl.element().filter(pl.element() != ""))
        .fill_null([])
        for name in CREDIT_COLUMNS
    ]
    frame = frame.with_columns(*people, title_key(pl.col("title")).alias("key"))
    frame = frame.filter(pl.col("imdb_id").str.contains(r"^tt\d{7,10}$")).unique("imdb_id", maintain_order=True)
    frame.drop("title").write_parquet(folder / "credits.parquet", compression="zstd")
    database.unlink()


WIKIDATA = Asset(
    name="wikidata-films-f40331a40ca3-1",  # the last part is the version of `_reduce`
    requirement="bokeh-sampledata==2026.1",
    hash=("sha256", "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f"),
    members=("movies.db",),
    prepare=_reduce,
)


def load_credits(settings: Settings, progress: Progress | None = None) -> pl.DataFrame:
    """Movies of Wikidata: `imdb_id`, `year`, `key` (see `titles.title_key`) and `CREDIT_COLUMNS` (lists).

    Raises:
        FetchError: not cached, and cannot be fetched.
        DataError: the cached file cannot be read.
    """
    path = ensure(WIKIDATA, settings, progress) / "credits.parquet"
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read: {error}", "Delete that file and repeat the command.") from error


def match_by_title(movies: pl.DataFrame, wikidata: pl.DataFrame) -> pl.DataFrame:
    """Match movies and movies by title and year (±1). Ambiguous matches are left out.

    Args:
        movies: `movie_id`, `title`, `year`, and `original_title` and `alternate_titles` where there are any.
        wikidata: `imdb_id`, `key`, `year`.

    Returns:
        `movie_id`, `imdb_id`, each at most once. Matches of the same year take precedence over those a year off.
    """
    named = title_keys(pl.col("title"))
    if "alternate_titles" in movies.columns:
        named = pl.concat_list(named, pl.col("alternate_titles").list.eval(title_key(pl.element())))
    if "original_title" in movies.columns:
        named = pl.concat_list(named, title_key(pl.col("original_title").fill_null("")))
    keys = movies.select("movie_id", "year", named.list.unique(maintain_order=True).alias("key")).explode("key")
    pairs = keys.filter(pl.col("key") != "").join(
        wikidata.select("imdb_id", "key", pl.col("year").alias("film_year")), on="key"
    )
    pairs = pairs.with_columns(off=(pl.col("year") - pl.col("film_year")).abs()).filter(pl.col("off") <= 1)
    pairs = pairs.group_by("movie_id", "imdb_id").agg(pl.col("off").min())
    matches = pairs.clear()
    for off in (0, 1):
        free = pairs.filter(pl.col("off") == off).join(matches, on="movie_id", how="anti")
        free = free.join(matches, on="imdb_id", how="anti")
        unique = (pl.len().over("movie_id") == 1) & (pl.len().over("imdb_id") == 1)
        matches = pl.concat([matches, free.filter(unique)])
        # Movies that are ambiguous with the right year are not matched with another one.
        pairs = pairs.join(free.filter(~unique), on="movie_id", how="anti")
    return matches.select("movie_id", "imdb_id")


def add_credits(movies: pl.DataFrame, wikidata: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, float]]:
    """Add credits to a movie table, by IMDb id, or by title and year if there is no id.

    Args:
        movies: clean movies; a missing `imdb_id` is filled if the title matches unambiguously.
        wikidata: the result of `load_credits`.

    Returns:
        The table with `imdb_id` and `CREDIT_COLUMNS` (existing lists are kept), and the joins' shares (0..1).
    """
    if "imdb_id" not in movies.columns:
        movies = movies.with_columns(imdb_id=pl.lit(None, dtype=pl.String))
    if "year" not in movies.columns:
        movies = movies.with_columns(year=pl.lit(None, dtype=pl.Int32))
    with_id = movies.filter(pl.col("imdb_id").is_not_null())
    rest = wikidata.join(with_id.select("imdb_id").unique(), on="imdb_id", how="anti")
    matched = match_by_title(movies.filter(pl.col("imdb_id").is_null()), rest)
    by_id = with_id.join(wikidata, on="imdb_id", how="semi").height

    movies = movies.join(matched.rename({"imdb_id": "_matched"}), on="movie_id", how="left", maintain_order="left")
    movies = movies.with_columns(pl.coalesce("imdb_id", "_matched").alias("imdb_id")).drop("_matched")
    movies = fill_missing(movies, wikidata.select("imdb_id", *CREDIT_COLUMNS), on="imdb_id")
    total = max(movies.height, 1)
    joins = {
        "wikidata by imdb_id": by_id / total,
        "wikidata by title and year": matched.height / total,
        "wikidata": (by_id + matched.height) / total,
    }
    return movies, joins
