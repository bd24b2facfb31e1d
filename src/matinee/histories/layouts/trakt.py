"""Trakt: the JSON files of its export (a zip, flat or in folders) and of its API, and tables of the same.

https://trakt.docs.apiary.io: objects with `movie`, `show` or `episode` and what was done: `rated_at` and `rating`
(1-10), `watched_at` or `last_watched_at`, `listed_at`; a movie has `title`, `year` and `ids` (trakt, slug, imdb, tmdb).
Files: ratings-movies.json, watched-movies.json, watched-history-1.json, lists-watchlist.json, lists-favorites.json.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from matinee.histories.entries import HistoryEntry, Kind, State
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout, inner, listed
from matinee.histories.values import imdb_of, kind_of, seconds_of, stars_of, tmdb_of, year_of

_THINGS = ("movie", "show", "season", "episode")
_DONE = ("rated_at", "watched_at", "last_watched_at", "listed_at", "collected_at", "rating", "plays", "type")


class Trakt(Layout):
    """See the module."""

    name, label = "trakt", "Trakt"

    def fits(self, part: Part) -> bool:
        """By the objects of its list, or by a column of Trakt's ids."""
        if part.kind == "table":
            return bool(set(part.columns) & {"trakt_id", "trakt", "trakt_rating"}) and "title" in part.columns
        if part.kind != "json":
            return False
        first = next((item for _, item in listed(part.json)), {})
        return any("ids" in inner(first, thing) for thing in _THINGS) and any(name in first for name in _DONE)

    def rank(self, part: Part) -> int:
        """Ratings count most."""
        return 2 if "rating" in part.base else 1 if "watched" in part.base or "history" in part.base else 0

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:
        """The films, shows and episodes of a file."""
        if "comments" in part.base or "collection" in part.base or "hidden" in part.base:
            skipped[f"of {part.base}"] += sum(1 for _ in listed(part.json)) if part.kind == "json" else 0
            return
        if part.kind == "table":
            yield from self._rows(part)
            return
        if "favorites" in part.base or "favourites" in part.base:
            notes.append("Favorites without stars count as seen.")
        elif "lists" in part.base and "watchlist" not in part.base:
            skipped["films of lists"] += sum(1 for _ in listed(part.json))
            return
        for place, item in listed(part.json):
            kind: Kind = "episode" if "episode" in item else "series" if {"show", "season"} & set(item) else "film"
            movie = inner(item, "movie") or inner(item, "show")
            ids = inner(movie, "ids")
            yield HistoryEntry(
                title=str(movie.get("title") or ""),
                year=year_of(movie.get("year")),
                imdb_id=imdb_of(ids.get("imdb")),
                tmdb_id=tmdb_of(ids.get("tmdb")),
                stars=stars_of(item.get("rating")),
                state=self._state(part, item),
                time=seconds_of(
                    item.get("rated_at")
                    or item.get("watched_at")
                    or item.get("last_watched_at")
                    or item.get("listed_at")
                ),
                kind=kind,
                line=place,
            )

    def _state(self, part: Part, item: dict[str, Any]) -> State:
        listed_only = "listed_at" in item and not {"watched_at", "last_watched_at", "rated_at"} & set(item)
        return "watchlist" if "watchlist" in part.base or (listed_only and "favo" not in part.base) else "seen"

    def _rows(self, part: Part) -> Iterator[HistoryEntry]:
        columns = set(part.columns)
        watchlist = "watchlist" in part.base or ("listed_at" in columns and not columns & {"watched_at", "rated_at"})
        for row in part.rows():
            yield HistoryEntry(
                title=row.get("title"),
                year=year_of(row.get("year")),
                imdb_id=imdb_of(row.get("imdb_id", "imdb")),
                tmdb_id=tmdb_of(row.get("tmdb_id", "tmdb")),
                stars=stars_of(row.get("rating", "my_rating")),
                state="watchlist" if watchlist else "seen",
                time=seconds_of(row.get("rated_at", "watched_at", "last_watched_at", "listed_at")),
                kind=kind_of(row.get("type")),
                line=row.line,
            )
