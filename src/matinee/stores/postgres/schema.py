"""The schema of the PostgreSQL store, as numbered steps.

Step n (1-based) migrates from version n−1 to n. Released steps are never edited: to change the schema, add a step.
"""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from matinee.databases.postgres import Connection, Pool, advisory_lock, fitting, patient
from matinee.errors import StoreError
from matinee.stores.postgres.normal_ids import normalize_ids
from matinee.stores.postgres.texts import stored

# Ids compare by their bytes (COLLATE "C"), in every database alike.
MIGRATIONS: tuple[tuple[str | Callable[[Connection], None], ...], ...] = (
    (
        # One row: the newest sequence number, and the number up to which the log has been dropped. Every write locks
        # it first, so that sequence numbers are committed in order.
        """CREATE TABLE state (
            id smallint PRIMARY KEY CHECK (id = 1), seq bigint NOT NULL, log_floor bigint NOT NULL)""",
        "INSERT INTO state VALUES (1, 0, 0)",
        # version: sequence number of the user's last change; erased: of the last erasure, NULL for never.
        'CREATE TABLE users (user_id text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, erased bigint)',
        # rating NULL: a tombstone.
        """CREATE TABLE ratings (
            user_id text COLLATE "C" NOT NULL, movie_id text COLLATE "C" NOT NULL, rating double precision,
            timestamp bigint NOT NULL, seq bigint NOT NULL, PRIMARY KEY (user_id, movie_id))""",
        # place: sequence number of the first write, for the order; body NULL: a tombstone.
        """CREATE TABLE movies (
            movie_id text COLLATE "C" PRIMARY KEY, place bigint NOT NULL, body text, seq bigint NOT NULL)""",
        # A rating change names user and film, an erasure the user alone, a film's change the film alone.
        """CREATE TABLE log (
            seq bigint PRIMARY KEY, user_id text COLLATE "C", movie_id text COLLATE "C",
            known_before boolean NOT NULL DEFAULT false, before double precision, after double precision,
            timestamp bigint NOT NULL DEFAULT 0)""",
        """CREATE TABLE keys (
            key text COLLATE "C" PRIMARY KEY, digest bytea NOT NULL, seq bigint NOT NULL,
            created double precision NOT NULL)""",
        "CREATE INDEX keys_created ON keys (created)",
        """CREATE TABLE exposures (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text COLLATE "C" NOT NULL,
            timestamp bigint NOT NULL, snapshot text NOT NULL, model text NOT NULL, movie_ids text NOT NULL)""",
        "CREATE INDEX exposures_user ON exposures (user_id, timestamp, id)",
        # Raw vectors of films, little-endian float32, and which encoder made them; body NULL: a tombstone.
        """CREATE TABLE vectors (
            movie_id text COLLATE "C" NOT NULL, space text COLLATE "C" NOT NULL, encoder text NOT NULL, body bytea,
            PRIMARY KEY (movie_id, space))""",
    ),
    (
        # How far streamed imports have come, as JSON, and when that was (seconds since 1970).
        """CREATE TABLE imports (
            key text COLLATE "C" PRIMARY KEY, body text NOT NULL, updated double precision NOT NULL)""",
    ),
    (
        # What the log has about one user is a chain, which an erasure follows: from the user's version, which is the
        # number of the last entry, to the entry before. An index would cost a fifth of the writes in a second.
        "ALTER TABLE log ADD COLUMN previous bigint",
        """UPDATE log SET previous = linked.previous FROM (
            SELECT seq, lag(seq) OVER (PARTITION BY user_id ORDER BY seq) AS previous FROM log
            WHERE user_id IS NOT NULL) AS linked WHERE linked.seq = log.seq""",
    ),
    (
        # Seen, on the watchlist, not interesting; timestamp in seconds since 1970.
        """CREATE TABLE states (
            user_id text COLLATE "C" NOT NULL, state text COLLATE "C" NOT NULL, movie_id text COLLATE "C" NOT NULL,
            timestamp bigint NOT NULL, PRIMARY KEY (user_id, state, movie_id))""",
    ),
    (normalize_ids,),
    (
        # Of lists that experiments serve. details: JSON of how the places were filled, '' where nothing was drawn;
        # seq: the sequence number up to which the list includes what was written.
        """ALTER TABLE exposures ADD COLUMN experiment text NOT NULL DEFAULT '',
            ADD COLUMN arm text NOT NULL DEFAULT '', ADD COLUMN details text NOT NULL DEFAULT '',
            ADD COLUMN seq bigint NOT NULL DEFAULT 0""",
        "CREATE INDEX exposures_time ON exposures (timestamp, id)",
    ),
    (
        # Moments at which trainings began: what they learned from is known by the token; created in seconds since 1970.
        "CREATE TABLE marks (token text PRIMARY KEY, seq bigint NOT NULL, created double precision NOT NULL)",
    ),
)


def schema_name(dataset: str) -> str:
    """The schema of a data set: `matinee_DATASET`."""
    return fitting(f"matinee_{stored(dataset)}")


def prepare(pool: Pool, schema: str) -> None:
    """Create the schema, or migrate it to the newest version, in one transaction under a lock.

    A schema that is up to date is not written to, so that a read-only server will do for reading.

    Raises:
        StoreError: the server cannot answer, or the schema is of a newer Matinee or another program.
    """
    if pool.read(lambda connection: _version(connection, pool, schema)) == len(MIGRATIONS):
        return

    def migrate(connection: Connection) -> None:
        with patient(connection), advisory_lock(connection, schema):
            # Another process may have migrated while this one waited for the lock.
            version = _version(connection, pool, schema)
            if version == len(MIGRATIONS):
                return
            if version == 0:
                connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
                connection.execute("CREATE TABLE schema_version (version integer NOT NULL)")
                connection.execute("INSERT INTO schema_version VALUES (0)")
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    if callable(statement):
                        statement(connection)
                    else:
                        connection.execute(statement)
            connection.execute("UPDATE schema_version SET version = %s", (len(MIGRATIONS),))

    pool.write(migrate)


def _version(connection: Connection, pool: Pool, schema: str) -> int:
    """The version of a schema; 0: absent or empty."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
    if not tables:
        return 0
    if ("schema_version",) not in tables:
        raise StoreError(
            f"The schema {schema} of {pool.label} is of another program.",
            "Name another database in MATINEE_STORE_URL. Nothing was changed.",
        )
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    version = 0 if row is None else int(row[0])
    if version > len(MIGRATIONS):
        raise StoreError(
            f"The schema {schema} of {pool.label} was written by a newer Matinee"
            f" (version {version}, this one supports {len(MIGRATIONS)}).",
            "Update Matinee, or name another database in MATINEE_STORE_URL.",
        )
    return version
