from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.data.dataset import Dataset
from matinee.errors import MatineeError, MemoryLimitError
from matinee.models import Ease, Query, default_lineup
from matinee.models import ease as module
from matinee.models import gram as gram_module
from support import make_dataset, random_dataset


def reference(x: np.ndarray, regularization: float, dropout: float = 0.0) -> np.ndarray:
    """The papers' formula in float64."""
    gram = x.T @ x
    p = np.linalg.inv(gram + np.diag(regularization + dropout / (1 - dropout) * np.diag(gram)))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0.0)
    return b


def test_by_hand_on_three_films() -> None:
    """Two users liked a and b, one liked b and c; λ = 1.

    G + I = [[3,2,0],[2,4,1],[0,1,2]], det = 13, P = adj/13 with adj = [[7,-4,2],[-4,6,-3],[2,-3,8]].
    """
    rows = [("u", "a", 5, None), ("u", "b", 5, None), ("v", "a", 4, None), ("v", "b", 1, None)]
    data = make_dataset([*rows, ("w", "b", 3, None), ("w", "c", 3, None)])
    model = Ease(regularization=1.0, feedback="watched").fit(data)
    expected = [[0, 4 / 6, -2 / 8], [4 / 7, 0, 3 / 8], [-2 / 7, 3 / 6, 0]]
    np.testing.assert_allclose(model.state()["weights"], expected, rtol=1e-5, atol=1e-6)
    scores = model.score([Query(np.array([0, 2]), np.float32([5, 5]))])
    np.testing.assert_allclose(scores[0], [-2 / 7, 4 / 6 + 3 / 6, -2 / 8], rtol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("weighting", ["binary", "stars"])
def test_against_the_formula_in_double_precision(dropout: float, weighting: str) -> None:
    data = random_dataset(90, 70, 0.3, seed=3)
    x = data.ratings.matrix(binary=weighting == "binary").toarray().astype(np.float64)
    if weighting == "stars":
        x /= 5.0
    model = Ease(regularization=20.0, dropout=dropout, weighting=weighting).fit(data)
    found = model.state()["weights"]
    np.testing.assert_allclose(found, reference(x, 20.0, dropout)[np.ix_(*[x.any(axis=0)] * 2)], atol=2e-6)


def test_blocks_and_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_dataset(200, 50, 0.3)
    whole = Ease(regularization=20.0).fit(data).state()["weights"]
    monkeypatch.setattr(gram_module, "_BLOCK_BYTES", 64 * 4 * 50)
    monkeypatch.setattr(module, "_TILE", 7)
    assert gram_module.block_users(50) == 64
    np.testing.assert_allclose(Ease(regularization=20.0).fit(data).state()["weights"], whole, atol=1e-5)


def test_weights_are_rows_in_memory_order() -> None:
    weights = Ease().fit(random_dataset()).state()["weights"]
    assert weights.flags.c_contiguous
    assert weights.dtype == np.float32
    assert not np.diag(weights).any()


@settings(max_examples=25, deadline=None)
@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=30), floor=st.integers(1, 5), most=st.integers(1, 12))
def test_the_warm_cut(counts: list[int], floor: int, most: int) -> None:
    from matinee.models.warm_items import choose_warm

    array = np.array(counts, dtype=np.int64)
    rows = choose_warm(array, floor, most)
    assert len(rows) <= most
    assert (array[rows] >= floor).all()
    left = np.setdiff1d(np.flatnonzero(array >= floor), rows)
    if len(left) and len(rows):  # equal counts stay or go together, the rarer go
        assert array[left].max() < array[rows].min()


def test_cold_films_and_users() -> None:
    data = random_dataset(60, 40, 0.1)
    model = Ease(min_ratings=8).fit(data)
    warm = data.ratings.counts >= 8
    assert 0 < warm.sum() < 40
    cold = np.flatnonzero(~warm)
    hot = np.flatnonzero(warm)
    scores = model.score([Query(hot[:2], np.float32([5, 5])), Query(cold[:1], np.float32([5]))])
    np.testing.assert_array_equal(np.isnan(scores[0]), ~warm)
    assert np.isnan(scores[1]).all()
    assert np.isnan(model.similar([int(cold[0])])).all()
    assert not model.contributions(Query(hot[:2], np.float32([5, 5])), cold.tolist()).any()


@pytest.fixture(scope="module")
def large() -> Dataset:
    """Large enough for its matrices to be most of the memory."""
    data = random_dataset(1500, 600, 0.06)
    _ = data.ratings.counts
    return data


@pytest.mark.parametrize("kwargs", [{}, {"min_ratings": 30}, {"weighting": "stars"}, {"max_items": 300}])
def test_memory_needed_is_an_upper_bound_but_no_wild_one(large: Dataset, kwargs: dict[str, object]) -> None:
    data = large
    model = Ease(**kwargs)
    need = model.memory_needed(data)
    tracemalloc.start()
    try:
        model.fit(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= need <= 3 * peak + (4 << 20)


def test_refusal_names_numbers_and_ways_out() -> None:
    data = random_dataset()
    with pytest.raises(MemoryLimitError) as refusal:
        Ease(min_ratings=2).fit(data, memory_limit=1 << 20)
    assert "MiB" in refusal.value.message
    assert "min_ratings (now 2)" in refusal.value.hint
    assert "max_items" in refusal.value.hint


def test_a_singular_matrix_says_what_to_do() -> None:
    rows = [(f"u{u}", f"m{i}", 3.0, None) for u in range(2000) for i in range(2)]
    with pytest.raises(MatineeError, match="regularization"):
        Ease(regularization=1e-9).fit(make_dataset(rows))


def test_the_lineup_learns_movies_of_five_ratings_and_no_rarer_ones() -> None:
    rows = [
        (f"u{n}", movie, 4.0, n) for movie, ratings in (("five", 5), ("four", 4), ("often", 9)) for n in range(ratings)
    ]
    data = make_dataset(rows, [{"movie_id": name, "title": name} for name in ("five", "four", "often")])
    lineup = default_lineup(data)
    for name in ("ease", "edlae"):
        scores = lineup[name].fit(data).score([Query.of(data.ratings, "u8")])[0]
        np.testing.assert_array_equal(np.isnan(scores), [False, True, False])
