"""Being written."""

from __future__ import annotations

from typing import Any

from matinee.web.shell import Page, Params, Shell
from matinee.web.views import View


def build(shell: Shell) -> Page:
    """The page."""
    view = View("picks")

    async def restore(params: Params) -> list[Any]:
        return [{"items": []}]

    return Page("match", [view], restore)
