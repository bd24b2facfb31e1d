"""Which routes the core has: controls without a route are not shown."""

from __future__ import annotations

import re
import time

from matinee.client import AsyncClient, Call
from matinee.errors import MatineeError

TTL = 60.0
"""Seconds for which the answer counts: a core may be replaced by a newer one."""
ROUTES = {
    "states": r"/v1/users/\{\w+\}/states/\{\w+\}/\{\w+\}",
    "import": r"/v1/users/\{\w+\}/import",
    "export": r"/v1/users/\{\w+\}/export",
    "claim": r"/v1/users/\{\w+\}/claim",
    "group": r"/v1/recommendations/group",
    "picture": r"/v1/posters/search",
}
"""Name of an ability → its path in the core's OpenAPI document."""


class Abilities:
    """What the core can do.

    Args:
        core: the client.
    """

    def __init__(self, core: AsyncClient) -> None:
        self._core = core
        self._known: tuple[float, dict[str, bool]] = (0.0, {})

    async def all(self) -> dict[str, bool]:
        """Name → whether there is such a route; none where the core does not answer."""
        asked, known = self._known
        if not known or time.monotonic() - asked > TTL:
            try:
                document = await self._core.send(Call("GET", "/openapi.json"))
                paths = list(document.get("paths") or ())
            except MatineeError:
                return known or dict.fromkeys(ROUTES, False)
            known = {name: any(re.fullmatch(route, path) for path in paths) for name, route in ROUTES.items()}
            self._known = (time.monotonic(), known)
        return known
