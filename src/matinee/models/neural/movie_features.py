"""What a network is told of a movie besides its number: genres and the time of its release."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog

_FIRST, _STEP, _BINS = 1930, 10, 10
"""Decades from the 1930s to the 2020s."""


def movie_features(catalog: Catalog, *, genres: bool, years: bool) -> NDArray[np.float32]:
    """Features of all movies, (n_items, d), d ≥ 0.

    Args:
        genres: one column a genre of the catalog, in order of their names, 1 where the movie has it.
        years: one column a decade; a year lies between two of them (linear interpolation), so that 1989 is nearly 1990.
            A movie without a year has 0 everywhere.
    """
    parts = [np.zeros((len(catalog), 0), dtype=np.float32)]
    if genres:
        parts.append(_genres(catalog))
    if years:
        parts.append(_decades(catalog))
    return np.hstack(parts)


def _genres(catalog: Catalog) -> NDArray[np.float32]:
    lists = list(catalog.column("genres"))
    place = {name: number for number, name in enumerate(sorted({name for names in lists for name in names or ()}))}
    result = np.zeros((len(lists), len(place)), dtype=np.float32)
    for row, names in enumerate(lists):
        result[row, [place[name] for name in names or ()]] = 1
    return result


def _decades(catalog: Catalog) -> NDArray[np.float32]:
    years = np.array([np.nan if year is None else year for year in catalog.column("year")], dtype=np.float64)
    position = np.clip((years - _FIRST) / _STEP, 0, _BINS - 1)
    near = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(_BINS)))
    result: NDArray[np.float32] = np.nan_to_num(near).astype(np.float32)
    return result
