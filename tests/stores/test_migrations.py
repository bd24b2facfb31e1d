"""Schema steps: applied in order, once, whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from matinee.errors import StoreError
from matinee.stores import Rating, SqliteStore
from matinee.stores.sqlite import migrations
from store_support import SHOWN_BEFORE, check_one_form, write_both_forms


def test_a_new_step_is_applied_to_an_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite3"
    store = SqliteStore(path)
    store.put_ratings([Rating("u", "1", 4.0, 1)])
    store.close()
    steps = (*migrations.MIGRATIONS, ("CREATE TABLE later (x)", "INSERT INTO later VALUES (42)"))
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    for _ in range(2):
        store = SqliteStore(path)
        assert store.user("u").ratings["1"].rating == 4.0
        with store._connections.reading() as connection:
            assert connection.execute("SELECT x FROM later").fetchall() == [(42,)]
            assert connection.execute("PRAGMA user_version").fetchone() == (len(steps),)
        store.close()


def test_a_step_that_fails_leaves_the_old_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite3"
    SqliteStore(path).close()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, ("CREATE TABLE half (x)", "CREATE NONSENSE")))
        with pytest.raises(StoreError, match="syntax error"):
            SqliteStore(path)
    store = SqliteStore(path)
    with store._connections.reading() as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()
    store.close()


def test_ids_of_earlier_versions_are_normalized_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite3"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:4])
        store = SqliteStore(path)
        before = write_both_forms(store)
        store.close()
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(SHOWN_BEFORE)
    for _ in range(2):
        store = SqliteStore(path)
        check_one_form(store, before)
        store.close()


def test_another_process_may_have_migrated_first(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    SqliteStore(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    migrations.migrate(connection, path)
    assert connection.execute("PRAGMA application_id").fetchone() == (migrations.APPLICATION_ID,)
    connection.close()


def test_a_database_is_looked_at_once_while_another_process_makes_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as looking:
        looking.execute("PRAGMA journal_mode = WAL")
        with closing(sqlite3.connect(path, isolation_level=None)) as making:

            def meanwhile(statement: str) -> None:
                if "sqlite_master" in statement:
                    looking.set_trace_callback(None)
                    migrations.migrate(making, path)

            looking.set_trace_callback(meanwhile)
            assert migrations.check(looking, path) == 0
            assert migrations.check(looking, path) == len(migrations.MIGRATIONS)


def test_an_erasure_finds_what_an_older_version_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection, monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:2])
        migrations.migrate(connection, path)
        for seq, user in enumerate("uvuuvw", 1):
            connection.execute("INSERT INTO log (seq, user_id, movie_id, after) VALUES (?, ?, ?, 4)", (seq, user, seq))
            connection.execute("INSERT INTO ratings VALUES (?, ?, 4, 1, ?)", (user, str(seq), seq))
            connection.execute("INSERT OR REPLACE INTO users VALUES (?, ?, NULL)", (user, seq))
        connection.execute("UPDATE state SET seq = 6")
    store = SqliteStore(path)
    store.put_ratings([Rating("u", "7", 4.0, 1), Rating("v", "7", 4.0, 1), Rating("u", "8", 4.0, 1)])
    store.put_ratings([Rating("u", "7", 5.0, 1)])
    store.erase_user("u")
    assert [(c.user_id, c.movie_id) for c in store.changes(0).ratings] == [
        ("v", "2"),
        ("v", "5"),
        ("w", "6"),
        ("v", "7"),
    ]
    store.compact(keep=2)
    store.erase_user("v")  # whose chain the log no longer has in full
    assert not store.changes(9).ratings
    store.close()
