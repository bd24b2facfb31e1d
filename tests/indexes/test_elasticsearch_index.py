"""What is particular to the vector index in Elasticsearch."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from elasticsearch_support import elasticsearch_url
from index_support import FACTORIES, assert_sound, random_vectors
from matinee.errors import InvalidInputError, StoreError
from matinee.indexes.elasticsearch import ElasticsearchIndex
from matinee.settings import Settings

N, DIM = 300, 8


@pytest.fixture
def settings() -> Settings:
    return Settings(store_url=elasticsearch_url(), store_timeout=30)


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def index(settings: Settings, name: str) -> Iterator[ElasticsearchIndex]:
    index = ElasticsearchIndex(settings, name, np.arange(N), random_vectors(N, DIM))
    yield index
    index.drop()
    index.close()


def test_an_index_is_opened_by_its_name(settings: Settings, name: str, index: ElasticsearchIndex) -> None:
    other = ElasticsearchIndex(settings, name, dim=DIM)
    assert (other.dim, other.variant, len(other), other.kind) == (DIM, "exact", N, "elasticsearch")
    new = random_vectors(1, DIM, seed=9)
    other.add(np.array([1000]), new)
    assert index.search(new, 1).items.tolist() == [[1000]]
    index.delete(np.array([1000]))
    assert other.search(new, 1).items.tolist() != [[1000]]
    other.close()


def test_an_index_of_another_width_is_refused(settings: Settings, name: str, index: ElasticsearchIndex) -> None:
    with pytest.raises(StoreError, match=rf"holds vectors of {DIM} values, not 5"):
        ElasticsearchIndex(settings, name, dim=5)


def test_an_index_made_again_takes_the_place_of_the_old_one(
    settings: Settings, name: str, index: ElasticsearchIndex
) -> None:
    again = ElasticsearchIndex(settings, name, np.arange(5), random_vectors(5, DIM + 1), variant="hnsw")
    assert (again.dim, again.variant, len(index)) == (DIM + 1, "hnsw", 5)
    held = httpx.get(f"{settings.store_url}/_alias/{index.name}", trust_env=False).json()
    assert len(held) == 1
    again.close()


def test_a_missing_index_and_that_of_another_program_are_refused(settings: Settings, name: str) -> None:
    with pytest.raises(StoreError, match="has no index"):
        ElasticsearchIndex(settings, name)
    url = f"{settings.store_url}/{settings.vector_index}-index-{name}"
    for body in ({}, {"mappings": {"properties": {"vector": {"type": "dense_vector", "dims": 3}}}}):
        httpx.put(url, json=body, timeout=60, trust_env=False).raise_for_status()
        for vectors in (None, random_vectors(2, DIM)):
            items = None if vectors is None else np.arange(2)
            with pytest.raises(StoreError, match="of another program"):
                ElasticsearchIndex(settings, name, items, vectors)
        httpx.delete(url, timeout=60, trust_env=False).raise_for_status()


def test_vectors_that_are_too_wide_are_refused(settings: Settings, name: str) -> None:
    with pytest.raises(InvalidInputError, match="4096"):
        ElasticsearchIndex(settings, name, np.arange(1), np.ones((1, 4097), dtype=np.float32))


@pytest.mark.extended
@pytest.mark.parametrize("variant", ["exact", "hnsw"])
def test_more_than_one_answer_holds(settings: Settings, name: str, variant: Any) -> None:
    """More neighbors than the server gives at once, more allowed than one condition names, many queries."""
    n = 10_500
    vectors, queries = random_vectors(n, DIM), random_vectors(2, DIM, seed=1)
    index = ElasticsearchIndex(settings, name, 20 * np.arange(n), vectors, variant=variant)
    try:
        found = index.search(queries, n)
        assert_sound(found, queries, n, 20 * np.arange(n), vectors, None, True)
        allowed = np.arange(20 * n) % 3 == 0
        exact = variant == "exact"
        assert_sound(index.search(queries, 5, allowed), queries, 5, 20 * np.arange(n), vectors, allowed, exact)
        many = random_vectors(300, DIM, seed=2)
        found = index.search(many, 3)
        assert found.items.shape == (300, 3)
        if exact:
            with FACTORIES["exact"].make(20 * np.arange(n), vectors) as reference:
                assert found.items.tolist() == reference.search(many, 3).items.tolist()
        same = np.repeat(queries[:1], 10_200, axis=0)
        index.add(20 * np.arange(10_200), same)
        assert (index.search(queries[:1], 5).similarities > 0.9999).all()
    finally:
        index.drop()
        index.close()
