"""The memory of a whole training: estimated before it starts, and refused with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from matinee.data.catalog import Catalog, Movie
from matinee.data.ratings import Ratings
from matinee.errors import MemoryLimitError
from matinee.models.lineup import default_lineup
from matinee.settings import Settings
from matinee.training.memory_plan import memory_there, training_memory
from matinee.training.pipeline import train_dataset
from support import random_dataset


def test_a_training_over_the_budget_is_refused_before_it_starts(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, memory_budget=64 << 20)
    steps: list[str] = []
    with pytest.raises(MemoryLimitError, match=r"needs about 0\.\d GiB; the memory budget is 0\.1 GiB") as error:
        train_dataset(settings, random_dataset(), progress=lambda what, _: steps.append(what))
    assert "--memory-budget" in error.value.hint
    assert not any(step.startswith("fitting") for step in steps)


def test_more_data_need_more_memory() -> None:
    sizes = []
    for n in (40, 80, 160):
        dataset = random_dataset(2 * n, n)
        lineup = default_lineup(dataset)
        sizes.append(training_memory(dataset, lineup, measure=False))
        assert training_memory(dataset, lineup, measure=True) > sizes[-1]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(("limit", "expected"), [("max", 3 << 30), (str(2 << 30), 1 << 30)])
def test_the_container_limits_what_is_there(tmp_path: Path, limit: str, expected: int) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {3 << 20} kB\n")
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(str(1 << 30))
    assert memory_there(tmp_path / "meminfo", tmp_path) == expected
    assert memory_there(tmp_path / "none", tmp_path / "none") is None


def test_films_that_nobody_rated_take_no_factors() -> None:
    """Estimates of models that learn rated films alone hardly grow with the others: few would fit a million films."""
    data = random_dataset(60, 40)
    others = [Movie(movie_id=f"x{n}", title="X") for n in range(4000)]
    ratings = data.ratings
    large = replace(
        data,
        catalog=Catalog(data.catalog.with_changes(others).frame),
        ratings=Ratings(ratings.user_ids, ratings.indptr, ratings.indices, ratings.values, ratings.times, 4040),
    )
    lineup = default_lineup(data)
    for name in ("ials", "graph", "itemknn"):
        for bytes_of in (lineup[name].memory_needed, lineup[name].memory_kept):
            assert bytes_of(data) <= bytes_of(large) <= bytes_of(data) + 200 * len(others)
