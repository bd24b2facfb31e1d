"""Ids in Unicode's form NFC, in a store that was written before they all were: a step of the schema's migration."""

from __future__ import annotations

import json

from matinee.data.ids import normalized
from matinee.databases.postgres import Connection
from matinee.stores.postgres.texts import restored, stored

# In any encoding of the server, of which only UTF-8 could normalize by itself.
_OTHER_THAN_ASCII = """{column} COLLATE "C" !~ '^[ -~]*$'"""
_PUT_RATING = """INSERT INTO ratings (user_id, movie_id, rating, timestamp, seq) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (user_id, movie_id) DO UPDATE SET rating = excluded.rating, timestamp = excluded.timestamp,
    seq = excluded.seq WHERE excluded.seq > ratings.seq"""
_PUT_USER = """INSERT INTO users SELECT %(new)s, version, erased FROM users WHERE user_id = %(old)s
    ON CONFLICT (user_id) DO UPDATE SET version = greatest(users.version, excluded.version),
    erased = greatest(users.erased, excluded.erased)"""
_PUT_MOVIE = """INSERT INTO movies (movie_id, place, body, seq) VALUES (%s, %s, %s, %s)
    ON CONFLICT (movie_id) DO UPDATE SET body = excluded.body, seq = excluded.seq WHERE excluded.seq > movies.seq"""
_PUT_VECTORS = """INSERT INTO vectors SELECT %(new)s, space, encoder, body FROM vectors WHERE movie_id = %(old)s
    ON CONFLICT DO NOTHING"""


def normalize_ids(connection: Connection) -> None:
    """Bring all ids to NFC. Of two entries that were apart before, the newer one stays."""
    users = _odd(connection, "user_id", "users", "ratings", "exposures")
    movies = _odd(connection, "movie_id", "movies", "vectors", "ratings")
    if not users and not movies:
        return
    ratings = connection.execute(
        "DELETE FROM ratings WHERE user_id = ANY(%s) OR movie_id = ANY(%s)"
        " RETURNING user_id, movie_id, rating, timestamp, seq",
        (list(users), list(movies)),
    ).fetchall()
    for user_id, movie_id, *values in ratings:
        new = users.get(user_id, user_id), movies.get(movie_id, movie_id)
        connection.execute(_PUT_RATING, (*new, *values))
    for old, new_id in users.items():
        pair = {"old": old, "new": new_id}
        connection.execute(_PUT_USER, pair)
        connection.execute("DELETE FROM users WHERE user_id = %(old)s", pair)
        connection.execute("UPDATE exposures SET user_id = %(new)s WHERE user_id = %(old)s", pair)
    for old, new_id in movies.items():
        pair = {"old": old, "new": new_id}
        held = connection.execute("DELETE FROM movies WHERE movie_id = %(old)s RETURNING place, body, seq", pair)
        for place, body, seq in held.fetchall():
            connection.execute(_PUT_MOVIE, (new_id, place, _renamed(body, new_id), seq))
        connection.execute(_PUT_VECTORS, pair)
        connection.execute("DELETE FROM vectors WHERE movie_id = %(old)s", pair)
    # What readers have applied under the old ids cannot be told by the log: they read all again.
    connection.execute("DELETE FROM log")
    connection.execute("UPDATE state SET seq = seq + 1, log_floor = seq + 1")


def _odd(connection: Connection, column: str, *tables: str) -> dict[str, str]:
    """Ids that are not in NFC, as they are stored → as they should be."""
    odd = _OTHER_THAN_ASCII.format(column=column)
    # Names of this file, not given by anybody.
    parts = " UNION ".join(f"SELECT {column} FROM {table} WHERE {odd}" for table in tables)
    rows = connection.execute(parts.encode()).fetchall()
    return {old: normalized(old) for (old,) in rows if normalized(old) != old}


def _renamed(body: str | None, movie_id: str) -> str | None:
    """The body of a movie with another id; None: a tombstone."""
    if body is None:
        return None
    return stored(json.dumps(json.loads(restored(body)) | {"movie_id": restored(movie_id)}, ensure_ascii=False))
