"""Writes a person's history in the layouts of other sites, which `read` reads back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from matinee.errors import InvalidInputError
from matinee.histories.entries import HistoryEntry, Scale
from matinee.histories.scales import converted


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """A file to be sent: its name, its media type, its bytes, and how many films it lacks."""

    name: str
    media_type: str
    data: bytes
    left_out: int = 0


def write_history(layout: str, entries: Sequence[HistoryEntry], scale: tuple[float, float]) -> HistoryFile:
    """A history as a file of a layout.

    Args:
        layout: one of `LAYOUTS`.
        entries: stars on the catalog's scale; one entry a film and state.
        scale: the catalog's.

    Raises:
        InvalidInputError: there is no such layout to write.
    """
    write = LAYOUTS.get(layout)
    if write is None:
        raise InvalidInputError(f"There is no layout {layout!r} to write.", f"Choose one of: {', '.join(LAYOUTS)}.")
    return write(entries, scale)


def _day(time: int | None) -> str:
    return "" if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")


def _instant(time: int | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _on(entry: HistoryEntry, scale: tuple[float, float], to: Scale, step: float) -> float | None:
    """Stars on another scale, on its nearest step."""
    if entry.stars is None or scale[0] >= scale[1]:
        return None
    stars = converted(entry.stars, Scale(*scale), (to.low, to.high))
    return min(to.high, max(to.low, round(stars / step) * step))


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode()


def _letterboxd(entries: Sequence[HistoryEntry], scale: tuple[float, float]) -> HistoryFile:
    """Letterboxd's import format: films that were seen, with their stars; it takes watchlists apart from them."""
    seen = [entry for entry in entries if entry.state == "seen"]
    rows = [
        (
            entry.imdb_id,
            entry.tmdb_id,
            entry.title,
            entry.year,
            None if (stars := _on(entry, scale, Scale(0.5, 5), 0.5)) is None else f"{stars:g}",
            _day(entry.time),
        )
        for entry in seen
    ]
    columns = ("imdbID", "tmdbID", "Title", "Year", "Rating", "WatchedDate")
    return HistoryFile("letterboxd-import.csv", "text/csv", _table(columns, rows), len(entries) - len(seen))


def _imdb(entries: Sequence[HistoryEntry], scale: tuple[float, float]) -> HistoryFile:
    """IMDb's table of ratings: what was rated, and has an id there."""
    rated = [(entry, _on(entry, scale, Scale(1, 10), 1)) for entry in entries if entry.imdb_id]
    rows = [
        (
            entry.imdb_id,
            f"{stars:g}",
            _day(entry.time),
            entry.title,
            entry.title,
            f"https://www.imdb.com/title/{entry.imdb_id}/",
            "Movie",
            entry.year,
        )
        for entry, stars in rated
        if stars is not None
    ]
    columns = ("Const", "Your Rating", "Date Rated", "Title", "Original Title", "URL", "Title Type", "Year")
    return HistoryFile("imdb-ratings.csv", "text/csv", _table(columns, rows), len(entries) - len(rows))


def _trakt(entries: Sequence[HistoryEntry], scale: tuple[float, float]) -> HistoryFile:
    """Trakt's JSON: ratings, films that were seen, and the watchlist, in one list."""
    items: list[dict[str, Any]] = []
    for entry in entries:
        ids = {"imdb": entry.imdb_id, "tmdb": None if entry.tmdb_id is None else int(entry.tmdb_id)}
        movie = {"title": entry.title, "year": entry.year, "ids": {site: id_ for site, id_ in ids.items() if id_}}
        when, stars = _instant(entry.time), _on(entry, scale, Scale(1, 10), 1)
        if stars is not None:
            items.append({"rated_at": when, "rating": int(stars), "type": "movie", "movie": movie})
        elif entry.state == "seen":
            items.append({"watched_at": when, "type": "movie", "movie": movie})
        elif entry.state == "watchlist":
            items.append({"listed_at": when, "type": "movie", "movie": movie})
    data = json.dumps(items, ensure_ascii=False, indent=1).encode()
    return HistoryFile("trakt.json", "application/json", data, len(entries) - len(items))


def _plain(entries: Sequence[HistoryEntry], scale: tuple[float, float]) -> HistoryFile:
    """All there is, on the catalog's own scale."""
    del scale
    rows = [
        (
            entry.movie_id,
            entry.title,
            entry.year,
            entry.imdb_id,
            entry.tmdb_id,
            None if entry.stars is None else f"{entry.stars:g}",
            entry.state,
            _instant(entry.time),
        )
        for entry in entries
    ]
    columns = ("movie_id", "title", "year", "imdb_id", "tmdb_id", "rating", "state", "timestamp")
    return HistoryFile("films.csv", "text/csv", _table(columns, rows))


LAYOUTS: dict[str, Callable[[Sequence[HistoryEntry], tuple[float, float]], HistoryFile]] = {
    "csv": _plain,
    "letterboxd": _letterboxd,
    "imdb": _imdb,
    "trakt": _trakt,
}
"""Layouts that can be written."""
