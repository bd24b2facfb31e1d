"""What changes while serving: ratings, films and their vectors, exposures."""

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
    """The store of one data set that the settings name; open it after forking and close it when done.

    Raises:
        StoreError: it cannot be opened; the message says why and what to do.
    """
    return SqliteStore(settings.store_path(dataset), busy_timeout=settings.busy_timeout)
