"""The networks: NumPy answers as Keras and JAX do, a planted structure is learned, seeds, missing packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinee.data.dataset import Dataset
from matinee.errors import DataError, MissingExtraError
from matinee.models import MODELS, NCF, Model, MultVAE, Query, RecommenderNet, RecVAE
from matinee.models.neural.dense import Floats
from matinee.models.neural.session_features import BANDWIDTHS
from support import make_dataset, random_dataset

SETTINGS: dict[str, dict[str, Any]] = {
    "recommendernet": {"members": 1, "dim": 8, "epochs": 8, "learning_rate": 0.02, "l2": 1e-3},
    "multvae": {"hidden": 24, "latent": 8, "epochs": 30, "learning_rate": 1e-2},
    "recvae": {"hidden": 24, "latent": 8, "epochs": 15, "learning_rate": 1e-2},
    "ncf": {"hidden": 16, "latent": 8, "epochs": 30, "learning_rate": 1e-2},
}
LISTS = ["multvae", "recvae", "ncf"]

pytest.importorskip("jax", reason="needs matinee[neural]")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return random_dataset(n_users=80)


@pytest.fixture(scope="module")
def fitted(data: Dataset) -> dict[str, Model[Any]]:
    return {kind: MODELS[kind](**settings).fit(data) for kind, settings in SETTINGS.items()}


@pytest.mark.parametrize("hidden", [(), (6, 5)])
@pytest.mark.parametrize("featured", [True, False])
def test_numpy_predicts_what_keras_does(hidden: tuple[int, ...], featured: bool) -> None:
    from matinee.models.neural.keras_network import initial, program
    from matinee.models.neural.keras_training import predict, shape_of
    from matinee.models.neural.rating_table import RatingTable

    n_features = 7 if featured else 0
    shape = shape_of(10, 12, n_features, dim=4, hidden=hidden, dropout=0.3, l1=0, l2=0, bias_l2=0, feature_l2=0)
    made = program(shape)
    weights, _ = initial(made, 3, 0.7)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 0.5, value.shape).astype(np.float32) for name, value in weights.items()}
    made.model.set_weights([weights[name] for name in made.names])
    features = rng.random((12, n_features)).astype(np.float32)
    users, movies = rng.integers(0, 10, 20).astype(np.int32), rng.integers(0, 12, 20).astype(np.int32)
    sessions = rng.standard_normal((20, len(BANDWIDTHS))).astype(np.float32)
    wide = np.zeros((20, shape.n_features), dtype=np.float32)
    wide[:, :n_features] = features[movies]
    expected = np.asarray(made.model([users, movies, wide, sessions], training=False))[:, 0]
    rows = RatingTable(users, movies, expected, np.zeros(20, dtype=np.int64), sessions)
    found = predict(weights, len(hidden), features, np.ones(12, dtype=np.bool_), rows)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def reference(kind: str, w: dict[str, Any], first: Any) -> Any:
    """The forward passes once more, from the papers, in JAX."""
    import jax
    import jax.numpy as jnp

    if kind == "multvae":
        code = jnp.tanh(first + w["in_bias"]) @ w["mean"] + w["mean_bias"]
        return jnp.tanh(code @ w["out_hidden"] + w["out_hidden_bias"]) @ w["out"] + w["out_bias"]
    if kind == "recvae":
        layers: list[Any] = []
        for number in range(5):
            dense = first if not layers else layers[-1] @ w[f"layer_{number}"]
            total = dense + w[f"layer_bias_{number}"] + sum(layers)
            active = total * jax.nn.sigmoid(total)
            rest = active - active.mean(axis=1, keepdims=True)
            normal = rest / jnp.sqrt(active.var(axis=1, keepdims=True) + 0.1)
            layers.append(normal * w[f"scale_{number}"] + w[f"offset_{number}"])
        return (layers[-1] @ w["mean"] + w["mean_bias"]) @ w["out"] + w["out_bias"]
    d = w["product"].shape[1]
    both = jnp.concatenate([w["deep_user"], w["deep_movie"]])
    scores = []
    for user in first:
        pairs = jnp.hstack([jnp.tile(user[d:], (len(w["deep"]), 1)), w["deep"]])
        hidden = jax.nn.relu(jax.nn.relu(pairs @ both + w["deep_bias"]) @ w["second"] + w["second_bias"])
        scores.append((user[:d] * w["product"]) @ w["product_out"] + hidden @ w["deep_out"] + w["item_bias"])
    return jnp.stack(scores)


@pytest.mark.parametrize("kind", LISTS)
def test_numpy_scores_what_jax_does(kind: str, fitted: dict[str, Model[Any]], data: Dataset) -> None:
    model = fitted[kind]
    state = model.state()
    queries = [Query.of(data.ratings, user) for user in range(5)]
    rows = np.zeros((5, model.n_items), dtype=np.float32)
    for number, query in enumerate(queries):
        rows[number, query.rows] = 1
    rows = rows[:, state["items"]]
    first = rows / np.linalg.norm(rows, axis=1, keepdims=True) @ state["in"]
    watched = type(model).from_state(model.config.model_copy(update={"feedback": "watched"}), state, data.catalog)
    scores = watched.score(queries)[:, state["items"]]
    np.testing.assert_allclose(scores, reference(kind, state, first), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", LISTS)
def test_lists_show_the_planted_tastes(kind: str, fitted: dict[str, Model[Any]], data: Dataset) -> None:
    """Users of each half prefer movies of the same half."""
    right: list[bool] = []
    for user in range(20):
        listed = fitted[kind].top(Query.of(data.ratings, user), n=5)
        taste = int(str(data.ratings.user_ids[user])[1:]) % 2
        right += [int(name[1:]) % 2 == taste for name in data.catalog.ids(np.array(listed))]
    assert np.mean(right) > 0.75


def test_stars_show_the_planted_tastes(data: Dataset) -> None:
    model = RecommenderNet(dim=8, epochs=40, patience=10, learning_rate=0.02, l2=1e-4).fit(data)
    taste = np.array([int(name[1:]) % 2 for name in data.catalog.column("movie_id")])
    apart = []
    for user in range(20):
        scores = model.score([Query.of(data.ratings, user)])[0]
        own = int(str(data.ratings.user_ids[user])[1:]) % 2
        apart.append(scores[taste == own].mean() - scores[taste != own].mean())
    assert np.mean(apart) > 0.5
    assert np.mean(np.array(apart) > 0) > 0.8


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_seed_decides(kind: str, fitted: dict[str, Model[Any]], data: Dataset) -> None:
    state = fitted[kind].state()
    again, other = (MODELS[kind](**SETTINGS[kind], seed=seed).fit(data).state() for seed in (0, 1))
    assert all(np.array_equal(again[name], state[name]) for name in state)
    assert not all(np.array_equal(other[name], state[name]) for name in state)


def test_networks_are_averaged(data: Dataset) -> None:
    settings = SETTINGS["recommendernet"] | {"epochs": 2, "validation": 0.0}
    pair = RecommenderNet(**settings | {"members": 2}).fit(data)
    query = Query.of(data.ratings, 4)
    logits = []
    for seed in (0, 1):
        scores = RecommenderNet(**settings, seed=seed).fit(data).score([query])[0].astype(np.float64)
        logits.append(np.log((scores - 0.5) / (5 - scores)))
    found = pair.score([query])[0].astype(np.float64)
    np.testing.assert_allclose(np.log((found - 0.5) / (5 - found)), np.mean(logits, axis=0), atol=1e-3)


def test_a_kind_moment_raises_what_is_predicted_for_it() -> None:
    """Users who rate in two sittings, a mild and a harsh one: the time tells which."""
    rng = np.random.default_rng(5)
    rows = []
    for user in range(60):
        for movie in rng.permutation(40)[:20]:
            evening = int(rng.integers(2))
            stars = float(np.clip(round(2 * rng.normal(4.2 if evening else 2.2, 0.4)) / 2, 0.5, 5))
            rows.append((f"u{user}", f"m{movie}", stars, 10**9 + 10**7 * evening + int(rng.integers(300))))
    data = make_dataset(rows)
    model = RecommenderNet(**SETTINGS["recommendernet"]).fit(data)
    query = Query.of(data.ratings, 0)
    asked = np.setdiff1d(np.arange(model.n_items), query.rows)
    harsh, mild = (model.predict(query, asked, np.full(len(asked), 10**9 + 10**7 * e + 150)) for e in (0, 1))
    plain = model.predict(query, asked)
    assert (mild > plain).all()
    assert (harsh < plain).all()
    unknown = model.predict(query, asked, np.full(len(asked), -1))
    np.testing.assert_allclose(unknown, plain, atol=1e-5)
    without = RecommenderNet(**SETTINGS["recommendernet"], sessions=False).fit(data)
    timed = without.predict(query, asked, np.full(len(asked), 10**9))
    np.testing.assert_array_equal(timed, without.predict(query, asked))


@pytest.mark.parametrize(
    ("model", "package"), [(RecommenderNet(), "keras"), (RecVAE(), "jax"), (MultVAE(), "jax"), (NCF(), "jax")]
)
def test_a_missing_package_is_a_sentence(
    model: Model[Any], package: str, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"Training .* needs matinee\[neural\]: pip install"):
        model.fit(data)


ANSWER = """
import sys
sys.modules["jax"] = sys.modules["keras"] = None  # as if they were not installed
import numpy as np
from matinee.models import MODELS, Query
from support import random_dataset
kind, folder = sys.argv[1:]
data = random_dataset(n_users=80)
state = dict(np.load(folder + "/state.npz", allow_pickle=False))
config = MODELS[kind].Config.model_validate_json(open(folder + "/config.json").read())
scores = MODELS[kind].from_state(config, state, data.catalog).score([Query.of(data.ratings, 3)])
np.save(folder + "/scores.npy", scores)
"""


@pytest.mark.parametrize("kind", SETTINGS)
def test_answers_need_numpy_alone(kind: str, fitted: dict[str, Model[Any]], data: Dataset, tmp_path: Path) -> None:
    model = fitted[kind]
    np.savez(tmp_path / "state.npz", **model.state())
    (tmp_path / "config.json").write_text(model.config.model_dump_json())
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", f"import sys; sys.path.append({tests!r})\n{ANSWER}", kind, str(tmp_path)]
    subprocess.run(command, check=True, timeout=300)
    scores: Floats = np.load(tmp_path / "scores.npy")
    np.testing.assert_array_equal(scores, model.score([Query.of(data.ratings, 3)]))


def test_members_are_averaged(data: Dataset) -> None:
    """Two networks of seeds 3 and 4 answer as each alone does, on the mean; stored they are the same."""
    settings = SETTINGS["multvae"] | {"epochs": 2}
    both = MultVAE(**settings, members=2, seed=3).fit(data)
    queries = [Query.of(data.ratings, user) for user in range(3)]
    alone = [MultVAE(**settings, seed=seed).fit(data) for seed in (3, 4)]
    np.testing.assert_allclose(both.score(queries), np.mean([one.score(queries) for one in alone], axis=0), atol=1e-5)
    likeness = np.mean([one.similar([0]) for one in alone], axis=0)
    np.testing.assert_allclose(both.similar([0]), likeness, atol=1e-5)
    loaded = MultVAE.from_state(both.config, both.state(), data.catalog)
    np.testing.assert_array_equal(loaded.score(queries), both.score(queries))


@pytest.mark.parametrize("kind", ["recommendernet", "multvae"])
def test_a_search_is_told_of_every_epoch(kind: str, data: Dataset) -> None:
    """`validation_loss` tells how many epochs are done and the loss, and ends with what is raised there."""
    model = MODELS[kind](**SETTINGS[kind] | {"epochs": 3})
    told: list[tuple[int, float]] = []

    def on_epoch(epoch: int, loss: float | None) -> None:
        assert loss is not None
        told.append((epoch, loss))

    loss = model.validation_loss(data, on_epoch)  # type: ignore[attr-defined]
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    assert 0 < loss <= told[0][1]

    class EnoughError(Exception):
        pass

    def stop(epoch: int, _: float | None) -> None:
        if epoch == 2:
            raise EnoughError

    with pytest.raises(EnoughError):
        model.validation_loss(data, stop)  # type: ignore[attr-defined]


def test_nothing_is_held_out_to_validate_by(data: Dataset) -> None:
    model = MultVAE(**SETTINGS["multvae"] | {"epochs": 1, "validation": 0.0})
    with pytest.raises(DataError, match="held out"):
        model.validation_loss(data, lambda _epoch, _loss: None)
