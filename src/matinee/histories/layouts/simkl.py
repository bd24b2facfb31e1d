"""Simkl: its backup (SimklBackup.json, also in a zip) and answers of its API, and its table.

JSON: {"movies": [{"status", "user_rating", "last_watched_at", "movie": {"title", "year", "ids"}}], "shows", "anime"};
table: SIMKL_ID, Title, Type, Year, Watchlist, LastEpWatched, WatchedDate, Rating, Memo, TVDB, TMDB, IMDB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from matinee.histories.entries import HistoryEntry, State
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout, inner, listed
from matinee.histories.values import imdb_of, kind_of, seconds_of, stars_of, tmdb_of, year_of

_LISTS: dict[str, State | None] = {
    "completed": "seen",
    "watching": "seen",
    "hold": None,
    "plantowatch": "watchlist",
    "dropped": None,
    "notinteresting": "not_interested",
    "notinterested": "not_interested",
}


class Simkl(Layout):
    """See the module."""

    name, label = "simkl", "Simkl"

    def fits(self, part: Part) -> bool:
        """By its column of ids, or its lists of films, shows and anime."""
        if part.kind == "table":
            return "simkl_id" in part.columns
        if part.kind != "json" or not isinstance(part.json, dict):
            return False
        first = next((item for name in ("movies", "shows", "anime") for _, item in listed(part.json.get(name))), {})
        return "status" in first and bool({"movie", "show", "anime"} & set(first))

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:  # noqa: ARG002
        """The films of all lists; what is on hold or was dropped is counted where it has no stars."""
        if part.kind == "table":
            for row in part.rows():
                yield from self._entry(
                    skipped,
                    row.get("watchlist"),
                    HistoryEntry(
                        title=row.get("title"),
                        year=year_of(row.get("year")),
                        imdb_id=imdb_of(row.get("imdb")),
                        tmdb_id=tmdb_of(row.get("tmdb")) if kind_of(row.get("type")) == "film" else None,
                        stars=stars_of(row.get("rating")),
                        time=seconds_of(row.get("watcheddate")),
                        kind=kind_of(row.get("type")),
                        line=row.line,
                    ),
                )
            return
        for name in ("movies", "shows", "anime"):
            for place, item in listed(part.json.get(name)):
                movie = inner(item, "movie") or inner(item, "show")
                ids = inner(movie, "ids")
                film = name == "movies" or item.get("anime_type") == "movie"
                yield from self._entry(
                    skipped,
                    str(item.get("status") or ""),
                    HistoryEntry(
                        title=str(movie.get("title") or ""),
                        year=year_of(movie.get("year")),
                        imdb_id=imdb_of(ids.get("imdb")),
                        tmdb_id=tmdb_of(ids.get("tmdb")) if film else None,
                        stars=stars_of(item.get("user_rating")),
                        time=seconds_of(item.get("user_rated_at") or item.get("last_watched_at")),
                        kind="film" if film else "series",
                        line=place,
                    ),
                )

    def _entry(self, skipped: Counter[str], listing: str, entry: HistoryEntry) -> Iterator[HistoryEntry]:
        word = "".join(letter for letter in listing.lower() if letter.isalpha())
        state = _LISTS.get(word, "seen")
        stars = entry.stars if entry.stars else None  # 0: not rated
        if state is None and stars is None and entry.kind == "film":
            skipped["on hold or dropped"] += 1
            return
        yield HistoryEntry(
            entry.title,
            entry.year,
            entry.imdb_id,
            entry.tmdb_id,
            None,
            stars,
            state,
            entry.time,
            entry.kind,
            entry.line,
        )
