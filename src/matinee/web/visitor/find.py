"""Search for visitors: by words with what was understood, by filters alone, and by a picture."""

from __future__ import annotations

from typing import Any

from matinee.client import AsyncClient, calls
from matinee.errors import InvalidInputError
from matinee.web.shell import select

WAYS = ("both", "title", "meaning")
SORTS = {"": "ratings", "best": "top_rated", "newest": "-year", "oldest": "year", "title": "title"}
"""Sort of films that filters alone allow → sort of the core."""
FIELDS = ("movie_id", "title", "year", "genres", "ratings", "mean")
MAX_TEXT, MAX_N, DEFAULT_N = 500, 60, 24
LIKE_PICTURE = ("movie_id", "title", "year", "similarity", "distance", "rank", "poster_kind")


async def find(
    core: AsyncClient, text: str, *, way: str, filter: str, n: int, sort: str, plain: bool
) -> dict[str, Any]:
    """Films found: `{"q", "items", "total", "understood", "suggestions"}`; items None where nothing was asked for.

    Raises:
        InvalidInputError: the text is too long.
        MatineeError: the core refuses or fails.
    """
    if len(text) > MAX_TEXT:
        raise InvalidInputError(
            f"This text has {len(text):,} characters; at most {MAX_TEXT} can be searched for.",
            "Say it in a sentence or two.",
        )
    answer: dict[str, Any] = {"q": text, "filter": filter, "items": None, "total": None}
    if text:
        call = calls.search(text, n=n, by=way if way in WAYS else None, filter=filter, plain=plain or None)
        found = await core.send(call)
        answer["items"] = found["items"]
        answer |= {"understood": found.get("understood"), "suggestions": found.get("suggestions") or []}
    elif filter or sort:
        order = SORTS.get(sort, "ratings")
        found = await core.send(calls.movies(filter=filter, sort=order, limit=n))
        answer |= {"items": [select(movie, FIELDS) for movie in found["items"]], "total": found["total"]}
    return answer


async def by_picture(core: AsyncClient, picture: bytes, n: int) -> dict[str, Any]:
    """Films whose posters look most like a picture.

    Raises:
        InvalidInputError: there is no picture.
        MatineeError: the core refuses or fails.
    """
    if not picture:
        raise InvalidInputError("There is no picture yet.", "Drop, paste, photograph or choose a poster.")
    found = await core.send(calls.poster_search(picture, k=n, metadata=True))
    return {"items": [select(item, LIKE_PICTURE) for item in found["items"]]}
