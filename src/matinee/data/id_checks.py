"""Whether the ratings and the movies of a data set speak of the same ids, and what is amiss where they do not."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from matinee.data.clean import as_id, fault_of_id
from matinee.data.dataset import TableReport
from matinee.data.ids import MOVIE_ID
from matinee.data.readers.remarks import remark
from matinee.data.readers.tables import RawData
from matinee.errors import DataError

_LOST = "film not in the catalog"
_MOST_LOST = 0.5
"""Share of the ratings that may be of movies that the table of movies lacks."""
_FEW = 0.9


def check_known(rated_ids: Callable[[], pl.DataFrame], movies: pl.DataFrame, report: TableReport, raw: RawData) -> None:
    """Raise DataError if most ratings are of movies that the table lacks: its ids are of another kind.

    Args:
        rated_ids: the column `movie_id` of the ratings as read; asked for only where most are lost.
        movies: clean.
        report: that of the ratings.
    """
    lost = report.dropped.get(_LOST, 0)
    kept = report.rows_out + sum(
        count for reason, count in report.dropped.items() if reason.startswith(("rated again", "seen again"))
    )
    if movies.is_empty() or not lost or lost <= _MOST_LOST * (lost + kept):
        return
    ratings = rated_ids()
    rated = ratings.select(as_id(ratings, "movie_id")).to_series().drop_nulls().unique()
    why, hint = _explain(rated, movies, raw)
    odd = rated.filter(~rated.str.contains(MOVIE_ID))
    if len(odd) > 0.5 * len(rated):
        why = f"Film ids such as {odd[0]!r} are not taken: {fault_of_id(odd[0])}."
        hint = "Write them without it, in both tables."
    raise DataError(
        f"{lost:,} of {lost + kept:,} ratings are of films that the table of films does not have "
        f"({_LOST}: {lost:,}). {why}",
        hint,
    )


def _explain(rated: pl.Series, movies: pl.DataFrame, raw: RawData) -> tuple[str, str]:
    """What is amiss with the ids, and what to do."""
    own = movies["movie_id"]
    examples = f"The ratings have ids such as {_some(rated)}, the films {_some(own)}."

    def share(ids: pl.Series, known: pl.Series) -> float:
        return int(ids.is_in(known.drop_nulls().unique().implode()).sum()) / len(ids) if len(ids) else 0.0

    if share(rated.str.to_lowercase(), own.str.to_lowercase()) >= _FEW:
        return f"{examples} They differ only in case.", "Write them alike in both tables."
    if share(_digits(rated), _digits(own)) >= _FEW:
        return (
            f"{examples} They differ only in leading zeros, or in what stands before the number.",
            "Write them alike.",
        )
    for name in ("imdb_id", "tmdb_id"):
        if name in movies.columns and share(_digits(rated), _digits(movies[name])) >= _FEW:
            return (
                f"{examples} The ratings have the ids of the films' column {name}.",
                f"Map that column: --map movies.movie_id={name}.",
            )
        if raw.links is not None and name in raw.links.columns:
            linked = raw.links[name].cast(pl.String).str.replace(r"\.0+$", "")
            if share(_digits(own), _digits(linked)) >= 0.5:
                what = "TMDB" if name == "tmdb_id" else "IMDb"
                return (
                    f"{examples} The films have the ids of {what} of the table of links.",
                    "Replace the films' ids by those of the table of links.",
                )
    return (
        f"{examples} They are of different kinds: with ids of TMDB or IMDb in one table and of MovieLens in the other, "
        "films would get the ratings of others.",
        "Add the table of links (movieId, imdbId, tmdbId), or map the column that has the same ids as the ratings: "
        "--map movies.movie_id=COLUMN.",
    )


def _digits(ids: pl.Series) -> pl.Series:
    return ids.cast(pl.String).str.extract(r"^(?:[A-Za-z]+[-_/: ]?)?0*(\d+)$", 1)


def _some(ids: pl.Series) -> str:
    return ", ".join(repr(value) for value in ids.sort().head(3).to_list())


def note_imdb_ids(movies: pl.DataFrame) -> pl.DataFrame:
    """Movies whose ids are those of IMDb, with `imdb_id` too."""
    if "imdb_id" in movies.columns or movies.is_empty():
        return movies
    if not bool(movies["movie_id"].str.contains(r"^tt\d{7,10}$").all()):
        return movies
    remark("The ids of the films are those of IMDb: they are taken as imdb_id as well.")
    return movies.with_columns(imdb_id=pl.col("movie_id"))
