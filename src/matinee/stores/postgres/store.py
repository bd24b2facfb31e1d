"""The store on a PostgreSQL server: one schema per data set, any number of processes and machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import psycopg

from matinee.databases.postgres import Connection, Pool, quoted
from matinee.errors import ReadOnlyError
from matinee.stores.base import RECORD_SPACES, MovieState, MovieVector, Rating
from matinee.stores.group_commit import Job
from matinee.stores.postgres import schema
from matinee.stores.postgres.texts import restored, stored
from matinee.stores.records import KEEP_LOG, bytes_of
from matinee.stores.sql import EXPOSURE, Bodies, Row, SqlStore
from matinee.stores.write_health import WriteHealth

CHUNK = 10_000
"""Rows of one statement, so that it stays well below the time limit."""
FETCH = 50_000
"""Rows fetched at a time when a whole table is read."""
VECTOR_BYTES = 8 << 20
"""Vectors of one statement."""

# The parts of one statement see the tables as they were before it, so that the log gets the previous values.
_PUT_RATINGS = """
    WITH given AS MATERIALIZED (
        SELECT user_id, movie_id, rating, timestamp, %s::bigint + place AS seq
        FROM unnest(%s::text[], %s::text[], %s::float8[], %s::bigint[]) WITH ORDINALITY
            AS given (user_id, movie_id, rating, timestamp, place)
    ), logged AS (
        INSERT INTO log SELECT g.seq, g.user_id, g.movie_id, r.user_id IS NOT NULL, r.rating, g.rating, g.timestamp,
            coalesce(lag(g.seq) OVER (PARTITION BY g.user_id ORDER BY g.seq), u.version)
        FROM given g LEFT JOIN ratings r ON r.user_id = g.user_id AND r.movie_id = g.movie_id
            LEFT JOIN users u ON u.user_id = g.user_id
    ), rated AS (
        INSERT INTO ratings SELECT user_id, movie_id, rating, timestamp, seq FROM given
        ON CONFLICT (user_id, movie_id) DO UPDATE
        SET rating = excluded.rating, timestamp = excluded.timestamp, seq = excluded.seq
    )
    INSERT INTO users SELECT user_id, max(seq) FROM given GROUP BY user_id
    ON CONFLICT (user_id) DO UPDATE SET version = excluded.version"""
_DROP_STATES = """
    DELETE FROM states s USING unnest(%s::text[], %s::text[], %s::text[]) AS given (user_id, state, movie_id)
    WHERE s.user_id = given.user_id AND s.state = given.state AND s.movie_id = given.movie_id"""
_PUT_STATES = """
    INSERT INTO states SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
    ON CONFLICT (user_id, state, movie_id) DO UPDATE SET timestamp = excluded.timestamp"""
_PUT_MOVIES = """
    WITH given AS MATERIALIZED (
        SELECT movie_id, body, %s::bigint + place AS seq
        FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS given (movie_id, body, place)
    ), logged AS (
        INSERT INTO log (seq, movie_id) SELECT seq, movie_id FROM given
    ), dropped AS (
        DELETE FROM vectors v USING given g
        WHERE v.movie_id = g.movie_id AND g.body IS NOT NULL AND v.space = ANY(%s::text[])
    )
    INSERT INTO movies SELECT movie_id, seq, body, seq FROM given
    ON CONFLICT (movie_id) DO UPDATE SET body = excluded.body, seq = excluded.seq"""
_LOG_MOVIES = """
    INSERT INTO log (seq, movie_id) SELECT %s::bigint + place, movie_id
    FROM unnest(%s::text[]) WITH ORDINALITY AS given (movie_id, place)"""
_PUT_VECTORS = """
    INSERT INTO vectors SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[])
    ON CONFLICT (movie_id, space) DO UPDATE SET encoder = excluded.encoder, body = excluded.body"""
_PUT_EXPOSURES = f"""
    INSERT INTO exposures ({EXPOSURE})
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[],
        %s::text[], %s::bigint[]) AS given ({EXPOSURE})
    WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = given.user_id AND u.erased > given.seq)"""


class PostgresStore(SqlStore[Connection]):
    """A `Store` on a PostgreSQL server. Open it after forking, not before. `close()` it when done.

    A commit first locks the row that holds the sequence number.

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

    STATE = SqlStore.STATE + " FOR UPDATE"

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
        self._pool = Pool(url, user, password, timeout, quoted(name))
        self._health = WriteHealth(self._look_at_writes)
        super().__init__(self._pool, keep_log, clock)
        try:
            schema.prepare(self._pool, name)
        except BaseException:
            self._pool.close()
            raise

    def _by_statement(self, cause: BaseException | None) -> bool:
        # 57: the server stops, or is too slow.
        return isinstance(cause, psycopg.Error) and cause.sqlstate is not None and cause.sqlstate[:2] != "57"

    # --- reading --------------------------------------------------------------------------------------------
    def ratings(self, *, batch: int = 50_000) -> Iterator[list[Rating]]:
        """All stored ratings, including tombstones, in batches from one consistent read."""
        statement = "SELECT user_id, movie_id, rating, timestamp FROM ratings"
        for rows in self._pool.stream(statement, batch=batch):
            yield [Rating(*row) for row in self._restored(rows, 0, 1)]

    def _rows(self, connection: Connection, statement: str) -> Iterator[Row]:
        # Fetched in parts: the time limit is for each of them.
        with connection.cursor(name="rows") as cursor:
            cursor.itersize = FETCH
            yield from cursor.execute(statement)

    def _of_movies(self, columns: str, table: str, only: Collection[str] | None) -> list[Row]:
        query = f"SELECT {columns} FROM {table}"
        if only is None:
            return self._pool.read(lambda connection: list(self._rows(connection, query)))
        movie_ids = [self._looked_up(movie_id) for movie_id in only]
        return self._pool.query(f"{query} WHERE movie_id = ANY(%s::text[])", (movie_ids,))

    def _stored(self, text: str) -> str:
        return stored(text)

    def _restored(self, rows: Iterable[Row], *columns: int) -> Iterator[Row]:
        for row in rows:
            values = list(row)
            for column in columns:
                if row[column] is not None:
                    values[column] = restored(row[column])
            yield tuple(values)

    # --- writing --------------------------------------------------------------------------------------------
    def write_problem(self) -> ReadOnlyError | None:
        """Why nothing can be written now, though it can be read."""
        return self._health.problem()

    def _look_at_writes(self, known: ReadOnlyError | None) -> None:
        ((refuses,),) = self._pool.query(
            "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
        )
        if refuses or known is not None:
            self._pool.write(lambda connection: connection.execute("UPDATE state SET seq = seq"))

    def _commit(self, jobs: Sequence[Job[Connection, Any]]) -> None:
        try:
            super()._commit(jobs)
        except ReadOnlyError as error:
            self._health.note(error)
            raise
        self._health.note(None)

    def _put_ratings(self, connection: Connection, seq: int, ratings: Sequence[Rating]) -> None:
        before = seq - len(ratings)
        for start in range(0, len(ratings), CHUNK):
            part = ratings[start : start + CHUNK]
            connection.execute(
                _PUT_RATINGS,
                (
                    before + start,
                    [stored(r.user_id) for r in part],
                    [stored(r.movie_id) for r in part],
                    [None if r.rating is None else float(r.rating) for r in part],
                    [r.timestamp for r in part],
                ),
            )

    def _put_states(self, connection: Connection, states: Sequence[MovieState]) -> None:
        for start in range(0, len(states), CHUNK):
            part = states[start : start + CHUNK]
            gone = [one for one in part if one.timestamp is None]
            if gone:
                connection.execute(_DROP_STATES, _columns(gone))
            there = [one for one in part if one.timestamp is not None]
            if there:
                connection.execute(_PUT_STATES, (*_columns(there), [one.timestamp for one in there]))

    def _put_movies(self, connection: Connection, seq: int, bodies: Bodies) -> None:
        before = seq - len(bodies)
        for start in range(0, len(bodies), CHUNK):
            part = bodies[start : start + CHUNK]
            ids, texts = [stored(movie_id) for movie_id, _ in part], [body for _, body in part]
            connection.execute(_PUT_MOVIES, (before + start, ids, texts, list(RECORD_SPACES)))

    def _log_movies(self, connection: Connection, seq: int, movie_ids: Sequence[str]) -> None:
        connection.execute(_LOG_MOVIES, (seq - len(movie_ids), [stored(movie_id) for movie_id in movie_ids]))

    def _put_vectors(self, connection: Connection, vectors: Sequence[MovieVector]) -> None:
        last = list({(vector.movie_id, vector.space): vector for vector in vectors}.values())
        size = max(1, VECTOR_BYTES // max([1, *(vector.values.nbytes for vector in last)]))
        for start in range(0, len(last), size):
            part = last[start : start + size]
            values = (
                [stored(v.movie_id) for v in part],
                [stored(v.space) for v in part],
                [stored(v.encoder) for v in part],
                [bytes_of(v) if len(v.values) else None for v in part],
            )
            connection.execute(_PUT_VECTORS, values)

    def _put_exposures(self, connection: Connection, rows: Sequence[Row]) -> None:
        connection.execute(_PUT_EXPOSURES, [list(column) for column in zip(*rows, strict=True)])


def _columns(states: Sequence[MovieState]) -> tuple[list[str], list[str], list[str]]:
    """User, state and movie of each, as stored."""
    return (
        [stored(one.user_id) for one in states],
        [one.state for one in states],
        [stored(one.movie_id) for one in states],
    )
