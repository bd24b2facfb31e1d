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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matinee.data import load_dataset
    from matinee.data.catalog import Catalog, Movie
    from matinee.data.dataset import Dataset
    from matinee.data.ratings import Ratings
    from matinee.engine import Engine, Request
    from matinee.errors import MatineeError
    from matinee.models import (
        BayesianStars,
        Blend,
        ColdStart,
        Content,
        Ease,
        GraphFilter,
        ImplicitALS,
        ItemKNN,
        Model,
        Popularity,
        Query,
        Stars,
        UserKernel,
    )
    from matinee.settings import Settings
    from matinee.training.pipeline import train

__version__ = "0.2.0"

_HOMES = {
    "BayesianStars": "matinee.models",
    "Blend": "matinee.models",
    "Catalog": "matinee.data.catalog",
    "ColdStart": "matinee.models",
    "Content": "matinee.models",
    "Dataset": "matinee.data.dataset",
    "Ease": "matinee.models",
    "Engine": "matinee.engine",
    "GraphFilter": "matinee.models",
    "ImplicitALS": "matinee.models",
    "ItemKNN": "matinee.models",
    "MatineeError": "matinee.errors",
    "Model": "matinee.models",
    "Movie": "matinee.data.catalog",
    "Popularity": "matinee.models",
    "Query": "matinee.models",
    "Ratings": "matinee.data.ratings",
    "Request": "matinee.engine",
    "Settings": "matinee.settings",
    "Stars": "matinee.models",
    "UserKernel": "matinee.models",
    "load_dataset": "matinee.data",
    "train": "matinee.training.pipeline",
}

__all__ = [
    "BayesianStars",
    "Blend",
    "Catalog",
    "ColdStart",
    "Content",
    "Dataset",
    "Ease",
    "Engine",
    "GraphFilter",
    "ImplicitALS",
    "ItemKNN",
    "MatineeError",
    "Model",
    "Movie",
    "Popularity",
    "Query",
    "Ratings",
    "Request",
    "Settings",
    "Stars",
    "UserKernel",
    "__version__",
    "load_dataset",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'matinee' has no attribute {name!r}")
    try:
        value = getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        from matinee._util.extras import missing_extra

        raise missing_extra(error) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet, and nothing else."""
    return sorted(__all__)
