"""Letterboxd: the archive of Settings → Data → Export, each file of it, and exported lists (v7).

Columns as Letterboxd writes them (https://letterboxd.com/about/importing-data/): Date, Name, Year, Letterboxd URI,
Rating, Rewatch, Review, Tags, Watched Date; and those of its import format: Title, imdbID, tmdbID, Rating10,
WatchedDate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from matinee.histories.entries import HistoryEntry, Scale, State
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout
from matinee.histories.scales import FIVE, TEN
from matinee.histories.values import imdb_of, seconds_of, stars_of, tmdb_of, year_of

_RANKS = ("lists", "likes", "reviews.csv", "diary.csv", "watchlist.csv", "watched.csv", "ratings.csv")


class Letterboxd(Layout):
    """See the module."""

    name, label = "letterboxd", "Letterboxd"

    def fits(self, part: Part) -> bool:
        """By the address that each film has, or the heading of a list."""
        columns = set(part.columns)
        if "name" in columns and columns & {"letterboxd uri", "letterboxduri"}:
            return True
        if {"position", "name", "year", "url"} <= columns or "letterboxduri" in columns:
            return True
        return "simkl_id" not in columns and bool(columns & {"rating10", "watcheddate"}) and "title" in columns

    def rank(self, part: Part) -> int:
        """The ratings count most, then what was watched, then the diary."""
        where = [*part.folders, part.base]
        return max((i for i, name in enumerate(_RANKS) if name in where), default=len(_RANKS))

    def scale(self, stars: Sequence[float]) -> Scale:
        """Half a star to five; the column Rating10 is halved when it is read."""
        return FIVE if max(stars, default=0) <= 5 else TEN

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:
        """The films of a file."""
        if "deleted" in part.folders or "orphaned" in part.folders:
            skipped["deleted at Letterboxd"] += sum(1 for _ in part.rows())
            return
        listing = "position" in part.columns
        if listing and "lists" in part.folders:
            skipped["films of lists"] += sum(1 for _ in part.rows())
            return
        state = self._state(part, listing)
        if listing:
            notes.append("A list says neither that its films were seen nor stars: they go to the watchlist.")
        if "likes" in part.folders:
            notes.append("Likes without stars count as seen.")
        entries = []
        for row in part.rows():
            stars = stars_of(row.get("rating"))
            if stars is None and (ten := stars_of(row.get("rating10"))) is not None:
                stars = ten / 2
            time = seconds_of(row.get("watched date", "watcheddate", "date"))
            entries.append(
                HistoryEntry(
                    title=row.get("name", "title"),
                    year=year_of(row.get("year")),
                    imdb_id=imdb_of(row.get("imdbid")),
                    tmdb_id=tmdb_of(row.get("tmdbid")),
                    stars=stars,
                    state=state,
                    time=time,
                    line=row.line,
                )
            )
        yield from sorted(entries, key=lambda entry: entry.time or 0) if "watched date" in part.columns else entries

    def _state(self, part: Part, listing: bool) -> State:
        if listing or part.base.startswith("watchlist"):
            return "watchlist"
        return "seen"
