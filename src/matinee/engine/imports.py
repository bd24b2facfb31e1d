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
from matinee.stores.base import ImportProgress, LineError, MovieState, Rating, State

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
class StateRow:
    """A state to be set, or to be removed. Without a time it is of now."""

    user_id: str
    movie_id: str
    state: State
    remove: bool = False
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A line that is no row, and why."""

    detail: str


ImportRow = RatingRow | StateRow | Movie | RefusedRow | None
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
    rows_of = _Rows(view, int(time.time()))
    # Where it stopped before, the line that it stopped at was named, too, and comes again.
    errors = [error for error in progress.errors if error.line <= progress.rows]
    counts = Counter(
        ratings=progress.ratings, removals=progress.removals, movies=progress.movies, states=progress.states
    )
    refused, rows, last = progress.refused, progress.rows, None
    state: Literal["open", "stopped", "done"] = "done" if ends else "open"
    for line in lines:
        try:
            kind = rows_of.take(line.row)
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
        states=counts["states"],
    )
    with stage("store"):
        view.runtime.store.put_import(
            new,
            progress.rows,
            list(rows_of.ratings.values()),
            list(rows_of.movies.values()),
            list(rows_of.states.values()),
        )
    if rows_of.movies and TEXT in view.spaces:
        backlog.wake()
    return new


class _RefusedError(MatineeError):
    """A line that is no row."""


class _Rows:
    """What lines hold, by kind; of equal ones the last."""

    def __init__(self, view: RequestView, now: int) -> None:
        self._view, self._now = view, now
        self.ratings: dict[tuple[str, str], Rating] = {}
        self.states: dict[tuple[str, str, State], MovieState] = {}
        self.movies: dict[str, Movie] = {}

    def take(self, row: ImportRow) -> Literal["ratings", "removals", "movies", "states"] | None:
        """Put a row to those of its kind, which is returned.

        Raises:
            MatineeError: it cannot be stored.
        """
        if row is None:
            return None
        if isinstance(row, RefusedRow):
            raise _RefusedError(row.detail)
        if isinstance(row, Movie):
            self.movies.pop(row.movie_id, None)
            self.movies[row.movie_id] = row
            return "movies"
        timestamp = self._now if row.timestamp is None else row.timestamp
        if isinstance(row, StateRow):
            user_id, movie_id = self._pair(row, removes=row.remove)
            state = MovieState(user_id, movie_id, row.state, None if row.remove else timestamp)
            self.states[user_id, movie_id, row.state] = state
            return "states"
        pair = self._pair(row, removes=row.rating is None)
        stars = None if row.rating is None else check_stars(row.rating, self._view.scale)
        self.ratings.pop(pair, None)
        self.ratings[pair] = Rating(*pair, stars, timestamp)
        return "removals" if stars is None else "ratings"

    def _pair(self, row: RatingRow | StateRow, *, removes: bool) -> tuple[str, str]:
        """User and movie, which must be there; one that was deleted can lose what it has, and get nothing."""
        movie_id = id_text(row.movie_id)
        if movie_id not in self.movies:
            movie_id = known_id(self._view.catalog, movie_id)
        pair = check_user_id(id_text(row.user_id)), movie_id
        if pair[1] not in self.movies:
            if self._view.catalog.find_any(pair[1]) is None:
                raise UnknownMovieError(pair[1])
            if not removes:
                self._view.catalog.row(pair[1])
        return pair
