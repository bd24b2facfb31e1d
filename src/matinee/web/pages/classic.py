"""The way to the screens of earlier systems, and to the list with all its controls."""

from __future__ import annotations

from typing import Any

from matinee.web.shell import Page, Params, Shell
from matinee.web.views import make_view


def build(shell: Shell) -> Page:  # noqa: ARG001 - the page is a list of links
    """The page."""
    view = make_view("classic", elem_id="classic", value={})

    async def restore(_: Params) -> list[Any]:
        return [{}]

    return Page("classic", [view], restore)
