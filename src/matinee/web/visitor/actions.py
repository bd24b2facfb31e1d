"""One click of a card: stars, seen, watchlist, not interested, and taking each back."""

from __future__ import annotations

from typing import Any

from matinee.client import AsyncClient, RefusedError, calls
from matinee.errors import InvalidInputError
from matinee.web.visitor.marks import STATES, history


async def act(core: AsyncClient, user: str, movie_id: str, action: str, value: Any) -> dict[str, Any]:
    """Do what a click asks for.

    Args:
        action: "rating", or a state.
        value: stars, None to take them back; of a state whether it is set.

    Returns:
        `{"movie_id", "action", "value", "before"}`; `before` as `value` undoes it.

    Raises:
        InvalidInputError: there is no such action, or its value is of the wrong kind.
        MatineeError: the core refuses or fails.
    """
    if action == "rating":
        before = await _rate(core, user, movie_id, value)
    elif action in STATES and isinstance(value, bool):
        call = calls.set_state if value else calls.unset_state
        before = action in (await core.send(call(user, action, movie_id)))["before"]
    else:
        raise InvalidInputError("There is no such action.", f"Choose of rating, {', '.join(STATES)}.")
    return {"movie_id": movie_id, "action": action, "value": value, "before": before}


async def _rate(core: AsyncClient, user: str, movie_id: str, stars: Any) -> float | None:
    if stars is not None and (isinstance(stars, bool) or not isinstance(stars, int | float)):
        raise InvalidInputError("Stars are a number.", "Give such as 4.5.")
    rated = {row["movie_id"]: row["rating"] for row in await history(core, user)}
    try:
        await core.send(calls.unrate(user, movie_id) if stars is None else calls.rate(user, movie_id, stars))
    except RefusedError as error:
        if stars is not None or error.status != 404:  # 404: it is taken back already
            raise
    return rated.get(movie_id)
