"""What a user has rated, seen, put on the list, or does not want."""

from __future__ import annotations

import asyncio
from typing import Any

from matinee.client import AsyncClient, RefusedError, calls

STATES = ("seen", "watchlist", "not_interested")
MOST = 10_000
"""Films of a kind that are told."""
PAGE = 1000


async def history(core: AsyncClient, user: str) -> list[dict[str, Any]]:
    """A user's ratings, newest first; [] for new users.

    Raises:
        MatineeError: the core fails.
    """
    try:
        answer = await core.send(calls.history(user))
    except RefusedError as error:
        if error.status == 404:
            return []
        raise
    return list(answer["items"])


async def in_state(core: AsyncClient, user: str, state: str, most: int = MOST) -> list[dict[str, Any]]:
    """Films in a state, newest first; [] for new users.

    Raises:
        MatineeError: the core fails.
    """
    found: list[dict[str, Any]] = []
    try:
        while len(found) < most:
            call = calls.states(user, state=state, limit=min(PAGE, most - len(found)), offset=len(found))
            answer = await core.send(call)
            found += answer["states"]
            if not answer["states"] or len(found) >= answer["total"]:
                break
    except RefusedError as error:
        if error.status != 404:
            raise
    return found


async def marks_of(core: AsyncClient, user: str, *, states: bool) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A user's ratings, and the marks of films: `{"rated": {id: stars}, "seen": [id], …}`.

    Args:
        states: whether the core knows states.

    Raises:
        MatineeError: the core fails.
    """
    rated, *lists = await asyncio.gather(
        history(core, user), *(in_state(core, user, state) for state in STATES if states)
    )
    stars = {row["movie_id"]: row["rating"] for row in rated[:MOST]}
    ids = {state: [row["movie_id"] for row in rows] for state, rows in zip(STATES, lists, strict=False)}
    return rated, {"rated": stars} | {state: ids.get(state, []) for state in STATES}
