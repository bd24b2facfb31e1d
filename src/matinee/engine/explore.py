"""Questions for choosing, exploring and explaining: what the web app and the studio ask besides lists."""

from __future__ import annotations

from abc import abstractmethod
from itertools import compress
from typing import Any

import numpy as np

from matinee.data.ids import Id, id_text
from matinee.engine.data_statistics import statistics
from matinee.engine.explain import explain
from matinee.engine.rating_counts import histogram
from matinee.engine.recommend import allowed_rows, check_n
from matinee.engine.runtime import Runtime, View
from matinee.engine.types import Explanation, FilmRatings, TitleTable, UserPage
from matinee.errors import InvalidInputError
from matinee.settings import Settings

MOST_KEPT = 16
"""Filters whose statistics are kept while nothing changes."""


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

    def statistics(self, filter: str = "") -> dict[str, Any]:
        """Figures of the effective ratings of the films that a filter allows; kept until something changes.

        Raises:
            FilterError: the filter does not parse.
        """
        runtime, view = self._current()
        allowed = allowed_rows(view, filter, self.settings.max_filter)
        effective = runtime.effective(view)
        memo = effective.memo
        found = memo.get(filter)
        # Filters read the view's counts, which may be a moment older than the ratings.
        if found is None or found[0] is not view.stats:
            if len(memo) >= MOST_KEPT:
                memo.clear()
            made = statistics(effective, view.catalog, allowed, runtime.star_steps)
            found = memo[filter] = view.stats, {"filter": filter} | made
        return dict(found[1])

    def explain(self, user_id: Id, movie_id: Id, model: str | None = None) -> Explanation:
        """Why one film for one user, whether it is recommended, rated already, or neither.

        Args:
            model: whose reasons are given in `because`; None: the default model's.

        Raises:
            UnknownUserError: nothing is known of the user to explain from.
            UnknownMovieError, UnknownModelError: no such film, no such model.
        """
        user_id, movie_id = id_text(user_id), id_text(movie_id)
        runtime, view = self._current()
        return explain(runtime, view, self.settings, user_id, movie_id, model)

    def report(self) -> dict[str, Any]:
        """How the data of the snapshot in service were cleaned: rows in and out of each table, by reason."""
        manifest = self._current()[1].snapshot.manifest

        def reasons(counts: dict[str, int]) -> list[dict[str, Any]]:
            return [{"reason": reason, "count": count} for reason, count in counts.items()]

        return {
            "snapshot": manifest.id,
            "dataset": manifest.dataset,
            "fingerprint": manifest.fingerprint,
            "scale": list(manifest.scale),
            "n_users": manifest.n_users,
            "n_items": manifest.n_items,
            "n_ratings": manifest.n_ratings,
            "notes": list(manifest.report.notes),
            "joins": [{"name": name, "share": share} for name, share in manifest.report.joins.items()],
            "tables": [
                {"name": name, "rows_in": table.rows_in, "rows_out": table.rows_out}
                | {kind: reasons(getattr(table, kind)) for kind in ("dropped", "changed", "noticed")}
                for name, table in manifest.report.tables.items()
            ],
        }
