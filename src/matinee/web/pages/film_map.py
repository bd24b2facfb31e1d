"""All films on a map, colored by genre."""

from __future__ import annotations

import time
from typing import Any

from matinee.web.pages.similar import SPACE
from matinee.web.shell import Page, Params, Shell
from matinee.web.views import make_view


def build(shell: Shell) -> Page:  # noqa: ARG001 - the places of films come from `/media/map/`
    """The page."""
    view = make_view("map", elem_id="whole-map")

    async def restore(_: Params) -> list[Any]:
        return [{"space": SPACE, "query": None, "neighbours": [], "note": "", "alone": True, "at": time.time()}]

    return Page("map", [view], restore)
