"""Radarr: its films, as its API lists them (`/api/v3/movie`). It knows what somebody wants, not what was seen.

https://radarr.video/docs/api: title, originalTitle, year, imdbId, tmdbId, added, monitored, hasFile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from matinee.histories.entries import HistoryEntry
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout, listed
from matinee.histories.values import imdb_of, seconds_of, tmdb_of, year_of


class Radarr(Layout):
    """See the module."""

    name, label = "radarr", "Radarr"

    def fits(self, part: Part) -> bool:
        """By the names of its fields."""
        if part.kind != "json":
            return False
        first = next((item for _, item in listed(part.json)), {})
        return "title" in first and "tmdbId" in first

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:  # noqa: ARG002
        """The films, for the watchlist."""
        notes.append("Radarr does not say what was seen: its films go to the watchlist.")
        for place, item in listed(part.json):
            yield HistoryEntry(
                title=str(item.get("title") or ""),
                year=year_of(item.get("year")),
                imdb_id=imdb_of(item.get("imdbId")),
                tmdb_id=tmdb_of(item.get("tmdbId")),
                state="watchlist",
                time=seconds_of(item.get("added")),
                line=place,
            )
