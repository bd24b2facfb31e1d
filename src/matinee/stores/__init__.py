"""Stores: ratings, movies, vectors and exposures that are written while serving."""

from __future__ import annotations

from matinee.settings import Settings
from matinee.stores.base import Changes, Exposure, FilmVector, Rating, RatingChange, Store, UserOverlay
from matinee.stores.sqlite import SqliteStore

__all__ = [
    "Changes",
    "Exposure",
    "FilmVector",
    "Rating",
    "RatingChange",
    "SqliteStore",
    "Store",
    "UserOverlay",
    "open_store",
]


def open_store(settings: Settings, dataset: str) -> Store:
    """Open the store of one data set. Open it after forking, and close it when done.

    Raises:
        StoreError: it cannot be opened.
    """
    return SqliteStore(settings.store_path(dataset), busy_timeout=settings.busy_timeout)
