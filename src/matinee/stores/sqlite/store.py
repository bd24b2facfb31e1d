"""The embedded store: one SQLite file in WAL mode, many readers, one writer at a time, group commit.

Every change takes the next sequence number in its own transaction. The log holds at least `keep_log` changes. A reader
that is further behind gets the whole content (`Changes.complete` is False).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from matinee.data.catalog import Movie
from matinee.stores.base import Changes, Exposure, MovieVector, Rating, UserOverlay
from matinee.stores.records import (
    KEEP_LOG,
    KEY_SECONDS,
    bodies_of,
    check_text,
    check_vector,
    digest_of,
    distinct_ratings,
    key_conflict,
    movie_of,
    storable,
    vector_of,
)
from matinee.stores.sqlite import changelog, movie_rows
from matinee.stores.sqlite.connections import Connections
from matinee.stores.sqlite.errors import store_error


class SqliteStore:
    """A `Store` in one SQLite file, with its `-wal` and `-shm` files.

    Open it after forking, not before. `close()` it when done.

    Args:
        path: the file; created with its folder if missing.
        busy_timeout: seconds that a write waits for another process.
        keep_log: minimum number of changes in the log; a reader further behind gets the whole content.
        clock: seconds since 1970, for the age of idempotency keys.

    Raises:
        StoreError: the file is not a database, is damaged, is of a newer version or another program, or is read-only;
            it is not changed.
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
        self._clock = clock
        housekeeping = partial(changelog.drop_old_log, keep=keep_log, slack=max(1, keep_log // 100))
        self._connections = Connections(self.path, busy_timeout, housekeeping)

    # --- ratings --------------------------------------------------------------------------------------------
    def put_ratings(self, ratings: Sequence[Rating], *, key: str | None = None) -> int:
        """Upsert by (user, movie); of repeated pairs the last wins. Returns the sequence number after the write.

        Raises:
            ConflictError: the key was used for other ratings.
            InvalidInputError: ids that are not valid Unicode, or numbers that are not finite; nothing is stored.
            StoreError: nothing is stored.
        """
        distinct = distinct_ratings(ratings)
        if key is None:
            return self._connections.write(lambda connection: changelog.put_ratings(connection, distinct))
        check_text("idempotency key", key)
        digest = digest_of(distinct)
        now = self._clock()

        def put_once(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM keys WHERE created < ?", (now - KEY_SECONDS,))
            row = connection.execute("SELECT digest, seq FROM keys WHERE key = ?", (key,)).fetchone()
            if row is not None:
                if row[0] != digest:
                    raise key_conflict(key)
                return int(row[1])
            seq = changelog.put_ratings(connection, distinct)
            connection.execute("INSERT INTO keys VALUES (?, ?, ?, ?)", (key, digest, seq, now))
            return seq

        return self._connections.write(put_once)

    def delete_rating(self, user_id: str, movie_id: str, timestamp: int) -> int:
        """Write a tombstone for (user, movie). Returns the sequence number."""
        return self.put_ratings([Rating(user_id, movie_id, None, timestamp)])

    def user(self, user_id: str) -> UserOverlay:
        """Everything stored about one user."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                "SELECT u.version, u.erased, r.movie_id, r.rating, r.timestamp"
                " FROM users u LEFT JOIN ratings r ON r.user_id = u.user_id WHERE u.user_id = ?",
                (storable(user_id),),
            ).fetchall()
        if not rows:
            return UserOverlay()
        ratings = {row[2]: Rating(user_id, *row[2:]) for row in rows if row[2] is not None}
        return UserOverlay(rows[0][0], rows[0][1] is not None, ratings)

    def erase_user(self, user_id: str) -> int:
        """Physically delete a user's ratings, exposures and log entries, and mark the user as erased."""
        check_text("user id", user_id)

        def erase(connection: sqlite3.Connection) -> int:
            # Overwrite deleted content. Only for erasures, because it slows other writes down.
            connection.execute("PRAGMA secure_delete = ON")
            try:
                seq = changelog.next_seq(connection, 1)
                connection.execute("DELETE FROM exposures WHERE user_id = ?", (user_id,))
                deleted = connection.execute("DELETE FROM ratings WHERE user_id = ?", (user_id,)).rowcount
                connection.execute("DELETE FROM log WHERE user_id = ? AND movie_id IS NOT NULL", (user_id,))
                if deleted:
                    # Readers that have applied these ratings cannot undo them without the log, so they must reload.
                    connection.execute("UPDATE state SET log_floor = ?", (seq,))
                connection.execute("INSERT INTO log (seq, user_id) VALUES (?, ?)", (seq, user_id))
                connection.execute(
                    "INSERT INTO users VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " version = excluded.version, erased = excluded.erased",
                    (user_id, seq, seq),
                )
            finally:
                connection.execute("PRAGMA secure_delete = OFF")
            return seq

        seq = self._connections.write(erase)
        self._connections.checkpoint()  # until then the write-ahead log contains the old pages
        return seq

    def ratings(self, *, batch: int = 50_000) -> Iterator[list[Rating]]:
        """All stored ratings, including tombstones, in batches from one consistent read."""
        # On a separate connection, so that the thread's other reads see new data in the meantime.
        with self._connections.reading(own=True) as connection:
            cursor = connection.execute("SELECT user_id, movie_id, rating, timestamp FROM ratings")
            while rows := list(islice(cursor, batch)):
                yield [Rating(*row) for row in rows]

    def erased_users(self) -> frozenset[str]:
        """Ids of all users ever erased."""
        with self._connections.reading() as connection:
            rows = connection.execute("SELECT user_id FROM users WHERE erased IS NOT NULL").fetchall()
        return frozenset(row[0] for row in rows)

    # --- films ----------------------------------------------------------------------------------------------
    def put_movies(self, movies: Sequence[Movie], vectors: Sequence[MovieVector] = ()) -> int:
        """Add or replace movies. Vectors of their old records are replaced by these."""
        bodies = bodies_of(movies, vectors)
        return self._connections.write(lambda connection: movie_rows.put(connection, bodies, vectors))

    def delete_movie(self, movie_id: str) -> int:
        """Write a tombstone for a movie."""
        check_text("film id", movie_id)
        return self._connections.write(lambda connection: movie_rows.put(connection, [(movie_id, None)]))

    def movies(self, only: Collection[str] | None = None) -> list[tuple[str, Movie | None]]:
        """All stored movies, or those with the given ids, in the order of their first write; None if deleted."""
        movie_ids = None if only is None else [storable(movie_id) for movie_id in only]
        with self._connections.reading() as connection:
            rows = movie_rows.read(connection, "movie_id, body, place", "movies", movie_ids)
        rows.sort(key=lambda row: row[2])
        return [(row[0], movie_of(row[1], self.path)) for row in rows]

    def put_vectors(self, vectors: Sequence[MovieVector]) -> int:
        """Add or replace vectors of movies, which need not be in the store."""
        for vector in vectors:
            check_vector(vector)
        return self._connections.write(lambda connection: movie_rows.put_vectors(connection, vectors))

    def delete_vector(self, movie_id: str, space: str) -> int:
        """Write a tombstone for a vector, which hides the snapshot's."""
        check_text("film id", movie_id)
        return self._connections.write(lambda connection: movie_rows.delete_vector(connection, movie_id, space))

    def vectors(self, only: Collection[str] | None = None) -> list[MovieVector]:
        """All stored vectors, or those of the given movies."""
        movie_ids = None if only is None else [storable(movie_id) for movie_id in only]
        with self._connections.reading() as connection:
            rows = movie_rows.read(connection, "movie_id, space, encoder, body", "vectors", movie_ids)
        return [vector_of(*row) for row in rows]

    # --- changes --------------------------------------------------------------------------------------------
    def seq(self) -> int:
        """The newest sequence number. Takes microseconds; sees other processes' commits immediately."""
        try:
            reader = self._connections.reader()
            # data_version changes with every commit of another connection, and this one never writes.
            version = reader.connection.execute("PRAGMA data_version").fetchone()[0]
            if version != reader.data_version:
                # In this order, so that a commit in between makes the next call read again.
                reader.seq = int(reader.connection.execute("SELECT seq FROM state").fetchone()[0])
                reader.data_version = version
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error
        return reader.seq

    def changes(self, since: int) -> Changes:
        """The changes after sequence number `since`."""
        with self._connections.reading() as connection:
            return changelog.changes(connection, since)

    def compact(self, keep: int) -> None:
        """Delete all but the newest `keep` changes from the log. Writes do this automatically."""
        self._connections.write(lambda connection: changelog.drop_old_log(connection, keep, 1))

    # --- exposures ------------------------------------------------------------------------------------------
    def log_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Record lists that were shown."""
        rows = []
        for shown in exposures:
            check_text("user id", shown.user_id)
            rows.append((shown.user_id, shown.timestamp, shown.snapshot, shown.model, json.dumps(shown.movie_ids)))
        self._connections.write(
            lambda connection: connection.executemany(
                "INSERT INTO exposures (user_id, timestamp, snapshot, model, movie_ids) VALUES (?, ?, ?, ?, ?)", rows
            )
        )

    def exposures(self, user_id: str, limit: int = 1000) -> list[Exposure]:
        """The newest lists shown to a user, newest first."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                "SELECT user_id, timestamp, snapshot, model, movie_ids FROM exposures WHERE user_id = ?"
                " ORDER BY timestamp DESC, id DESC LIMIT ?",
                (storable(user_id), max(0, limit)),
            ).fetchall()
        return [
            Exposure(user, timestamp, snapshot, model, tuple(json.loads(shown)))
            for user, timestamp, snapshot, model, shown in rows
        ]

    # --- lifecycle ------------------------------------------------------------------------------------------
    def ping(self) -> None:
        """Raise `StoreError` unless the store can be read."""
        with self._connections.reading() as connection:
            connection.execute("SELECT seq FROM state").fetchone()

    def close(self) -> None:
        """Close the file. Any later use raises `StoreError`."""
        self._connections.close()
