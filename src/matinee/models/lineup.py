"""The models that are trained where nothing else is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

from matinee._util.extras import need
from matinee.data.dataset import Dataset
from matinee.models.base import Model
from matinee.models.bayesian import BayesianStars
from matinee.models.blend.model import Blend
from matinee.models.coldstart import ColdStart
from matinee.models.content.model import Content
from matinee.models.ease import Ease, EaseConfig
from matinee.models.graph_filter import GraphFilter
from matinee.models.ials import ImplicitALS
from matinee.models.item_knn import ItemKNN
from matinee.models.neural.multvae import MultVAE, MultVAEConfig
from matinee.models.neural.recvae import RecVAE, RecVAEConfig
from matinee.models.popularity import Popularity
from matinee.models.stars import Stars
from matinee.models.user_kernel import UserKernel
from matinee.settings import Settings

Lineup = Callable[[Dataset], dict[str, Model[Any]]]
"""Makes the unfitted models by name, parts before the models made of them."""
Neural = Literal["", "multvae", "recvae"]

MIN_RATINGS, MAX_ITEMS = 5, 12_000
"""Movies that EASE learns: rarer ones hardly ever make an answer; the weights of 12,000 movies take 549 MiB."""

KERNEL_USERS, KERNEL_CELLS = 8000, 1 << 25
"""Data of more users, or of more users × movies, get no user kernel: solving for it takes the cube of the users, and
its weights are users × movies (128 MiB here)."""

MAX_BAYESIAN_RATINGS = 3_000_000
"""Data of more ratings get stars by least squares: the Markov chain takes about 10 s for each million on two cores."""
MAX_BAYESIAN_MOVIES = 200_000
"""So do those of more movies: the samples of all of them, rated or not, are kept (6 KB a movie while fitting)."""

WEIGHTS = {
    "edlae": (0.0, 0.02, 0.08, 0.16, 0.16),
    "ials": (0.05, 0.1, 0.2, 0.36, 0.36),
    "itemknn": (0.05, 0.1, 0.08, 0.04, 0.03),
    "graph": (0.5, 0.4, 0.3, 0.08, 0.05),
    "content": (0.05, 0.06, 0.08, 0.18, 0.2),
    "stars": (0.25, 0.15, 0.1, 0.14, 0.14),
    "popular": (0.2, 0.08, 0.03, 0.0, 0.0),
    "userkernel": 0.0,
}
"""Usual weights of the default's parts at histories of 1, 3, 10, 30 and 100 movies: about those learned on the
validation parts of MovieLens."""

WATCHED = {"edlae": 0.25, "ials": 0.5, "graph": 0.1, "content": 0.15, "stars": 0.1, "userkernel": 0.15}
"""Weights of `watched`; learned ones are no better (ml-100k, validation, nDCG@10 of every rating .266, these .268)."""


NEURAL_WEIGHT, NEURAL_WATCHED = (0.0, 0.05, 0.1, 0.2, 0.2), 1.0
"""Usual weight of an autoencoder in the blend at the same lengths, and in `watched`."""


def default_lineup(dataset: Dataset, neural: Neural = "") -> dict[str, Model[Any]]:
    """Unfitted models by name, parts before the blend that is made of them.

    Settings were chosen on validation data; on which is said in docs/decisions/0007-evaluation.md.
    Where the data have vectors of texts or posters, `coldstart` is added and places new movies in the blend.

    Args:
        neural: an autoencoder that is added, to the blends too.
    """
    warm = {"min_ratings": MIN_RATINGS, "max_items": MAX_ITEMS}
    lineup: dict[str, Model[Any]] = {
        "popular": Popularity(),
        "top_rated": Popularity(by="top_rated"),
        "trending": Popularity(by="trending"),
        "itemknn": ItemKNN(),
        "ease": Ease(EaseConfig(regularization=600.0, **warm)),
        "edlae": Ease(
            regularization=200.0, dropout=0.5, weighting="stars", min_ratings=MIN_RATINGS, max_items=MAX_ITEMS
        ),
        "ials": ImplicitALS(),
        "graph": GraphFilter(),
        "content": Content(),
    }
    if dataset.vectors:
        lineup["coldstart"] = ColdStart()
    weights, watched = dict(WEIGHTS), dict(WATCHED)
    few = len(dataset.ratings) <= MAX_BAYESIAN_RATINGS and len(dataset.catalog) <= MAX_BAYESIAN_MOVIES
    bayesian = few and find_spec("numba") is not None
    lineup["stars"] = BayesianStars() if bayesian else Stars()
    if lineup["stars"].unsuited(dataset):
        del weights["stars"], watched["stars"]
    n_users = dataset.ratings.n_users
    if n_users <= KERNEL_USERS and n_users * len(dataset.catalog) <= KERNEL_CELLS:
        lineup["userkernel"] = UserKernel()
    else:
        del weights["userkernel"], watched["userkernel"]
    if neural:
        lineup[neural] = _autoencoder(neural, warm)
        weights[neural], watched[neural] = NEURAL_WEIGHT, NEURAL_WATCHED
    mapping = "coldstart" if dataset.vectors else None
    return lineup | {
        "blend": Blend(weights=weights, mapping=mapping),
        "watched": Blend(weights=watched, feedback="watched", learn=False, mapping=mapping),
    }


def _autoencoder(kind: Neural, warm: dict[str, int]) -> Model[Any]:
    if kind == "multvae":
        return MultVAE(MultVAEConfig(**warm))
    return RecVAE(
        RecVAEConfig(members=2, validation=0.1, learning_rate=1.5e-3, encoder_passes=2, epochs=40, patience=5, **warm)
    )


def lineup_for(settings: Settings) -> Lineup:
    """The models that these settings ask for, of any data set.

    Raises:
        MissingExtraError: they ask for an autoencoder, and JAX is not installed.
    """
    if settings.train_neural:
        need("jax", f"Training {settings.train_neural}", "neural")
    return partial(default_lineup, neural=settings.train_neural)
