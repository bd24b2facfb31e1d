"""The map of all films as a file of its own: large, the same for everybody, and seldom new."""

from __future__ import annotations

import gzip
from hashlib import blake2b

import anyio.to_thread
from fastapi import Request
from fastapi.responses import Response

from matinee.client import AsyncClient, calls
from matinee.errors import ServiceError

MOST_SPACES = 8
LEVEL = 5


class Maps:
    """Hands the core's maps on, compressed once for each state of a map.

    The core is asked every time, because titles change while it runs; compressing is what takes long.

    Args:
        core: the client.
    """

    def __init__(self, core: AsyncClient) -> None:
        self._core = core
        self._kept: dict[str, tuple[str, bytes]] = {}  # space → tag, compressed bytes

    async def answer(self, request: Request, space: str) -> Response:
        """The map of a space, as JSON of the core's `GET /v1/map`; 304 where the browser has it."""
        try:
            found = await self._core.response(calls.film_map(space))
        except ServiceError as error:
            return Response(str(error), 503, media_type="text/plain")
        if found.status_code != 200:
            return Response(found.content, found.status_code, media_type=found.headers.get("content-type"))
        tag = f'"{blake2b(found.content, digest_size=12).hexdigest()}"'
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(found.content, media_type="application/json", headers=headers)
        kept = self._kept.get(space)
        if kept is None or kept[0] != tag:
            kept = tag, await anyio.to_thread.run_sync(gzip.compress, found.content, LEVEL)
            if len(self._kept) >= MOST_SPACES:
                self._kept.clear()
            self._kept[space] = kept
        return Response(kept[1], media_type="application/json", headers=headers | {"content-encoding": "gzip"})
