"""Tables of movies whose ids are those of TMDB or IMDb: The Movies Dataset, TMDB 5000, IMDb's data sets.

Their ids are of another kind than those of most ratings, and small numbers among them are ids of other movies there.
They join ratings by `links`, or where the ratings have ids of the same kind.

Layouts: https://www.kaggle.com/datasets/rounakbanik/the-movies-dataset,
https://www.kaggle.com/datasets/tmdb/tmdb-movie-metadata, https://developer.imdb.com/non-commercial-datasets/
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import polars as pl

from matinee.data.readers.delimited import read_text
from matinee.data.readers.remarks import dropped_rows, remark
from matinee.data.readers.tables import JSON_SUFFIXES, TEXT_SUFFIXES, columns_of
from matinee.data.wording import names_of, unquoted
from matinee.errors import DataError

Kind = Literal["tmdb", "imdb"]

_TMDB = frozenset(
    {
        *("backdrop_path", "belongs_to_collection", "original_language", "original_title", "popularity", "poster_path"),
        *("production_companies", "production_countries", "release_date", "spoken_languages", "tagline"),
        *("vote_average", "vote_count", "genre_ids"),
    }
)
"""Columns of TMDB's movies, beside `id`, that other tables seldom have."""
_FILMS = ("movie", "tvMovie", "video", "short", "tvShort", "tvSpecial")
"""Kinds of IMDb titles that are movies: series, episodes and games are not."""
_MOVIES = {
    "tmdb_id": ("id", "tmdb_id", "tmdbId"),
    "imdb_id": ("imdb_id", "imdbId"),
    "title": ("title", "original_title"),
    "original_title": ("original_title",),
    "year": ("release_date", "year", "release_year"),
    "genres": ("genres",),
    "keywords": ("keywords",),
    "overview": ("overview",),
    "countries": ("production_countries",),
    "languages": ("spoken_languages",),
    "directors": ("director", "directors"),
    "cast": ("cast",),
}
_CAST = 100
"""Names of a movie's cast that are kept, in billing order."""
_MANY = 50
"""Films rated, of which nearly all must be in a table for its ids to be theirs: of fewer they may be by chance."""
_PERSON = r"\{[^{}]*\}"


def kind_of(columns: Collection[str]) -> Kind | None:
    """Whose ids a table of movies has, by its columns; None if that is not told by them."""
    names = set(columns)
    if {"movieId", "movie_id", "item_id"} & names:
        return None
    if {"tconst", "primaryTitle"} <= names:
        return "imdb"
    if "id" in names and len(names & _TMDB) >= 2:
        return "tmdb"
    return None


def is_id_list(columns: Collection[str]) -> bool:
    """Whether a table is TMDB's daily list of ids: an id, the original title, and no more of a movie."""
    return set(columns) <= {"adult", "id", "original_title", "popularity", "video"} and {"id", "original_title"} <= set(
        columns
    )


def is_averages(columns: Collection[str]) -> bool:
    """Whether a table holds means of ratings by many people, as IMDb's `title.ratings`, and no ratings of users."""
    return {"averageRating", "numVotes"} <= set(columns)


def refuse_other_tables(path: Path, columns: Collection[str]) -> None:
    """Raise DataError for tables that are neither ratings nor movies, with what they are."""
    if is_id_list(columns):
        raise DataError(
            f"{path} is TMDB's list of ids: it has neither ratings nor years, genres or plots of films.",
            "Train on a table of ratings (user, film, stars); films come from a table with titles and years.",
        )
    if is_averages(columns):
        raise DataError(
            f"{path} has the mean rating of each title, not the ratings of users.",
            "Train on ratings (user, film, stars); `matinee import movies title.basics.tsv` takes IMDb's films.",
        )
    if kind_of(columns) is not None and not any(name.lower() in ("userid", "user_id", "user") for name in columns):
        what = "TMDB's" if kind_of(columns) == "tmdb" else "IMDb's"
        raise DataError(
            f"{path} holds films with {what} data, and no ratings of users.",
            "Train on a folder with ratings as well, or store the films: `matinee import movies FILE`.",
        )


