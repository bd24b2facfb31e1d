"""TMDB: exported tables of ratings, watchlist and favorites, and the answers of its API (`/account/…/rated/movies`).

TMDb ID, IMDb ID, Type, Name, Release Date, Season Number, Episode Number, Rating, Your Rating, Date Rated. Stars are
half of one to ten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from matinee.histories.entries import HistoryEntry, Scale, State
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout, inner, listed
from matinee.histories.scales import TEN
from matinee.histories.values import imdb_of, kind_of, seconds_of, stars_of, tmdb_of, year_of


class Tmdb(Layout):
    """See the module."""

    name, label = "tmdb", "TMDB"

    def fits(self, part: Part) -> bool:
        """By its columns, or a page of results."""
        if part.kind == "table":
            return {"tmdb id", "type", "name"} <= set(part.columns)
        if part.kind != "json" or not isinstance(part.json, dict):
            return False
        first = next((item for _, item in listed(part.json.get("results"))), {})
        return "id" in first and "release_date" in first

    def scale(self, stars: Sequence[float]) -> Scale:
        """One to ten; from a half on where somebody gave less than one."""
        return TEN if min(stars, default=1) >= 1 else Scale(0.5, 10)

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:  # noqa: ARG002
        """The films of a table or a page."""
        favorites = "favo" in part.base

        def state_of(rated: bool) -> State:
            return "seen" if rated or favorites or "rated" in part.base else "watchlist"

        if favorites:
            notes.append("Favorites without stars count as seen.")
        if part.kind == "table":
            for row in part.rows():
                stars = stars_of(row.get("your rating"))
                kind = kind_of(row.get("type"))
                yield HistoryEntry(
                    title=row.get("name"),
                    year=year_of(row.get("release date")),
                    imdb_id=imdb_of(row.get("imdb id")),
                    tmdb_id=tmdb_of(row.get("tmdb id")) if kind == "film" else None,
                    stars=stars,
                    state=state_of(stars is not None),
                    time=seconds_of(row.get("date rated")),
                    kind="episode" if row.get("episode number") else kind,
                    line=row.line,
                )
            return
        for place, item in listed(part.json.get("results")):
            stars = stars_of(item.get("rating", inner(item, "account_rating").get("value")))
            yield HistoryEntry(
                title=str(item.get("title") or ""),
                year=year_of(item.get("release_date")),
                tmdb_id=tmdb_of(item.get("id")),
                stars=stars,
                state=state_of(stars is not None),
                time=seconds_of(inner(item, "account_rating").get("created_at")),
                line=place,
            )
