"""A part of an import of any length: its lines, checked one by one, and how far it has come, in one transaction."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from matinee._util.request_context import stage
from matinee.data.catalog import Movie
from matinee.data.ids import id_text
from matinee.engine.embedding_backlog import Backlog
from matinee.engine.missing_vectors import TEXT
from matinee.engine.movie_lookup import known_id
from matinee.engine.runtime import RequestView
from matinee.engine.writes import check_stars, check_user_id
from matinee.errors import MatineeError, UnknownMovieError
from matinee.stores.base import ImportProgress, LineError, Rating

MAX_ERRORS = 100
"""Refused lines that an import's progress names."""

OnError = Literal["stop", "skip"]
"""What follows a line that is refused: the import stops before it, or leaves it out."""


@dataclass(frozen=True, slots=True)
class RatingRow:
    """A rating to be stored, or, without stars, to be removed. Without a time it is of now."""

    user_id: str
    movie_id: str
    rating: float | None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A line that is no row, and why."""

    detail: str


ImportRow = RatingRow | Movie | RefusedRow | None
"""What a line holds; None: nothing, it is blank."""


@dataclass(frozen=True, slots=True)
class ImportLine:
    """A line of an import.

    Attributes:
        row: what it holds.
        end: bytes up to its end, from the import's begin.
        digest: chained hash of the lines up to this one.
    """

    row: ImportRow
    end: int
    digest: str


def import_lines(
    view: RequestView,
    backlog: Backlog,
    progress: ImportProgress,
    lines: Sequence[ImportLine],
    *,
    on_error: OnError,
    ends: bool,
) -> ImportProgress:
    """See `Engine.import_lines`."""
    ratings: dict[tuple[str, str], Rating] = {}
    movies: dict[str, Movie] = {}
    # Where it stopped before, the line that it stopped at was named, too, and comes again.
    errors = [error for error in progress.errors if error.line <= progress.rows]
    now = int(time.time())
    counts = Counter(ratings=progress.ratings, removals=progress.removals, movies=progress.movies)
    refused, rows, last = progress.refused, progress.rows, None
    state: Literal["open", "stopped", "done"] = "done" if ends else "open"
    for line in lines:
        try:
            kind = _take(view, line.row, ratings, movies, now)
        except MatineeError as error:
            problem = LineError(rows + 1, str(error))
            if on_error == "stop":
                state = "stopped"
                errors.append(problem)
                break
            refused += 1
            if len(errors) < MAX_ERRORS:
                errors.append(problem)
        else:
            if kind is not None:
                counts[kind] += 1
        rows, last = rows + 1, line
    new = replace(
        progress,
        state=state,
        rows=rows,
        bytes=progress.bytes if last is None else last.end,
        digest=progress.digest if last is None else last.digest,
        refused=refused,
        errors=tuple(errors),
        updated=time.time(),
        ratings=counts["ratings"],
        removals=counts["removals"],
        movies=counts["movies"],
    )
    with stage("store"):
        view.runtime.store.put_import(new, progress.rows, list(ratings.values()), list(movies.values()))
    if movies and TEXT in view.spaces:
        backlog.wake()
    return new


class _RefusedError(MatineeError):
    """A line that is no row."""


def _take(
    view: RequestView, row: ImportRow, ratings: dict[tuple[str, str], Rating], movies: dict[str, Movie], now: int
) -> Literal["ratings", "removals", "movies"] | None:
    """Put a row to those of its kind, which is returned.

    Raises:
        MatineeError: it cannot be stored.
    """
    if row is None:
        return None
    if isinstance(row, RefusedRow):
        raise _RefusedError(row.detail)
    if isinstance(row, Movie):
        movies.pop(row.movie_id, None)
        movies[row.movie_id] = row
        return "movies"
    movie_id = id_text(row.movie_id)
    pair = check_user_id(id_text(row.user_id)), movie_id if movie_id in movies else known_id(view.catalog, movie_id)
    if pair[1] not in movies and view.catalog.find_any(pair[1]) is None:
        raise UnknownMovieError(pair[1])
    if pair[1] not in movies and row.rating is not None:
        view.catalog.row(pair[1])  # one that was deleted can lose ratings, and get none
    stars = None if row.rating is None else check_stars(row.rating, view.scale)
    ratings.pop(pair, None)
    ratings[pair] = Rating(*pair, stars, now if row.timestamp is None else row.timestamp)
    return "removals" if stars is None else "ratings"
