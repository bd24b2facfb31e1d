"""The protocols of encoders, indexes and models, spoken over HTTP, so that services split without new code paths."""

from matinee.remote.encoders import RemoteImageEncoder, RemoteTextEncoder
from matinee.remote.index import RemoteIndex
from matinee.remote.opening import open_image_encoder, open_index, open_recommender, open_text_encoder
from matinee.remote.recommender import RemoteRecommender

__all__ = [
    "RemoteImageEncoder",
    "RemoteIndex",
    "RemoteRecommender",
    "RemoteTextEncoder",
    "open_image_encoder",
    "open_index",
    "open_recommender",
    "open_text_encoder",
]
