"""Films without what users have written about them."""

from __future__ import annotations

from dataclasses import replace

from matinee.data.dataset import Dataset

TEXT = "text"
"""Space of vectors that are made of a film's tags too (`matinee.encoders.film_texts`)."""


def without_user_tags(dataset: Dataset) -> Dataset:
    """The same data, no film with a tag, and no vectors of texts that hold tags.

    Tags are written by users, some of them about the very films that they are asked for. Which user wrote a tag is not
    kept when data are read, so that those of other users cannot be told apart: all of them go.
    """
    catalog = dataset.catalog.without_tags()
    if catalog is dataset.catalog:
        return dataset
    vectors = {space: films for space, films in dataset.vectors.items() if space != TEXT}
    return replace(dataset, catalog=catalog, vectors=vectors)
