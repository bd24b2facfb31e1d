"""The protocols of encoders and indexes, spoken over HTTP, so that services split without new code paths."""

from matinee.remote.encoders import RemoteImageEncoder, RemoteTextEncoder
from matinee.remote.index import RemoteIndex
from matinee.remote.opening import open_image_encoder, open_index, open_text_encoder

__all__ = [
    "RemoteImageEncoder",
    "RemoteIndex",
    "RemoteTextEncoder",
    "open_image_encoder",
    "open_index",
    "open_text_encoder",
]
