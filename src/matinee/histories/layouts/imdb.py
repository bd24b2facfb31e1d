"""IMDb: the exports of ratings, watchlist and lists, with the columns of all years.

Ratings (https://help.imdb.com, "Exporting"): Const, Your Rating, Date Rated, Title, [Original Title,] URL, Title Type,
…, Year, …; lists: Position, Const, Created, Modified, Description, Title, …, [Your Rating, Date Rated]. Before 2018:
position, const, created, modified, description, Title, Title type, Directors, You rated, IMDb Rating, …, Year.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from matinee.histories.entries import HistoryEntry
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout
from matinee.histories.values import imdb_of, kind_of, seconds_of, stars_of, year_of


class Imdb(Layout):
    """See the module."""

    name, label = "imdb", "IMDb"

    def fits(self, part: Part) -> bool:
        """By its column of ids, Const."""
        return "const" in part.columns and "title" in part.columns

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:
        """The titles of a file; a list's films without stars go to the watchlist."""
        listing = "position" in part.columns
        if listing:
            notes.append("Films of a list that you have not rated go to the watchlist.")
        for row in part.rows():
            stars = stars_of(row.get("your rating", "you rated"))
            kind = kind_of(row.get("title type"))
            if row.get("title type").lower() in ("video game", "videogame"):
                skipped["games"] += 1
                continue
            yield HistoryEntry(
                title=row.get("title"),
                year=year_of(row.get("year")),
                imdb_id=imdb_of(row.get("const")),
                stars=stars,
                state="watchlist" if listing and stars is None else "seen",
                time=seconds_of(row.get("date rated", "created")),
                kind=kind,
                line=row.line,
            )
