"""A list for two or more people."""

from __future__ import annotations

import time
from typing import Any

from matinee.web.inputs import typed
from matinee.web.pages.foryou.options import MAX_NAME
from matinee.web.shell import Page, Params, Shell
from matinee.web.views import make_view

MAX_PEOPLE = 6


def build(shell: Shell) -> Page:  # noqa: ARG001 - what the page shows comes from `/app/`
    """The page."""
    view = make_view("together", elem_id="together")

    async def restore(params: Params) -> list[Any]:
        names = [typed(name)[:MAX_NAME] for name in params.get("people", "").split(",")]
        people = [name for name in dict.fromkeys(names) if name][:MAX_PEOPLE]
        return [{"people": people, "way": typed(params.get("way"))[:40], "at": time.time()}]

    return Page("together", [view], restore)
