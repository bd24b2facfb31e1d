"""Data: fetch, read, clean, join, freeze. What needs data frames is imported at its first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from matinee._util.extras import missing_extra
from matinee.data.catalog import Catalog, Movie
from matinee.data.dataset import CleaningReport, Dataset, TableReport
from matinee.data.ratings import Ratings

if TYPE_CHECKING:
    from matinee.data.clean import clean_movies, clean_ratings
    from matinee.data.load import load_dataset, read_movies_table, read_ratings_table
    from matinee.data.sources import DatasetInfo, get_dataset_files, list_datasets
    from matinee.data.summary import Inspection, Statistics, describe, inspect_source

_HOMES = {
    "DatasetInfo": "sources",
    "Inspection": "summary",
    "Statistics": "summary",
    "clean_movies": "clean",
    "clean_ratings": "clean",
    "describe": "summary",
    "get_dataset_files": "sources",
    "inspect_source": "summary",
    "list_datasets": "sources",
    "load_dataset": "load",
    "read_movies_table": "load",
    "read_ratings_table": "load",
}

__all__ = [
    "Catalog",
    "CleaningReport",
    "Dataset",
    "DatasetInfo",
    "Inspection",
    "Movie",
    "Ratings",
    "Statistics",
    "TableReport",
    "clean_movies",
    "clean_ratings",
    "describe",
    "get_dataset_files",
    "inspect_source",
    "list_datasets",
    "load_dataset",
    "read_movies_table",
    "read_ratings_table",
]


def __getattr__(name: str) -> Any:
    """Import a name at its first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'matinee.data' has no attribute {name!r}")
    try:
        value = getattr(import_module(f"matinee.data.{home}"), name)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    globals()[name] = value
    return value
