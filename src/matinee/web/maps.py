"""What the map page loads: the place of every film, and the script that draws it. Large, the same for everybody."""

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
        except ServiceError:
            return Response(AWAY, 503, media_type="text/plain")
        if found.status_code != 200:
            return Response(found.content, found.status_code, media_type=found.headers.get("content-type"))
        tag = f'"{blake2b(found.content, digest_size=12).hexdigest()}"'
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if not _takes_gzip(request):
            return Response(found.content, media_type="application/json", headers=headers)
        kept = self._kept.get(space)
        if kept is None or kept[0] != tag:
            kept = tag, await anyio.to_thread.run_sync(gzip.compress, found.content, LEVEL)
            if len(self._kept) >= MAX_SPACES:
                self._kept.clear()
            self._kept[space] = kept
        return Response(kept[1], media_type="application/json", headers=headers | {"content-encoding": "gzip"})


class PlotScript:
    """Plotly's script as its Python package brings it, compressed once (4.8 MB → 1.5 MB)."""

    def __init__(self) -> None:
        self._packed: bytes | None = None

    async def answer(self, request: Request) -> Response:
        """The script, for a day; anew after an upgrade."""
        import plotly  # a quarter of a second that the start need not wait for

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
        if self._packed is None:
            self._packed = await anyio.to_thread.run_sync(lambda: gzip.compress(path.read_bytes(), LEVEL))
        return Response(self._packed, media_type="text/javascript", headers=headers | {"content-encoding": "gzip"})


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
