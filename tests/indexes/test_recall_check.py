"""Indexes that prove what they find: effort raised until it is enough, and exact search where it never is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index_support import make_index, random_vectors
from matinee.indexes import ExactIndex, UpdatableIndex, build_index, load_index
from matinee.indexes.annoy import MAX_VISITED
from matinee.indexes.approximate import Recipe
from matinee.indexes.base import Vectors
from matinee.indexes.faiss import FEW_VECTORS, FaissConfig
from matinee.indexes.recall_check import BUILT, HUBS, LOADED, SAMPLE, Overlap, Probes, overlap, proven

N, DIM = 2000, 24
ITEMS = np.arange(N, dtype=np.int64)
VECTORS = random_vectors(N, DIM, clusters=40)
PROBES = Probes.of(VECTORS)
POOR = {
    "faiss": {"variant": "ivf", "nprobe": 1},
    "annoy": {"trees": 2, "search_k": 1},
    "hnsw": {"ef_search": 1, "m": 8},
}


def elsewhere() -> UpdatableIndex:
    """A graph over the vectors in another order: what it proposes is near nothing that is asked for."""
    vectors = random_vectors(6000, 8)  # more than the longest queue holds
    other = make_index("hnsw", np.arange(6000), vectors[::-1], ef_search=1)
    return UpdatableIndex(ExactIndex(np.arange(6000), vectors), other.approximate, Recipe("hnsw"))


def test_the_probes_are_some_items_and_their_most_frequent_neighbors() -> None:
    assert PROBES.queries.shape == (SAMPLE + HUBS, DIM)
    again = Probes.of(VECTORS)
    assert (again.queries == PROBES.queries).all()
    assert PROBES.k == 11
    similar = np.sort(PROBES.queries @ VECTORS.T, axis=1)[:, -11]
    np.testing.assert_allclose(PROBES.thresholds, similar, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 5, 300])
def test_probes_of_few_vectors(n: int) -> None:
    probes = Probes.of(VECTORS[:n])
    assert probes.k == min(11, n)
    index = build_index("exact", ITEMS[:n], VECTORS[:n])
    assert overlap(index, probes) == Overlap(1.0, 1.0)
    assert proven(index, probes) is index


def test_probes_are_asked_as_they_will_be() -> None:
    probes = Probes.of(VECTORS, lambda vectors: -vectors)
    assert (probes.queries[0] == -VECTORS[0]).all()
    assert overlap(build_index("exact", ITEMS, VECTORS), probes) == Overlap(1.0, 1.0)


@pytest.mark.parametrize("kind", POOR)
def test_effort_is_raised_until_it_is_enough(kind: str) -> None:
    poor = make_index(kind, ITEMS, VECTORS, **POOR[kind])
    assert not overlap(poor, PROBES).reaches(LOADED)
    better = proven(poor, PROBES)
    assert better is not None
    assert overlap(better, PROBES).reaches(LOADED)
    assert better.approximate is not None
    assert poor.approximate is not None
    assert better.approximate.effort > poor.approximate.effort
    assert better.kind == kind
    spare = proven(poor, PROBES, spare=1)
    assert spare is not None
    assert spare.approximate is not None
    assert spare.approximate.effort > better.approximate.effort or kind == "faiss"  # where all lists are searched
    # Queries that were not asked for the proof: nearly as good.
    others = Probes.of(VECTORS[::-1][3:])
    assert overlap(better, Probes(others.queries, others.thresholds, others.k)).mean > 0.97


def test_an_index_that_is_wrong_is_never_proven() -> None:
    wrong = elsewhere()
    probes = Probes.of(wrong.main.matrix)
    assert overlap(wrong, probes).worst == 0
    assert proven(wrong, probes) is None


def test_one_item_that_is_not_found_is_enough_to_fail() -> None:
    mean, worst = Overlap(0.999, 0.0), Overlap(0.95, 0.95)
    assert not mean.reaches(LOADED)
    assert not worst.reaches(LOADED)
    assert BUILT.reaches(LOADED)


def test_what_is_given_up_is_searched_exactly_also_when_read_back(tmp_path: Path) -> None:
    index = make_index("hnsw", ITEMS, VECTORS).exactly()
    assert (index.kind, index.given_up, index.approximate) == ("hnsw", True, None)
    index.save(tmp_path / "index")
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["index.json"]
    loaded = load_index(tmp_path / "index", items=ITEMS, vectors=VECTORS, kind="hnsw")
    assert (loaded.kind, loaded.given_up, loaded.approximate) == ("hnsw", True, None)
    assert overlap(loaded, PROBES) == Overlap(1.0, 1.0)


def test_faiss_scans_what_is_few_unless_it_is_told_otherwise() -> None:
    assert FaissConfig().settled(FEW_VECTORS - 1).variant == "flat"
    assert FaissConfig().settled(FEW_VECTORS).variant == "ivf"
    assert FaissConfig(variant="hnsw").settled(10).variant == "hnsw"
    for lists in (FaissConfig(nprobe=3), FaissConfig(lists=5), FaissConfig(codes="float16")):
        assert lists.settled(10).variant == "ivf"
    index = make_index("faiss", ITEMS, VECTORS)
    assert overlap(index, PROBES) == Overlap(1.0, 1.0)


def test_annoy_never_looks_at_more_than_a_scan_would() -> None:
    index = make_index("annoy", ITEMS, VECTORS)
    assert index.approximate is not None
    assert max(index.approximate.efforts) <= MAX_VISITED * N
    assert index.approximate.efforts == tuple(sorted(set(index.approximate.efforts)))


PROVEN: dict[str, UpdatableIndex] = {}


def index_of(kind: str) -> UpdatableIndex:
    if kind not in PROVEN:
        found = proven(make_index(kind, ITEMS, VECTORS, recall=BUILT.mean), PROBES, BUILT)
        assert found is not None
        PROVEN[kind] = found
    return PROVEN[kind]


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["faiss", "annoy", "hnsw"]),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
    k=st.integers(1, 12),
)
def test_under_any_filter_an_index_finds_what_the_exact_one_finds(kind: str, share: float, seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    allowed = rng.random(N) < share
    queries: Vectors = VECTORS[rng.choice(N, 40, replace=False)]
    true = build_index("exact", ITEMS, VECTORS).search(queries, k, allowed).items
    found = index_of(kind).search(queries, k, allowed).items
    assert found.shape == true.shape
    assert ((found >= 0) == (true >= 0)).all()
    shares = [len(set(a) & set(b)) / len(set(b)) for a, b in zip(found.tolist(), true.tolist(), strict=True)]
    assert np.mean(shares) >= 0.97
