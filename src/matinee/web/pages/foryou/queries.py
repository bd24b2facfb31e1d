"""What the page asks the core for: the list, the user's ratings, movies to rate, genres."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from matinee.client import RefusedError, calls
from matinee.web.pages.foryou.options import Options
from matinee.web.shell import Shell, select

WALL_SIZE = 12
MAX_PAGES = 20
"""Maximum number of catalog pages to search for unrated movies."""
STRIP_SIZE = 30
SURPRISE_RANK = 300
"""Surprises have fewer ratings than the movie of this rank by number of ratings."""
GENRES_TTL = 600.0
"""Seconds for which the list of genres is cached."""


class Queries:
    """Queries of this page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self._genres: tuple[float, list[str]] = (0.0, [])

    async def history(self, user: str) -> list[dict[str, Any]]:
        """All ratings of a user, newest first; [] for new users."""
        try:
            [answer] = await self.shell.ask(calls.history(user))
        except RefusedError as error:
            if error.status == 404:
                return []
            raise
        return list(answer["items"])

    async def picks(self, user: str, options: Options) -> dict[str, Any]:
        """The list: `{"user", "items", "less_of", "fallback", "model", "filter", "at"}`.

        `items`: movies with stars, because and reason; `less_of`: disliked movies that lower the scores of others.

        `at` is the time of the request. It prevents an outdated answer from being drawn.
        """
        options.check()
        at = time.time()
        call = calls.recommendations(
            user,
            n=options.n,
            filter=options.filter,
            diversity=options.diversity or None,
            adventurous=options.adventurous_or_none,
            explain=True,
        )
        [answer] = await self.shell.ask(call)
        fields = select(answer, ("items", "fallback", "model"))
        return fields | {"user": user, "less_of": answer.get("less_of") or [], "filter": options.filter, "at": at}

    async def ratings(self, user: str, first: str = "") -> dict[str, Any]:
        """The strip: `{"user", "items": [{movie_id, title, rating}], "total", "lowest", "at"}`, newest first.

        `lowest` (and `seen`): the range of stars, see `Shell.stars`.

        Args:
            first: the movie that was just rated. It comes first, because ratings have times in whole seconds.
        """
        at = time.time()
        history, scale = await asyncio.gather(self.history(user), self.shell.stars())
        rated = sorted(history, key=lambda row: row["movie_id"] != first)
        items = [{name: row[name] for name in ("movie_id", "title", "rating")} for row in rated[:STRIP_SIZE]]
        return {"user": user, "items": items, "total": len(rated), "at": at, **scale}

    async def wall(self, user: str, offset: int = 0, title: str = "") -> dict[str, Any]:
        """Films to rate: `{"user", "items": [{movie_id, title, year, rating}], "title", "next": offset or null}`.

        Args:
            offset: number of movies of the catalog, most rated first, to skip.
            title: search for this title instead; includes rated movies.
        """
        stars = {row["movie_id"]: row["rating"] for row in await self.history(user)}
        if title:
            [answer] = await self.shell.ask(calls.search(title, n=WALL_SIZE, by="title"))
            items = [_card(movie, stars) for movie in answer["items"]]
            return {"user": user, "items": items, "title": title, "next": None, "offset": 0}
        items, position, total = [], offset, offset + 1
        for _ in range(MAX_PAGES):
            [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=position, limit=4 * WALL_SIZE))
            total = answer["total"]
            for movie in answer["items"]:
                position += 1
                if movie["movie_id"] not in stars:
                    items.append(_card(movie, stars))
                if len(items) == WALL_SIZE:
                    break
            if len(items) == WALL_SIZE or not answer["items"]:
                break
        next_offset = position if items and position < total else None
        return {"user": user, "items": items, "title": "", "next": next_offset, "offset": offset}

    async def surprise_limit(self) -> int:
        """The number of ratings that surprises must stay below."""
        [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=SURPRISE_RANK - 1, limit=1))
        if not answer["items"]:  # a small catalog: use its less rated half
            middle = max(answer["total"] // 2, 0)
            [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=middle, limit=1))
        return max(int(answer["items"][0]["ratings"]), 1) if answer["items"] else 1

    async def genres(self) -> list[str]:
        """Genres of the most rated movies, sorted by name."""
        time_cached, cached = self._genres
        if not cached or time.monotonic() - time_cached > GENRES_TTL:
            [answer] = await self.shell.ask(calls.movies(sort="ratings", limit=500))
            cached = sorted({genre for movie in answer["items"] for genre in movie["genres"]})
            self._genres = (time.monotonic(), cached)
        return cached


def _card(movie: Mapping[str, Any], stars: Mapping[str, float]) -> dict[str, Any]:
    return select(movie) | {"rating": stars.get(movie["movie_id"])}