def read_movies(path: Path, kind: Kind) -> pl.DataFrame:
    """Movies with the columns of the catalog, and `imdb_id` or `tmdb_id`, but no `movie_id`.

    Tables beside the file are joined: `credits`, `keywords` (The Movies Dataset), `…_credits` (TMDB 5000).

    Raises:
        DataError: damaged.
    """
    return _imdb_movies(path) if kind == "imdb" else _tmdb_movies(path)


def _columns(path: Path) -> pl.DataFrame:
    if path.suffix.lower() in TEXT_SUFFIXES:
        return read_text(path)
    names = columns_of(path)
    if path.suffix.lower() in JSON_SUFFIXES:
        from matinee.data.readers.json_files import read_json

        return read_json(path)
    return pl.read_parquet(path, columns=names)


def _tmdb_movies(path: Path) -> pl.DataFrame:
    table = _columns(path)
    columns: list[pl.Expr] = []
    for name, sources in _MOVIES.items():
        found = next((source for source in sources if source in table.columns), None)
        if found is None:
            continue
        column = pl.col(found)
        if isinstance(table.schema[found], pl.List):
            inner = table.schema[found].inner  # type: ignore[attr-defined]
            column = column.list.eval(pl.element().struct.field("name")) if isinstance(inner, pl.Struct) else column
        columns.append(column.alias(name))
    movies = table.select(columns)
    if "release_date" in table.columns:
        year = pl.col("year").cast(pl.String).str.extract(r"\b(1[89]\d\d|20\d\d|21\d\d)\b", 1)
        movies = movies.with_columns(year=year)
    is_id = pl.col("tmdb_id").cast(pl.String).str.strip_chars().str.contains(r"^\d+(?:\.0)?$").fill_null(False)
    faults = movies.height - int(movies.select(is_id.sum()).item())
    if faults:
        dropped_rows(path, "no TMDB id (a line broken in two)", faults)
    movies = (
        movies.filter(is_id).with_columns(tmdb_id=_id("tmdb_id")).unique("tmdb_id", keep="first", maintain_order=True)
    )
    for side in _sides(path):
        movies = movies.join(side, on="tmdb_id", how="left", maintain_order="left", suffix="_side")
        again = [name for name in movies.columns if name.endswith("_side")]
        movies = movies.with_columns(
            pl.coalesce(name.removesuffix("_side"), name).alias(name.removesuffix("_side"))
            for name in again
            if movies.schema[name] == movies.schema[name.removesuffix("_side")]
        ).drop(again)
    return movies


