"""Data sets: download, reading, cleaning, joining."""

from matinee.data.catalog import Catalog, Movie
from matinee.data.clean import clean_movies, clean_ratings
from matinee.data.dataset import CleaningReport, Dataset, TableReport
from matinee.data.load import load_dataset, read_movies_table, read_ratings_table
from matinee.data.ratings import Ratings
from matinee.data.sources import DatasetInfo, get_dataset_files, list_datasets
from matinee.data.summary import Inspection, Statistics, describe, inspect_source

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
