"""The pictures that are shown for movies: stored files, and drawn cards where there is none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Literal

from cachetools import LRUCache

from matinee.data.catalog import Movie
from matinee.encoders.decode import decode
from matinee.errors import InvalidInputError
from matinee.posters.cards import MEDIA_TYPE as WEBP
from matinee.posters.cards import SIZE, card, card_key
from matinee.posters.store import PosterStore, Stored
from matinee.settings import Settings

SMALL = (160, 240)
"""Width and height that a small picture fits into."""
MAX_CACHE = 16 << 20
"""Bytes of drawn and reduced pictures cached in a process."""

_cache: LRUCache[str, bytes] = LRUCache(MAX_CACHE, len)
"""Drawn and reduced pictures, by names that change with their content."""
_cache_lock = threading.Lock()
_reducing = threading.BoundedSemaphore(2)
"""A decoded picture may take many megabytes: not as many at a time as there are requests."""


@dataclass(frozen=True, slots=True)
class PosterImage:
    """A picture of a movie, not read yet.

    Attributes:
        tag: changes whenever the picture does.
        read: bytes and media type; None where the picture was removed meanwhile, or cannot be decoded.
        modified: when it was stored, seconds since 1970.
    """

    kind: Literal["file", "card"]
    tag: str
    read: Callable[[], tuple[bytes, str] | None]
    modified: int | None = None


class PosterImages:
    """The pictures of one data set's movies.

    Args:
        settings: the folder, and limits of bytes and pixels.
        dataset: name of the data set.
    """

    def __init__(self, settings: Settings, dataset: str) -> None:
        check = partial(decode, max_bytes=settings.max_body, max_pixels=settings.max_pixels, at_least=SMALL)
        self.store = PosterStore.of(settings, dataset, check)

    def files(self, movie_id: str, *, small: bool) -> Iterator[PosterImage]:
        """The stored picture, where there is one; a second time for the case that the first has just been replaced."""
        for _ in range(2):
            stored = self.store.find(movie_id)
            if stored is not None:
                tag = f"{stored.tag}.{'small' if small else 'original'}"
                yield PosterImage("file", tag, partial(self._read, stored, small), stored.mtime_ns // 10**9)

    def card(self, movie: Movie, *, small: bool) -> PosterImage:
        """A drawn card."""
        drawn = movie.title, movie.year, movie.genres, SMALL if small else SIZE
        key = card_key(*drawn)
        return PosterImage("card", key, lambda: (_cached(key, lambda: card(*drawn)), WEBP))

    def _read(self, stored: Stored, small: bool) -> tuple[bytes, str] | None:
        content = self.store.read(stored)
        if content is None or not small:
            return None if content is None else (content[1], content[0].media_type)
        try:
            return _cached(f"{stored.path} {stored.tag}", lambda: self._reduced(content[1])), WEBP
        except InvalidInputError:  # somebody has copied it into the folder
            return None

    def _reduced(self, data: bytes) -> bytes:
        """A picture that fits into `SMALL`, as WebP; never enlarged."""
        with _reducing:
            limits = {"max_bytes": self.store.max_bytes, "max_pixels": self.store.max_pixels}
            image = decode(data, **limits, at_least=SMALL)
            image.thumbnail(SMALL)
        out = BytesIO()
        image.save(out, "WEBP", quality=82, method=2)
        return out.getvalue()


def _cached(key: str, make: Callable[[], bytes]) -> bytes:
    with _cache_lock, suppress(KeyError):
        return _cache[key]
    data = make()
    with _cache_lock, suppress(ValueError):  # larger than the whole cache
        _cache[key] = data
    return data
