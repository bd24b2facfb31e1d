"""Local or remote encoders, indexes and models, as the settings say; the interface is the same."""

from __future__ import annotations

from collections.abc import Callable

from matinee.encoders.base import ImageEncoder, TextEncoder
from matinee.indexes.base import VectorIndex
from matinee.remote.encoders import RemoteImageEncoder, RemoteTextEncoder
from matinee.remote.index import RemoteIndex
from matinee.remote.recommender import RemoteRecommender
from matinee.settings import Settings


def open_text_encoder(settings: Settings) -> TextEncoder:
    """The text encoder: that of the service at `settings.encoder_url`, or else one in this process.

    A service that does not answer is noticed at the first request.

    Raises:
        EncoderError: the encoder is switched off or cannot be loaded, or the URL is not valid.
    """
    if settings.encoder_url:
        return RemoteTextEncoder(settings.encoder_url, key=settings.api_key)
    from matinee.encoders.text import load_text_encoder

    return load_text_encoder(settings)


def open_image_encoder(settings: Settings) -> ImageEncoder:
    """The image encoder; as `open_text_encoder`."""
    if settings.encoder_url:
        return RemoteImageEncoder(settings.encoder_url, key=settings.api_key)
    from matinee.encoders.image import load_image_encoder

    return load_image_encoder(settings)


def open_index(settings: Settings, local: Callable[[], VectorIndex], space: str, snapshot: str = "") -> VectorIndex:
    """The index of a space: that of the service at `settings.vectors_url`, or else what `local` opens.

    Args:
        local: opens the index in this process.
        space: name of the space at the service.
        snapshot: id of the snapshot whose rows the items are (see `RemoteIndex`).
    """
    if settings.vectors_url:
        return RemoteIndex(settings.vectors_url, space, snapshot, key=settings.api_key)
    return local()


def open_recommender(settings: Settings) -> RemoteRecommender | None:
    """The recommender service at `settings.recommender_url`; None: the models score in this process.

    A service that does not answer is noticed at the first request.

    Raises:
        ServiceError: the URL is not valid.
    """
    url = settings.recommender_url
    return RemoteRecommender(url, key=settings.api_key) if url else None
