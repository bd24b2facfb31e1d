"""Ratings and the change log of the PostgreSQL store. All functions run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matinee.databases.postgres import Connection, Row
from matinee.stores.base import Changes, Rating
from matinee.stores.postgres.texts import restored, stored
from matinee.stores.records import logged_changes, whole_content

CHUNK = 10_000
"""Rows of one statement, so that it stays well below the time limit."""
FETCH = 50_000
"""Rows fetched at a time when a whole table is read."""

# The parts of one statement see the tables as they were before it, so that the log gets the previous values.
_PUT_RATINGS = """
    WITH given AS MATERIALIZED (
        SELECT user_id, movie_id, rating, timestamp, %s::bigint + place AS seq
        FROM unnest(%s::text[], %s::text[], %s::float8[], %s::bigint[]) WITH ORDINALITY
            AS given (user_id, movie_id, rating, timestamp, place)
    ), logged AS (
        INSERT INTO log SELECT g.seq, g.user_id, g.movie_id, r.user_id IS NOT NULL, r.rating, g.rating, g.timestamp
        FROM given g LEFT JOIN ratings r ON r.user_id = g.user_id AND r.movie_id = g.movie_id
    ), rated AS (
        INSERT INTO ratings SELECT user_id, movie_id, rating, timestamp, seq FROM given
        ON CONFLICT (user_id, movie_id) DO UPDATE
        SET rating = excluded.rating, timestamp = excluded.timestamp, seq = excluded.seq
    )
    INSERT INTO users SELECT user_id, max(seq) FROM given GROUP BY user_id
    ON CONFLICT (user_id) DO UPDATE SET version = excluded.version"""


@dataclass(frozen=True)
class Log:
    """How much of the log is kept.

    Attributes:
        keep: minimum number of changes in it.
    """

    keep: int

    def next_seq(self, connection: Connection, count: int) -> int:
        """Allocate `count` sequence numbers and return the last one.

        Must come before what the transaction reads, if `lock` does not: it makes other writers wait until the commit,
        so that no reader sees a number before the ones below it, and what is read cannot change.
        """
        row = connection.execute("UPDATE state SET seq = seq + %s RETURNING seq, log_floor", (count,)).fetchone()
        assert row is not None
        seq, floor = row
        if seq - floor >= self.keep + max(1, self.keep // 100) + count:
            drop_old_log(connection, seq - count - self.keep)
        return int(seq)


def lock(connection: Connection) -> None:
    """Make other writers wait until the end of the transaction."""
    connection.execute("SELECT FROM state FOR UPDATE")


def drop_old_log(connection: Connection, floor: int) -> None:
    """Delete the changes up to a sequence number."""
    connection.execute("DELETE FROM log WHERE seq <= %s", (floor,))
    connection.execute("UPDATE state SET log_floor = %s WHERE log_floor < %s", (floor, floor))


def put_ratings(connection: Connection, seq: int, ratings: list[Rating]) -> None:
    """Log and upsert distinct ratings, of which the last gets the sequence number `seq`."""
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


def rows(connection: Connection, statement: str) -> Iterator[Row]:
    """Rows of a whole table, fetched in parts: the time limit is for each of them."""
    with connection.cursor(name="rows") as cursor:
        cursor.itersize = FETCH
        yield from cursor.execute(statement)


def all_changes(connection: Connection, seq: int) -> Changes:
    """The whole content of the store, as changes of an empty one."""
    ratings = rows(connection, "SELECT seq, user_id, movie_id, rating, timestamp FROM ratings ORDER BY seq")
    users = rows(connection, "SELECT user_id, erased FROM users")
    movies = rows(connection, "SELECT movie_id FROM movies UNION SELECT movie_id FROM vectors")
    return whole_content(
        seq,
        ((n, restored(user_id), restored(movie_id), *rest) for n, user_id, movie_id, *rest in ratings),
        [(restored(user_id), erased) for user_id, erased in users],
        [restored(movie_id) for (movie_id,) in movies],
    )


def changes(connection: Connection, since: int) -> Changes:
    """Changes after `since`; the whole content if the log does not reach back that far or `since` is in the future."""
    row = connection.execute("SELECT seq, log_floor FROM state").fetchone()
    assert row is not None
    seq, floor = row
    if since == seq:
        return Changes(seq)
    if not floor <= since < seq:
        return all_changes(connection, seq)
    logged = connection.execute(
        "SELECT seq, user_id, movie_id, known_before, before, after, timestamp FROM log WHERE seq > %s ORDER BY seq",
        (since,),
    )
    return logged_changes(
        seq,
        [
            (n, None if user_id is None else restored(user_id), None if movie_id is None else restored(movie_id), *rest)
            for n, user_id, movie_id, *rest in logged
        ],
    )
