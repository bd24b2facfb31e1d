"""What a device computes is what the processors do: JAX's own processor everywhere, a GPU where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from matinee.accelerator.device import current_device, find_device, on_device, use_device
from matinee.errors import MatineeError, MissingExtraError
from matinee.indexes.scoring import nearest_rows
from matinee.models import Ease, ImplicitALS, Model, Query
from matinee.models.base import silent
from matinee.models.factorization import batch_pool, ridge_solve
from matinee.models.gram import gram_matrix, invert
from matinee.settings import Settings
from matinee.snapshots.registry import SnapshotRegistry
from matinee.training.pipeline import train_dataset
from support import random_dataset

jax = pytest.importorskip("jax", reason="needs JAX (matinee[neural] or matinee[gpu])")
linear_algebra = pytest.importorskip("matinee.accelerator.linear_algebra")


@pytest.fixture(params=["cpu", "gpu"])
def device(request: pytest.FixtureRequest) -> Any:
    try:
        return jax.devices(request.param)[0]
    except RuntimeError:
        pytest.skip("JAX sees no GPU")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks of users, of rows and of queries."""
    from matinee.accelerator import candidates

    monkeypatch.setattr(linear_algebra, "BLOCK_VALUES", 5000)
    monkeypatch.setattr(candidates, "BLOCK_VALUES", 5000)


def rated(n_users: int, k: int, share: float, seed: int = 1) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    return sp.random(n_users, k, share, "csr", dtype=np.float32, random_state=rng)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("n_users", "k", "share"), [(700, 37, 0.2), (3, 5, 1.0), (200, 64, 0.0)])
def test_gram_matrix_and_its_inverse(device: Any, n_users: int, k: int, share: float) -> None:
    matrix = rated(n_users, k, share)
    exact = (matrix.T @ matrix).toarray().astype(np.float64)
    shares: list[float] = []
    with use_device(device):
        gram = gram_matrix(matrix, lambda _, done: shares.append(done), "here")
        more = gram_matrix(matrix, silent, "here", gram.copy(order="F"))
        gram[np.diag_indices(k)] += 1
        inverse = invert(gram)
    lower = np.tril_indices(k)
    np.testing.assert_allclose(more[lower], 2 * exact[lower], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inverse[lower], np.linalg.inv(exact + np.eye(k))[lower], rtol=1e-4, atol=1e-6)
    assert shares == sorted(shares)
    assert shares[-1] == 0.5


def test_a_matrix_that_is_not_definite_is_told(device: Any) -> None:
    with use_device(device), pytest.raises(MatineeError, match="not positive definite"):
        invert(np.asfortranarray(-np.eye(4, dtype=np.float32)))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("pulled", [True, False])
def test_ridge_systems(device: Any, shared: bool, pulled: bool) -> None:
    rng = np.random.default_rng(4)
    matrix = rated(90, 40, 0.15, 3)
    matrix = sp.vstack([matrix, sp.csr_matrix((2, 40)), np.ones((1, 40), dtype=np.float32)]).tocsr()
    features = rng.standard_normal((40, 6)).astype(np.float32)
    ridge = rng.uniform(0.5, 2, (93, 6)).astype(np.float32)
    base = np.eye(6, dtype=np.float32) if shared else None
    pull = rng.standard_normal((93, 6)).astype(np.float32) if pulled else None
    arguments = matrix.indptr, matrix.indices, matrix.data, features, ridge
    with batch_pool() as pool:
        expected = ridge_solve(*arguments, pool, base, pull=pull)
        with use_device(device):
            solved = ridge_solve(*arguments, pool, base, pull=pull)
    np.testing.assert_allclose(solved, expected, rtol=2e-4, atol=2e-5)
    assert not solved[90:92].any()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("masked", [None, 0.5, 0.004])
def test_nearest_rows_are_the_same_to_the_last_bit(device: Any, masked: float | None) -> None:
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((900, 8)).astype(np.float32)
    vectors[1::20] = vectors[0]  # as many as are looked at, and more
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mask = None if masked is None else rng.random(900) < masked
    for queries in (vectors[:60], vectors[2:40]):
        expected = nearest_rows(vectors, queries, 10, mask)
        with use_device(device):
            found = nearest_rows(vectors, queries, 10, mask)
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "model",
    [Ease(regularization=5.0), Ease(regularization=3.0, dropout=0.4), ImplicitALS(n_factors=8, solver="exact")],
    ids=["ease", "edlae", "ials"],
)
def test_models_are_the_same_within_rounding(device: Any, model: Model[Any]) -> None:
    data = random_dataset(80, 50, 0.3)
    queries = [Query.of(data.ratings, user) for user in range(20)]
    expected = model._copy().fit(data).score(queries)
    with use_device(device):
        fitted = model._copy().fit(data)
    np.testing.assert_allclose(fitted.score(queries), expected, rtol=2e-3, atol=2e-4)


def test_a_training_runs_on_a_device_and_says_so(device: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.accelerator.device.find_device", lambda wanted: device)
    settings = Settings(data_dir=tmp_path, offline=True)
    snapshot_id = train_dataset(settings, random_dataset(60, 40, 0.4), quick=True)
    manifest = SnapshotRegistry(settings.snapshots_dir).show(snapshot_id)
    assert manifest.settings["device"] == device.device_kind


def test_which_device_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_device("cpu") is None
    assert current_device() is None
    monkeypatch.setattr("matinee.accelerator.device.PLUGINS", ("no_such_plugin",))
    assert find_device("auto") is None
    with pytest.raises(MissingExtraError, match=r"A GPU needs matinee\[gpu\]"):
        find_device("gpu")
    monkeypatch.setattr("matinee.accelerator.device.PLUGINS", ("json",))  # JAX is asked

    def none(kind: str) -> list[Any]:
        raise RuntimeError(f"Unknown backend: '{kind}' requested")

    monkeypatch.setattr(jax, "devices", none)
    assert find_device("auto") is None
    with pytest.raises(MatineeError, match=r"JAX sees no GPU: Unknown backend: 'gpu' requested.*MATINEE_DEVICE=cpu"):
        find_device("gpu")


def test_a_device_ends_with_its_work() -> None:
    @on_device
    def work(settings: Settings) -> Any:
        return current_device()

    assert work(Settings(device="cpu")) is None
    with use_device("some device"):
        assert current_device() == "some device"
    assert current_device() is None
