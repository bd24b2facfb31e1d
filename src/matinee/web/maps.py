"""Downloads of the map page: coordinates of all movies, and the plotting script. Both are large and shared by all."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import anyio.to_thread
from fastapi import Request
from fastapi.responses import Response

from matinee.client import AsyncClient, calls
from matinee.errors import ServiceError
from matinee.web.core import AWAY

MAX_CACHED = 8
LEVEL = 5


class MapFiles:
    """The files of the map, compressed once per version and sent with 304 to browsers that have them.

    Args:
        core: the client. It is asked for a map every time, because titles can change.
    """

    def __init__(self, core: AsyncClient) -> None:
        self._core = core
        self._cache: dict[str, tuple[str, bytes]] = {}  # name of a file → tag, compressed bytes

    async def coordinates(self, request: Request, space: str) -> Response:
        """The map of a space, as JSON of the core's `GET /v1/map`."""
        try:
            answer = await self._core.response(calls.film_map(space))
        except ServiceError:
            return Response(AWAY, 503, media_type="text/plain")
        if answer.status_code != 200:
            return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))
        tag = f'"{blake2b(answer.content, digest_size=12).hexdigest()}"'
        return await self._file(request, f"{space}.json", tag, "no-cache", "application/json", lambda: answer.content)

    async def plot_script(self, request: Request) -> Response:
        """Plotly's script from its Python package (4.8 MB, compressed 1.5 MB), cacheable for a day."""
        import plotly  # imported late, because it takes a quarter of a second

        script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
        tag, cache = f'"{plotly.__version__}"', "public, max-age=86400"
        return await self._file(request, script.name, tag, cache, "text/javascript", script.read_bytes)

    async def _file(
        self, request: Request, name: str, tag: str, cache_control: str, media_type: str, read: Callable[[], bytes]
    ) -> Response:
        headers = {"etag": tag, "cache-control": cache_control, "vary": "accept-encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(await anyio.to_thread.run_sync(read), media_type=media_type, headers=headers)
        cached = self._cache.get(name)
        if cached is None or cached[0] != tag:
            cached = tag, await anyio.to_thread.run_sync(lambda: gzip.compress(read(), LEVEL))
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[name] = cached
        return Response(cached[1], media_type=media_type, headers=headers | {"content-encoding": "gzip"})
