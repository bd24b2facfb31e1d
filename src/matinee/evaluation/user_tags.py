"""Films without what users have written about them."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.frames import SCHEMA

TEXT = "text"
"""Space of vectors that are made of a film's tags too (`matinee.encoders.film_texts`)."""


def without_user_tags(dataset: Dataset) -> Dataset:
    """The same data, no film with a tag, and no vectors of texts that hold tags.

    Tags are written by users, some of them about the very films that they are asked for. Which user wrote a tag is not
    kept when data are read, so that those of other users cannot be told apart: all of them go.
    """
    if not (dataset.catalog.frame["tags"].list.len() > 0).any():
        return dataset
    bare = dataset.catalog.frame.with_columns(tags=pl.lit([], dtype=SCHEMA["tags"]))
    vectors = {space: found for space, found in dataset.vectors.items() if space != TEXT}
    return replace(dataset, catalog=Catalog(bare, dataset.catalog.active), vectors=vectors)
