"""MovieLens: the export of one's ratings from movielens.org: movie_id, imdb_id, tmdb_id, rating, average_rating, title.

Its movie ids are those of MovieLens only: films are found by their ids at IMDb and TMDB, else by the title.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from matinee.data.titles import split_title
from matinee.histories.entries import HistoryEntry, Scale
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout
from matinee.histories.scales import FIVE
from matinee.histories.values import imdb_of, seconds_of, stars_of, tmdb_of


class MovieLens(Layout):
    """See the module."""

    name, label = "movielens", "MovieLens"

    def fits(self, part: Part) -> bool:
        """By its column of average ratings."""
        return {"movie_id", "imdb_id", "tmdb_id", "average_rating", "title"} <= set(part.columns)

    def scale(self, stars: Sequence[float]) -> Scale:  # noqa: ARG002
        """Half a star to five."""
        return FIVE

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:  # noqa: ARG002
        """The films; those without stars, or with −1, are hidden ones of the site or wishes, and are counted only."""
        wishes = "wish" in part.base or "watch" in part.base
        for row in part.rows():
            stars = stars_of(row.get("rating"))
            if stars is not None and stars <= 0:
                stars = None
            if stars is None and not wishes:
                skipped["without stars"] += 1
                continue
            title, year = split_title(row.get("title"))
            yield HistoryEntry(
                title=title,
                year=year,
                imdb_id=imdb_of(row.get("imdb_id")),
                tmdb_id=tmdb_of(row.get("tmdb_id")),
                stars=stars,
                state="watchlist" if stars is None else "seen",
                time=seconds_of(row.get("timestamp", "date")),
                line=row.line,
            )
