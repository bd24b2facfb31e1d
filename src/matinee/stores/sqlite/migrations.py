"""The schema of the embedded store, as numbered steps.

Step n (1-based) migrates a database from `user_version` n−1 to n. Released steps are never edited: to change the
schema, add a step.
"""

from __future__ import annotations

import sqlite3

from matinee.data.ids import normalized
from matinee.errors import StoreError

APPLICATION_ID = 0x4D54_4E45
"""Marks a SQLite file as Matinee's own ("MTNE")."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One row: the newest sequence number, and the number up to which the log has been dropped.
        "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, log_floor INTEGER NOT NULL)",
        "INSERT INTO state VALUES (1, 0, 0)",
        # version: sequence number of the user's last change; erased: of the last erasure, NULL for never.
        "CREATE TABLE users (user_id TEXT PRIMARY KEY, version INTEGER NOT NULL, erased INTEGER) WITHOUT ROWID",
        # rating NULL: a tombstone.
        """CREATE TABLE ratings (
            user_id TEXT NOT NULL, movie_id TEXT NOT NULL, rating REAL, timestamp INTEGER NOT NULL,
            seq INTEGER NOT NULL, PRIMARY KEY (user_id, movie_id)) WITHOUT ROWID""",
        # place: sequence number of the first write, for the order; body NULL: a tombstone.
        """CREATE TABLE movies (
            movie_id TEXT PRIMARY KEY, place INTEGER NOT NULL, body TEXT, seq INTEGER NOT NULL) WITHOUT ROWID""",
        # A rating change names user and film, an erasure the user alone, a film's change the film alone.
        """CREATE TABLE log (
            seq INTEGER PRIMARY KEY, user_id TEXT, movie_id TEXT, known_before INTEGER NOT NULL DEFAULT 0,
            before REAL, after REAL, timestamp INTEGER NOT NULL DEFAULT 0)""",
        """CREATE TABLE keys (
            key TEXT PRIMARY KEY, digest BLOB NOT NULL, seq INTEGER NOT NULL, created REAL NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX keys_created ON keys (created)",
        """CREATE TABLE exposures (
            id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, timestamp INTEGER NOT NULL, snapshot TEXT NOT NULL,
            model TEXT NOT NULL, movie_ids TEXT NOT NULL)""",
        "CREATE INDEX exposures_user ON exposures (user_id, timestamp, id)",
    ),
    (
        # Raw vectors of films, little-endian float32, and which encoder made them; body NULL: a tombstone.
        """CREATE TABLE vectors (
            movie_id TEXT NOT NULL, space TEXT NOT NULL, encoder TEXT NOT NULL, body BLOB,
            PRIMARY KEY (movie_id, space)) WITHOUT ROWID""",
    ),
    (
        # How far streamed imports have come, as JSON, and when that was (seconds since 1970).
        "CREATE TABLE imports (key TEXT PRIMARY KEY, body TEXT NOT NULL, updated REAL NOT NULL) WITHOUT ROWID",
    ),
    (
        # What the log has about one user is a chain, which an erasure follows: from the user's version, which is the
        # number of the last entry, to the entry before. An index would cost a fifth of the writes in a second.
        "ALTER TABLE log ADD COLUMN previous INTEGER",
        """UPDATE log SET previous = linked.previous FROM (
            SELECT seq, lag(seq) OVER (PARTITION BY user_id ORDER BY seq) AS previous FROM log
            WHERE user_id IS NOT NULL) AS linked WHERE linked.seq = log.seq""",
    ),
    (
        # Ids are in NFC from now on. Of two entries that were apart before, the newer one stays.
        """CREATE TEMP TABLE odd_users AS SELECT user_id AS old, nfc(user_id) AS new FROM users
            WHERE nfc(user_id) != user_id""",
        """CREATE TEMP TABLE odd_movies AS SELECT DISTINCT movie_id AS old, nfc(movie_id) AS new
            FROM (SELECT movie_id FROM movies UNION SELECT movie_id FROM vectors UNION SELECT movie_id FROM ratings)
            WHERE nfc(movie_id) != movie_id""",
        """INSERT INTO users SELECT new, max(version), max(erased) FROM users JOIN odd_users ON user_id = old
            GROUP BY new
            ON CONFLICT (user_id) DO UPDATE SET version = max(version, excluded.version),
            erased = max(coalesce(erased, excluded.erased), coalesce(excluded.erased, erased))""",
        """CREATE TEMP TABLE odd_ratings AS
            SELECT nfc(user_id) AS user_id, nfc(movie_id) AS movie_id, rating, timestamp, seq FROM ratings
            WHERE user_id IN (SELECT old FROM odd_users) OR movie_id IN (SELECT old FROM odd_movies)""",
        """DELETE FROM ratings
            WHERE user_id IN (SELECT old FROM odd_users) OR movie_id IN (SELECT old FROM odd_movies)""",
        """INSERT INTO ratings SELECT * FROM odd_ratings WHERE true ORDER BY seq
            ON CONFLICT (user_id, movie_id) DO UPDATE SET rating = excluded.rating, timestamp = excluded.timestamp,
            seq = excluded.seq WHERE excluded.seq > ratings.seq""",
        "DELETE FROM users WHERE user_id IN (SELECT old FROM odd_users)",
        "UPDATE exposures SET user_id = nfc(user_id) WHERE user_id IN (SELECT old FROM odd_users)",
        """INSERT INTO movies SELECT new, place, body, seq FROM movies JOIN odd_movies ON movie_id = old WHERE true
            ORDER BY seq ON CONFLICT (movie_id) DO UPDATE SET body = excluded.body, seq = excluded.seq
            WHERE excluded.seq > movies.seq""",
        "DELETE FROM movies WHERE movie_id IN (SELECT old FROM odd_movies)",
        """UPDATE movies SET body = json_set(body, '$.movie_id', movie_id)
            WHERE movie_id IN (SELECT new FROM odd_movies)""",
        """INSERT OR IGNORE INTO vectors SELECT new, space, encoder, vectors.body FROM vectors
            JOIN odd_movies ON movie_id = old""",
        "DELETE FROM vectors WHERE movie_id IN (SELECT old FROM odd_movies)",
        # What readers have applied under the old ids cannot be told by the log: they read all again.
        "DELETE FROM log WHERE EXISTS (SELECT 1 FROM odd_users) OR EXISTS (SELECT 1 FROM odd_movies)",
        """UPDATE state SET seq = seq + 1, log_floor = seq + 1
            WHERE EXISTS (SELECT 1 FROM odd_users) OR EXISTS (SELECT 1 FROM odd_movies)""",
        "DROP TABLE odd_users",
        "DROP TABLE odd_movies",
        "DROP TABLE odd_ratings",
    ),
    (
        # Seen, on the watchlist, not interesting; timestamp in seconds since 1970.
        """CREATE TABLE states (
            user_id TEXT NOT NULL, state TEXT NOT NULL, movie_id TEXT NOT NULL, timestamp INTEGER NOT NULL,
            PRIMARY KEY (user_id, state, movie_id)) WITHOUT ROWID""",
    ),
    (
        # Of lists that experiments serve. details: JSON of how the places were filled, '' where nothing was drawn;
        # seq: the sequence number up to which the list includes what was written.
        "ALTER TABLE exposures ADD COLUMN experiment TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE exposures ADD COLUMN arm TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE exposures ADD COLUMN details TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE exposures ADD COLUMN seq INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX exposures_time ON exposures (timestamp, id)",
    ),
    (
        # Moments at which trainings began: what they learned from is known by the token; created in seconds since 1970.
        "CREATE TABLE marks (token TEXT PRIMARY KEY, seq INTEGER NOT NULL, created REAL NOT NULL) WITHOUT ROWID",
    ),
)


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def check(connection: sqlite3.Connection, path: object) -> int:
    """The schema version of a database (0: new and empty).

    Raises:
        StoreError: the database belongs to another program or to a newer Matinee.
    """
    alone = not connection.in_transaction
    if alone:
        connection.execute("BEGIN")  # a consistent read, because another process may be creating the tables right now
    try:
        version = _number(connection, "user_version")
        owner = _number(connection, "application_id")
        tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    finally:
        if alone and connection.in_transaction:
            connection.execute("ROLLBACK")
    if owner != APPLICATION_ID and (owner or version or tables):
        raise StoreError(
            f"{path} is a database of another program.", "Choose another MATINEE_DATA_DIR. The file was not changed."
        )
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer Matinee (schema {version}, this one supports {len(MIGRATIONS)}).",
            "Update Matinee, or choose another MATINEE_DATA_DIR.",
        )
    return version


def migrate(connection: sqlite3.Connection, path: object) -> None:
    """Migrate a database to the newest schema, in one transaction under the exclusive lock.

    Args:
        connection: in autocommit mode (`isolation_level=None`).
        path: for messages.

    Raises:
        StoreError: see `check`.
        sqlite3.Error: the file cannot be written.
    """
    if check(connection, path) == len(MIGRATIONS):
        return
    connection.create_function("nfc", 1, normalized, deterministic=True)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        # Another process may have migrated while this one waited for the lock.
        version = check(connection, path)
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
