"""The store on a PostgreSQL server (extra `postgres`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matinee._util.extras import need

if TYPE_CHECKING:
    from matinee.settings import Settings
    from matinee.stores.base import Store


def open_postgres_store(settings: Settings, dataset: str) -> Store:
    """Open the store of one data set at `settings.store_url`.

    Raises:
        StoreError: the server cannot answer, or the schema is of a newer version or another program.
        MissingExtraError: its client is not installed.
    """
    need("psycopg", "The PostgreSQL store", "postgres")
    from matinee.stores.postgres.store import PostgresStore

    return PostgresStore(
        settings.store_url,
        dataset,
        user=settings.store_user,
        password=settings.store_password,
        timeout=settings.store_timeout,
    )
