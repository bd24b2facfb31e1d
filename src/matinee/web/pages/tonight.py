"""The first page: a wall to begin with or an export to drop, then rows of films for tonight."""

from __future__ import annotations

import time
from typing import Any

from matinee.web.inputs import typed
from matinee.web.pages.foryou.options import MAX_FILTER, MAX_NAME
from matinee.web.shell import Page, Params, Shell
from matinee.web.views import make_view


def build(shell: Shell) -> Page:  # noqa: ARG001 - what the page shows comes from `/app/`
    """The page."""
    view = make_view("tonight", elem_id="tonight")

    async def restore(params: Params) -> list[Any]:
        text = typed(params.get("filter"))[:MAX_FILTER]
        user, pick = typed(params.get("user"))[:MAX_NAME], bool(params.get("pick"))
        return [{"user": user, "filter": text, "pick": pick, "sort": typed(params.get("sort"))[:40], "at": time.time()}]

    return Page("tonight", [view], restore)
