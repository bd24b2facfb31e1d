"""Movies and their vectors in the PostgreSQL store. All functions run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from matinee.databases.postgres import Connection, Row
from matinee.stores.base import RECORD_SPACES, MovieVector
from matinee.stores.postgres.changelog import CHUNK, rows
from matinee.stores.postgres.texts import looked_up, stored
from matinee.stores.records import bytes_of

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
_LOG = """
    INSERT INTO log (seq, movie_id) SELECT %s::bigint + place, movie_id
    FROM unnest(%s::text[]) WITH ORDINALITY AS given (movie_id, place)"""
_PUT_VECTORS = """
    INSERT INTO vectors SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[])
    ON CONFLICT (movie_id, space) DO UPDATE SET encoder = excluded.encoder, body = excluded.body"""
VECTOR_BYTES = 8 << 20
"""Vectors of one statement."""


def put(connection: Connection, seq: int, bodies: Sequence[tuple[str, str | None]]) -> None:
    """Upsert and log movies (id, JSON; None for a tombstone), of which the last gets the sequence number `seq`."""
    before = seq - len(bodies)
    for start in range(0, len(bodies), CHUNK):
        part = bodies[start : start + CHUNK]
        ids, texts = [stored(movie_id) for movie_id, _ in part], [body for _, body in part]
        connection.execute(_PUT_MOVIES, (before + start, ids, texts, list(RECORD_SPACES)))


def log(connection: Connection, seq: int, movie_ids: Sequence[str]) -> None:
    """Log changes of movies, of which the last gets the sequence number `seq`."""
    connection.execute(_LOG, (seq - len(movie_ids), [stored(movie_id) for movie_id in movie_ids]))


def put_vectors(connection: Connection, vectors: Sequence[MovieVector]) -> None:
    """Upsert vectors; one without values is a tombstone. Of each movie and space the last wins."""
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


def read(connection: Connection, query: str, order: str, only: Collection[str] | None) -> list[Row]:
    """Rows of a query over movies: all of them, or those of the given movies."""
    if only is None:
        return list(rows(connection, query + order))
    movie_ids = [looked_up(movie_id) for movie_id in only]
    return connection.execute(f"{query} WHERE movie_id = ANY(%s::text[]){order}", (movie_ids,)).fetchall()
