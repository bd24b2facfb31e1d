"""What is particular to the index on a PostgreSQL server: opening, sharing, its graph, its faults."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from index_support import make_index, random_vectors, recall
from matinee.errors import InvalidInputError, StoreError
from matinee.indexes.pgvector import SCHEMA, PgvectorIndex
from postgres_support import binaries, own_server, pgvector_index, run_sql

ITEMS = np.arange(0, 6000, 3, dtype=np.int64)


@pytest.fixture
def name() -> Iterator[str]:
    name = f"test {secrets.token_hex(6)}"
    yield name
    run_sql(f'DROP TABLE IF EXISTS {SCHEMA}."{name}"')


def test_another_process_opens_what_one_has_made(name: str) -> None:
    vectors = random_vectors(2000, 24)
    made = pgvector_index(name, ITEMS, vectors)
    opened = pgvector_index(name)
    assert (opened.dim, opened.kind, opened.variant, len(opened)) == (24, "pgvector", "exact", 2000)
    assert (opened.vectors(ITEMS[:5]) == made.vectors(ITEMS[:5])).all()
    made.add(np.array([1]), -vectors[:1])
    assert opened.search(-vectors[:1], 1).items.tolist() == [[1]]
    made.close()
    with pytest.raises(StoreError, match="closed"):
        made.search(vectors[:1], 1)
    again = pgvector_index(name, ITEMS[:3], vectors[:3, :8])
    assert (again.dim, len(again)) == (8, 3)
    for index in (opened, again):
        index.close()


def test_vectors_come_back_to_the_bit_and_are_as_near_as_in_the_exact_index(name: str) -> None:
    vectors, queries = random_vectors(2000, 96, clusters=7), random_vectors(20, 96, seed=1)
    index = pgvector_index(name, ITEMS, vectors)
    exact = make_index("exact", ITEMS, vectors)
    assert (index.vectors(ITEMS) == vectors).all()
    mask = np.random.default_rng(0).random(6000) < 0.01
    for allowed in (None, mask):
        found, true = index.search(queries, 25, allowed), exact.search(queries, 25, allowed)
        assert found.items.tolist() == true.items.tolist()
        assert found.similarities.tobytes() == true.similarities.tobytes()
    index.close()


def test_the_graph_is_used_and_gives_enough_under_a_filter(name: str) -> None:
    vectors, queries = random_vectors(2000, 32, clusters=30), random_vectors(10, 32, seed=1)
    index = pgvector_index(name, ITEMS, vectors, "hnsw")
    exact = make_index("exact", ITEMS, vectors)
    plan = run_sql(
        "SET enable_seqscan = off",
        f"EXPLAIN SELECT item FROM \"{name}\" ORDER BY vector <#> '{queries[0].tolist()}' LIMIT 20",
        schema=SCHEMA,
    )
    assert "_vector_idx" in str(plan)
    opened = pgvector_index(name)
    assert opened.variant == "hnsw"
    opened.close()
    assert recall(index.search(queries, 10), exact.search(queries, 10)) > 0.9
    rare = np.zeros(6000, dtype=np.bool_)
    rare[ITEMS[::100]] = True
    assert index.search(queries, 15, rare).items.tolist() == exact.search(queries, 15, rare).items.tolist()
    assert index.search(queries, 600).items.tolist() == exact.search(queries, 600).items.tolist()
    index.close()


def test_vectors_that_are_too_wide_are_refused(name: str) -> None:
    wide = np.ones((1, 16_001), dtype=np.float32)
    with pytest.raises(InvalidInputError, match="at most 16000"):
        pgvector_index(name, ITEMS[:1], wide)
    with pytest.raises(InvalidInputError, match="at most 2000"):
        pgvector_index(name, ITEMS[:1], wide[:, :2001], "hnsw")
    index = pgvector_index(name, ITEMS[:1], wide[:, :2500])
    assert index.search(wide[:, :2500], 1).items.tolist() == [[0]]
    index.close()


def test_an_index_that_is_missing_is_told(name: str) -> None:
    with pytest.raises(StoreError, match=r"no index .*Make it"):
        pgvector_index(name)


def test_a_server_without_pgvector_and_a_user_without_rights_are_told() -> None:
    if binaries() is None:
        pytest.skip("there is no PostgreSQL server")
    with own_server("fsync=off") as server:
        settings = server.factory().settings
        with server.connect() as connection:
            connection.execute("CREATE ROLE plain LOGIN PASSWORD 'x'")
            available = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").fetchall()
        if not available:
            with pytest.raises(StoreError, match=r"has no pgvector.*postgresql-VERSION-pgvector"):
                PgvectorIndex(settings, "x", ITEMS[:1], np.ones((1, 2), dtype=np.float32))
            return
        with pytest.raises(StoreError, match=r"not active.*CREATE EXTENSION vector"):
            PgvectorIndex(replace(server.factory(), user="plain", password="x").settings, "x")
        with server.connect() as connection:
            connection.execute('CREATE SCHEMA "Extras"')
            connection.execute('CREATE EXTENSION vector SCHEMA "Extras"')
        index = PgvectorIndex(settings, "x", ITEMS[:1], np.ones((1, 2), dtype=np.float32))
        assert index.search(np.ones((1, 2), dtype=np.float32), 1).items.tolist() == [[0]]
        server.stop()
        with pytest.raises(StoreError, match="refused"):
            index.search(np.ones((1, 2), dtype=np.float32), 1)
        server.start()
        assert len(index) == 1
        index.close()
