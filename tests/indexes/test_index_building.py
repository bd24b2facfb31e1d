from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from index_support import assert_sound, make_index, random_vectors, recall
from matinee.errors import InvalidInputError, NotFoundError
from matinee.indexes import ExactIndex, UpdatableIndex, available_kinds, build_index, main_search
from matinee.indexes.updatable import DELTA_ROWS

ITEMS = np.arange(3000, dtype=np.int64)
VECTORS, QUERIES = np.split(random_vectors(3100, 16, clusters=30), [3000])
GRAPHS = [("faiss", {"variant": "hnsw"}), ("hnsw", {})]


def test_importing_the_package_imports_no_library() -> None:
    program = (
        "import sys, matinee.indexes; from matinee.indexes import *; available_kinds();"
        "sys.exit(', '.join({'faiss', 'annoy', 'usearch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kinds_that_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert available_kinds() == ("exact",)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert available_kinds() == ("exact", "faiss", "annoy", "hnsw")


@pytest.mark.parametrize(
    ("kind", "config", "match"),
    [
        ("scann", {}, "no index of the kind 'scann'.*exact, faiss, annoy, hnsw"),
        ("exact", {"trees": 3}, "no settings.*trees"),
        ("annoy", {"tree": 3}, "tree.*trees"),
        ("annoy", {"trees": 0}, "trees"),
        ("faiss", {"variant": "pq"}, "variant"),
        ("faiss", {"recall": 2}, "recall"),
        ("hnsw", {"codes": "b1"}, "codes"),
    ],
)
def test_unknown_kinds_and_settings_are_named(kind: str, config: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidInputError, match=match):
        build_index(kind, ITEMS[:5], VECTORS[:5], **config)


@pytest.mark.parametrize(
    ("items", "vectors", "match"),
    [
        (ITEMS[:4], VECTORS[:5], "one item number"),
        (ITEMS[:5].astype(float), VECTORS[:5], "whole number"),
        (ITEMS[:5] - 1, VECTORS[:5], "increase"),
        (np.array([0, 1, 1]), VECTORS[:3], "increase"),
        (np.array([2, 1, 0]), VECTORS[:3], "increase"),
        (ITEMS[:5], VECTORS[0, :5], "matrix"),
        (ITEMS[:5], VECTORS[:5, :0], "values"),
        (ITEMS[:2], np.array([[1.0, 0], [0, 0]]), "Vector 1 .*zero"),
        (ITEMS[:2], np.array([[np.nan, 0], [0, 1]]), "Vector 0 .*finite"),
        (ITEMS[:2], np.array([[1, 0], [0, np.inf]]), "Vector 1 .*finite"),
    ],
)
def test_what_cannot_be_indexed_is_refused(items: Any, vectors: Any, match: str) -> None:
    for make in (ExactIndex, lambda items, vectors: build_index("exact", items, vectors)):
        with pytest.raises(InvalidInputError, match=match):
            make(items, vectors)


def test_unit_vectors_are_not_copied_and_others_become_unit() -> None:
    assert ExactIndex(ITEMS, VECTORS).matrix is VECTORS
    longer = VECTORS * np.linspace(0.1, 9, 3000, dtype=np.float32)[:, None]
    before = longer.copy()
    np.testing.assert_allclose(ExactIndex(ITEMS, longer).matrix, VECTORS, atol=1e-6)
    assert (longer == before).all()


def test_an_exact_index_searches_by_itself() -> None:
    index = ExactIndex(2 * ITEMS, VECTORS)
    allowed = np.arange(5000) % 3 == 0
    for mask in (None, allowed):
        found = index.search(QUERIES, 4, mask)
        assert_sound(found, QUERIES, 4, 2 * ITEMS, VECTORS, mask, True)
    assert index.search(QUERIES, 4).items.tolist() == UpdatableIndex(index).search(QUERIES, 4).items.tolist()
    assert (len(index), index.dim, index.kind) == (3000, 16, "exact")


@pytest.mark.parametrize("target", [0.5, 0.99])
@pytest.mark.parametrize(("kind", "config"), [("faiss", {"variant": "ivf"}), *GRAPHS, ("annoy", {"trees": 10})])
def test_the_effort_follows_the_recall_that_is_wanted(kind: str, config: dict[str, Any], target: float) -> None:
    exact = build_index("exact", ITEMS, VECTORS)
    index = make_index(kind, ITEMS, VECTORS, recall=target, **config)
    assert recall(index.search(QUERIES, 10), exact.search(QUERIES, 10)) >= target - 0.03
    assert index.approximate is not None
    least, most = (index.approximate.with_effort(effort) for effort in (1, 3000))
    few = recall(UpdatableIndex(ExactIndex(ITEMS, VECTORS), least).search(QUERIES, 10), exact.search(QUERIES, 10))
    many = recall(UpdatableIndex(ExactIndex(ITEMS, VECTORS), most).search(QUERIES, 10), exact.search(QUERIES, 10))
    assert few < many
    assert many > 0.99
    assert index.approximate.effort_for(100) >= index.approximate.effort_for(10) == index.approximate.effort


@pytest.mark.parametrize(
    ("kind", "config", "effort"),
    [
        ("faiss", {"nprobe": 3}, 3),
        ("faiss", {"variant": "hnsw", "ef_search": 33}, 33),
        ("hnsw", {"ef_search": 44}, 44),
        ("annoy", {"search_k": 555}, 555),
        ("faiss", {"variant": "flat"}, 1),
    ],
)
def test_an_effort_that_is_given_is_kept(kind: str, config: dict[str, Any], effort: int) -> None:
    index = make_index(kind, ITEMS[:500], VECTORS[:500], **config)
    assert index.approximate is not None
    assert index.approximate.effort == effort


@pytest.mark.parametrize(("kind", "config"), [("faiss", {}), ("faiss", {"variant": "ivf"}), *GRAPHS, ("annoy", {})])
def test_masses_of_equal_vectors_are_indexed(kind: str, config: dict[str, Any]) -> None:
    vectors = np.repeat(VECTORS[:2], 400, axis=0)
    index = make_index(kind, ITEMS[:800], vectors, **config)
    found = index.search(vectors[:1], 10)
    assert (found.items < 400).all()
    assert (found.items >= 0).all()


def test_a_large_delta_of_an_exact_index_is_taken_in() -> None:
    index = build_index("exact", ITEMS[:50], VECTORS[:50])
    index.add(ITEMS[50 : 50 + DELTA_ROWS], VECTORS[50 : 50 + DELTA_ROWS])
    assert len(index._state.delta) == DELTA_ROWS
    index.delete(ITEMS[:3])
    index.add(ITEMS[2900:2902], VECTORS[2900:2902])
    assert len(index._state.delta) == 0
    assert len(index._state.main) == len(index) == 50 + DELTA_ROWS - 3 + 2
    index.delete(ITEMS[3:5])
    assert index.search(VECTORS[2900:2901], 1).items.tolist() == [[2900]]


@pytest.mark.parametrize("k", [1, 10, 300])
def test_deleting_most_of_an_approximate_index_keeps_answers_full(k: int) -> None:
    index = make_index("faiss", ITEMS, VECTORS, variant="ivf")
    left = np.sort(np.random.default_rng(0).permutation(3000)[:310])
    index.delete(np.setdiff1d(ITEMS, left))
    found = index.search(QUERIES, k)
    assert_sound(found, QUERIES, k, left, VECTORS[left], None, False)


@pytest.mark.parametrize("unknown", [-1, 3000, 2**62])
def test_numbers_that_no_item_has(unknown: int) -> None:
    for index in (build_index("exact", ITEMS, VECTORS), build_index("exact", ITEMS[:0], VECTORS[:0])):
        with pytest.raises(NotFoundError, match=str(unknown)):
            index.delete(np.array([unknown]))
    with pytest.raises(NotFoundError, match=str(unknown)):
        ExactIndex(ITEMS, VECTORS).vectors(np.array([1, unknown]))
    with pytest.raises(InvalidInputError, match="whole numbers"):
        ExactIndex(ITEMS, VECTORS).vectors(np.array([1.5]))


def test_a_large_batch_is_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    index = make_index("faiss", ITEMS, VECTORS, variant="ivf")
    whole = index.search(QUERIES, 20)
    monkeypatch.setattr(main_search, "MAX_CANDIDATES", 300)
    parts = index.search(QUERIES, 20)
    assert parts.items.tolist() == whole.items.tolist()
    assert parts.similarities.tolist() == whole.similarities.tolist()


def test_settings_are_frozen() -> None:
    index = make_index("faiss", ITEMS[:100], VECTORS[:100])
    assert index.approximate is not None
    with pytest.raises(ValidationError):
        index.approximate.config.recall = 0.5
