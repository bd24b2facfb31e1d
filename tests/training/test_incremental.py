"""Incremental training: the data of a whole one, models that begin with those in service, and when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.errors import InvalidInputError, SnapshotError
from matinee.models import Blend
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.stores import Rating, open_store
from matinee.training.incremental import Changes, compared, places
from matinee.training.movie_map import grown_layout
from matinee.training.pipeline import train_dataset
from support import make_dataset, random_dataset

Pairs = dict[tuple[str, str], float]

PAIRS = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), st.sampled_from([0.0, 0.5, 3.0, 5.0]), min_size=1
)


def dataset_of(pairs: Pairs, reverse: bool) -> Dataset:
    films = sorted({movie for _, movie in pairs}, reverse=reverse)
    movies: list[dict[str, object]] = [{"movie_id": film, "title": film} for film in films]
    return make_dataset([(user, movie, stars, None) for (user, movie), stars in pairs.items()], movies)


@hypothesis.settings(max_examples=40)
@given(PAIRS, PAIRS)
def test_changes_are_counted(before: Pairs, after: Pairs) -> None:
    both = before.keys() & after.keys()
    assert compared(dataset_of(before, False), dataset_of(after, True)) == Changes(
        ratings_added=len(after.keys() - before.keys()),
        ratings_changed=sum(before[pair] != after[pair] for pair in both),
        ratings_removed=len(before.keys() - after.keys()),
        users_added=len({user for user, _ in after} - {user for user, _ in before}),
        users_removed=len({user for user, _ in before} - {user for user, _ in after}),
        movies_added=len({movie for _, movie in after} - {movie for _, movie in before}),
        movies_removed=len({movie for _, movie in before} - {movie for _, movie in after}),
    )


def test_places_of_ids() -> None:
    assert places(pl.Series(["b", "x", "a"]), pl.Series(["a", "b"])).tolist() == [1, -1, 0]


def test_new_films_are_placed_among_their_neighbors() -> None:
    vectors = np.repeat(np.eye(2, dtype=np.float32), 6, axis=0)
    points = np.repeat(np.array([[-1.0, 0.0], [1.0, 0.5]], dtype=np.float32), 6, axis=0)
    points[3] = np.nan
    grown = grown_layout(vectors, points)
    np.testing.assert_array_equal(grown[3], [-1.0, 0.0])
    np.testing.assert_array_equal(np.delete(grown, 3, axis=0), np.delete(points, 3, axis=0))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a whole training of the random data; nothing is promoted in it."""
    folder = tmp_path_factory.mktemp("whole")
    train_dataset(Settings(data_dir=folder), random_dataset())
    return folder


def served(home: Path) -> Snapshot:
    registry = SnapshotRegistry(home / "snapshots")
    current = registry.current()
    assert current is not None
    return Snapshot.load(registry.root, current)


def test_it_learns_what_a_whole_training_learns(tmp_path: Path) -> None:
    settings, data = Settings(data_dir=tmp_path), random_dataset()
    first = train_dataset(settings, data)
    store = open_store(settings, data.name)
    mine = [row for row in data.ratings.to_frame(data.catalog).iter_rows() if row[0] == "u1"]
    store.put_movies([Movie(movie_id="m99", title="Laughing at Last", genres=("Comedy",))])
    store.put_ratings([Rating("new", movie, stars, 1_100_000_000) for _, movie, stars, _ in mine])
    store.put_ratings([Rating(f"u{user}", "m99", 4.5, 1_100_000_000) for user in (1, 3, 5)])
    store.put_ratings([Rating("u2", "m2", 0.5, 1_100_000_000)])
    store.delete_rating("u1", mine[0][1], 1_100_000_000)
    store.erase_user("u4")
    sequence = store.seq()
    store.close()

    whole = train_dataset(settings, data, promote=False)
    second = train_dataset(settings, data, incremental=True)
    base, by_whole, made = (Snapshot.load(tmp_path / "snapshots", one) for one in (first, whole, second))
    assert served(tmp_path).id == second
    assert made.manifest.fingerprint == by_whole.manifest.fingerprint != base.manifest.fingerprint
    assert made.manifest.watermark == sequence
    assert list(made.models) == list(by_whole.models)
    assert made.manifest.metrics == {}
    told = made.manifest.settings["incremental"]
    assert (told["base"], told["whole"]) == (first, first)
    assert told["changes"]["users_removed"] == told["changes"]["users_added"] == told["changes"]["movies_added"] == 1
    assert "incremental" not in by_whole.manifest.settings
    for name in ("popular", "itemknn", "ease", "edlae", "content", "userkernel"):
        for key, values in by_whole.models[name].state().items():
            np.testing.assert_allclose(made.models[name].state()[key], values, rtol=1e-5, atol=1e-6, err_msg=name)
    learned, kept = made.models["blend"], base.models["blend"]
    assert isinstance(learned, Blend)
    assert learned.config.curves == kept.config.curves
    old, new = base.spaces["content"], made.spaces["content"]
    np.testing.assert_array_equal(new.layout[new.rows < 40], old.layout)
    assert len(new.layout) == len(old.layout) + 1

    again = train_dataset(settings, data, incremental=True, promote=False)
    twice = SnapshotRegistry(tmp_path / "snapshots").show(again).settings["incremental"]
    assert (twice["base"], twice["whole"], twice["share"]) == (second, first, told["share"])
    assert not any(twice["changes"].values())


def fewer_ratings(data: Dataset) -> Dataset:
    return data.with_ratings(data.ratings.of_users(np.arange(40)))


REFUSED: list[tuple[str, Callable[[Dataset], Dataset]]] = [
    ("of the ratings or films have changed since snapshot", fewer_ratings),
    ("is of random, not of other", lambda data: replace(data, name="other")),
    ("have another scale", lambda data: replace(data, scale=(0.5, 10.0))),
]


@pytest.mark.parametrize(("reason", "change"), REFUSED, ids=[reason for reason, _ in REFUSED])
def test_it_refuses_other_data(home: Path, reason: str, change: Callable[[Dataset], Dataset]) -> None:
    before = served(home).id
    with pytest.raises(SnapshotError, match=reason) as refused:
        train_dataset(Settings(data_dir=home), change(random_dataset()), incremental=True)
    assert refused.value.hint == "Train whole: `matinee train`, without --incremental."
    assert served(home).id == before


def test_it_refuses_other_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.models.lineup.MIN_RATINGS", 4)
    with pytest.raises(SnapshotError, match="The settings of ease are not those of snapshot"):
        train_dataset(Settings(data_dir=home), random_dataset(), incremental=True)


def test_it_refuses_another_version(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.training.incremental.versions", lambda: {"matinee": "0.0.1"})
    with pytest.raises(SnapshotError, match="trained by another version of Matinee"):
        train_dataset(Settings(data_dir=home), random_dataset(), incremental=True)


def test_it_refuses_without_a_whole_training(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(SnapshotError, match="No snapshot is in service yet"):
        train_dataset(settings, random_dataset(), incremental=True)
    with pytest.raises(InvalidInputError, match="quick or incremental"):
        train_dataset(settings, random_dataset(), incremental=True, quick=True)
    train_dataset(settings, random_dataset(), quick=True)
    with pytest.raises(SnapshotError, match="is of a quick training"):
        train_dataset(settings, random_dataset(), incremental=True)
