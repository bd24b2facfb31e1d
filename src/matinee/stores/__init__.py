"""Stores: ratings, states, movies, vectors and exposures that are written while serving."""

from __future__ import annotations

from matinee._util.secrets import without_password
from matinee.errors import StoreError
from matinee.settings import Settings
from matinee.stores.base import (
    STATES,
    Changes,
    Exposure,
    ImportProgress,
    LineError,
    Mark,
    MovieState,
    MovieVector,
    Rating,
    RatingChange,
    State,
    Store,
    UserOverlay,
)
from matinee.stores.rating_columns import RatingColumns
from matinee.stores.sqlite.store import SqliteStore

__all__ = [
    "STATES",
    "Changes",
    "Exposure",
    "ImportProgress",
    "LineError",
    "Mark",
    "MovieState",
    "MovieVector",
    "Rating",
    "RatingChange",
    "RatingColumns",
    "SqliteStore",
    "State",
    "Store",
    "UserOverlay",
    "open_store",
]


def open_store(settings: Settings, dataset: str) -> Store:
    """Open the store of one data set, of the kind that `settings.store_url` names.

    Open it after forking, and close it when done.

    Raises:
        StoreError: it cannot be opened, or the URL is of no kind of store.
        MissingExtraError: its client is not installed.
    """
    if not settings.store_url:
        return SqliteStore(settings.store_path(dataset), busy_timeout=settings.busy_timeout)
    kind = settings.store_url.split("://", 1)[0]
    if kind in ("http", "https"):
        from matinee.stores.elasticsearch import open_elasticsearch_store

        return open_elasticsearch_store(settings, dataset)
    if kind in ("postgresql", "postgres"):
        from matinee.stores.postgres import open_postgres_store

        return open_postgres_store(settings, dataset)
    raise StoreError(
        f"{without_password(settings.store_url)!r} names no kind of store.",
        "Set MATINEE_STORE_URL to http://HOST:9200 (Elasticsearch) or postgresql://HOST/DATABASE, or leave it empty.",
    )
