from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.errors import InvalidInputError
from matinee.models import Blend, Content, Ease, ItemKNN, Popularity, Query
from matinee.models.blend.weights import DISLIKED, LENGTHS, Examples, basis, fit_weights, hold_out
from matinee.models.preference import StarScale
from support import random_dataset

USUAL = np.full((2, len(LENGTHS)), 0.5)


def examples(n: int = 400, useful: float = 2.0, lengths: int = 10) -> Examples:
    """The first part knows what is liked, the second is noise."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((n, 30, 2)).astype(np.float32)
    chance = np.exp(useful * scores[:, :, 0])
    gains = np.zeros((n, 30), dtype=np.float32)
    for row, weights in enumerate(chance):
        gains[row, rng.choice(30, 3, replace=False, p=weights / weights.sum())] = 1
    return Examples(scores, gains, np.full(n, lengths))


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20))
def test_shares_of_the_lengths_sum_to_one(lengths: list[int]) -> None:
    found = basis(np.array(lengths))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (found >= 0).all()


def test_at_its_own_length_a_weight_is_alone() -> None:
    np.testing.assert_allclose(basis(np.array(LENGTHS)), np.eye(len(LENGTHS)), atol=1e-6)


def test_what_helps_gets_the_weight() -> None:
    found = fit_weights(examples(), USUAL, pull=0.0)
    assert found is not None
    position = LENGTHS.index(10)
    assert (
        1.2 < found[0, position] < 2.0
    )  # somewhat below the strength of the choice, as three are drawn from each list
    assert found[1, position] < 0.1
    assert (found >= 0).all()


def test_what_misleads_gets_none_and_dislikes_count_against() -> None:
    good = examples()
    turned = Examples(-good.scores, good.gains, good.lengths)
    found = fit_weights(turned, USUAL, pull=0.0)
    assert found is None or found[0].max() < 1e-6
    rng = np.random.default_rng(1)
    hated = np.where(rng.random(good.gains.shape) < 0.1, np.float32(DISLIKED), good.gains)
    hated[good.gains > 0] = 1
    less = fit_weights(Examples(good.scores, hated * np.sign(good.scores[:, :, 1]).clip(0), good.lengths), USUAL)
    assert less is not None


def test_weights_are_drawn_towards_the_usual_ones() -> None:
    free, drawn = (fit_weights(examples(40), USUAL, pull=pull) for pull in (0.0, 10.0))
    assert free is not None
    assert drawn is not None
    position = LENGTHS.index(10)
    assert abs(np.diff(drawn[:, position])[0]) < abs(np.diff(free[:, position])[0]) / 3


def test_nothing_to_learn_from() -> None:
    found = examples(5)
    assert fit_weights(Examples(found.scores, np.zeros_like(found.gains), found.lengths), USUAL) is None


def test_what_is_held_out_is_neither_shown_nor_learnt() -> None:
    data = random_dataset(120, 50, 0.5, seed=3)
    scale = StarScale.of(data)
    held = hold_out(data.ratings, scale, seed=0, max_users=60, likes_only=True)
    assert len(held.queries) == 60
    everything = data.ratings.matrix().toarray()
    assert 0.6 * len(data.ratings) < len(held.train) < 0.95 * len(data.ratings)
    histories = (data.ratings.history(user) for user in range(data.ratings.n_users))
    times = [dict(zip(rows.tolist(), when.tolist(), strict=True)) for rows, _, when in histories]
    short = 0
    for query, gains in zip(held.queries, held.gains.toarray(), strict=True):
        assert not gains[query.rows].any()
        assert set(np.unique(gains)) <= {np.float32(DISLIKED), 0.0, 1.0}
        assert query.times is not None
        (user,) = (
            user
            for user, dated in enumerate(times)
            if all(dated.get(row) == time for row, time in zip(query.rows.tolist(), query.times.tolist(), strict=True))
        )
        mean = everything[user][everything[user] > 0].mean()
        assert (everything[user][gains > 0] > mean).all()
        assert (everything[user][gains > 0] >= 3.5).all()
        assert (everything[user][gains < 0] <= 2.5).all()
        short += len(query) <= 5
    assert short >= 5
    whole = hold_out(data.ratings, scale, seed=0, max_users=60, likes_only=False)
    assert set(np.unique(whole.gains.data)) == {1.0}
    assert whole.gains.nnz > held.gains.nnz


def test_a_wrong_number_of_weights_is_refused() -> None:
    data = random_dataset()
    model = Blend(weights={"ease": (1.0, 0.5)}, content=None, popular=None).bind({"ease": Ease().fit(data)})
    with pytest.raises(InvalidInputError, match="2 weights, not 5"):
        model.fit(data)


def test_a_blend_learns_and_keeps_its_weights() -> None:
    data = random_dataset(150, 60, 0.3, seed=4)
    parts = {
        "ease": Ease(regularization=5.0).fit(data),
        "itemknn": ItemKNN().fit(data),
        "content": Content().fit(data),
        "popular": Popularity().fit(data),
    }
    weights = {"ease": 0.5, "itemknn": 0.5, "popular": (0.2, 0.1, 0.0, 0.0, 0.0)}
    learned = Blend(weights=weights).bind(parts).fit(data)
    curves = learned.config.curves
    assert curves is not None
    assert set(curves) == set(weights)
    assert all(len(curve) == len(LENGTHS) and min(curve) >= 0 for curve in curves.values())
    again = Blend(learned.config).bind(parts).fit(data)
    assert again.config == learned.config
    query = Query.of(data.ratings, 3)
    np.testing.assert_array_equal(learned.score([query]), again.score([query]))
    plain = Blend(weights=weights, learn=False).bind(parts).fit(data)
    assert plain.config.curves is None
    short = Blend(weights=weights).bind(parts).fit(data, memory_limit=1000)
    assert short.config.curves is None, "memory was short, so the usual weights serve"
