"""The embedded store: one SQLite file."""

from matinee.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
