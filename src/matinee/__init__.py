"""Matinee, a film recommender that one command starts.

Everything below is imported at first use, so that `import matinee` itself costs next to nothing:

    >>> import matinee
    >>> dataset = matinee.load_dataset("ml-latest-small")
    >>> model = matinee.EASE().fit(dataset)
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
    from matinee.engine.training import train
    from matinee.errors import MatineeError
    from matinee.models.base import Query
    from matinee.settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "Catalog": "matinee.data.catalog",
    "Dataset": "matinee.data.dataset",
    "Engine": "matinee.engine",
    "MatineeError": "matinee.errors",
    "Movie": "matinee.data.catalog",
    "Query": "matinee.models.base",
    "Ratings": "matinee.data.ratings",
    "Request": "matinee.engine",
    "Settings": "matinee.settings",
    "load_dataset": "matinee.data",
    "train": "matinee.engine.training",
}

__all__ = [
    "Catalog",
    "Dataset",
    "Engine",
    "MatineeError",
    "Movie",
    "Query",
    "Ratings",
    "Request",
    "Settings",
    "__version__",
    "load_dataset",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'matinee' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
