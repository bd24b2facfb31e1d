"""The embedded store: one SQLite file in WAL mode, many readers, one writer at a time, group commit."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from matinee.errors import ReadOnlyError
from matinee.stores.base import RECORD_SPACES, MovieState, MovieVector, Rating
from matinee.stores.rating_columns import RatingColumns
from matinee.stores.records import KEEP_LOG, bytes_of, storable
from matinee.stores.sql import EXPOSURE, Bodies, Row, SqlStore
from matinee.stores.sqlite.connection import Connection
from matinee.stores.sqlite.connections import Connections
from matinee.stores.sqlite.errors import is_busy, store_error

STAGED = 200
"""Rows that a statement stages; ratings of fewer are written one by one."""
_STAGED = "CREATE TEMP TABLE IF NOT EXISTS staged (n INTEGER PRIMARY KEY, u TEXT, m TEXT, r REAL, t INTEGER, p INTEGER)"
"""Number, user, film, stars, time, and number of the user's row before in the same write."""
_ONE = "(SELECT ?1 AS n, ?2 AS u, ?3 AS m, ?4 AS r, ?5 AS t, ?6 AS p)"
"""The same of values."""
_LOG_RATINGS = """
    INSERT INTO log SELECT s.n, s.u, s.m, r.user_id IS NOT NULL, r.rating, s.r, s.t,
        coalesce(s.p, (SELECT version FROM users WHERE user_id = s.u))
    FROM {} AS s LEFT JOIN ratings r ON r.user_id = s.u AND r.movie_id = s.m"""
_PUT_RATINGS = """
    INSERT INTO ratings SELECT u, m, r, t, n FROM {} WHERE true ON CONFLICT DO UPDATE SET
        rating = excluded.rating, timestamp = excluded.timestamp, seq = excluded.seq"""


