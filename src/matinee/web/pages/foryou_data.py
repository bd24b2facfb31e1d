"""What "For you" asks the core, and what its views draw."""

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
"""Pages of the catalog that are looked through for films that one has not rated."""
IN_THE_STRIP = 30
LITTLE_KNOWN = 300
"""A surprise has fewer ratings than the film of this rank by number of ratings."""
SURPRISE_DIVERSITY = 0.4
USUALLY_ADVENTUROUS = 0.5
"""The middle, which asks for what the core does by itself."""
GENRES_KEPT = 600.0
"""Seconds for which the list of genres is remembered."""
USERS_OFFERED = 8


@dataclass(frozen=True)
class Options:
    """How the list is made.

    Attributes:
        filter: in the filter language.
        diversity: 0 … 1.
        n: films wanted, 5 … 50.
        adventurous: 0 (well known) … 1 (the long tail).
    """

    filter: str = ""
    diversity: float = 0.0
    n: int = DEFAULT_N
    adventurous: float = USUALLY_ADVENTUROUS

    @classmethod
    def of(cls, filter: Any = "", diversity: Any = None, n: Any = None, adventurous: Any = None) -> Options:
        """Options out of anything: what is no number is the default, what is outside the range its end.

        Raises:
            InvalidInputError: the filter is longer than the core reads.
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
        """`adventurous`, None in the middle."""
        return self.adventurous if self.adventurous != USUALLY_ADVENTUROUS else None

    def params(self, user: str, surprise: bool) -> dict[str, object]:
        """For the address."""
        return {
            "user": user,
            "filter": self.filter,
            "diversity": self.diversity or None,
            "n": self.n if self.n != DEFAULT_N else None,
            "adventurous": self.unusual,
            "surprise": 1 if surprise else None,
        }


def user_name(value: Any) -> str:
    """A user's name that the core takes.

    Raises:
        InvalidInputError: empty, too long, or with a sign that an id cannot have.
    """
    name = str(value if value is not None else "").strip()
    if not name:
        raise InvalidInputError("Who are you?", "Choose a user or a new name at the top of the page.")
    if len(name) > MAX_NAME:
        raise InvalidInputError(
            f"This user name has {len(name):,} characters; at most {MAX_NAME} are allowed.", "Choose a shorter one."
        )
    if "/" in name or any(ord(sign) < 32 for sign in name):
        raise InvalidInputError("A user name cannot hold a slash or a line break.", "Choose another one.")
    return name


def explained(error: MatineeError, filter: str = "") -> dict[str, Any]:
    """`trouble`, with the place of the fault where the filter is at fault; never equal to an earlier one."""
    value = trouble(error)
    if isinstance(error, RefusedError) and isinstance(position := error.problem.get("position"), int):
        value["error"] |= {"title": "This filter cannot be read.", "hint": error.message}
        value["error"] |= {"filter": filter, "position": position}
    return value | {"at": time.time()}


class Rows:
    """The questions of this page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self._genres: tuple[float, list[str]] = (0.0, [])

    async def history(self, user: str) -> list[dict[str, Any]]:
        """All ratings of a user, newest first; [] for a newcomer."""
        try:
            [answer] = await self.shell.ask(calls.history(user))
        except RefusedError as error:
            if error.status == 404:
                return []
            raise
        return list(answer["items"])

    async def picks(self, user: str, options: Options) -> dict[str, Any]:
        """The list: `{"user", "items", "less_of", "fallback", "model", "filter", "at"}`.

        `items`: films with stars, because and reason; `less_of`: disliked films that push others away.

        `at`, the time of the question, keeps an answer that was overtaken from being drawn.
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

        `lowest` (and `seen`): which stars can be given, see `Shell.stars`.

        Args:
            first: film that was rated just now (the times of ratings are whole seconds).
        """
        at = time.time()
        history, scale = await asyncio.gather(self.history(user), self.shell.stars())
        rated = sorted(history, key=lambda row: row["movie_id"] != first)
        items = [{name: row[name] for name in ("movie_id", "title", "rating")} for row in rated[:IN_THE_STRIP]]
        return {"user": user, "items": items, "total": len(rated), "at": at, **scale}

    async def wall(self, user: str, offset: int = 0, title: str = "") -> dict[str, Any]:
        """Films to rate: `{"user", "items": [{movie_id, title, year, rating}], "title", "next": offset or null}`.

        Args:
            offset: films of the catalog, most rated first, to pass over.
            title: films called so instead, also those that the user has rated.
        """
        stars = {row["movie_id"]: row["rating"] for row in await self.history(user)}
        if title:
            [answer] = await self.shell.ask(calls.search(title, n=ON_THE_WALL, by="title"))
            items = [_card(film, stars) for film in answer["items"]]
            return {"user": user, "items": items, "title": title, "next": None, "offset": 0}
        items, place, total = [], offset, offset + 1
        for _ in range(PAGES_ASKED):
            [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=place, limit=4 * ON_THE_WALL))
            total = answer["total"]
            for film in answer["items"]:
                place += 1
                if film["movie_id"] not in stars:
                    items.append(_card(film, stars))
                if len(items) == ON_THE_WALL:
                    break
            if len(items) == ON_THE_WALL or not answer["items"]:
                break
        following = place if items and place < total else None
        return {"user": user, "items": items, "title": "", "next": following, "offset": offset}

    async def little_known(self) -> int:
        """Ratings that a film must stay below to be a surprise."""
        [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=LITTLE_KNOWN - 1, limit=1))
        if not answer["items"]:  # a small catalog: its less known half
            middle = max(answer["total"] // 2, 0)
            [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=middle, limit=1))
        return max(int(answer["items"][0]["ratings"]), 1) if answer["items"] else 1

    async def genres(self) -> list[str]:
        """Genres of the best-known films, by name."""
        asked, known = self._genres
        if not known or time.monotonic() - asked > GENRES_KEPT:
            [answer] = await self.shell.ask(calls.movies(sort="ratings", limit=500))
            known = sorted({genre for film in answer["items"] for genre in film["genres"]})
            self._genres = (time.monotonic(), known)
        return known


async def some_users(shell: Shell, prefix: str) -> dict[str, Any]:
    """Users to choose from: `{"prefix", "items": [{user_id, ratings}]}`; none where the core cannot list them."""
    prefix = prefix[:MAX_NAME]
    try:
        [answer] = await shell.ask(calls.users(prefix, limit=USERS_OFFERED))
    except MatineeError:
        return {"prefix": prefix, "items": []}
    return {"prefix": prefix, "items": answer["items"]}


def _card(film: Mapping[str, Any], stars: Mapping[str, float]) -> dict[str, Any]:
    return {name: film[name] for name in ("movie_id", "title", "year")} | {"rating": stars.get(film["movie_id"])}
