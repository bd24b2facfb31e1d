"""Downloads of the map page: coordinates of all movies, and the plotting script. Both are large and shared by all."""

from __future__ import annotations

import gzip
from hashlib import blake2b
from pathlib import Path

import anyio.to_thread
from fastapi import Request
from fastapi.responses import FileResponse, Response

from matinee.client import AsyncClient, calls
from matinee.errors import ServiceError
from matinee.web.core import AWAY

MAX_SPACES = 8
LEVEL = 5


class Maps:
    """Proxies the core's maps, compressed once per version of a map.

    The core is queried every time, because titles can change. Only the compression is slow, so its result is cached.

    Args:
        core: the client.
    """

    def __init__(self, core: AsyncClient) -> None:
        self._core = core
        self._cache: dict[str, tuple[str, bytes]] = {}  # space → tag, compressed bytes

    async def answer(self, request: Request, space: str) -> Response:
        """The map of a space, as JSON of the core's `GET /v1/map`; 304 if the browser has it."""
        try:
            answer = await self._core.response(calls.film_map(space))
        except ServiceError:
            return Response(AWAY, 503, media_type="text/plain")
        if answer.status_code != 200:
            return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
        tag = f'"{blake2b(answer.content, digest_size=12).hexdigest()}"'
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if not _takes_gzip(request):
            return Response(answer.content, media_type="application/json", headers=headers)
        cached = self._cache.get(space)
        if cached is None or cached[0] != tag:
            cached = tag, await anyio.to_thread.run_sync(gzip.compress, answer.content, LEVEL)
            if len(self._cache) >= MAX_SPACES:
                self._cache.clear()
            self._cache[space] = cached
        return Response(cached[1], media_type="application/json", headers=headers | {"content-encoding": "gzip"})


class PlotScript:
    """Plotly's script from its Python package, compressed once (4.8 MB → 1.5 MB)."""

    def __init__(self) -> None:
        self._compressed: bytes | None = None

    async def answer(self, request: Request) -> Response:
        """The script, cacheable for a day."""
        import plotly  # imported late, because it takes a quarter of a second

        headers = {
            "etag": f'"{plotly.__version__}"',
            "cache-control": "public, max-age=86400",
            "vary": "accept-encoding",
        }
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        path = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
        if not _takes_gzip(request):
            return FileResponse(path, media_type="text/javascript", headers=headers)
        if self._compressed is None:
            self._compressed = await anyio.to_thread.run_sync(lambda: gzip.compress(path.read_bytes(), LEVEL))
        return Response(self._compressed, media_type="text/javascript", headers=headers | {"content-encoding": "gzip"})


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
