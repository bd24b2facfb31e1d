"""Jellyfin (and Emby): a person's items (`/Users/{id}/Items?Recursive=true&IncludeItemTypes=Movie&Fields=ProviderIds`).

https://api.jellyfin.org, BaseItemDto: Items with Name, ProductionYear, Type, ProviderIds (Imdb, Tmdb) and UserData
(Played, LastPlayedDate, IsFavorite, Likes, Rating 0-10).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from matinee.histories.entries import HistoryEntry
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout, inner, listed
from matinee.histories.values import imdb_of, kind_of, seconds_of, stars_of, tmdb_of, year_of


def _items(part: Part) -> Any:
    return part.json.get("Items") if isinstance(part.json, dict) else part.json


class Jellyfin(Layout):
    """See the module."""

    name, label = "jellyfin", "Jellyfin"

    def fits(self, part: Part) -> bool:
        """By what each item says of the person."""
        if part.kind != "json":
            return False
        first = next((item for _, item in listed(_items(part))), {})
        return "Name" in first and ("UserData" in first or "ProviderIds" in first)

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:
        """The films that were played, rated or marked as favorites."""
        favorites = False
        for place, item in listed(_items(part)):
            of_user = inner(item, "UserData")
            ids = {str(site).lower(): value for site, value in inner(item, "ProviderIds").items()}
            stars = stars_of(of_user.get("Rating")) or None
            kind = kind_of(str(item.get("Type") or "Movie"))
            favorite = of_user.get("IsFavorite") is True
            if kind == "film" and stars is None and not of_user.get("Played") and not favorite:
                skipped["not played"] += 1
                continue
            favorites |= favorite and stars is None
            yield HistoryEntry(
                title=str(item.get("Name") or ""),
                year=year_of(item.get("ProductionYear")),
                imdb_id=imdb_of(ids.get("imdb")),
                tmdb_id=tmdb_of(ids.get("tmdb")) if kind == "film" else None,
                stars=stars,
                state="seen",
                time=seconds_of(of_user.get("LastPlayedDate")),
                kind=kind,
                line=place,
            )
        if favorites:
            notes.append("Favorites without stars count as seen.")
