"""The spaces of content, taste and both: golden values by hand, against the whole likeness, and while films are put."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from index_support import make_index, random_vectors
from matinee.data.catalog import Catalog, Movie
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.engine import Engine
from matinee.engine.updatable_spaces import UpdatableSpace, UpdatableSpaces
from matinee.errors import SnapshotError
from matinee.indexes import ExactIndex, UpdatableIndex
from matinee.indexes.approximate import Recipe
from matinee.models import Popularity
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.content.model import Content
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.snapshots.spaces import Space, lifted
from matinee.spaces.blend_space import TASTE_WEIGHT, blend_movies, blended
from matinee.spaces.content_space import ContentSpace, content_dim, drawn_together
from matinee.training.pipeline import train_dataset
from matinee.training.vector_spaces import SUPPORT, content_space, model_spaces, taste_space
from support import random_dataset

SERIES = ("Harbour", "Harbour II", "Harbour III: The Tide")


def space_of(vectors: np.ndarray, is_lifted: bool = True) -> Space:  # type: ignore[type-arg]
    films = MovieVectors(np.arange(len(vectors)), np.asarray(vectors, dtype=np.float32))
    return Space("content", films, np.zeros((len(vectors), 2), dtype=np.float32), lifted=is_lifted)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Forty random films, the first three of one series, which nothing but the titles tells."""
    data = random_dataset()
    frame = data.catalog.frame
    titles = [*SERIES, *(f"W{number}x" for number in range(3, 40))]
    years = [1980, 1985, 1990, *frame["year"].to_list()[3:]]
    frame = frame.with_columns(pl.Series("title", titles), pl.Series("year", years, dtype=pl.Int32))
    return replace(data, catalog=Catalog(frame))


@pytest.fixture(scope="module")
def content(dataset: Dataset) -> Content:
    return Content().fit(dataset)


@pytest.fixture
def engine(dataset: Dataset, tmp_path: Path) -> Iterator[Engine]:
    chosen = Settings(data_dir=tmp_path, text_encoder="off", image_encoder="off")
    train_dataset(chosen, dataset)
    with Engine.open(chosen) as opened:
        yield opened


def similar(engine: Engine, movie_id: str, by: str = "content", n: int = 3, index: str = "exact") -> list[str]:
    return [item.movie_id for item in engine.similar(movie_id, by=by, n=n, index=index).items]  # type: ignore[arg-type]


# --- by hand ----------------------------------------------------------------------------------------------------
def test_lifted_vectors_by_hand() -> None:
    made = lifted(np.array([[0.6, 0.0], [0.0, 1.0], [0.0, 0.0], [3.0, 4.0]], dtype=np.float32))
    np.testing.assert_allclose(made, [[0.6, 0, 0.8], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0]], atol=1e-6)
    asked = space_of(made).asked(made)
    np.testing.assert_allclose(asked, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0]], atol=1e-6)
    assert (space_of(made, is_lifted=False).asked(made) == made).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_what_is_asked_ranks_as_the_vectors_before_they_were_lifted(seed: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = random_vectors(30, dim, seed=seed) * rng.random((30, 1)).astype(np.float32)
    made = lifted(vectors)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    cosines = space_of(made).asked(made) @ made.T
    np.testing.assert_allclose(cosines * np.linalg.norm(vectors, axis=1)[:, None], vectors @ vectors.T, atol=1e-5)


def test_the_blend_is_the_weighted_mean_of_both_likenesses() -> None:
    taste = np.array([[1, 0], [0.6, 0.8], [0, 0]], dtype=np.float32)
    content = np.array([[1, 0], [0, 1], [0.8, 0.6]], dtype=np.float32)
    made = blended(taste, content)
    cosines = made @ made.T
    assert cosines[0, 1] == pytest.approx(TASTE_WEIGHT * 0.6, abs=1e-6)
    assert cosines[0, 2] == pytest.approx(0.8 * (1 - TASTE_WEIGHT) ** 0.5, abs=1e-6)  # nobody has rated it
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-6)


def test_films_of_either_space_are_in_the_blend() -> None:
    taste = MovieVectors(np.array([0, 2]), lifted(np.eye(2, dtype=np.float32)))
    content = MovieVectors(np.array([1, 2]), lifted(np.eye(2, 3, dtype=np.float32)))
    both = blend_movies(taste, content)
    assert both.rows.tolist() == [0, 1, 2]
    assert both.vectors.shape == (3, 2 + 3 + 1)
    np.testing.assert_allclose(np.linalg.norm(both.vectors, axis=1), 1, atol=1e-6)