class SqliteStore(SqlStore[Connection]):
    """A `Store` in one SQLite file, with its `-wal` and `-shm` files.

    Open it after forking, not before. `close()` it when done.

    Args:
        path: the file; created with its folder if missing.
        busy_timeout: seconds that a write waits for another process.
        keep_log: minimum number of changes in the log; a reader further behind gets the whole content.
        clock: seconds since 1970, for the age of idempotency keys.

    Raises:
        StoreError: the file is not a database, is damaged, is of a newer version or another program, or can be neither
            written nor read; it is not changed.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout: float = 5.0,
        keep_log: int = KEEP_LOG,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self._connections = Connections(self.path, busy_timeout)
        super().__init__(self._connections, keep_log, clock, busy_timeout)

    def _by_statement(self, cause: BaseException | None) -> bool:
        return isinstance(cause, sqlite3.Error) and not is_busy(cause)

    def _by_lock(self, cause: BaseException | None) -> bool:
        return cause is not None and is_busy(cause)

    # --- reading --------------------------------------------------------------------------------------------
    def seq(self) -> int:
        """The newest sequence number. Takes microseconds; sees other processes' commits immediately."""
        try:
            reader = self._connections.reader()
            version = reader.version()  # this connection never writes
            if version != reader.data_version:
                # In this order, so that a commit in between makes the next call read again.
                reader.seq = int(reader.connection.execute("SELECT seq FROM state").fetchone()[0])
                reader.data_version = version
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error
        return reader.seq

    def ratings(self, *, batch: int = 50_000) -> Iterator[list[Rating]]:
        """All stored ratings, including tombstones, in batches from one consistent read."""
        # On a separate connection, so that the thread's other reads see new data in the meantime.
        with self._connections.reading(own=True) as connection:
            cursor = connection.execute("SELECT user_id, movie_id, rating, timestamp FROM ratings")
            while rows := list(islice(cursor, batch)):
                yield [Rating(*row) for row in rows]

    def copy_to(self, connection: sqlite3.Connection) -> None:
        """Copy everything into another, empty database, as of one moment, while others write."""
        with self._connections.reading(own=True) as source:
            source.backup(connection)

    def _rows(self, connection: Connection, statement: str) -> Iterator[Row]:
        return connection.execute(statement)

    def _of_movies(self, columns: str, table: str, only: Collection[str] | None) -> list[Row]:
        query = f"SELECT {columns} FROM {table}"
        if only is None:
            return self._connections.query(query)
        query += " WHERE movie_id = %s"
        return self._connections.read(
            lambda connection: [row for id_ in only for row in connection.execute(query, (storable(id_),))]
        )

    # --- writing --------------------------------------------------------------------------------------------
    def write_problem(self) -> ReadOnlyError | None:
        """Why nothing can be written now, though it can be read."""
        return self._connections.write_problem()

    def erase_user(self, user_id: str) -> int:
        """Physically delete a user's ratings, states, exposures and log entries, and mark the user as erased."""
        seq = super().erase_user(user_id)
        self._connections.checkpoint()  # until then the write-ahead log contains the old pages
        return seq

    def _erase(self, connection: Connection, user: str) -> int:
        # Overwrite deleted content. Only for erasures, because it slows other writes down.
        connection.execute("PRAGMA secure_delete = ON")
        try:
            return super()._erase(connection, user)
        finally:
            connection.execute("PRAGMA secure_delete = OFF")

    def _put_ratings(self, connection: Connection, seq: int, ratings: Sequence[Rating]) -> None:
        first = seq - len(ratings) + 1
        users, movies, stars, times = _columns(ratings)
        before: dict[str, int] = {}  # each user's entry before, within this write
        previous: list[int | None] = []
        for number, user in enumerate(users, first):
            previous.append(before.get(user))
            before[user] = number
        columns = (range(first, seq + 1), users, movies, stars, times, previous)
        # The log comes first, because it reads the previous values from the table.
        if len(users) < STAGED:
            rows = list(zip(*columns, strict=True))
            connection.executemany(_LOG_RATINGS.format(_ONE), rows)
            connection.executemany(_PUT_RATINGS.format(_ONE), rows)
        else:
            self._stage(connection, *columns)
            connection.execute(_LOG_RATINGS.format("staged"))
            connection.execute(_PUT_RATINGS.format("staged"))
            connection.execute("DELETE FROM staged")
        connection.executemany(
            "INSERT INTO users (user_id, version) VALUES (?, ?) ON CONFLICT DO UPDATE SET version = excluded.version",
            list(before.items()),
        )

    def _stage(self, connection: Connection, *columns: Sequence[Any]) -> None:
        """Put rows into a table in memory, from which two statements store all of them."""
        connection.execute(_STAGED)
        for start in range(0, len(columns[0]), STAGED):
            part = [column[start : start + STAGED] for column in columns]
            marks = ",".join(["(?,?,?,?,?,?)"] * len(part[0]))  # a statement a row would take twice as long
            values = list(chain.from_iterable(zip(*part, strict=True)))
            connection.execute(f"INSERT INTO staged VALUES {marks}", values)

    def _put_states(self, connection: Connection, states: Sequence[MovieState]) -> None:
        connection.executemany(
            "DELETE FROM states WHERE user_id = ? AND state = ? AND movie_id = ?",
            [(one.user_id, one.state, one.movie_id) for one in states if one.timestamp is None],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)",
            [(one.user_id, one.state, one.movie_id, one.timestamp) for one in states if one.timestamp is not None],
        )

    def _put_movies(self, connection: Connection, seq: int, bodies: Bodies) -> None:
        connection.executemany(
            "INSERT INTO movies VALUES (?1, ?2, ?3, ?2)"
            " ON CONFLICT DO UPDATE SET body = excluded.body, seq = excluded.seq",
            [(movie_id, number, body) for number, (movie_id, body) in enumerate(bodies, seq - len(bodies) + 1)],
        )
        self._log_movies(connection, seq, [movie_id for movie_id, _ in bodies])
        connection.executemany(
            "DELETE FROM vectors WHERE movie_id = ? AND space = ?",
            [(movie_id, space) for movie_id, body in bodies if body is not None for space in RECORD_SPACES],
        )

    def _log_movies(self, connection: Connection, seq: int, movie_ids: Sequence[str]) -> None:
        rows = enumerate(movie_ids, seq - len(movie_ids) + 1)
        connection.executemany("INSERT INTO log (seq, movie_id) VALUES (?, ?)", rows)

    def _put_vectors(self, connection: Connection, vectors: Sequence[MovieVector]) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)",
            [(v.movie_id, v.space, v.encoder, bytes_of(v) if len(v.values) else None) for v in vectors],
        )

    def _put_exposures(self, connection: Connection, rows: Sequence[Row]) -> None:
        connection.executemany(
            f"INSERT INTO exposures ({EXPOSURE}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"
            " WHERE NOT EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND erased > ?9)",
            rows,
        )


def _columns(ratings: Sequence[Rating]) -> tuple[list[str], list[str], list[float | None], list[int]]:
    """Users, films, stars and times."""
    if isinstance(ratings, RatingColumns):
        return ratings.lists()
    return (
        [rating.user_id for rating in ratings],
        [rating.movie_id for rating in ratings],
        [rating.rating for rating in ratings],
        [rating.timestamp for rating in ratings],
    )
