"""Kodi: a film's .nfo, a zip of them, an exported library (videodb.xml), and the answer of VideoLibrary.GetMovies.

https://kodi.wiki/view/NFO_files/Movies: title, originaltitle, year or premiered, uniqueid (type imdb, tmdb), playcount,
watched, lastplayed, userrating (0: none, 1-10).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from matinee.histories.entries import HistoryEntry
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout, inner, listed
from matinee.histories.values import imdb_of, seconds_of, stars_of, tmdb_of, year_of

_SERIES = ("tvshow", "episodedetails")


class Kodi(Layout):
    """See the module."""

    name, label = "kodi", "Kodi"

    def fits(self, part: Part) -> bool:
        """By its elements, or the answer of a library."""
        if part.kind == "xml":
            return part.xml.tag in ("movie", "videodb", *_SERIES)
        return part.kind == "json" and isinstance(part.json, dict) and "movies" in inner(part.json, "result")

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:  # noqa: ARG002
        """The films that were seen or rated."""
        entries = self._elements(part) if part.kind == "xml" else self._answer(part)
        for entry in entries:
            if entry.kind == "film" and entry.stars is None and entry.state is None:
                skipped["not seen"] += 1
            else:
                yield entry

    def _elements(self, part: Part) -> Iterator[HistoryEntry]:
        elements = part.xml if part.xml.tag == "videodb" else [part.xml]
        for place, element in enumerate(elements, 1):
            if element.tag in _SERIES:
                yield HistoryEntry(title=_text(element, "title"), kind="series", line=place)
            elif element.tag == "movie":
                ids = {one.get("type", "").lower(): one.text for one in element.findall("uniqueid")}
                known = _text(element, "id")
                seen = bool(stars_of(_text(element, "playcount"))) or _text(element, "watched").lower() == "true"
                yield HistoryEntry(
                    title=_text(element, "title") or _text(element, "originaltitle"),
                    year=year_of(_text(element, "year") or _text(element, "premiered")),
                    imdb_id=imdb_of(ids.get("imdb") or _text(element, "imdbid") or (known if "tt" in known else "")),
                    tmdb_id=tmdb_of(ids.get("tmdb") or _text(element, "tmdbid")),
                    stars=stars_of(_text(element, "userrating")) or None,
                    state="seen" if seen else None,
                    time=seconds_of(_text(element, "lastplayed")),
                    line=place,
                )

    def _answer(self, part: Part) -> Iterator[HistoryEntry]:
        for place, item in listed(inner(part.json, "result").get("movies")):
            ids = inner(item, "uniqueid")
            known = str(item.get("imdbnumber") or "")
            yield HistoryEntry(
                title=str(item.get("title") or item.get("label") or ""),
                year=year_of(item.get("year")),
                imdb_id=imdb_of(ids.get("imdb") or (known if known.startswith("tt") else "")),
                tmdb_id=tmdb_of(ids.get("tmdb")),
                stars=stars_of(item.get("userrating")) or None,
                state="seen" if item.get("playcount") else None,
                time=seconds_of(item.get("lastplayed")),
                line=place,
            )


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()
