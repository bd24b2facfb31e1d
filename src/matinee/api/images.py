"""Pictures as answers: reduced ones kept in memory, what a browser may keep, and what it has already."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from io import BytesIO

from fastapi import Request

from matinee.encoders.decode import decode
from matinee.posters.store import PosterStore

SMALL = (160, 240)
"""Width and height that a small picture fits into."""
CACHED = 16 << 20
"""Bytes of drawn and reduced pictures kept in a process."""
FRESH = "public, max-age=60, stale-while-revalidate=86400"
"""Pictures are shown at once from a browser's cache, and asked for anew (mostly 304) when a minute old."""


class Cache:
    """Pictures made of others, least recently used ones dropped first; for many threads."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The picture of this name; made where it is not at hand."""
        with self._lock:
            found = self._made.get(key)
            if found is not None:
                self._made.move_to_end(key)
                return found
        made = make()
        with self._lock:
            self._size += len(made) - len(self._made.pop(key, b""))
            self._made[key] = made
            while self._size > self._limit:
                self._size -= len(self._made.popitem(last=False)[1])
        return made


made = Cache(CACHED)
"""Drawn and reduced pictures, by names that change with their content."""
_reducing = threading.BoundedSemaphore(2)
"""A decoded picture may take many megabytes: not as many at a time as there are requests."""


def reduced(data: bytes, shelf: PosterStore) -> bytes:
    """A picture that fits into `SMALL`, as WebP; never enlarged.

    Raises:
        InvalidInputError: it cannot be decoded.
    """
    with _reducing:
        image = decode(data, max_bytes=shelf.max_bytes, max_pixels=shelf.max_pixels, at_least=SMALL)
        image.thumbnail(SMALL)
    out = BytesIO()
    image.save(out, "WEBP", quality=82, method=2)
    return out.getvalue()


def picture_headers(tag: str, kind: str) -> dict[str, str]:
    """Headers of a picture: its tag, and "file" or "card"."""
    return {
        "etag": f'"{tag}"',
        "cache-control": FRESH,
        "x-matinee-poster": kind,
        "x-content-type-options": "nosniff",
    }


def is_known(request: Request, etag: str, modified: int | None = None) -> bool:
    """Whether the client has this picture already (RFC 9110, 13.1): the tag decides, where the client names one.

    Args:
        modified: when it was put there, seconds since 1970.
    """
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in tags.split(","))
    since = request.headers.get("if-modified-since")
    if since is None or modified is None:
        return False
    try:
        return modified <= parsedate_to_datetime(since).timestamp()
    except (ValueError, OverflowError):
        return False
