"""The change log of the embedded store. All functions run inside the caller's transaction."""

from __future__ import annotations

import sqlite3

from matinee.stores.base import Changes, Rating, RatingChange

KEEP_LOG = 200_000
"""Minimum number of changes in the log (about 60 bytes each)."""


def next_seq(connection: sqlite3.Connection, count: int) -> int:
    """Allocate `count` sequence numbers and return the last one."""
    connection.execute("UPDATE state SET seq = seq + ?", (count,))
    return int(connection.execute("SELECT seq FROM state").fetchone()[0])


def drop_old_log(connection: sqlite3.Connection, keep: int, slack: int) -> None:
    """Delete all but the newest `keep` entries, once there are at least `slack` more."""
    seq, floor = connection.execute("SELECT seq, log_floor FROM state").fetchone()
    if seq - floor >= keep + slack:
        connection.execute("DELETE FROM log WHERE seq <= ?", (seq - keep,))
        connection.execute("UPDATE state SET log_floor = ?", (seq - keep,))


def put_ratings(connection: sqlite3.Connection, ratings: list[Rating]) -> int:
    """Log and upsert distinct ratings. Returns the newest sequence number."""
    seq = next_seq(connection, len(ratings))
    first = seq - len(ratings) + 1
    rows = [(first + i, r.user_id, r.movie_id, r.rating, r.timestamp) for i, r in enumerate(ratings)]
    # The log comes first, because it reads the previous values from the table.
    connection.executemany(
        "INSERT INTO log SELECT ?1, ?2, ?3, r.user_id IS NOT NULL, r.rating, ?4, ?5"
        " FROM state LEFT JOIN ratings r ON r.user_id = ?2 AND r.movie_id = ?3",
        rows,
    )
    connection.executemany(
        "INSERT INTO ratings VALUES (?2, ?3, ?4, ?5, ?1) ON CONFLICT DO UPDATE SET"
        " rating = excluded.rating, timestamp = excluded.timestamp, seq = excluded.seq",
        rows,
    )
    connection.executemany(
        "INSERT INTO users (user_id, version) VALUES (?, ?) ON CONFLICT DO UPDATE SET version = excluded.version",
        list({row[1]: row[0] for row in rows}.items()),
    )
    return seq


def all_changes(connection: sqlite3.Connection, seq: int) -> Changes:
    """The whole content of the store, as changes of an empty one."""
    rows = connection.execute("SELECT seq, user_id, movie_id, 0, NULL, rating, timestamp FROM ratings ORDER BY seq")
    ratings = tuple(
        RatingChange(n, user_id, movie_id, False, None, after, timestamp)
        for n, user_id, movie_id, _, _, after, timestamp in rows
    )
    users = connection.execute("SELECT user_id, erased FROM users").fetchall()
    movies = connection.execute("SELECT movie_id FROM movies UNION SELECT movie_id FROM vectors").fetchall()
    return Changes(
        seq,
        users=frozenset(row[0] for row in users),
        movies=frozenset(row[0] for row in movies),
        ratings=ratings,
        erased=frozenset(row[0] for row in users if row[1] is not None),
        complete=False,
    )


def changes(connection: sqlite3.Connection, since: int) -> Changes:
    """Changes after `since`; the whole content if the log does not reach back that far or `since` is in the future."""
    seq, floor = connection.execute("SELECT seq, log_floor FROM state").fetchone()
    if since == seq:
        return Changes(seq)
    if not floor <= since < seq:
        return all_changes(connection, seq)
    rows = connection.execute(
        "SELECT seq, user_id, movie_id, known_before, before, after, timestamp FROM log WHERE seq > ?", (since,)
    ).fetchall()
    ratings = tuple(
        RatingChange(n, user_id, movie_id, bool(known_before), before, after, timestamp)
        for n, user_id, movie_id, known_before, before, after, timestamp in rows
        if user_id is not None and movie_id is not None
    )
    return Changes(
        seq,
        users=frozenset(row[1] for row in rows if row[1] is not None),
        movies=frozenset(row[2] for row in rows if row[1] is None),
        ratings=ratings,
        erased=frozenset(row[1] for row in rows if row[2] is None),
    )