def test_series_come_first_and_in_the_order_of_their_years() -> None:
    places = np.eye(6, dtype=np.float32)[:4] * 0.5 + np.eye(6, dtype=np.float32)[4] * 0.5  # as like as cosine ½
    places[2] *= 0.2  # of which little is known
    years = [1990, 1970, None, 1980]
    drawn = drawn_together(places, years)
    lengths = np.linalg.norm(drawn, axis=1)
    np.testing.assert_allclose(lengths, lengths.max(), atol=1e-6)
    cosines = drawn @ drawn.T / lengths.max() ** 2
    assert cosines[0].argsort()[::-1].tolist() == [0, 3, 1, 2]
    assert cosines.min() > 0.7
    other = np.eye(6, dtype=np.float32)[4] * 0.9  # what they have in common
    assert (cosines[0, 1:] > drawn[0] @ other / lengths[0]).all()


def test_larger_catalogues_get_fewer_values() -> None:
    assert [content_dim(n) for n in (0, 100, 9_742, 40_000, 60_000, 10**6)] == [512, 512, 512, 250, 166, 128]


# --- against the whole likeness ---------------------------------------------------------------------------------
def test_with_all_dimensions_it_is_the_likeness_of_the_model(content: Content, dataset: Dataset) -> None:
    made = ContentSpace.learn(content, {}, dim=40)
    space = space_of(made.movies.vectors)
    cosines = space.asked(space.vectors) @ space.vectors.T
    similarity = content.similar(range(40))
    lengths = np.linalg.norm(space.vectors[:, :-1], axis=1)
    off = ~np.eye(40, dtype=bool)  # words of a single film make it like none
    np.testing.assert_allclose((cosines * lengths[:, None])[off], similarity[off], atol=1e-4)


def test_a_film_put_as_one_that_is_there_lies_beside_it(content: Content, dataset: Dataset) -> None:
    made = ContentSpace.learn(content, {}, dim=40)
    for row in (5, 17):
        twin = dataset.catalog.movie(row).model_copy(update={"movie_id": "twin"})
        grown = content.with_catalog(dataset.catalog.with_changes([twin]))
        new, old = made.placed(content, grown, np.array([40, row]), {}, {})
        there = made.places(np.arange(40))
        np.testing.assert_allclose(old, there[row], atol=1e-7)  # nothing changed there
        # It also shares the words that nobody else had, so it is not quite where the first is.
        assert (there @ new).argmax() == row
        assert new @ old > 0.9 * np.linalg.norm(new) * np.linalg.norm(old)


def test_an_edited_film_lies_where_a_new_one_of_its_kind_does(content: Content, dataset: Dataset) -> None:
    made = ContentSpace.learn(content, {}, dim=40)
    record = dataset.catalog.movie(9)
    changed = dataset.catalog.with_changes(
        [
            dataset.catalog.movie(20).model_copy(update={"movie_id": record.movie_id}),
            record.model_copy(update={"movie_id": "x"}),
        ]
    )
    found = made.placed(content, content.with_catalog(changed), np.array([9, 40]), {}, {})
    np.testing.assert_allclose(found[0], made.places(np.array([20]))[0], atol=1e-4)
    assert (made.places(np.arange(40)) @ found[1]).argmax() == 9


def test_the_space_comes_back_from_its_arrays(content: Content, dataset: Dataset) -> None:
    space = content_space(dataset, content)
    again = Space.of_arrays("content", space.entry(), space.arrays(), 40, {})
    assert again.lifted
    found = ContentSpace.of(again)
    assert [group.tolist() for group in found.groups()] == [[0, 1, 2]]
    np.testing.assert_array_equal(found.places(np.arange(40)), ContentSpace.of(space).places(np.arange(40)))
    arrays = space.arrays()
    for name in ("extra_squares", "extra_series", "extra_series_labels"):
        fewer = {key: value for key, value in arrays.items() if key != name}
        with pytest.raises(SnapshotError, match="damaged"):
            ContentSpace.of(Space.of_arrays("content", space.entry(), fewer, 40, {}))
    with pytest.raises(SnapshotError, match="do not fit"):
        ContentSpace.of(
            Space.of_arrays("content", space.entry(), arrays | {"extra_squares": np.ones(3, np.float32)}, 40, {})
        )


