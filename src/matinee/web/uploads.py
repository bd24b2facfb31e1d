"""How many bytes of pictures the web app holds at a time. Gradio deletes each some minutes after its upload."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from matinee.access.rate_limit import network_of
from matinee.web.problems import problem

PATH = "/gradio_api/upload"
HELD = 360.0
"""Seconds after which an upload is deleted at the latest: see `delete_cache` in `blocks`."""
SMALLEST = 16 << 10
"""Bytes that an upload counts at least, since a file takes more than its content."""


class _Upload(NamedTuple):
    until: float
    address: str
    size: int


class UploadQuota:
    """ASGI middleware that refuses uploads (429) while those of the last minutes take up the limit.

    What was sent counts, whether or not it became a file.

    Args:
        app: the wrapped application.
        limit: bytes in all; a quarter of it for one address.
        clock: seconds, never set back.
    """

    def __init__(self, app: ASGIApp, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._limit, self._clock = app, limit, clock
        self._uploads: deque[_Upload] = deque()
        self._held: dict[str, int] = {}
        self._total = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject an upload or forward it."""
        answer: ASGIApp = self._app
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/") == PATH:
            length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
            address = network_of(scope["client"][0]) if scope.get("client") else ""
            wait = self.take(address, int(length))
            if wait:
                detail = "There are too many pictures here right now. Try again in a few minutes."
                answer = problem(429, detail, {"retry-after": str(wait)})
        await answer(scope, receive, send)

    def take(self, address: str, size: int) -> int:
        """Count an upload; seconds to wait where it is refused, else 0."""
        now, size = self._clock(), max(size, SMALLEST)
        while self._uploads and self._uploads[0].until <= now:
            gone = self._uploads.popleft()
            self._total -= gone.size
            self._held[gone.address] -= gone.size
            if not self._held[gone.address]:
                del self._held[gone.address]
        held = self._held.get(address, 0)
        # A first upload is always let in, however small the limit of one address is.
        if self._total + size > self._limit or (held and held + size > self._limit // 4):
            return max(1, ceil(self._uploads[0].until - now)) if self._uploads else ceil(HELD)
        self._uploads.append(_Upload(now + HELD, address, size))
        self._held[address] = held + size
        self._total += size
        return 0
