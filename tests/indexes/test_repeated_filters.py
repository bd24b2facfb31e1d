"""Rows of filters that are asked for repeatedly: gathered once, exact about the filter, bounded in memory."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from index_support import assert_sound, make_index, random_vectors, recall
from matinee.errors import InvalidInputError
from matinee.indexes import UpdatableIndex, build_index
from matinee.indexes.base import Mask, frozen_mask
from matinee.indexes.filter_cache import MAX_DIFFERENCE, MAX_SEEN, FilterCache, Gathered
from matinee.indexes.main_search import GATHER_ROWS
from matinee.indexes.packed_mask import PackedMask, differing_rows
from matinee.indexes.row_subset import GatheredRows

N, DIM = GATHER_ROWS + 1000, 16
ITEMS = np.arange(N, dtype=np.int64)


@pytest.fixture(scope="module")
def everything() -> Any:
    return random_vectors(N + 100, DIM, clusters=400)


@pytest.fixture(scope="module")
def vectors(everything: Any) -> Any:
    return np.ascontiguousarray(everything[100:])


@pytest.fixture(scope="module")
def queries(everything: Any) -> Any:
    return np.ascontiguousarray(everything[:100])


@pytest.fixture(scope="module")
def lists(vectors: Any) -> UpdatableIndex:
    return make_index("faiss", ITEMS, vectors, variant="ivf", recall=0.98)


def with_cache(index: UpdatableIndex, max_bytes: int = 1 << 27) -> tuple[UpdatableIndex, FilterCache]:
    cache = FilterCache(max_bytes)
    return UpdatableIndex(index.main, index.approximate, filters=cache), cache


def share(part: float, seed: int = 0) -> Mask:
    return np.random.default_rng(seed).random(N) < part


# --- bits -------------------------------------------------------------------------------------------------------
@for_all(n=st.integers(1, 9000), flipped=st.sets(st.integers(0, 8999), max_size=40), most=st.integers(0, 40))
def test_differences_of_masks(n: int, flipped: set[int], most: int) -> None:
    mask = np.random.default_rng(n).random(n) < 0.3
    other = mask.copy()
    rows = sorted(row for row in flipped if row < n)
    other[rows] = ~other[rows]
    packed = PackedMask.of(mask)
    assert packed.count == int(mask.sum())
    found = differing_rows(packed.words, PackedMask.of(other).words, most)
    assert (None if found is None else found.tolist()) == (rows if len(rows) <= most else None)


# --- answers ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("part", [0.01, 0.1, 0.3])
def test_lists_of_a_filter_find_what_all_lists_find(
    lists: UpdatableIndex, vectors: Any, queries: Any, part: float
) -> None:
    index, cache = with_cache(lists)
    mask = share(part)
    true = build_index("exact", ITEMS, vectors).search(queries, 10, mask)
    first = index.search(queries[:1], 10, mask)
    assert len(cache) == 0
    for _ in range(3):
        found = index.search(queries, 10, mask)
    assert len(cache) == 1
    assert first.items.tolist() == found.items[:1].tolist()
    assert_sound(found, queries, 10, ITEMS, vectors, mask, part == 0.01)
    assert recall(found, true) >= 0.95
    assert index.search(queries[:1], 10, frozen_mask(mask)).items.tolist() == first.items.tolist()


@pytest.mark.parametrize("kind", ["exact", "lists"])
def test_similar_filters_share_gathered_rows(lists: UpdatableIndex, vectors: Any, queries: Any, kind: str) -> None:
    index, cache = with_cache(build_index("exact", ITEMS, vectors) if kind == "exact" else lists)
    mask, exact = share(0.1), build_index("exact", ITEMS, vectors)
    index.search(queries, 10, mask)
    index.search(queries, 10, mask)
    assert len(cache) == 1
    nearest = exact.search(queries[:3], 8, mask).items
    for i in range(3):  # without the nearest ones of this query; with some that were not allowed, the nearest of all
        other = mask.copy()
        other[nearest[i]] = False
        others = exact.search(queries[i : i + 1], 20).items[0]
        other[others[~mask[others]]] = True
        found = index.search(queries[i : i + 1], 10, other)
        assert_sound(found, queries[i : i + 1], 10, ITEMS, vectors, other, kind == "exact")
        assert set(exact.search(queries[i : i + 1], 3, other).items[0]) <= set(found.items[0])
    assert len(cache) == 1


def test_changes_of_the_index_are_seen_under_the_same_filter(lists: UpdatableIndex, vectors: Any, queries: Any) -> None:
    index, cache = with_cache(lists)
    mask = frozen_mask(share(0.1))
    for _ in range(2):
        before = index.search(queries, 10, mask)
    assert len(cache) == 1
    gone = np.unique(before.items[:20, 0])
    index.delete(gone)
    after = index.search(queries, 10, mask)
    assert not set(gone.tolist()) & set(after.items.ravel().tolist())
    assert after.items[:, 0].tolist() != before.items[:, 0].tolist()
    index.add(gone, vectors[gone])
    assert index.search(queries, 10, mask).items[:, 0].tolist() == before.items[:, 0].tolist()
    index.add(gone[:1], -vectors[gone[:1]])
    assert index.search(-vectors[gone[:1]], 1, mask).items.tolist() == [[int(gone[0])]]


def test_an_exact_index_that_merges_its_changes_gathers_anew(vectors: Any, queries: Any) -> None:
    index, _ = with_cache(build_index("exact", ITEMS, vectors))
    mask = frozen_mask(np.concatenate([share(0.1), np.ones(9000, dtype=np.bool_)]))
    index.search(queries, 10, mask)
    index.search(queries, 10, mask)
    more = random_vectors(9000, DIM, seed=3)
    index.add(np.arange(N, N + 9000), more)  # more than a tenth: merged
    for _ in range(3):
        found = index.search(more[:20], 1, mask)
        assert found.items[:, 0].tolist() == list(range(N, N + 20))


# --- frozen masks -----------------------------------------------------------------------------------------------
def test_a_frozen_mask_cannot_change() -> None:
    allowed = share(0.5)
    frozen = frozen_mask(allowed)
    with pytest.raises(ValueError, match="WRITEABLE"):
        frozen.setflags(write=True)
    allowed[:] = False
    assert frozen.any()
    with pytest.raises(InvalidInputError):
        frozen_mask(np.ones(3))


def test_parts_and_readings_of_a_frozen_mask_are_other_masks(vectors: Any, queries: Any) -> None:
    index, _ = with_cache(build_index("exact", ITEMS, vectors))
    frozen = frozen_mask(share(0.1))
    data: Any = frozen.base
    part = np.frombuffer(data, dtype=np.bool_, count=N // 2, offset=7)
    first = np.ndarray(N, dtype=np.bool_, buffer=data, offset=int(np.argmax(frozen)), strides=(0,))
    for mask in (frozen, frozen[: N // 2], frozen[::-1], part, first, frozen):
        for _ in range(3):
            found = index.search(queries[:2], 5, mask)
            assert_sound(found, queries[:2], 5, ITEMS, vectors, np.array(mask), True)


# --- the cache --------------------------------------------------------------------------------------------------
def use(cache: FilterCache, mask: Mask, vectors: Any, enough: int = 2, owner: object = 0) -> Gathered | None:
    size = GatheredRows.size(int(mask.sum()), DIM)
    return cache.gathered(owner, PackedMask.of(mask), 1, enough, size, lambda: GatheredRows(vectors, mask))


def test_memory_is_bounded_and_the_least_recently_used_goes_first(vectors: Any) -> None:
    one = GatheredRows.size(int(share(0.05).sum()), DIM) + N // 8 + 8
    cache = FilterCache(3 * one + one // 2)
    masks = [share(0.05, seed) for seed in range(5)]
    for mask in masks[:3]:
        use(cache, mask, vectors, enough=1)
    use(cache, masks[0], vectors)
    for mask in masks[3:]:
        use(cache, mask, vectors, enough=1)
    assert len(cache) == 3
    assert one <= cache.nbytes <= cache.max_bytes
    assert use(cache, masks[0], vectors) is not None
    assert use(cache, masks[1], vectors) is None
    assert use(cache, share(0.9), vectors, enough=1) is None  # larger than all that it may hold
    assert len(cache) == 3


def test_nothing_is_gathered_without_memory(vectors: Any, queries: Any) -> None:
    index, cache = with_cache(build_index("exact", ITEMS, vectors), 0)
    for _ in range(4):
        found = index.search(queries[:2], 5, share(0.1))
    assert_sound(found, queries[:2], 5, ITEMS, vectors, share(0.1), True)
    assert len(cache) == cache.nbytes == 0


def test_filters_seen_once_push_out_nothing_that_is_gathered(vectors: Any) -> None:
    cache = FilterCache()
    mask = share(0.05)
    use(cache, mask, vectors, enough=1)
    for seed in range(1, 4 * MAX_SEEN):
        assert use(cache, share(0.05, seed), vectors) is None
    assert use(cache, share(0.05, 2), vectors) is None  # long forgotten
    assert use(cache, mask, vectors) is not None
    assert len(cache._filters) <= MAX_SEEN + 1


def test_filters_of_other_indexes_are_apart(vectors: Any) -> None:
    cache = FilterCache()
    assert use(cache, share(0.1), vectors, enough=1, owner="one") is not None
    assert use(cache, share(0.1), vectors, owner="another") is None


def test_indexes_of_other_vectors_may_share_a_cache(lists: UpdatableIndex, vectors: Any, queries: Any) -> None:
    index, cache = with_cache(lists)
    other = UpdatableIndex(build_index("exact", ITEMS, -vectors).main, filters=cache)
    for _ in range(2):
        index.search(queries, 5, share(0.01))
        found = other.search(queries, 5, share(0.01))
    assert_sound(found, queries, 5, ITEMS, -vectors, share(0.01), True)
    assert len(cache) == 2


def test_a_filter_that_drifts_away_is_gathered_anew(vectors: Any) -> None:
    cache = FilterCache()
    mask = share(0.1)
    use(cache, mask, vectors, enough=1)
    other = mask.copy()
    other[:MAX_DIFFERENCE] = ~other[:MAX_DIFFERENCE]
    gathered = use(cache, other, vectors)
    assert gathered is not None
    assert np.union1d(gathered.added, gathered.removed).tolist() == list(range(MAX_DIFFERENCE))
    assert other[gathered.added].all()
    assert not other[gathered.removed].any()
    other[MAX_DIFFERENCE] = ~other[MAX_DIFFERENCE]
    assert use(cache, other, vectors) is None


def test_a_gathering_that_fails_is_tried_again(vectors: Any) -> None:
    cache, mask = FilterCache(), share(0.1)

    def fail() -> GatheredRows:
        raise MemoryError

    with pytest.raises(MemoryError):
        cache.gathered(0, PackedMask.of(mask), 1, 1, 1, fail)
    assert use(cache, mask, vectors, enough=1) is not None


def test_threads_never_get_what_the_filter_forbids(lists: UpdatableIndex, queries: Any) -> None:
    index, cache = with_cache(lists)
    masks = [share(0.1, seed) for seed in range(3)]
    faults: list[object] = []
    ready = threading.Barrier(4)

    def look(seed: int) -> None:
        rng = np.random.default_rng(seed)
        ready.wait()
        try:
            for step in range(60):
                mask = masks[step % 3].copy()
                mask[rng.integers(0, N, 20)] = False
                found = index.search(queries[:4], 5, mask).items
                if not (found >= 0).all() or not mask[found].all():
                    faults.append(found)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    for step in range(30):
        index.delete(ITEMS[step : step + 1])
    for thread in threads:
        thread.join()
    assert not faults, faults[0]
    assert len(cache) == 3
    assert cache.nbytes <= cache.max_bytes


def test_equal_masks_share_their_bits() -> None:
    mask = share(0.3)
    one, same, other = (PackedMask.of(each) for each in (mask, mask.copy(), share(0.4)))
    assert same.sharing(one.words, one.count).words is one.words
    assert same.sharing(one.words, one.count).count == same.count
    assert same.sharing(one.words, one.count).mask is same.mask
    assert other.sharing(one.words, one.count) is other
    assert PackedMask.of(mask[:64]).sharing(one.words, one.count).count == int(mask[:64].sum())


def test_a_mask_that_is_changed_in_place_is_another(vectors: Any, queries: Any) -> None:
    index, _ = with_cache(build_index("exact", ITEMS, vectors))
    mask = share(0.1)
    for _ in range(6):
        found = index.search(queries[:3], 5, mask)
        assert_sound(found, queries[:3], 5, ITEMS, vectors, mask, True)
        mask[found.items[:, 0]] = False
