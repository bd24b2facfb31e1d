"""Any data trains: the whole way from a data set to answers, on data that are hardly any."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from degenerate import DEGENERATE, FEATURELESS, implicit, table
from matinee.data.catalog import Movie
from matinee.data.dataset import SEEN
from matinee.engine import Engine, Request
from matinee.engine.types import SimilarBy
from matinee.errors import InvalidInputError
from matinee.models.preference import StarScale
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.training.pipeline import train_dataset
from support import random_dataset
from tiny_models import text_folder

SEEN_ONLY = "seen without stars"
QUICK = (
    "one film",
    "one rating of many films",
    "three ratings",
    "one user",
    "everything rated by everybody",
    SEEN_ONLY,
    FEATURELESS,
)
"""Cases that stand for the others in `make test`: contracts/test_degenerate.py tries each model on all of them."""


def some(cases: Iterable[str]) -> list[Any]:
    """The cases, those that are not quick as extended tests."""
    return [case if case in QUICK else pytest.param(case, marks=pytest.mark.extended) for case in cases]


@pytest.mark.parametrize("case", some(DEGENERATE))
def test_it_trains_and_answers(case: str, tmp_path: Path) -> None:
    """With metrics, spaces, maps and indexes; every model and every kind of question has an answer."""
    dataset = DEGENERATE[case]()
    settings = Settings(data_dir=tmp_path)
    made = train_dataset(settings, dataset, measure=True)
    manifest = SnapshotRegistry(settings.snapshots_dir).show(made)
    n, ids = len(dataset.catalog), dataset.catalog.column("movie_id")
    flat = StarScale.of(dataset).flat
    assert ("stars" in manifest.settings["skipped"]) == flat == ("stars" not in manifest.models)
    assert set(manifest.metrics) <= set(manifest.models)
    for figures in manifest.metrics.values():
        assert all(value is None or np.isfinite(value) for value in figures.values())
    with Engine.open(settings) as engine:
        assert engine.dataset_name == dataset.name
        user = dataset.ratings.user_ids[0]
        seen = set(dataset.catalog.ids(dataset.ratings.history(0)[0].astype(np.int64)))
        for name in [None, *manifest.models]:
            asked = Request(n=n, model=name, explain=True)
            for who in (user, "nobody"):
                listed = engine.recommend(who, asked).items
                found = {item.movie_id for item in listed}
                assert len(listed) == len(found)
                assert not found & (seen if who == user else set())
                assert all(np.isfinite(item.score) for item in listed)
                assert all(0 <= reason.share <= 1 for item in listed for reason in item.because or ())
                if flat:
                    assert all(item.stars is None for item in listed)
            if len(seen) == n:
                assert not engine.recommend(user, asked).items, "nothing is left to recommend"
        # The default always has something to say about films that are left.
        assert bool(engine.recommend(user, Request(n=n)).items) == (len(seen) < n)
        assert len(engine.recommend("nobody", Request(n=n)).items) == n
        varied = engine.recommend("nobody", Request(n=n, diversity=0.7)).items
        assert len(varied) == n
        again = engine.recommend(user, Request(n=n, include_seen=True)).items
        assert {item.movie_id for item in again} >= seen
        bys: list[SimilarBy] = ["taste", "content", "blend"]
        for by in bys:
            kinds = ("exact", "faiss") if by in manifest.spaces else ("exact",)
            for index in kinds:
                similar = engine.similar(ids[0], by=by, n=n, index=index)
                assert ids[0] not in {item.movie_id for item in similar.items}
        for space in manifest.spaces:
            points = engine.film_map(space)
            assert np.isfinite(points.points).all()
            for index in engine.indexes(space):
                engine.neighbors_in(space, ids[0], index=index)
        engine.search(dataset.catalog.column("title")[0], by="title")
        assert len(engine.popular(n=n)) <= n
        assert not flat or engine.explain(user, ids[0]).stars is None
        assert sum(count for _, count in engine.film_ratings(ids[0]).histogram) == dataset.ratings.counts[0]
        assert engine.statistics()["totals"]["ratings"] == len(dataset.ratings)
        assert len(engine.neighbors(user, n=n)) < max(dataset.ratings.n_users, 1)


@pytest.mark.parametrize("case", some([FEATURELESS, "one featureless film", "one film", SEEN_ONLY, "three ratings"]))
def test_it_trains_with_vectors_of_texts(case: str, tmp_path: Path) -> None:
    """Spaces made of one text, or of texts that are all the same, and the mapping of new films that is made of them."""
    dataset = DEGENERATE[case]()
    settings = Settings(data_dir=tmp_path, text_encoder=str(text_folder(tmp_path / "text")))
    made = train_dataset(settings, dataset, measure=True)
    manifest = SnapshotRegistry(settings.snapshots_dir).show(made)
    assert "coldstart" in manifest.models or "text" not in manifest.spaces
    with Engine.open(settings) as engine:
        engine.put_movies([Movie(movie_id="new", title="Ghost of the Lighthouse", genres=("Horror",), year=1999)])
        user = dataset.ratings.user_ids[0]
        for name in manifest.models:
            listed = engine.recommend(user, Request(n=50, model=name, explain=True)).items
            assert all(np.isfinite(item.score) for item in listed)
        assert "new" in {item.movie_id for item in engine.recommend("nobody", Request(n=50)).items}
        assert engine.search("ghost", by="title")


def test_seen_is_all_that_can_be_said_of_data_without_stars(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    train_dataset(settings, DEGENERATE["seen without stars"]())
    with Engine.open(settings) as engine:
        assert engine.scale == SEEN
        for stars in (0.0, 0.5, 4.0, float("nan")):
            with pytest.raises(
                InvalidInputError, match=r"these data hold no stars\. Give 1 for a film that was seen\."
            ):
                engine.rate([("new", "m0", stars)])
        before = engine.recommend("new")
        engine.rate([("new", "m0", 1.0), ("new", "m2", 1.0)])
        after = engine.recommend("new", Request(explain=True))
        assert (before.fallback, after.fallback) == ("popular", None)
        assert {reason.movie_id for item in after.items for reason in item.because or ()} <= {"m0", "m2"}
        assert engine.recommend_for({"m0": None}).items == engine.recommend_for({"m0": 1.0}).items
        assert {stars for *_, stars, _ in engine.export_ratings()} == {1.0}
        assert engine.film_ratings("m0").histogram == ((1.0, engine.film_ratings("m0").count),)


def test_stars_of_the_store_are_left_out_where_the_data_have_none(tmp_path: Path) -> None:
    """Rated data that came without their stars the next time: what was stored meanwhile counts as seen."""
    settings = Settings(data_dir=tmp_path)
    train_dataset(settings, random_dataset())
    with Engine.open(settings) as engine:
        engine.rate([("new", "m0", 4.5)])
    train_dataset(settings, implicit(random_dataset()))
    with Engine.open(settings) as engine:
        assert "stars" not in {model["name"] for model in engine.models()}
        snapshot = engine.request_view().snapshot
        assert set(snapshot.ratings.values.tolist()) == {1.0}
        assert snapshot.ratings.find_user("new") is not None


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    made = train_dataset(settings, table([(u, i) for u in range(8) for i in range(6)], n_films=6), measure=True)
    manifest = SnapshotRegistry(settings.snapshots_dir).show(made)
    assert manifest.settings["skipped"] == {"stars": "All ratings are equal, so there are no stars to predict."}
    assert "stars" not in manifest.metrics
