"""Data of the page "For you", from the core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matinee.client import RefusedError, calls
from matinee.errors import InvalidInputError, MatineeError
from matinee.web.inputs import number
from matinee.web.shell import Shell, trouble

MAX_NAME = 64
MAX_FILTER = 2000
FEWEST, MOST = 5, 50
DEFAULT_N = 10
ON_THE_WALL = 12
PAGES_ASKED = 20
"""Maximum number of catalog pages to search for unrated movies."""
IN_THE_STRIP = 30
LITTLE_KNOWN = 300
"""Surprises have fewer ratings than the movie of this rank by number of ratings."""
SURPRISE_DIVERSITY = 0.4
USUALLY_ADVENTUROUS = 0.5
"""The core's default."""
GENRES_TTL = 600.0
"""Seconds for which the list of genres is cached."""
USERS_OFFERED = 8


@dataclass(frozen=True)
class Options:
    """Options of the recommendations.

    Attributes:
        filter: in the filter language.
        diversity: 0 … 1.
        n: number of movies, 5 … 50.
        adventurous: 0 (well known) … 1 (the long tail).
    """

    filter: str = ""
    diversity: float = 0.0
    n: int = DEFAULT_N
    adventurous: float = USUALLY_ADVENTUROUS

    @classmethod
    def of(cls, filter: Any = "", diversity: Any = None, n: Any = None, adventurous: Any = None) -> Options:
        """Validated options: invalid numbers become the default, others are clamped.

        Raises:
            InvalidInputError: the filter is too long.
        """
        text = filter if isinstance(filter, str) else ""
        if len(text) > MAX_FILTER:
            raise InvalidInputError(
                f"The filter has {len(text):,} characters, more than the {MAX_FILTER:,} allowed.", "Shorten it."
            )
        return cls(
            text.strip(),
            round(number(diversity, 0.0, 0.0, 1.0), 2),
            int(number(n, DEFAULT_N, FEWEST, MOST)),
            round(number(adventurous, USUALLY_ADVENTUROUS, 0.0, 1.0), 2),
        )

    @property
    def unusual(self) -> float | None:
        """`adventurous`; None if it is the default."""
        return self.adventurous if self.adventurous != USUALLY_ADVENTUROUS else None

    def params(self, user: str, surprise: bool) -> dict[str, object]:
        """Parameters of the page's address."""
        return {
            "user": user,
            "filter": self.filter,
            "diversity": self.diversity or None,
            "n": self.n if self.n != DEFAULT_N else None,
            "adventurous": self.unusual,
            "surprise": 1 if surprise else None,
        }


def user_name(value: Any) -> str:
    """Validate a user's name.

    Raises:
        InvalidInputError: empty, too long, or with characters that are not allowed in ids.
    """
    name = str(value if value is not None else "").strip()
    if not name:
        raise InvalidInputError("Who are you?", "Choose a user or a new name at the top of the page.")
    if len(name) > MAX_NAME:
        raise InvalidInputError(
            f"This user name has {len(name):,} characters; at most {MAX_NAME} are allowed.", "Choose a shorter one."
        )
    if "/" in name or any(ord(char) < 32 for char in name):
        raise InvalidInputError("A user name cannot hold a slash or a line break.", "Choose another one.")
    return name


def explained(error: MatineeError, filter: str = "") -> dict[str, Any]:
    """The error value, with the position of an error in the filter. It is unique, so that it is always redrawn."""
    value = trouble(error)
    if isinstance(error, RefusedError) and isinstance(position := error.problem.get("position"), int):
        value["error"] |= {"title": "This filter cannot be read.", "hint": error.message}
        value["error"] |= {"filter": filter, "position": position}
    return value | {"at": time.time()}


class Rows:
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
        at = time.time()
        call = calls.recommendations(
            user,
            n=options.n,
            filter=options.filter,
            diversity=options.diversity or None,
            adventurous=options.unusual,
            explain=True,
        )
        [answer] = await self.shell.ask(call)
        return {
            "user": user,
            "items": answer["items"],
            "less_of": answer.get("less_of") or [],
            "fallback": answer.get("fallback"),
            "model": answer.get("model"),
            "filter": options.filter,
            "at": at,
        }

    async def ratings(self, user: str, first: str = "") -> dict[str, Any]:
        """The strip: `{"user", "items": [{movie_id, title, rating}], "total", "lowest", "at"}`, newest first.

        `lowest` (and `seen`): the range of stars, see `Shell.stars`.

        Args:
            first: the movie that was just rated. It comes first, because ratings have times in whole seconds.
        """
        at = time.time()
        history, scale = await asyncio.gather(self.history(user), self.shell.stars())
        rated = sorted(history, key=lambda row: row["movie_id"] != first)
        items = [{name: row[name] for name in ("movie_id", "title", "rating")} for row in rated[:IN_THE_STRIP]]
        return {"user": user, "items": items, "total": len(rated), "at": at, **scale}

    async def wall(self, user: str, offset: int = 0, title: str = "") -> dict[str, Any]:
        """Films to rate: `{"user", "items": [{movie_id, title, year, rating}], "title", "next": offset or null}`.

        Args:
            offset: number of movies of the catalog, most rated first, to skip.
            title: search for this title instead; includes rated movies.
        """
        stars = {row["movie_id"]: row["rating"] for row in await self.history(user)}
        if title:
            [answer] = await self.shell.ask(calls.search(title, n=ON_THE_WALL, by="title"))
            items = [_card(film, stars) for film in answer["items"]]
            return {"user": user, "items": items, "title": title, "next": None, "offset": 0}
        items, position, total = [], offset, offset + 1
        for _ in range(PAGES_ASKED):
            [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=position, limit=4 * ON_THE_WALL))
            total = answer["total"]
            for film in answer["items"]:
                position += 1
                if film["movie_id"] not in stars:
                    items.append(_card(film, stars))
                if len(items) == ON_THE_WALL:
                    break
            if len(items) == ON_THE_WALL or not answer["items"]:
                break
        following = position if items and position < total else None
        return {"user": user, "items": items, "title": "", "next": following, "offset": offset}

    async def little_known(self) -> int:
        """The number of ratings that surprises must stay below."""
        [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=LITTLE_KNOWN - 1, limit=1))
        if not answer["items"]:  # a small catalog: use its less rated half
            middle = max(answer["total"] // 2, 0)
            [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=middle, limit=1))
        return max(int(answer["items"][0]["ratings"]), 1) if answer["items"] else 1

    async def genres(self) -> list[str]:
        """Genres of the most rated movies, sorted by name."""
        time_cached, cached = self._genres
        if not cached or time.monotonic() - time_cached > GENRES_TTL:
            [answer] = await self.shell.ask(calls.movies(sort="ratings", limit=500))
            cached = sorted({genre for film in answer["items"] for genre in film["genres"]})
            self._genres = (time.monotonic(), cached)
        return cached


async def some_users(shell: Shell, prefix: str) -> dict[str, Any]:
    """Users to choose from: `{"prefix", "items": [{user_id, ratings}]}`; empty if the core fails."""
    prefix = prefix[:MAX_NAME]
    try:
        [answer] = await shell.ask(calls.users(prefix, limit=USERS_OFFERED))
    except MatineeError:
        return {"prefix": prefix, "items": []}
    return {"prefix": prefix, "items": answer["items"]}


def _card(film: Mapping[str, Any], stars: Mapping[str, float]) -> dict[str, Any]:
    return {name: film[name] for name in ("movie_id", "title", "year")} | {"rating": stars.get(film["movie_id"])}
