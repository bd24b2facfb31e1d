"""What every vector index must do. A new index joins by adding a factory to `index_support.FACTORIES`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from index_support import FACTORIES, Factory, assert_sound, cosines, random_vectors, recall
from matinee.errors import InvalidInputError, NotFoundError
from matinee.indexes import VectorIndex, main_search
from matinee.indexes.base import Items, Vectors, frozen_mask

DIM = 8
COSTLY = ("elasticsearch", "elasticsearch-hnsw", "pgvector-hnsw")
Make = Callable[..., VectorIndex]


# Of the servers that answer, pgvector stands for all here; tests/indexes has what is Elasticsearch's own.
@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.extended] * (name in COSTLY)) for name in sorted(FACTORIES)]
)
def factory(request: pytest.FixtureRequest) -> Factory:
    return FACTORIES[request.param]


@pytest.fixture
def make(factory: Factory) -> Iterator[Make]:
    """Makes indexes of vectors, under the items 0, 3, 6 … unless others are given."""
    with ExitStack() as stack:

        def build(vectors: Vectors, items: Items | None = None) -> VectorIndex:
            return stack.enter_context(factory.make(numbers(len(vectors)) if items is None else items, vectors))

        yield build


def numbers(n: int) -> Items:
    return 3 * np.arange(n, dtype=np.int64)


def row(*values: int) -> Items:
    return np.array(values, dtype=np.int64)


# --- what is found ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 40, 700])
def test_the_nearest_come_first(make: Make, factory: Factory, n: int) -> None:
    vectors, queries = random_vectors(n, DIM, clusters=5), random_vectors(12, DIM, seed=1)
    index = make(vectors)
    assert index.dim == DIM
    assert len(index) == n
    assert index.items().tolist() == numbers(n).tolist()
    for k in (1, 7, n):
        found = index.search(queries, k)
        assert_sound(found, queries, k, numbers(n), vectors, None, factory.exact)
        np.testing.assert_allclose(found.distances**2, 2 - 2 * found.similarities, atol=1e-5)
        assert index.search(queries, k).items.tolist() == found.items.tolist()


def test_a_batch_answers_as_single_queries_do(make: Make) -> None:
    vectors, queries = random_vectors(900, DIM, clusters=9), random_vectors(70, DIM, seed=1, clusters=9)
    index = make(vectors)
    mask = np.random.default_rng(0).random(2700) < 0.5
    for allowed in (None, mask):
        batch = index.search(queries, 5, allowed)
        for i, query in enumerate(queries):
            single = index.search(query[None], 5, allowed)
            assert single.items[0].tolist() == batch.items[i].tolist()
            assert single.similarities[0].tolist() == batch.similarities[i].tolist()


def test_an_item_finds_itself(make: Make) -> None:
    vectors = random_vectors(300, DIM)
    found = make(vectors).search(vectors[:50], 1)
    assert found.items[:, 0].tolist() == numbers(50).tolist()
    np.testing.assert_allclose(found.similarities, 1, atol=1e-6)


@pytest.mark.parametrize("clusters", [60, 0])
def test_recall(make: Make, factory: Factory, clusters: int) -> None:
    everything = random_vectors(3100, 32, clusters=clusters)
    vectors, queries = everything[:3000], everything[3000:]
    index = make(vectors)
    with FACTORIES["exact"].make(numbers(3000), vectors) as exact:
        mask = np.random.default_rng(0).random(9000) < 0.5
        floor = 1.0 if factory.exact else factory.recall[0 if clusters else 1]
        assert recall(index.search(queries, 10), exact.search(queries, 10)) >= floor
        assert recall(index.search(queries, 10, mask), exact.search(queries, 10, mask)) >= floor


def test_similarities_are_the_same_in_every_index(make: Make) -> None:
    vectors, queries = random_vectors(400, DIM, clusters=4), random_vectors(5, DIM, seed=1)
    with FACTORIES["exact"].make(numbers(400), vectors) as exact:
        true = exact.search(queries, 400)
        found = make(vectors).search(queries, 3)
    for i in range(len(queries)):
        known = dict(zip(true.items[i].tolist(), true.similarities[i].tolist(), strict=True))
        assert [known[item] for item in found.items[i].tolist()] == found.similarities[i].tolist()


def test_equal_vectors_are_equally_near_and_come_by_number(make: Make, factory: Factory) -> None:
    vectors = random_vectors(60, DIM)
    vectors[20:] = vectors[7]
    index = make(vectors)
    equal = numbers(60)[[7, *range(20, 60)]].tolist()
    for k in (3, 30):
        found = index.search(vectors[7:8], k)
        got = found.items[0].tolist()
        assert got == (equal[:k] if factory.exact else sorted(set(equal) & set(got)))
        assert len(set(found.similarities[0].tolist())) == 1


# --- k and empty indexes ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("k", [0, -1, -(10**9)])
def test_k_below_one_is_refused(make: Make, k: int) -> None:
    for n in (0, 5):
        with pytest.raises(InvalidInputError, match="k is"):
            make(random_vectors(n, DIM)).search(random_vectors(1, DIM), k)


def test_a_huge_k_gives_all_there_are(make: Make, factory: Factory) -> None:
    vectors, queries = random_vectors(50, DIM), random_vectors(3, DIM, seed=1)
    index = make(vectors)
    assert_sound(index.search(queries, 10**9), queries, 10**9, numbers(50), vectors, None, True)
    allowed = np.arange(150) < 30
    assert_sound(index.search(queries, 10**9, allowed), queries, 10**9, numbers(50), vectors, allowed, True)


def test_an_empty_index(make: Make) -> None:
    index = make(random_vectors(0, DIM))
    assert len(index) == 0
    assert index.items().tolist() == []
    assert index.dim == DIM
    for allowed in (None, np.ones(5, dtype=np.bool_)):
        found = index.search(random_vectors(2, DIM), 4, allowed)
        assert found.items.shape == found.similarities.shape == (2, 0)
    with pytest.raises(NotFoundError):
        index.delete(row(0))
    with pytest.raises(NotFoundError):
        index.vectors(row(0))
    index.add(row(4), random_vectors(1, DIM))
    assert index.search(random_vectors(1, DIM), 4).items.tolist() == [[4]]


def test_no_queries_get_no_answers(make: Make) -> None:
    found = make(random_vectors(5, DIM)).search(np.zeros((0, DIM), dtype=np.float32), 3)
    assert len(found.items) == len(found.similarities) == 0


# --- input ------------------------------------------------------------------------------------------------------
FAULTY: dict[str, Any] = {
    "too short": np.ones((1, DIM - 1)),
    "too long": np.ones((1, DIM + 1)),
    "without values": np.ones((1, 0)),
    "in one dimension": np.ones(DIM),
    "in three dimensions": np.ones((1, 1, DIM)),
    "zero": np.zeros((1, DIM)),
    "second zero": np.concatenate([np.ones((1, DIM)), np.zeros((1, DIM))]),
    "nan": np.full((1, DIM), np.nan),
    "one nan": np.where(np.arange(DIM) == 3, np.nan, 1.0)[None],
    "infinite": np.where(np.arange(DIM) == 3, np.inf, 1.0)[None],
    "beyond single precision": np.full((1, DIM), 1e300),
    "complex": np.ones((1, DIM), dtype=np.complex128),
    "words": [["one"] * DIM],
    "ragged": [[1.0] * DIM, [1.0]],
}


@pytest.mark.parametrize("vectors", FAULTY.values(), ids=FAULTY.keys())
def test_faulty_vectors_are_refused(make: Make, vectors: Any) -> None:
    index = make(random_vectors(5, DIM))
    with pytest.raises(InvalidInputError):
        index.search(vectors, 3)
    with pytest.raises(InvalidInputError):
        index.add(np.arange(20, 20 + len(vectors)), vectors)
    assert index.items().tolist() == numbers(5).tolist()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e30])
def test_length_and_layout_of_vectors_do_not_matter(make: Make, scale: float) -> None:
    vectors, queries = random_vectors(30, DIM), random_vectors(4, DIM, seed=1)
    index = make(vectors)
    want = index.search(queries, 6)
    wide = np.zeros((4, 2 * DIM))
    wide[:, ::2] = queries.astype(np.float64) * scale
    for given in (wide[:, ::2], np.asfortranarray(queries * scale), (queries * scale).astype(np.float32)):
        found = index.search(given, 6)
        assert found.items.tolist() == want.items.tolist()
        np.testing.assert_allclose(found.similarities, want.similarities, atol=1e-6)
    index.add(np.arange(100, 104), wide[:, ::2])
    assert index.search(queries, 1).items[:, 0].tolist() == [100, 101, 102, 103]
    np.testing.assert_allclose(np.linalg.norm(index.vectors(np.arange(100, 104)), axis=1), 1, atol=1e-6)


def test_what_is_given_is_not_written_to(make: Make, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", random_vectors(300, DIM))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    index = make(mapped)
    queries, allowed = random_vectors(9, DIM, seed=1), np.ones(900, dtype=np.bool_)
    for given in (queries, allowed):
        given.flags.writeable = False
    index.search(queries, 3, allowed)
    index.add(row(0, 1), queries[:2])
    index.delete(row(3))
    assert index.search(queries[:1], 1).items.tolist() == [[0]]
    assert (np.asarray(mapped) == random_vectors(300, DIM)).all()


# --- masks ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 1.0])
def test_masks_of_any_length(make: Make, factory: Factory, share: float) -> None:
    vectors, queries = random_vectors(300, DIM, clusters=6), random_vectors(10, DIM, seed=1)
    index = make(vectors)
    for length in (0, 1, 400, 900, 3000):  # the highest item is 897
        allowed = np.random.default_rng(length).random(length) < share
        for given in (queries, queries[:1]):
            for k in (1, 6):
                assert_sound(index.search(given, k, allowed), given, k, numbers(300), vectors, allowed, factory.exact)


def test_a_filter_far_from_the_query_never_returns_too_few(make: Make) -> None:
    vectors = random_vectors(1500, DIM, clusters=30)
    index = make(vectors)
    true = cosines(vectors[:8], vectors)
    for query in range(8):
        far = np.argsort(true[query])
        for count in (9, 40, 700):  # the farthest of all
            allowed = np.zeros(4500, dtype=np.bool_)
            allowed[3 * far[:count]] = True
            found = index.search(vectors[query : query + 1], 10, allowed)
            assert_sound(found, vectors[query : query + 1], 10, numbers(1500), vectors, allowed, False)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_filter_asked_for_again_answers_as_at_first(
    make: Make, factory: Factory, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_search, "GATHER_ROWS", 0)
    monkeypatch.setattr(main_search, "ROWS_PER_USE", 100)
    vectors, queries = random_vectors(900, DIM, clusters=9), random_vectors(6, DIM, seed=1, clusters=9)
    index = make(vectors)
    rng = np.random.default_rng(0)
    allowed = rng.random(2700) < share
    first = index.search(queries, 5, allowed)
    for _ in range(4):
        again = index.search(queries, 5, allowed)
        assert again.items.tolist() == first.items.tolist()
        assert again.similarities.tolist() == first.similarities.tolist()
    frozen = frozen_mask(allowed)
    for step in range(6):  # the filter and the index change, a few rows at a time and then many
        count = 2 if step < 4 else 100
        flipped = 3 * rng.integers(0, 900, count)
        allowed[flipped] = ~allowed[flipped]
        gone = numbers(900)[[10 + step]]
        index.delete(gone)
        known = np.setdiff1d(numbers(900), numbers(11 + step)[10:])
        for mask in (allowed, frozen):
            found = index.search(queries, 5, mask)
            assert_sound(found, queries, 5, known, vectors[known // 3], mask, factory.exact)
            assert index.search(queries, 5, mask).items.tolist() == found.items.tolist()


@pytest.mark.parametrize("allowed", [np.ones(9), np.ones(9, dtype=np.int64), np.ones((3, 3), dtype=np.bool_)])
def test_what_is_no_mask_is_refused(make: Make, allowed: Any) -> None:
    with pytest.raises(InvalidInputError):
        make(random_vectors(3, DIM)).search(random_vectors(1, DIM), 1, allowed)


# --- changes ----------------------------------------------------------------------------------------------------
def test_added_replaced_deleted_and_added_again(make: Make) -> None:
    vectors = random_vectors(40, DIM)
    new = random_vectors(2, DIM, seed=9)
    index = make(vectors)
    index.add(row(121, 1), new)
    assert len(index) == 42
    assert index.search(new, 1).items[:, 0].tolist() == [121, 1]
    index.add(row(0), -vectors[:1])
    assert len(index) == 42
    assert index.search(-vectors[:1], 1).items.tolist() == [[0]]
    assert index.search(vectors[:1], 1).items.tolist() != [[0]]
    index.add(row(1), -new[1:])
    np.testing.assert_allclose(index.vectors(row(1, 0, 1, 121)), [-new[1], -vectors[0], -new[1], new[0]], atol=1e-6)
    index.delete(row(121, 3))
    assert len(index) == 40
    assert not {121, 3} & set(index.search(new, 100).items.ravel().tolist())
    index.add(row(3), new[:1])
    assert index.search(new[:1], 1).items.tolist() == [[3]]
    assert index.items().tolist() == sorted({*numbers(40).tolist(), 1})


def test_all_is_deleted_and_comes_back(make: Make) -> None:
    vectors = random_vectors(200, DIM, clusters=4)
    index = make(vectors)
    for _ in range(2):
        index.delete(numbers(200)[::-1])
        assert len(index) == 0
        assert index.items().tolist() == []
        assert index.search(vectors[:2], 5, np.ones(600, dtype=np.bool_)).items.shape == (2, 0)
        index.add(numbers(200), vectors)
        assert index.search(vectors, 1).items[:, 0].tolist() == numbers(200).tolist()


def test_many_are_added(make: Make, factory: Factory) -> None:
    vectors, queries = random_vectors(2500, DIM), random_vectors(3, DIM, seed=1)
    index = make(vectors[:100])
    for start in range(100, 2500, 600):
        index.add(numbers(2500)[start : start + 600], vectors[start : start + 600])
    assert_sound(index.search(queries, 9), queries, 9, numbers(2500), vectors, None, factory.exact)


def test_an_unknown_item_is_named_and_nothing_deleted(make: Make) -> None:
    index = make(random_vectors(10, DIM))
    for unknown in (row(0, 3, 1), row(3, 30), row(99)):
        with pytest.raises(NotFoundError, match=str(unknown[-1])):
            index.delete(unknown)
        with pytest.raises(NotFoundError, match=str(unknown[-1])):
            index.vectors(unknown)
    assert index.items().tolist() == numbers(10).tolist()
    index.delete(row(3))
    with pytest.raises(NotFoundError, match="3"):
        index.delete(row(0, 3))
    with pytest.raises(NotFoundError, match="3"):
        index.vectors(row(3))
    assert len(index) == 9


@pytest.mark.parametrize("items", [row(-1, 50), row(50, 50), np.array([50.5, 51]), row(50), row(50, 51, 52)])
def test_faulty_item_numbers_are_refused(make: Make, items: Any) -> None:
    index = make(random_vectors(5, DIM))
    with pytest.raises(InvalidInputError):
        index.add(items, random_vectors(2, DIM))
    assert index.items().tolist() == numbers(5).tolist()


def test_nothing_to_change_changes_nothing(make: Make) -> None:
    index = make(random_vectors(5, DIM))
    index.delete(row())
    assert index.vectors(row()).shape == (0, DIM)
    assert len(index) == 5


def test_searches_during_changes_see_the_state_before_or_after(make: Make) -> None:
    vectors = random_vectors(600, DIM)
    pair = random_vectors(1, DIM, seed=5)
    index = make(vectors)
    faults: list[object] = []
    ready, done = threading.Barrier(3), threading.Event()

    def look() -> None:
        ready.wait()
        try:
            for _ in range(2000):
                found = index.search(np.concatenate([pair, vectors[:1]]), 4)
                both = {2001, 2002} & set(found.items[0].tolist())
                if len(both) == 1 or found.items[1, 0] != 0 or found.similarities[0, 0] < found.similarities[0, 1]:
                    faults.append(found)
                if done.is_set():
                    return
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait()
    for _ in range(40):
        index.add(row(2001, 2002), np.concatenate([pair, pair]))
        index.add(row(3), -pair)
        index.delete(row(2002, 2001))
    done.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[0]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "delete", "search"]),
        st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True),
        st.integers(1, 20),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@for_all(steps=STEPS, n=st.sampled_from([0, 1, 30, 250]))
def test_any_sequence_of_changes_is_as_a_plain_table(
    factory: Factory, steps: list[tuple[str, list[int], int, int]], n: int
) -> None:
    vectors = random_vectors(n, 4)
    model = {int(item): vector for item, vector in zip(numbers(n), vectors, strict=True)}
    with factory.make(numbers(n), vectors) as index:
        for what, items, k, seed in steps:
            some = random_vectors(len(items), 4, seed=seed)
            if what == "add":
                index.add(np.array(items), some)
                model |= dict(zip(items, some, strict=True))
            elif what == "delete" and not set(items) <= set(model):
                with pytest.raises(NotFoundError):
                    index.delete(np.array(items))
            elif what == "delete":
                index.delete(np.array(items))
                model = {item: vector for item, vector in model.items() if item not in items}
            known = np.array(sorted(model), dtype=np.int64)
            table = np.array([model[item] for item in known.tolist()], dtype=np.float32).reshape(-1, 4)
            assert index.items().tolist() == known.tolist()
            assert len(index) == len(known)
            allowed = None if k % 2 else np.random.default_rng(seed).random(seed) < 0.5
            assert_sound(index.search(some, k, allowed), some, k, known, table, allowed, factory.exact)
