"""Encoders, and the vector service, while serving: opened at first use, checked against the snapshot."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from matinee._util.lazy import Lazy
from matinee._util.request_context import stage
from matinee.data.catalog import Catalog, Movie
from matinee.encoders.base import Image, ImageEncoder, TextEncoder
from matinee.encoders.movie_texts import movie_texts
from matinee.encoders.title_reader import TitleReader, title_reader
from matinee.errors import EncoderError, FetchError, MatineeError
from matinee.indexes.base import VectorIndex
from matinee.settings import Settings
from matinee.snapshots.spaces import Space
from matinee.stores.base import MovieVector

OUTAGES: tuple[type[MatineeError], ...] = (EncoderError, FetchError)
"""Errors of an encoder that cannot be had now, whatever it is given."""
RETRY = 30.0
"""Seconds after which an encoder that could not be opened is tried again."""
QUERIES = 2000
"""Vectors of recent search texts that are kept (1.5 kB each)."""

AnyEncoder = TypeVar("AnyEncoder", TextEncoder, ImageEncoder)
Floats = NDArray[np.float32]


class Encoders:
    """The text and the image encoder that the settings name, here or behind HTTP; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        from matinee import remote

        self._text: Lazy[TextEncoder] = Lazy(lambda: remote.open_text_encoder(settings), RETRY)
        self._image: Lazy[ImageEncoder] = Lazy(lambda: remote.open_image_encoder(settings), RETRY)
        self._reader = title_reader(settings)
        self._settings = settings
        self._indexes: dict[str, VectorIndex] = {}
        self._queries: LRUCache[str, Floats] = LRUCache(QUERIES)
        self._lock = threading.Lock()

    def query(self, text: str, space: Space) -> Floats:
        """Raw unit vector of a search text, (n_raw,), for a space; recent ones are kept.

        Raises:
            EncoderError: the encoder cannot be had, or is not the one that the space was made with.
        """
        with self._lock:
            cached = self._queries.get(text)
        if cached is not None:
            return cached
        vector: Floats = self.texts([text], space)[0]
        with self._lock:
            self._queries[text] = vector
        return vector

    def image(self, image: Image, space: Space) -> Floats:
        """Raw unit vector of an image, (n_raw,), for a space; errors as `ImageEncoder.encode`."""
        vector: Floats = self.images([image], space)[0]
        return vector

    def title_reader(self) -> TitleReader | None:
        """What reads the lettering of pictures; None where it is off or not installed."""
        return self._reader

    def texts(self, texts: Sequence[str], space: Space) -> Floats:
        """Raw unit vectors of texts, (n, n_raw), for a space.

        Raises:
            EncoderError, FetchError: the encoder cannot be had, or is not the one that the space was made with.
            InvalidInputError: a text that cannot be encoded.
        """
        with stage("encode"):
            vectors: Floats = _checked(self._text.get(), space).encode(texts)
            return vectors

    def images(self, images: Sequence[Image], space: Space) -> Floats:
        """Raw unit vectors of images, (n, n_raw), for a space; errors as `ImageEncoder.encode`."""
        with stage("encode"):
            vectors: Floats = _checked(self._image.get(), space).encode(images)
            return vectors

    def poster_index(self, snapshot_id: str) -> VectorIndex | None:
        """The vector service that the settings name, for the posters of a snapshot; None where none is named."""
        from matinee import remote

        if not self._settings.vectors_url:
            return None
        with self._lock:
            index = self._indexes.get(snapshot_id)
            if index is None:
                index = remote.RemoteIndex(
                    self._settings.vectors_url, "poster", snapshot_id, key=self._settings.api_key
                )
                self._indexes = {snapshot_id: index}
            return index

    def of_movies(self, movies: Sequence[Movie], space: Space) -> list[MovieVector]:
        """Raw vectors of movies that are about to be stored; errors as `texts`."""
        vectors = self.texts(movie_texts(Catalog.of(movies)), space)
        return [
            MovieVector(movie.movie_id, space.name, space.encoder, vector)
            for movie, vector in zip(movies, vectors, strict=True)
        ]


def _checked(encoder: AnyEncoder, space: Space) -> AnyEncoder:
    """The encoder, where it is the one that the space was made with."""
    if encoder.id != space.encoder:
        raise EncoderError(
            f"The space {space.name!r} of this snapshot was made with the encoder {space.encoder}, not {encoder.id}.",
            "Set the encoder that it was made with, or train again.",
        )
    return encoder
