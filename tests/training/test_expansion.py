"""The synthetic ratings of `benchmarks/scale.py`: the same from a seed, with a long tail, in the layout of ml-25m."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from matinee.data.load import load_dataset

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from expansion import Expansion, Seeds


@pytest.fixture(scope="module")
def seeds() -> Seeds:
    random = np.random.default_rng(3)
    rated = random.random((60, 40)) < 0.9 / (1 + np.arange(40)) ** 0.5
    users, movies = np.nonzero(rated)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=60))])
    stars = random.integers(1, 6, len(users)).astype(np.float32)
    titles = [f"Film {number} ({1950 + number})" for number in range(40)]
    return Seeds(indptr, movies.astype(np.int32), stars, np.arange(1, 41), titles, ["Drama|War"] * 40)


def test_a_seed_gives_the_same_ratings_by_parts(seeds: Seeds) -> None:
    n = len(seeds.movies)
    first, again, other = (list(Expansion(seeds, 5 * n // 2, 100, seed).parts()) for seed in (1, 1, 2))
    assert len(first) == 3
    assert all(one.equals(two) for one, two in zip(first, again, strict=True))
    assert not first[0].equals(other[0])
    assert sum(part.height for part in first) == pytest.approx(2.5 * n, rel=0.1)
    users = [set(part["userId"]) for part in first]
    assert not users[0] & users[1]
    assert len(users[2]) == 30
    assert not any(part.select("userId", "movieId").is_duplicated().any() for part in first)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_folder_is_read_as_one_of_movielens(seeds: Seeds, tmp_path: Path, form: str) -> None:
    total = Expansion(seeds, 3000, 100).write(tmp_path / form, form)
    dataset = load_dataset(tmp_path / form, credits=False)
    assert len(dataset.ratings) == total
    assert len(dataset.catalog) == 100
    assert dataset.catalog.titles([45])[0].startswith("Film 5, part 2")
    assert dataset.scale == (0.5, 5.0)
    assert "SYNTHETIC" in (tmp_path / form / "README.txt").read_text()
    counts = np.sort(dataset.ratings.counts)[::-1]
    assert counts[:10].sum() > 0.25 * total > 0.25 * 100 * counts[70]
    assert (dataset.ratings.times > 0).all()
