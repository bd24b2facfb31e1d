"""Search in a table of a PostgreSQL server with the extension pgvector (extra `postgres`).

The server finds candidates; their similarities are computed here, as those of every index (`scoring`). So the vectors
are on the server only, and what is found is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import psycopg
from numpy.typing import NDArray

from matinee.databases.postgres import Connection, Pool, advisory_lock, fitting, patient, quoted
from matinee.errors import InvalidInputError, StoreError
from matinee.indexes.base import (
    Found,
    Items,
    Mask,
    Vectors,
    check_added,
    check_k,
    check_known,
    check_mask,
    check_vectors,
    whole_numbers,
)
from matinee.indexes.exact import ExactIndex
from matinee.indexes.scoring import ranked
from matinee.settings import Settings

SCHEMA = "matinee_indexes"
MAX_DIM = {"exact": 16_000, "hnsw": 2000}
"""Values of a vector that pgvector stores, and that it indexes."""
MAX_PLAIN = 1900
"""Values of a vector that is stored within its row (a page has 8 KiB), since every search reads it."""
MARGIN = 10
"""Additional candidates, because the server adds in another order, and last bits differ."""
MAX_FETCH = 2**31
"""Items asked for at most; there are fewer."""
MIN_EFFORT = 200
MAX_EFFORT = 1000
"""Candidates that one search in the graph compares (`hnsw.ef_search`); pgvector allows no more than 1000."""
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_COPY_ROWS = 4096

Variant = Literal["exact", "hnsw"]
_Condition = tuple[str, list[object]]


class PgvectorIndex:
    """A `VectorIndex` in a table of its own. Thread-safe, and shared by all processes that open it.

    Args:
        settings: `store_url`, `store_user`, `store_password` and `store_timeout` count.
        name: of the table.
        items: int64, (n,), increasing, ≥ 0: the table is made anew; None: it is opened as it is.
        vectors: (n, dim); normalized to length 1.
        variant: `exact` compares all vectors, `hnsw` has a graph, which finds most of the nearest, faster where there
            are many. Of an index that is opened, it is what it was made with.

    Raises:
        StoreError: the server cannot answer, has no pgvector, or no such index.
        InvalidInputError: items or vectors that cannot be indexed.
    """

    kind: Literal["pgvector"] = "pgvector"

    def __init__(
        self,
        settings: Settings,
        name: str,
        items: Items | None = None,
        vectors: Vectors | None = None,
        *,
        variant: Variant = "exact",
    ) -> None:
        self.name = fitting(name)
        self._table = quoted(self.name)
        main = None if items is None or vectors is None else ExactIndex(items, vectors)
        if main is not None and main.dim > MAX_DIM[variant]:
            raise InvalidInputError(
                f"pgvector cannot hold vectors of {main.dim} values in an index of the variant {variant}.",
                f"Use at most {MAX_DIM[variant]}.",
            )
        self._pool = _open_pool(settings)
        try:
            if main is not None:
                self._pool.write(lambda connection: self._create(connection, main, variant))
            self.dim, self.variant = self._facts()
        except BaseException:
            self._pool.close()
            raise

    def _create(self, connection: Connection, main: ExactIndex, variant: Variant) -> None:
        with advisory_lock(connection, SCHEMA):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        connection.execute(f"DROP TABLE IF EXISTS {self._table}")
        connection.execute(f"CREATE TABLE {self._table} (item bigint PRIMARY KEY, vector vector({main.dim}) NOT NULL)")
        if main.dim <= MAX_PLAIN:
            connection.execute(f"ALTER TABLE {self._table} ALTER vector SET STORAGE PLAIN")
        with patient(connection):
            _copy(connection, self._table, main.items(), main.matrix)
            if variant == "hnsw":
                connection.execute(f"CREATE INDEX ON {self._table} USING hnsw (vector vector_ip_ops)")

    def _facts(self) -> tuple[int, Variant]:
        rows = self._pool.query(
            "SELECT a.atttypmod, EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_am m ON m.oid = c.relam WHERE i.indrelid = a.attrelid AND m.amname = 'hnsw')"
            " FROM pg_attribute a WHERE a.attrelid = to_regclass(%s) AND a.attname = 'vector'",
            (f"{SCHEMA}.{self._table}",),
        )
        if not rows:
            raise StoreError(
                f"{self._pool.label} has no index {self.name!r}.", "Make it: give its items and vectors when opening."
            )
        return int(rows[0][0]), "hnsw" if rows[0][1] else "exact"

    def __len__(self) -> int:
        return int(self._pool.query(f"SELECT count(*) FROM {self._table}")[0][0])

    def items(self) -> Items:
        """See `VectorIndex.items`."""
        rows = self._pool.query(f"SELECT item FROM {self._table} ORDER BY item")
        return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))

    def vectors(self, items: Items) -> Vectors:
        """See `VectorIndex.vectors`."""
        items = whole_numbers(items)
        wanted = np.unique(items)
        known, vectors = self._pool.read(lambda connection: self._vectors(connection, wanted))
        check_known(items, np.isin(items, known))
        return vectors[np.searchsorted(known, items)]

    def _vectors(self, connection: Connection, items: Items) -> tuple[Items, Vectors]:
        """Those of the items that there are, increasing, and their vectors."""
        rows = connection.execute(
            f"SELECT item, vector_send(vector) FROM {self._table} WHERE item = ANY(%s::bigint[]) ORDER BY item",
            (items.tolist(),),
            binary=True,
        ).fetchall()
        known = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        # Each has a head of two short numbers, then its values in network order.
        values = np.frombuffer(b"".join(row[1][4:] for row in rows), dtype=">f4")
        return known, values.reshape(len(rows), self.dim).astype(np.float32)

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> Found:
        """See `VectorIndex.search`."""
        queries = check_vectors(queries, self.dim)
        check_k(k)
        condition = _condition(None if allowed is None else check_mask(allowed))

        def search(connection: Connection) -> tuple[int, Items, Items, Vectors]:
            candidates = self._candidates(connection, queries, k, condition)
            width = k
            if len(queries) == 0 or bool((candidates[:, k - 1 : k] < 0).any()) or candidates.shape[1] < k:
                ((count,),) = connection.execute(f"SELECT count(*) FROM {self._table}")
                width = min(k, count)
            wanted = np.unique(candidates)
            return width, candidates, *self._vectors(connection, wanted[wanted >= 0])

        width, candidates, known, vectors = self._pool.read(search)
        return ranked(known, vectors, queries, candidates, width)

    def _candidates(self, connection: Connection, queries: Vectors, k: int, condition: _Condition) -> Items:
        """At least k items near each query if there are so many, (n_queries, ≥ 0), padded with −1."""
        fetch = min(k, MAX_FETCH) + MARGIN
        if self.variant == "hnsw" and 2 * fetch <= MAX_EFFORT:
            connection.execute(f"SET LOCAL hnsw.ef_search = {max(2 * fetch, MIN_EFFORT)}")
            found = self._nearest(connection, queries, fetch, condition, "")
            if found.shape[1] >= k and bool((found[:, k - 1] >= 0).all()):
                return found
        connection.execute("SET LOCAL enable_indexscan = off")
        return self._nearest(connection, queries, fetch, condition, ", item")

    def _nearest(self, connection: Connection, queries: Vectors, fetch: int, condition: _Condition, ties: str) -> Items:
        where, values = condition
        rows = connection.execute(
            # Materialized, since the text of a query would be read again for every row.
            "WITH q AS MATERIALIZED (SELECT number, text::vector AS query"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS given (text, number))"
            " SELECT q.number, found.item FROM q CROSS JOIN LATERAL"
            f" (SELECT item FROM {self._table} WHERE {where} ORDER BY vector <#> q.query{ties} LIMIT %s) found",
            ([str(query.tolist()) for query in queries], *values, fetch),
            binary=True,
        ).fetchall()
        pairs = np.array(rows, dtype=np.int64).reshape(-1, 2)
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        counts = np.bincount(pairs[:, 0] - 1, minlength=len(queries))
        found = np.full((len(queries), int(counts.max(initial=0))), -1, dtype=np.int64)
        found[np.arange(found.shape[1]) < counts[:, None]] = pairs[:, 1]
        return found

    def add(self, items: Items, vectors: Vectors) -> None:
        """See `VectorIndex.add`."""
        items, added = check_added(items, vectors, self.dim)
        if len(items) == 0:
            return

        def add(connection: Connection) -> None:
            connection.execute(f"CREATE TEMPORARY TABLE incoming (LIKE {self._table}) ON COMMIT DROP")
            _copy(connection, "incoming", items, added)
            # In order, so that two processes do not wait for each other.
            connection.execute(
                f"INSERT INTO {self._table} SELECT * FROM incoming ORDER BY item"
                " ON CONFLICT (item) DO UPDATE SET vector = excluded.vector"
            )

        self._pool.write(add)

    def delete(self, items: Items) -> None:
        """See `VectorIndex.delete`."""
        items = whole_numbers(items)
        if len(items) == 0:
            return

        def delete(connection: Connection) -> None:
            rows = connection.execute(
                f"DELETE FROM {self._table} WHERE item = ANY(%s::bigint[]) RETURNING item", (items.tolist(),)
            ).fetchall()
            check_known(items, np.isin(items, np.array(rows, dtype=np.int64)))

        self._pool.write(delete)

    def drop(self) -> None:
        """Delete the table."""
        self._pool.write(lambda connection: connection.execute(f"DROP TABLE IF EXISTS {self._table}"))

    def close(self) -> None:
        """Close the connections. Any later use raises `StoreError`."""
        self._pool.close()


def _open_pool(settings: Settings) -> Pool:
    """Connections that see the types of pgvector, in whatever schema they are."""

    def pool(*schemas: str) -> Pool:
        path = ", ".join(map(quoted, (SCHEMA, *schemas)))
        return Pool(settings.store_url, settings.store_user, settings.store_password, settings.store_timeout, path)

    query = (
        "SELECT n.nspname::text FROM pg_extension e, pg_namespace n WHERE n.oid = extnamespace AND extname = 'vector'"
    )
    first = pool("public")
    try:
        rows = first.query(query)
        if not rows:
            first.write(_create_extension(first.label))
            rows = first.query(query)
        return pool(rows[0][0])
    finally:
        first.close()


def _create_extension(label: str) -> Callable[[Connection], None]:
    def create(connection: Connection) -> None:
        with advisory_lock(connection, "vector"):
            try:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile) as error:
                raise StoreError(
                    f"{label} has no pgvector.", "Install it on the server (Debian: postgresql-VERSION-pgvector)."
                ) from error
            except psycopg.errors.InsufficientPrivilege as error:
                raise StoreError(
                    f"The extension pgvector is not active in {label}.",
                    "Run CREATE EXTENSION vector there, as a superuser.",
                ) from error

    return create


def _condition(mask: Mask | None) -> _Condition:
    """The condition on rows that a mask over item numbers means, and its values: its bits, the lowest first."""
    if mask is None:
        return "true", []
    bits = np.packbits(mask, bitorder="little").tobytes()
    return "CASE WHEN item < %s THEN get_bit(%s::bytea, item) = 1 ELSE false END", [len(mask), bits]


def _copy(connection: Connection, table: str, items: Items, vectors: Vectors) -> None:
    """Write rows in the binary format of COPY, in which a vector is its width, a zero and its values."""
    dim = vectors.shape[1]
    row = np.dtype(
        [
            ("n", ">i2"),
            ("size", ">i4"),
            ("item", ">i8"),
            ("bytes", ">i4"),
            ("dim", ">i2"),
            ("zero", ">i2"),
            ("values", ">f4", (dim,)),
        ]
    )
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_COPY_HEADER)
        for start in range(0, len(items), _COPY_ROWS):
            part = items[start : start + _COPY_ROWS]
            block: NDArray[np.void] = np.zeros(len(part), dtype=row)
            block["n"], block["size"], block["item"] = 2, 8, part
            block["bytes"], block["dim"], block["values"] = 4 + 4 * dim, dim, vectors[start : start + _COPY_ROWS]
            copy.write(block.tobytes())
        copy.write(_COPY_END)
