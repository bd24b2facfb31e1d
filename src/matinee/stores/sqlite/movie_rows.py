"""Movies and their vectors in the embedded store.

Functions that take a connection run inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from matinee.stores.base import RECORD_SPACES, MovieVector
from matinee.stores.records import bytes_of
from matinee.stores.sqlite.changelog import next_seq


def put(
    connection: sqlite3.Connection, bodies: Sequence[tuple[str, str | None]], vectors: Sequence[MovieVector] = ()
) -> int:
    """Upsert movies (id, JSON; None for a tombstone) and their vectors. Returns the newest sequence number."""
    seq = next_seq(connection, len(bodies))
    numbers = range(seq - len(bodies) + 1, seq + 1)
    connection.executemany(
        "INSERT INTO movies VALUES (?1, ?2, ?3, ?2) ON CONFLICT DO UPDATE SET body = excluded.body, seq = excluded.seq",
        [(movie_id, number, body) for number, (movie_id, body) in zip(numbers, bodies, strict=True)],
    )
    log(connection, [(number, movie_id) for number, (movie_id, _) in zip(numbers, bodies, strict=True)])
    connection.executemany(
        "DELETE FROM vectors WHERE movie_id = ? AND space = ?",
        [(movie_id, space) for movie_id, body in bodies if body is not None for space in RECORD_SPACES],
    )
    _insert(connection, vectors)
    return seq


def put_vectors(connection: sqlite3.Connection, vectors: Sequence[MovieVector]) -> int:
    """Upsert vectors without changing their movies. Returns the newest sequence number."""
    films = list(dict.fromkeys(vector.movie_id for vector in vectors))
    seq = next_seq(connection, len(films))
    log(connection, list(zip(range(seq - len(films) + 1, seq + 1), films, strict=True)))
    _insert(connection, vectors)
    return seq


def delete_vector(connection: sqlite3.Connection, movie_id: str, space: str) -> int:
    """Write a tombstone, which hides the snapshot's vector. Returns the newest sequence number."""
    seq = next_seq(connection, 1)
    log(connection, [(seq, movie_id)])
    connection.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, '', NULL)", (movie_id, space))
    return seq


def log(connection: sqlite3.Connection, entries: Sequence[tuple[int, str]]) -> None:
    """Log changes of movies: (sequence number, movie id)."""
    connection.executemany("INSERT INTO log (seq, movie_id) VALUES (?, ?)", entries)


def _insert(connection: sqlite3.Connection, vectors: Sequence[MovieVector]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)",
        [(v.movie_id, v.space, v.encoder, bytes_of(v)) for v in vectors],
    )


def read(connection: sqlite3.Connection, columns: str, table: str, only: Collection[str | None] | None) -> list[Any]:
    """Rows of a table as tuples: all of them, or those of the given movies."""
    query = f"SELECT {columns} FROM {table}"
    if only is None:
        return connection.execute(query).fetchall()
    cursors = (connection.execute(f"{query} WHERE movie_id = ?", (movie_id,)) for movie_id in only)
    return [row for cursor in cursors for row in cursor]
