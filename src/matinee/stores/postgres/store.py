"""The store on a PostgreSQL server: one schema per data set, any number of processes and machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from matinee.data.catalog import Movie
from matinee.databases.postgres import Connection, Pool, quoted
from matinee.stores.base import Changes, Exposure, MovieVector, Rating, UserOverlay
from matinee.stores.postgres import changelog, movie_rows, schema
from matinee.stores.postgres.texts import looked_up, restored, stored
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
    vector_of,
)

_SEQ = "SELECT seq FROM state"


class PostgresStore:
    """A `Store` on a PostgreSQL server. Open it after forking, not before. `close()` it when done.

    A write locks the row that holds the sequence number, so that writes are committed one after the other, over all
    processes, and numbers become visible in their order.

    Args:
        url: `postgresql://host/database`, with any parameter that libpq knows.
        dataset: the data set, whose schema is created if it is missing.
        user: user name; "": that of the URL, or the operating system's.
        password: "": that of the URL, or of libpq's password file.
        timeout: seconds that a statement may take.
        keep_log: minimum number of changes in the log; a reader further behind gets the whole content.
        clock: seconds since 1970, for the age of idempotency keys.

    Raises:
        StoreError: the server cannot answer, or the schema is of a newer version or another program.
    """

    def __init__(
        self,
        url: str,
        dataset: str,
        *,
        user: str = "",
        password: str = "",
        timeout: float = 5.0,
        keep_log: int = KEEP_LOG,
        clock: Callable[[], float] = time.time,
    ) -> None:
        name = schema.schema_name(dataset)
        self._clock = clock
        self._log = changelog.Log(keep_log)
        self._pool = Pool(url, user, password, timeout, quoted(name))
        try:
            schema.prepare(self._pool, name)
        except BaseException:
            self._pool.close()
            raise

    # --- ratings --------------------------------------------------------------------------------------------
    def put_ratings(self, ratings: Sequence[Rating], *, key: str | None = None) -> int:
        """Upsert by (user, movie); of repeated pairs the last wins. Returns the sequence number after the write.

        Raises:
            ConflictError: the key was used for other ratings.
            InvalidInputError: ids that are not valid Unicode, or numbers that are not finite; nothing is stored.
            StoreError: nothing is stored, or the message says that this is not known.
        """
        distinct = distinct_ratings(ratings)
        if key is not None:
            check_text("idempotency key", key)
        digest, now = digest_of(distinct) if key is not None else b"", self._clock()

        def put(connection: Connection) -> int:
            if key is not None:
                earlier = _sequence_of(connection, key, digest, now)
                if earlier is not None:
                    return earlier
            seq = self._log.next_seq(connection, len(distinct))
            changelog.put_ratings(connection, seq, distinct)
            if key is not None:
                connection.execute("INSERT INTO keys VALUES (%s, %s, %s, %s)", (stored(key), digest, seq, now))
            return seq

        return self._pool.write(put)

    def delete_rating(self, user_id: str, movie_id: str, timestamp: int) -> int:
        """Write a tombstone for (user, movie). Returns the sequence number."""
        return self.put_ratings([Rating(user_id, movie_id, None, timestamp)])

    def user(self, user_id: str) -> UserOverlay:
        """Everything stored about one user."""
        rows = self._pool.query(
            "SELECT u.version, u.erased, r.movie_id, r.rating, r.timestamp"
            " FROM users u LEFT JOIN ratings r ON r.user_id = u.user_id WHERE u.user_id = %s",
            (looked_up(user_id),),
        )
        if not rows:
            return UserOverlay()
        ratings = {
            movie_id: Rating(user_id, movie_id, *rest)
            for movie_id, *rest in ((restored(row[2]), *row[3:]) for row in rows if row[2] is not None)
        }
        return UserOverlay(rows[0][0], rows[0][1] is not None, ratings)

    def erase_user(self, user_id: str) -> int:
        """Delete a user's ratings, exposures and log entries, and mark the user as erased."""
        check_text("user id", user_id)
        user = stored(user_id)

        def erase(connection: Connection) -> int:
            seq = self._log.next_seq(connection, 1)
            connection.execute("DELETE FROM exposures WHERE user_id = %s", (user,))
            deleted = connection.execute("DELETE FROM ratings WHERE user_id = %s", (user,)).rowcount
            connection.execute("DELETE FROM log WHERE user_id = %s AND movie_id IS NOT NULL", (user,))
            if deleted:
                # Readers that have applied these ratings cannot undo them without the log, so they must reload.
                connection.execute("UPDATE state SET log_floor = %s", (seq,))
            connection.execute("INSERT INTO log (seq, user_id) VALUES (%s, %s)", (seq, user))
            connection.execute(
                "INSERT INTO users VALUES (%s, %s, %s) ON CONFLICT (user_id) DO UPDATE SET"
                " version = excluded.version, erased = excluded.erased",
                (user, seq, seq),
            )
            return seq

        return self._pool.write(erase)

    def ratings(self, *, batch: int = 50_000) -> Iterator[list[Rating]]:
        """All stored ratings, including tombstones, in batches from one consistent read."""
        statement = "SELECT user_id, movie_id, rating, timestamp FROM ratings"
        for rows in self._pool.stream(statement, batch=batch):
            yield [Rating(restored(user_id), restored(movie_id), *rest) for user_id, movie_id, *rest in rows]

    def erased_users(self) -> frozenset[str]:
        """Ids of all users ever erased."""
        rows = self._pool.query("SELECT user_id FROM users WHERE erased IS NOT NULL")
        return frozenset(restored(user_id) for (user_id,) in rows)

    # --- films ----------------------------------------------------------------------------------------------
    def put_movies(self, movies: Sequence[Movie], vectors: Sequence[MovieVector] = ()) -> int:
        """Add or replace movies. Vectors of their old records are replaced by these."""
        bodies = bodies_of(movies, vectors)

        def put(connection: Connection) -> int:
            seq = self._log.next_seq(connection, len(bodies))
            movie_rows.put(connection, seq, bodies)
            movie_rows.put_vectors(connection, vectors)
            return seq

        return self._pool.write(put)

    def delete_movie(self, movie_id: str) -> int:
        """Write a tombstone for a movie."""
        check_text("film id", movie_id)

        def delete(connection: Connection) -> int:
            seq = self._log.next_seq(connection, 1)
            movie_rows.put(connection, seq, [(movie_id, None)])
            return seq

        return self._pool.write(delete)

    def movies(self, only: Collection[str] | None = None) -> list[tuple[str, Movie | None]]:
        """All stored movies, or those with the given ids, in the order of their first write; None if deleted."""
        query, order = "SELECT movie_id, body FROM movies", " ORDER BY place"
        rows = self._pool.read(lambda connection: movie_rows.read(connection, query, order, only))
        return [(restored(movie_id), movie_of(body, self._pool.label)) for movie_id, body in rows]

    def put_vectors(self, vectors: Sequence[MovieVector]) -> int:
        """Add or replace vectors of movies, which need not be in the store."""
        for vector in vectors:
            check_vector(vector)
        return self._write_vectors(vectors)

    def delete_vector(self, movie_id: str, space: str) -> int:
        """Write a tombstone for a vector, which hides the snapshot's."""
        check_text("film id", movie_id)
        return self._write_vectors([MovieVector(movie_id, space, "", np.zeros(0, dtype=np.float32))])

    def _write_vectors(self, vectors: Sequence[MovieVector]) -> int:
        movie_ids = list(dict.fromkeys(vector.movie_id for vector in vectors))

        def put(connection: Connection) -> int:
            seq = self._log.next_seq(connection, len(movie_ids))
            movie_rows.log(connection, seq, movie_ids)
            movie_rows.put_vectors(connection, vectors)
            return seq

        return self._pool.write(put)

    def vectors(self, only: Collection[str] | None = None) -> list[MovieVector]:
        """All stored vectors, or those of the given movies."""
        query = "SELECT movie_id, space, encoder, body FROM vectors"
        rows = self._pool.read(lambda connection: movie_rows.read(connection, query, "", only))
        return [
            vector_of(restored(movie_id), restored(space), restored(encoder), body)
            for movie_id, space, encoder, body in rows
        ]

    # --- changes --------------------------------------------------------------------------------------------
    def seq(self) -> int:
        """The newest sequence number, in one round trip to the server."""
        return int(self._pool.query(_SEQ)[0][0])

    def changes(self, since: int) -> Changes:
        """The changes after sequence number `since`."""
        return self._pool.read(lambda connection: changelog.changes(connection, since))

    def compact(self, keep: int) -> None:
        """Delete all but the newest `keep` changes from the log. Writes do this automatically."""

        def drop(connection: Connection) -> None:
            changelog.drop_old_log(connection, changelog.Log(keep).next_seq(connection, 0) - keep)

        self._pool.write(drop)

    # --- exposures ------------------------------------------------------------------------------------------
    def log_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Record lists that were shown."""
        for shown in exposures:
            check_text("user id", shown.user_id)
        columns = [
            [stored(shown.user_id) for shown in exposures],
            [shown.timestamp for shown in exposures],
            [stored(shown.snapshot) for shown in exposures],
            [stored(shown.model) for shown in exposures],
            [json.dumps(shown.movie_ids) for shown in exposures],
        ]
        self._pool.write(
            lambda connection: connection.execute(
                "INSERT INTO exposures (user_id, timestamp, snapshot, model, movie_ids)"
                " SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[])",
                columns,
            )
        )

    def exposures(self, user_id: str, limit: int = 1000) -> list[Exposure]:
        """The newest lists shown to a user, newest first."""
        rows = self._pool.query(
            "SELECT timestamp, snapshot, model, movie_ids FROM exposures WHERE user_id = %s"
            " ORDER BY timestamp DESC, id DESC LIMIT %s",
            (looked_up(user_id), max(0, limit)),
        )
        return [
            Exposure(user_id, timestamp, restored(snapshot), restored(model), tuple(json.loads(shown)))
            for timestamp, snapshot, model, shown in rows
        ]

    # --- lifecycle ------------------------------------------------------------------------------------------
    def ping(self) -> None:
        """Raise `StoreError` unless the store can be read."""
        self.seq()

    def close(self) -> None:
        """Close the connections. Any later use raises `StoreError`."""
        self._pool.close()


def _sequence_of(connection: Connection, key: str, digest: bytes, now: float) -> int | None:
    """The sequence number of the earlier call with a key; None if there was none.

    Raises:
        ConflictError: it was for other ratings.
    """
    changelog.lock(connection)  # so that of two calls at the same time the second sees the first one's key
    connection.execute("DELETE FROM keys WHERE created < %s", (now - KEY_SECONDS,))
    row = connection.execute("SELECT digest, seq FROM keys WHERE key = %s", (stored(key),)).fetchone()
    if row is None:
        return None
    if row[0] != digest:
        raise key_conflict(key)
    return int(row[1])
