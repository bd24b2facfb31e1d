"""The projection from raw vectors to a space: golden figures, properties, a slow reference, damaged states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.encoders.projection import Projection, unit
from matinee.errors import InvalidInputError, SnapshotError


def cloud(n: int = 300, dim: int = 12, seed: int = 0) -> np.ndarray:
    """Unit vectors around a common mean, with deviations from 1 to 1/dim along turned axes."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    return unit(((rng.normal(size=(n, dim)) / np.arange(1, dim + 1)) @ turn + 2).astype(np.float32))


def test_golden_by_hand() -> None:
    # Mean (1, 1); deviations 2 along x and 1 along y: variances 4·½ and 1·½.
    points = np.array([[3, 1], [-1, 1], [1, 2], [1, 0]], dtype=np.float32)
    found = Projection.fit(points, 2, power=1.0)
    np.testing.assert_allclose(found.mean, [1, 1])
    np.testing.assert_allclose(found.components, np.diag([1 / np.sqrt(2), np.sqrt(2)]), atol=1e-6)
    np.testing.assert_allclose(found.apply(points), [[1, 0], [-1, 0], [0, 1], [0, -1]], atol=1e-6)
    half = Projection.fit(points, 2, power=0.5)
    np.testing.assert_allclose(half.components, np.diag([2**-0.25, 2**0.25]), atol=1e-6)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_deviations_after_projecting(power: float) -> None:
    vectors = cloud()
    found = Projection.fit(vectors, 12, power)
    projected = (vectors - found.mean) @ found.components
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-4)
    covariance = np.cov(projected, rowvar=False, bias=True)
    before = np.linalg.eigvalsh(np.cov(vectors, rowvar=False, bias=True))[::-1]
    np.testing.assert_allclose(covariance, np.diag(before ** (1 - power)), atol=2e-3 * covariance.max())


def test_against_a_slow_reference() -> None:
    vectors = cloud(80, 6, seed=3)
    mean = vectors.mean(axis=0)
    _, singular, axes = np.linalg.svd(vectors - mean, full_matrices=False)
    wanted = (vectors - mean) @ axes[:4].T / np.sqrt(singular[:4] / np.sqrt(80))
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = Projection.fit(vectors, 4).apply(vectors)
    signs = np.sign((found * wanted).sum(axis=0))
    np.testing.assert_allclose(found, wanted * signs, atol=1e-3)


def test_plain_components_keep_all_angles() -> None:
    vectors = cloud()
    found = Projection.fit(vectors, 12, power=0.0)
    centred = unit(vectors - found.mean)
    projected = found.apply(vectors)
    np.testing.assert_allclose(projected @ projected.T, centred @ centred.T, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 10), st.integers(1, 20), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 99))
def test_lengths_and_shapes(n: int, raw: int, dim: int, power: float, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, raw)).astype(np.float32)
    found = Projection.fit(vectors, dim, power)
    projected = found.apply(vectors)
    assert 1 <= found.dim <= min(dim, raw)
    assert projected.shape == (n, found.dim)
    assert projected.dtype == np.float32
    lengths = np.linalg.norm(projected, axis=1)
    assert np.isfinite(projected).all()
    assert (np.isclose(lengths, 1, atol=1e-4) | np.isclose(lengths, 0, atol=1e-4)).all()


def test_dimensions_that_the_vectors_do_not_have_are_left_out() -> None:
    flat = cloud(50, 3) @ np.random.default_rng(1).normal(size=(3, 20)).astype(np.float32)
    assert Projection.fit(flat, 20).dim == 3


def test_equal_data_give_equal_axes() -> None:
    vectors = cloud(seed=5)
    order = np.random.default_rng(0).permutation(len(vectors))
    one, other = Projection.fit(vectors, 8), Projection.fit(vectors[order], 8)
    np.testing.assert_allclose(one.components, other.components, atol=2e-3)


def test_large_catalogs_are_sampled_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.encoders.projection._SAMPLE", 100)
    vectors = cloud()
    same = [Projection.fit(vectors, 4, seed=1).components for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], Projection.fit(vectors, 4, seed=2).components)


def test_new_vectors_go_the_same_way() -> None:
    vectors = cloud()
    found = Projection.fit(vectors[:200], 6)
    np.testing.assert_allclose(found.apply(vectors)[250], found.apply(vectors[250:251])[0], atol=1e-6)


def test_refusals() -> None:
    with pytest.raises(InvalidInputError, match="no vectors"):
        Projection.fit(np.empty((0, 4), dtype=np.float32), 2)
    found = Projection.fit(cloud(), 4)
    for wrong in (np.zeros((2, 11), dtype=np.float32), np.zeros(12, dtype=np.float32)):
        with pytest.raises(InvalidInputError, match="the space was made from 12"):
            found.apply(wrong)


def test_state_comes_back() -> None:
    found = Projection.fit(cloud(), 5)
    again = Projection.from_state(found.state())
    np.testing.assert_array_equal(again.apply(cloud()), found.apply(cloud()))


@pytest.mark.parametrize("name", ["mean", "components"])
@pytest.mark.parametrize("damage", ["missing", "shape", "type", "length"])
def test_damaged_states(name: str, damage: str) -> None:
    state = Projection.fit(cloud(), 5).state()
    if damage == "missing":
        del state[name]
    elif damage == "shape":
        state[name] = state[name][None]
    elif damage == "type":
        state[name] = state[name].astype(np.float64)
    else:
        state[name] = state[name][:-1]
    with pytest.raises(SnapshotError, match="damaged"):
        Projection.from_state(state)


def test_unit() -> None:
    found = unit(np.array([[3, 4], [0, 0]], dtype=np.float64))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]], atol=1e-7)
    assert found.dtype == np.float32
