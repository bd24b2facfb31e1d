"""Films without what users have written about them."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from matinee.data.catalog import SCHEMA, Catalog
from matinee.data.dataset import Dataset


def without_user_tags(dataset: Dataset) -> Dataset:
    """The same data, no film with a tag.

    Tags are written by users, some of them about the very films that they are asked for. Which user wrote a tag is not
    kept when data are read, so that those of other users cannot be told apart: all of them go.
    """
    if not dataset.catalog.frame["tags"].list.len().any():
        return dataset
    bare = dataset.catalog.frame.with_columns(tags=pl.lit([], dtype=SCHEMA["tags"]))
    return replace(dataset, catalog=Catalog(bare, dataset.catalog.active))
