"""Matinee, a film recommender that one command starts.

Everything below is imported at first use, so that `import matinee` itself costs next to nothing:

    >>> import matinee
    >>> dataset = matinee.load_dataset()  # the setting `data`; or a name, a folder, a frame
    >>> model = matinee.Ease().fit(dataset)
    >>> history = matinee.Query.of_movies(dataset.catalog, {"Toy Story": 5.0})
    >>> dataset.titles(model.top(history, n=1))
    ['Groundhog Day (1993)']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matinee._util.lazy_import import lazy_names

if TYPE_CHECKING:
    from matinee.data import load_dataset
    from matinee.data.catalog import Catalog, Movie
    from matinee.data.dataset import Dataset
    from matinee.data.ratings import Ratings
    from matinee.engine import Engine, Request, StateChange
    from matinee.errors import MatineeError
    from matinee.models import (
        NCF,
        BayesianStars,
        Blend,
        ColdStart,
        Content,
        Ease,
        FeatureALS,
        ForestStars,
        GraphFilter,
        HigherOrderEase,
        ImplicitALS,
        ItemKNN,
        ItemKnnStars,
        Model,
        MultVAE,
        Popularity,
        Query,
        RecommenderNet,
        RecVAE,
        RidgeStars,
        RP3Beta,
        Slim,
        Stars,
        Svd,
        SvdPlusPlus,
        UserKernel,
        UserKnnStars,
    )
    from matinee.settings import Settings
    from matinee.training.pipeline import train

__version__ = "0.2.0"

_HOMES = {
    "matinee.data": ("load_dataset",),
    "matinee.data.catalog": ("Catalog", "Movie"),
    "matinee.data.dataset": ("Dataset",),
    "matinee.data.ratings": ("Ratings",),
    "matinee.engine": ("Engine", "Request", "StateChange"),
    "matinee.errors": ("MatineeError",),
    "matinee.models": (
        "BayesianStars",
        "Blend",
        "ColdStart",
        "Content",
        "Ease",
        "FeatureALS",
        "ForestStars",
        "GraphFilter",
        "HigherOrderEase",
        "ImplicitALS",
        "ItemKNN",
        "ItemKnnStars",
        "Model",
        "MultVAE",
        "NCF",
        "Popularity",
        "Query",
        "RP3Beta",
        "RecVAE",
        "RecommenderNet",
        "RidgeStars",
        "Slim",
        "Stars",
        "Svd",
        "SvdPlusPlus",
        "UserKernel",
        "UserKnnStars",
    ),
    "matinee.settings": ("Settings",),
    "matinee.training.pipeline": ("train",),
}

__all__ = [
    "NCF",
    "BayesianStars",
    "Blend",
    "Catalog",
    "ColdStart",
    "Content",
    "Dataset",
    "Ease",
    "Engine",
    "FeatureALS",
    "ForestStars",
    "GraphFilter",
    "HigherOrderEase",
    "ImplicitALS",
    "ItemKNN",
    "ItemKnnStars",
    "MatineeError",
    "Model",
    "Movie",
    "MultVAE",
    "Popularity",
    "Query",
    "RP3Beta",
    "Ratings",
    "RecVAE",
    "RecommenderNet",
    "Request",
    "RidgeStars",
    "Settings",
    "Slim",
    "Stars",
    "StateChange",
    "Svd",
    "SvdPlusPlus",
    "UserKernel",
    "UserKnnStars",
    "__version__",
    "load_dataset",
    "train",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet, and nothing else."""
    return sorted(__all__)