def test_taste_is_believed_by_the_ratings_that_it_rests_on(dataset: Dataset) -> None:
    space = taste_space(dataset, 0)
    counts = dataset.ratings.counts[space.rows]
    np.testing.assert_allclose(
        np.linalg.norm(space.vectors[:, :-1], axis=1) ** 2, counts / (counts + SUPPORT), atol=1e-5
    )


# --- while films are put ----------------------------------------------------------------------------------------
def test_a_series_comes_first_by_every_index(engine: Engine) -> None:
    for index in ("exact", "faiss", "annoy", "hnsw"):
        assert set(similar(engine, "m0", n=2, index=index)) == {"m1", "m2"}
        assert set(similar(engine, "m1", n=2, index=index)) == {"m0", "m2"}


def test_a_film_that_is_put_enters_its_series_at_once(engine: Engine, tmp_path: Path) -> None:
    similar(engine, "m0", index="hnsw")  # an index that is open follows too
    engine.put_movies([Movie(movie_id="new", title="Harbour IV", year=1995, genres=("Horror",))])
    assert set(similar(engine, "new")) == {"m0", "m1", "m2"}
    assert similar(engine, "new")[0] == "m2"
    for index in ("exact", "faiss", "hnsw"):
        assert set(similar(engine, "m0", index=index)) == {"m1", "m2", "new"}
        assert set(similar(engine, "m0", "blend", index=index)) == {"m1", "m2", "new"}
    with Engine.open(engine.settings) as other:
        assert similar(other, "m0") == similar(engine, "m0")
    engine.patch_movie("new", {"title": "Something Else"})
    assert "new" not in similar(engine, "m0", n=2)
    assert set(similar(engine, "m0", n=2)) == {"m1", "m2"}
    engine.patch_movie("new", {"title": "Harbour IV"})
    engine.delete_movie("new")
    assert set(similar(engine, "m0", n=2)) == {"m1", "m2"}


