"""Compaction of the embedded store's file, and which of its statements go by an index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from matinee.errors import StoreError
from matinee.stores import MovieState, Rating, SqliteStore
from matinee.stores.sql import LOG_SINCE, USER
from matinee.stores.sqlite.compaction import compact
from store_support import all_ratings


def test_a_compacted_file_is_smaller_and_holds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = SqliteStore(path)
    for user in range(20):
        store.put_ratings([Rating(f"u{user}", f"m{n}", 3.0, n) for n in range(500)])
    for user in range(15):
        store.erase_user(f"u{user}")
    mark = store.mark()
    before, seq = all_ratings(store), store.seq()
    with pytest.raises(StoreError, match="in use"):
        compact(path)
    store.close()
    sizes = compact(path)
    assert sizes[1] < 0.6 * sizes[0]
    assert path.stat().st_size == sizes[1]
    store = SqliteStore(path)
    assert all_ratings(store) == before
    assert store.seq() == seq
    assert store.since_mark(mark.token) is not None
    assert store.put_ratings([Rating("u", "m", 1.0, 1)]) == seq + 1
    store.close()


def test_what_is_no_store_is_not_compacted(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        compact(tmp_path / "store.sqlite3")
    assert not (tmp_path / "store.sqlite3").exists()
    other = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE films (title TEXT)")
    content = other.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        compact(other)
    assert other.read_bytes() == content
    other.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError):
        compact(other)


def plan(path: Path, statement: str, *values: Any) -> list[str]:
    """Steps of SQLite's plan that read a table."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.replace('%s', '?')}", values).fetchall()
    return [detail for *_, detail in rows if detail.startswith(("SEARCH", "SCAN"))]


def test_a_user_and_the_log_are_read_by_index(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = SqliteStore(path)
    store.put_ratings([Rating(f"u{n % 50}", f"m{n}", 3.0, n) for n in range(500)])
    store.put_states([MovieState("u1", "m1", "seen", 5)])
    store.close()
    of_user = plan(path, USER, "u1", "u1")
    assert len(of_user) == 3
    assert all(step.startswith("SEARCH") and "USING" in step for step in of_user), of_user
    since = plan(path, LOG_SINCE, 400)
    assert since == ["SEARCH log USING INTEGER PRIMARY KEY (rowid>?)"]
