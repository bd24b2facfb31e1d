"""Plex: a library's list, as its API gives it in XML or JSON (`/library/sections/1/all?includeGuids=1`).

https://developer.plex.tv: MediaContainer with Metadata (JSON) or Video (XML): type, title, year, viewCount,
lastViewedAt, userRating (0-10), guid, Guid (imdb://…, tmdb://…).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from matinee.histories.entries import HistoryEntry
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout, inner, listed
from matinee.histories.values import imdb_of, kind_of, seconds_of, stars_of, tmdb_of, year_of


class Plex(Layout):
    """See the module."""

    name, label = "plex", "Plex"

    def fits(self, part: Part) -> bool:
        """By its container."""
        if part.kind == "xml":
            return part.xml.tag == "MediaContainer"
        return part.kind == "json" and isinstance(part.json, dict) and "MediaContainer" in part.json

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:  # noqa: ARG002
        """The films that were seen or rated."""
        for place, (item, guids) in enumerate(self._items(part), 1):
            stars = stars_of(item.get("userRating")) or None
            kind = kind_of(str(item.get("type") or "movie"))
            seen = bool(stars_of(item.get("viewCount"))) or "viewedAt" in item
            if kind == "film" and stars is None and not seen:
                skipped["not seen"] += 1
                continue
            ids = dict(guid.split("?")[0].split("://", 1) for guid in guids if "://" in guid)
            yield HistoryEntry(
                title=str(item.get("title") or ""),
                year=year_of(item.get("year")),
                imdb_id=imdb_of(ids.get("imdb") or ids.get("com.plexapp.agents.imdb")),
                tmdb_id=tmdb_of(ids.get("tmdb") or ids.get("com.plexapp.agents.themoviedb")),
                stars=stars,
                state="seen",
                time=seconds_of(item.get("lastRatedAt") or item.get("lastViewedAt") or item.get("viewedAt")),
                kind=kind,
                line=place,
            )

    def _items(self, part: Part) -> Iterator[tuple[dict[str, Any], list[str]]]:
        if part.kind == "xml":
            for element in part.xml:
                guids = [guid.get("id", "") for guid in element.findall("Guid")]
                yield dict(element.attrib), [element.get("guid", ""), *guids]
            return
        for _, item in listed(inner(part.json, "MediaContainer").get("Metadata")):
            guids = [str(guid.get("id") or "") for _, guid in listed(item.get("Guid"))]
            yield item, [str(item.get("guid") or ""), *guids]
