"""Which stars the pages offer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from matinee.client import AsyncClient
from matinee.web.shell import Shell
from web_server import send, serve


async def _stars(url: str) -> dict[str, Any]:
    core = AsyncClient(url)
    try:
        return await Shell(core).stars()
    finally:
        await core.close()


@pytest.mark.parametrize(
    ("scale", "stars"),
    [([0.5, 5.0], {"lowest": 0.5}), ([1, 10], {"lowest": 1.0}), ([1.0, 1.0], {"lowest": 1.0, "seen": True})],
)
def test_stars_of_the_core_s_scale(scale: list[float], stars: dict[str, Any]) -> None:
    """Data without stars are told as such: the pages then ask only whether a film was seen."""
    with serve(send(json.dumps({"scale": scale}).encode(), kind="application/json")) as url:
        assert asyncio.run(_stars(url)) == stars


def test_a_core_that_does_not_say() -> None:
    with serve(send(b"{}", 503, "application/json")) as url:
        assert asyncio.run(_stars(url)) == {"lowest": None}
