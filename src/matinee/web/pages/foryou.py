"""For you: rate films on a wall of posters, see the list change."""

from __future__ import annotations

from typing import Any

from matinee.client import calls
from matinee.errors import MatineeError
from matinee.web.shell import Page, Params, Shell, address_of, trouble
from matinee.web.views import View


def build(shell: Shell) -> Page:
    """The page."""
    picks = View("picks", elem_id="picks")
    wall = View("wall", events=["rate"], elem_id="wall")

    async def listed(user: str) -> dict[str, Any]:
        [answer] = await shell.ask(calls.recommendations(user, n=10, explain=True))
        for item in answer["items"]:
            names = [reason["title"] for reason in item.get("because") or []][:2]
            item["why"] = f"because you rated {' and '.join(names)}" if names else ""
        return dict(answer)

    async def rate(user: str, movie_id: str, stars: float) -> Any:
        try:
            await shell.ask(calls.rate(str(user), str(movie_id), stars))
            return await listed(str(user))
        except MatineeError as error:
            return trouble(error)

    async def restore(params: Params) -> list[Any]:
        user = params.get("user") or "42"
        try:
            [films] = await shell.ask(calls.movies(sort="ratings", limit=60))
            return [films, await listed(user)]
        except MatineeError as error:
            return [trouble(error), trouble(error)]

    shell.listen(wall.rate, rate, api_name="rate", take=["user", "movie_id", "stars"], outputs=[picks], every=True)
    _ = address_of
    return Page("for-you", [wall, picks], restore)
