"""The change log of the embedded store. All functions run inside the caller's transaction."""

from __future__ import annotations

import sqlite3

from matinee.stores.base import Changes, Rating
from matinee.stores.records import logged_changes, whole_content


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
    movies = connection.execute("SELECT movie_id FROM movies UNION SELECT movie_id FROM vectors")
    return whole_content(
        seq,
        connection.execute("SELECT seq, user_id, movie_id, rating, timestamp FROM ratings ORDER BY seq"),
        connection.execute("SELECT user_id, erased FROM users"),
        (row[0] for row in movies),
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
    return logged_changes(seq, rows)
