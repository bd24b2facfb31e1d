"""Questions for choosing, exploring and explaining: what the web app and the studio ask besides lists."""

from __future__ import annotations

from abc import abstractmethod
from itertools import compress

import numpy as np

from matinee.data.ids import Id, id_text
from matinee.engine.histogram import histogram
from matinee.engine.recommend import check_n
from matinee.engine.runtime import Runtime, View
from matinee.engine.types import FilmRatings, TitleTable, UserPage
from matinee.errors import InvalidInputError
from matinee.settings import Settings


class Explorer:
    """The exploring part of `Engine`: reads only."""

    settings: Settings

    @abstractmethod
    def _current(self) -> tuple[Runtime, View]: ...

    def users(self, prefix: str = "", *, limit: int = 20, offset: int = 0) -> UserPage:
        """Users with ratings whose id begins with a text: that very id, numeric ids by number, others by text.

        Args:
            prefix: case counts; "" asks for everybody.
            limit: users wanted, 1..settings.max_n.
            offset: users to skip.
        """
        check_n(limit, self.settings.max_n, "limit")
        if offset < 0:
            raise InvalidInputError(f"offset is {offset}.", "Start at 0 or later.")
        found = self._users(prefix)
        return UserPage(tuple(found[offset : offset + limit]), len(found))

    def _users(self, prefix: str) -> list[tuple[str, int]]:
        runtime, view = self._current()
        everybody = runtime.effective(view).users
        if not prefix:
            return everybody
        found = [one for one in everybody if one[0].startswith(prefix)]
        return sorted(found, key=lambda one: one[0] != prefix)

    def title_table(self) -> TitleTable:
        """Ids, titles and years of all films in service."""
        _, view = self._current()
        catalog = view.catalog
        active = None if catalog.active.all() else catalog.active.tolist()
        ids, titles, years = (
            column if active is None else list(compress(column, active))
            for column in (catalog.column("movie_id"), catalog.column("title"), catalog.column("year"))
        )
        return TitleTable(ids, titles, years, view.snapshot.id)

    def film_ratings(self, movie_id: Id) -> FilmRatings:
        """How one film was rated. Raises UnknownMovieError."""
        movie_id = id_text(movie_id)
        runtime, view = self._current()
        _, values = runtime.effective(view).of_film(view.catalog.row(movie_id))
        steps = runtime.star_steps
        return FilmRatings(
            movie_id,
            len(values),
            round(float(values.mean(dtype=np.float64)), 4) if len(values) else None,
            tuple(zip(steps.tolist(), histogram(values, steps).tolist(), strict=True)),
        )
