"""What the catalog knows: the values of filters, counted in its most rated films."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from matinee.client import AsyncClient, calls

TTL = 600.0
SAMPLE = 500
"""Most rated films that are looked at."""
LEAST = 4
"""Films of the sample that a country or language needs to be offered."""
MAX_VALUES = 60
NO_GENRE = "(no genres listed)"


class Facets:
    """The most rated films, and the values that their fields have.

    Args:
        core: the client.
    """

    def __init__(self, core: AsyncClient) -> None:
        self._core = core
        self._known: tuple[float, list[dict[str, Any]]] = (0.0, [])

    async def movies(self) -> list[dict[str, Any]]:
        """Records of the most rated films.

        Raises:
            MatineeError: the core fails.
        """
        asked, movies = self._known
        if not movies or time.monotonic() - asked > TTL:
            answer = await self._core.send(calls.movies(sort="ratings", limit=SAMPLE))
            movies = list(answer["items"])
            self._known = (time.monotonic(), movies)
        return movies

    async def values(self) -> dict[str, list[Any]]:
        """`genres`, `decades`, `countries` and `languages` to choose from, and `runtimes`: [True] where there are any.

        Raises:
            MatineeError: the core fails.
        """
        movies = await self.movies()
        genres = _counted(movies, "genres", 1)
        decades = {movie["year"] // 10 * 10 for movie in movies if movie.get("year")}
        return {
            "genres": sorted(genre for genre in genres if genre != NO_GENRE),
            "decades": sorted(decades, reverse=True),
            "countries": sorted(_counted(movies, "countries", LEAST)),
            "languages": sorted(_counted(movies, "languages", LEAST)),
            "runtimes": [True] if any(movie.get("runtime") for movie in movies) else [],
        }

    async def rarer_language(self, least: int) -> str | None:
        """The most frequent language but one, if at least so many films of the sample have it."""
        counts = Counter(language for movie in await self.movies() for language in movie.get("languages") or ())
        others = [language for language, count in counts.most_common()[1:] if count >= least]
        return others[0] if others else None


def _counted(movies: list[dict[str, Any]], field: str, least: int) -> list[str]:
    counts = Counter(value for movie in movies for value in movie.get(field) or ())
    return [value for value, count in counts.most_common(MAX_VALUES) if count >= least]