def test_a_film_put_back_as_it_was_lies_where_it_lay(engine: Engine, dataset: Dataset) -> None:
    def vectors() -> list[np.ndarray]:  # type: ignore[type-arg]
        spaces = engine.request_view().spaces
        found = [spaces[name].vector(row) for name in ("content", "blend") for row in (0, 1, 2, 7)]
        return [vector for vector in found if vector is not None]

    before = vectors()
    assert len(before) == 8
    engine.patch_movie("m7", {"genres": ("Western",), "title": "Harbour 9"})
    engine.patch_movie("m1", {"title": "Alone"})
    assert not all(np.allclose(one, other, atol=1e-3) for one, other in zip(before, vectors(), strict=True))
    engine.put_movies([dataset.catalog.movie(7), dataset.catalog.movie(1)])
    for one, other in zip(before, vectors(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_film_that_nobody_rated_is_in_the_blend(engine: Engine) -> None:
    record = engine.movie("m12")
    engine.put_movies([record.model_copy(update={"movie_id": "twin", "title": "Twin"})])
    answer = engine.similar("twin", by="blend", n=5)
    assert (answer.model, answer.fallback) == ("blend", None)
    assert "m12" in [item.movie_id for item in answer.items]
    assert "twin" in similar(engine, "m12", "blend", n=5)
    by_taste = engine.similar("twin", by="taste", n=5, index="faiss")
    assert (by_taste.model, by_taste.fallback, by_taste.index) == ("content", "content", "faiss")
    assert [item.movie_id for item in by_taste.items] == similar(engine, "twin", n=5)


def test_an_index_that_misses_films_is_replaced_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    vectors = random_vectors(6000, 8)
    wrong = make_index("hnsw", np.arange(6000), vectors[::-1], ef_search=1).approximate
    right = make_index("faiss", np.arange(6000), vectors)
    UpdatableIndex(ExactIndex(np.arange(6000), vectors), wrong, Recipe("hnsw", wrong.config if wrong else None)).save(
        tmp_path / "hnsw"
    )
    right.save(tmp_path / "faiss")
    films = MovieVectors(np.arange(6000), vectors)
    stored = {kind: tmp_path / kind for kind in ("hnsw", "faiss")}
    live = UpdatableSpace(Space("taste", films, np.zeros((6000, 2), dtype=np.float32), stored=stored))
    with caplog.at_level(logging.WARNING, logger="matinee.engine"):
        for _ in range(2):
            assert live.index("hnsw").kind == "exact"
    assert [record.getMessage() for record in caplog.records] == [
        "The hnsw index of the space 'taste' misses films; exact search stands in for it."
    ]
    allowed = np.arange(6000) != 3
    exact, found, faiss = (live.like(3, 10, allowed, kind) for kind in ("exact", "hnsw", "faiss"))
    assert exact is not None
    assert found is not None
    assert faiss is not None
    assert exact[0].tolist() == found[0].tolist() == faiss[0].tolist()
    assert (exact[2], found[2], faiss[2]) == ("exact", "exact", "faiss")
    live.change({6001: vectors[3], 5: None})
    for kind in ("exact", "hnsw", "faiss"):
        after = live.like(3, 1, np.arange(6002) != 3, kind)
        assert after is not None
        assert after[0].tolist() == [6001]
        assert live.vector(5) is None
    assert live.like(5, 1, allowed, "hnsw") is None


class ByGenre(Model[ModelConfig]):
    """A model as another package may have one: of what a content space needs it has `item_vectors` alone."""

    name = "bygenre"
    Config = ModelConfig

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self._genres = sorted({genre for genres in dataset.catalog.column("genres") for genre in genres})
        self._catalog = dataset.catalog

    @property
    def item_vectors(self) -> sp.csr_matrix:
        dense = [[genre in genres for genre in self._genres] for genres in self._catalog.column("genres")]
        return sp.csr_matrix(np.array(dense, dtype=np.float32) / len(self._genres))

    def with_catalog(self, catalog: Catalog, vectors: Mapping[str, MovieVectors] | None = None) -> Self:
        grown = super().with_catalog(catalog, vectors)
        grown._catalog = catalog
        return grown

    def score(self, queries: Sequence[Query]) -> Scores:
        return np.full((len(queries), self.n_items), np.nan, dtype=np.float32)

    def state(self) -> State:
        return {}


def test_a_model_of_another_package_gets_a_space_that_follows_the_catalog(dataset: Dataset) -> None:
    model = ByGenre().fit(dataset)
    spaces = UpdatableSpaces(model_spaces(dataset, {"content": model}), model)
    twin = dataset.catalog.movie(20).model_copy(update={"movie_id": "twin", "title": "Unlike any other"})
    bare = Movie(movie_id="bare", title="Nothing known")
    catalog = dataset.catalog.with_changes([twin, bare])
    spaces.change_content(model.with_catalog(catalog), catalog, np.array([40, 41]))
    content = spaces["content"]
    np.testing.assert_allclose(content.vector(40), content.vector(20), atol=1e-4)
    assert content.vector(41) is None


def test_models_without_item_vectors_get_no_content_space(dataset: Dataset) -> None:
    assert "content" not in model_spaces(dataset, {"content": Popularity().fit(dataset)})


def test_snapshots_tell_of_lifted_spaces(engine: Engine, tmp_path: Path) -> None:
    manifest = SnapshotRegistry(tmp_path / "snapshots").show(engine.snapshot_id)
    assert {name: entry.lifted for name, entry in manifest.spaces.items()} == dict.fromkeys(
        ("content", "taste", "blend"), True
    )


def test_directions_of_a_sample_stand_for_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many movies: likeness stays, and an edited movie moves as it would."""
    data = random_dataset(30, 200)
    content = Content().fit(data)
    whole = ContentSpace.learn(content, {}, dim=40)
    monkeypatch.setattr("matinee.spaces.content_space.MAX_LEARNED", 120)
    some = ContentSpace.learn(content, {}, dim=40)
    rows = np.arange(200)
    assert some.movies.rows.tolist() == whole.movies.rows.tolist()
    likeness = [space.places(rows) @ space.places(rows).T for space in (whole, some)]
    assert np.abs(likeness[0] - likeness[1]).max() < 0.05
    np.testing.assert_allclose(some.squares, np.square(some.places(rows)).sum(axis=0), rtol=1e-4)
    assert (ContentSpace.learn(content, {}, dim=40).squares == some.squares).all()