def _id(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.strip_chars().str.replace(r"\.0+$", "").str.replace(r"^0+(\d)", "${1}")


def _sides(path: Path) -> list[pl.DataFrame]:
    """Credits and keywords beside a table of TMDB's movies, each with `tmdb_id` once."""
    sides: list[pl.DataFrame] = []
    for other in sorted(path.parent.iterdir()):
        stem = other.stem.lower()
        if other == path or not other.is_file() or other.suffix.lower() not in TEXT_SUFFIXES:
            continue
        if stem.endswith("credits"):
            table = read_text(other)
            key = next((name for name in ("id", "movie_id") if name in table.columns), None)
            if key is None or not {"cast", "crew"} <= set(table.columns):
                continue
            side = table.select(
                pl.col(key).alias("tmdb_id"),
                in_order(pl.col("cast")).list.head(_CAST).alias("cast"),
                crew_names(pl.col("crew"), ("Director",)).alias("directors"),
                crew_names(pl.col("crew"), ("Screenplay", "Writer", "Story", "Author", "Novel")).alias("writers"),
            )
        elif stem == "keywords":
            table = read_text(other)
            if not {"id", "keywords"} <= set(table.columns):
                continue
            side = table.select(pl.col("id").alias("tmdb_id"), names_of(pl.col("keywords")).alias("keywords"))
        else:
            continue
        sides.append(side.with_columns(tmdb_id=_id("tmdb_id")).unique("tmdb_id", keep="first", maintain_order=True))
    return sides


def in_order(column: pl.Expr) -> pl.Expr:
    """The names of a cast in billing order: that of `order` where each of the cast has one, else as written."""
    people = column.str.extract_all(_PERSON)
    billing = pl.element().str.extract(r"""['"]order['"]\s*:\s*(\d+)""", 1).cast(pl.Int32, strict=False)
    by_order = pl.element().sort_by(billing, nulls_last=True, maintain_order=True)
    ordered = people.list.eval(by_order)
    named = pl.element().str.extract(r"""['"]name['"]\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", 1)
    return ordered.list.eval(unquoted(named)).list.drop_nulls()


def crew_names(column: pl.Expr, jobs: tuple[str, ...]) -> pl.Expr:
    """The names of those of a crew who have one of the jobs."""
    pattern = r"""['"]job['"]\s*:\s*['"](?:""" + "|".join(jobs) + r""")['"]"""
    named = pl.element().str.extract(r"""['"]name['"]\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", 1)
    people = column.str.extract_all(_PERSON).list.eval(pl.element().filter(pl.element().str.contains(pattern)))
    return people.list.eval(unquoted(named)).list.drop_nulls().list.unique(maintain_order=True)


def _imdb_movies(path: Path) -> pl.DataFrame:
    table = read_text(path, separator="\t" if path.suffix.lower() in (".tsv", ".tab") else None, quote=None)
    none = [pl.when(pl.col(name) != "\\N").then(pl.col(name)).alias(name) for name in table.columns]
    table = table.select(none)
    if "titleType" in table.columns:
        is_film = pl.col("titleType").is_in(_FILMS)
        for kind, count in table.filter(~is_film)["titleType"].value_counts(sort=True).iter_rows():
            dropped_rows(path, f"no film but {kind or 'without a kind'}", count)
        table = table.filter(is_film)
    names = {
        "imdb_id": "tconst",
        "title": "primaryTitle",
        "original_title": "originalTitle",
        "year": "startYear",
        "genres": "genres",
    }
    movies = table.select(pl.col(source).alias(name) for name, source in names.items() if source in table.columns)
    if "genres" in movies.columns:
        movies = movies.with_columns(pl.col("genres").str.replace_all(",", "|"))
    return movies.unique("imdb_id", keep="first", maintain_order=True)


def with_movie_ids(
    movies: pl.DataFrame,
    path: Path,
    kind: Kind,
    ratings: pl.DataFrame,
    links: pl.DataFrame | None,
    mapping: Mapping[str, str],
    id_column: str,
) -> pl.DataFrame:
    """The movies with the ids that the ratings use, as `movie_id`.

    Args:
        movies: see `read_movies`.
        links: `movie_id`, `imdb_id`, `tmdb_id`, as read.
        mapping: that of the table of movies; one for `movie_id` says that the ratings have its ids.
        id_column: what the column of movie ids is called in the table of ratings.

    Raises:
        DataError: the ratings have ids of another kind, and there are no links.
    """
    own = f"{kind}_id"
    called = id_column.lower().replace("_", "")
    if "movie_id" in mapping or called in (f"{kind}id", "tconst" if kind == "imdb" else "", f"{kind}movieid"):
        why = "stated" if "movie_id" in mapping else id_column
        remark(f"{path.name}: its ids are taken for those of the ratings ({why}).")
        return movies.with_columns(movie_id=pl.col(own))
    rated = ratings["movie_id"].cast(pl.String).str.strip_chars().drop_nulls().unique()
    are_imdb = int(rated.str.contains(r"^tt\d{6,}$").sum()) >= 0.9 * max(len(rated), 1)
    if are_imdb and "imdb_id" in movies.columns:
        return movies.filter(pl.col("imdb_id").is_not_null()).with_columns(movie_id=pl.col("imdb_id"))
    if links is not None:
        return _by_links(movies, path, links)
    if len(rated) >= _MANY and int(rated.is_in(movies[own].drop_nulls().implode()).sum()) >= 0.98 * len(rated):
        remark(
            f"{path.name}: nearly all films that are rated are in it, so its ids are taken for those of the ratings."
        )
        return movies.with_columns(movie_id=pl.col(own))
    what = "TMDB" if kind == "tmdb" else "IMDb"
    raise DataError(
        f"{path} has the ids of {what}, and the ratings have ids of another kind ({id_column}): the same number would "
        "be another film.",
        "Add the table of links (movieId, imdbId, tmdbId) to the folder; or, if the ratings do have ids of "
        f"{what}, say so with --map movies.movie_id={'id' if kind == 'tmdb' else 'tconst'}.",
    )


def by_links_if_tmdb(movies: pl.DataFrame, path: Path, links: pl.DataFrame | None) -> pl.DataFrame:
    """A table of movies whose `movie_id` turns out to be TMDB's by the table of links, with the ids of the ratings."""
    if links is None or "tmdb_id" not in links.columns or "tmdb_id" in movies.columns:
        return movies
    own = movies.select(_id("movie_id")).to_series().drop_nulls().unique()
    here, there = links.select(_id("movie_id")).to_series(), links.select(_id("tmdb_id")).to_series().drop_nulls()
    if (
        not len(own)
        or 2 * own.is_in(here.implode()).sum() >= len(own)
        or own.is_in(there.implode()).sum() < 0.9 * len(own)
    ):
        return movies
    remark(f"{path.name} has the ids of TMDB, as the table of links tells.")
    return _by_links(movies.with_columns(tmdb_id=_id("movie_id")).drop("movie_id"), path, links)


def _by_links(movies: pl.DataFrame, path: Path, links: pl.DataFrame) -> pl.DataFrame:
    """Movies joined to the ids of a table of links, by TMDB id, else by IMDb id."""
    made: list[pl.DataFrame] = []
    for name in ("tmdb_id", "imdb_id"):
        if name not in links.columns or name not in movies.columns:
            continue
        key = _link_key(name)
        left = links.select(pl.col("movie_id").cast(pl.String).str.strip_chars(), key=key).filter(
            pl.col("key").is_not_null()
        )
        right = (
            movies.with_columns(key=key)
            .filter(pl.col("key").is_not_null())
            .unique("key", keep="first", maintain_order=True)
        )
        made.append(left.join(right, on="key", how="inner", maintain_order="left").drop("key"))
    joined = pl.concat(made, how="diagonal_relaxed") if made else movies.clear().with_columns(movie_id=pl.lit(""))
    joined = joined.unique("movie_id", keep="first", maintain_order=True)
    without = links.height - joined.height
    remark(
        f"{path.name} is joined to the ratings by the table of links: {joined.height:,} films"
        + (f"; {without:,} links lead to no film of it." if without > 0 else ".")
    )
    return joined


def _link_key(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String).str.strip_chars().str.replace(r"\.0+$", "")
    return text.str.extract(r"^(?:tt)?0*([1-9]\d*)$", 1)


def read_movies_alone(path: Path, columns: Collection[str]) -> pl.DataFrame | None:
    """Movies of TMDB or IMDb for an import, with ids that cannot be those of other movies; None for other tables.

    Raises:
        DataError: a table that holds no movies, or is damaged.
    """
    if is_id_list(columns) or is_averages(columns):
        refuse_other_tables(path, columns)
    kind = kind_of(columns)
    if kind is None:
        return None
    movies = read_movies(path, kind)
    if kind == "imdb":
        return movies.with_columns(movie_id=pl.col("imdb_id"))
    remark(
        f"{path.name} has the ids of TMDB: its films are called tmdb:… where the catalog has no film of that TMDB id."
    )
    return movies.with_columns(movie_id=pl.lit("tmdb:") + pl.col("tmdb_id"))
