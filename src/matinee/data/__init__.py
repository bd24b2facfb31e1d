"""Data: fetch, read, clean, join, freeze. Each name is imported at its first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matinee._util.lazy_import import lazy_names

if TYPE_CHECKING:
    from matinee.data.catalog import Catalog, Movie
    from matinee.data.clean import clean_movies, clean_ratings
    from matinee.data.dataset import CleaningReport, Dataset, TableReport
    from matinee.data.load import load_dataset, read_movies_table, read_ratings_table
    from matinee.data.ratings import Ratings
    from matinee.data.sources import DatasetInfo, get_dataset_files, list_datasets
    from matinee.data.summary import Inspection, Statistics, describe, inspect_source

_HOMES = {
    "matinee.data.catalog": ("Catalog", "Movie"),
    "matinee.data.clean": ("clean_movies", "clean_ratings"),
    "matinee.data.dataset": ("CleaningReport", "Dataset", "TableReport"),
    "matinee.data.load": ("load_dataset", "read_movies_table", "read_ratings_table"),
    "matinee.data.ratings": ("Ratings",),
    "matinee.data.sources": ("DatasetInfo", "get_dataset_files", "list_datasets"),
    "matinee.data.summary": ("Inspection", "Statistics", "describe", "inspect_source"),
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

__getattr__ = lazy_names(__name__, _HOMES)
