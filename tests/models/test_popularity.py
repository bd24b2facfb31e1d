from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.ratings import Ratings
from matinee.errors import SnapshotError
from matinee.models import Popularity, Query, weighted_score
from matinee.models.charts import DAY
from matinee.settings import Settings
from support import make_dataset, random_dataset

MOVIES: list[dict[str, object]] = [{"movie_id": i, "title": i, "genres": ["Drama"]} for i in "abcd"]
ROWS = [
    ("u", "a", 5.0, 100 * DAY),
    ("v", "a", 4.0, 100 * DAY),
    ("w", "a", 1.0, 100 * DAY),
    ("v", "b", 5.0, 110 * DAY),
    ("w", "b", 5.0, 120 * DAY),
    ("w", "c", 4.5, 120 * DAY),
]


@pytest.mark.parametrize(
    ("settings", "scores"),
    [
        ({}, [3, 2, 1]),
        # 0.5 to 5 stars: (10 − 1.5) / 4.5, (10 − 1) / 4.5 and (4.5 − 0.5) / 4.5 of the scale.
        ({"by": "liked"}, [3 + 2 * 8.5 / 4.5, 2 + 2 * 2, 1 + 2 * 4 / 4.5]),
        ({"by": "liked", "star_weight": 0.9}, [3 + 0.9 * 8.5 / 4.5, 2 + 0.9 * 2, 1 + 0.9 * 4 / 4.5]),
        ({"by": "top_rated", "prior": 2}, [(10 + 2 * 24.5 / 6) / 5, (10 + 2 * 24.5 / 6) / 4, (4.5 + 2 * 24.5 / 6) / 3]),
        ({"by": "trending", "half_life": 10}, [3 / 4, 1 / 2 + 1, 1]),
        # The newest ratings, all of them, took 20 days.
        ({"by": "trending"}, [3 / 2, 2**-0.5 + 1, 1]),
    ],
)
def test_by_hand(settings: dict[str, object], scores: list[float]) -> None:
    model = Popularity(**settings).fit(make_dataset(ROWS, MOVIES))
    np.testing.assert_allclose(model.score([Query()])[0], [*scores, np.nan], rtol=1e-5)


def test_unrated_films_have_no_opinion_and_all_users_are_equal() -> None:
    data = make_dataset(ROWS, MOVIES)
    for by in ("counts", "liked", "top_rated", "trending"):
        model = Popularity(by=by).fit(data)
        scores = model.score([Query(), Query(np.array([0]), np.float32([1]))])
        np.testing.assert_array_equal(scores[0], scores[1])
        assert np.isnan(scores[0, 3])
        assert model.knows(Query())
        assert model.fallback(Query()) is None
    with pytest.raises(SnapshotError):
        Popularity.from_state(model.config, {"scores": np.zeros(5, dtype=np.float32)}, data.catalog)


def test_equal_ratings_rank_by_counts() -> None:
    rows = [(f"u{n}", film, 4.0, None) for film, count in (("a", 2), ("b", 9), ("c", 5)) for n in range(count)]
    for by in ("counts", "liked", "top_rated", "trending"):
        assert Popularity(by=by).fit(make_dataset(rows, MOVIES)).top(Query()) == [1, 2, 0]


def test_ties_do_not_depend_on_the_order_of_the_films() -> None:
    """Two films of two ratings each, and two more of one: mean stars, then the year, decide."""
    films = [("p", 1990, [4.0, 4.0]), ("q", 1980, [5.0, 5.0]), ("r", 1970, [3.0]), ("s", 1999, [3.0])]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 0, 3, 1]):
        movies = [{"movie_id": films[n][0], "title": "x", "year": films[n][1]} for n in order]
        rows = [(f"u{n}", film, value, None) for film, _, stars in films for n, value in enumerate(stars)]
        data = make_dataset(rows, movies)
        assert data.catalog.ids(Popularity().fit(data).top(Query())) == ["q", "p", "s", "r"]


@pytest.mark.parametrize("by", ["counts", "liked", "top_rated", "trending"])
@pytest.mark.parametrize("cover", [0.0, 0.4])
def test_renumbered_films_keep_their_places(by: str, cover: float) -> None:
    data = random_dataset()
    position = np.random.default_rng(1).permutation(len(data.catalog))
    catalog = Catalog(data.catalog.frame[position])
    other = Dataset("moved", catalog, Ratings.from_frame(data.ratings.to_frame(data.catalog), catalog), data.report)
    ranked = [one.catalog.ids(Popularity(by=by, cover=cover).fit(one).top(Query(), 40)) for one in (data, other)]
    assert ranked[0] == ranked[1]


def test_genres_are_covered_in_the_first_places() -> None:
    rows = [(f"u{n}", f"d{film}", 4.0, None) for film in range(12) for n in range(40 - film)]
    rows += [(f"u{n}", "c", 4.0, None) for n in range(27)]
    movies: list[dict[str, object]] = [
        {"movie_id": f"d{film}", "title": "x", "genres": ["Drama"]} for film in range(12)
    ]
    data = make_dataset(rows, [*movies, {"movie_id": "c", "title": "c", "genres": ["Comedy"]}])
    assert "c" not in data.catalog.ids(Popularity().fit(data).top(Query(), 10))
    assert "c" in data.catalog.ids(Popularity(cover=0.4).fit(data).top(Query(), 10))


def test_saved_state_keeps_every_place() -> None:
    data = random_dataset()
    model = Popularity(by="trending", half_life=3.5, cover=0.2).fit(data)
    config = Popularity.Config.model_validate_json(model.config.model_dump_json())
    again = Popularity.from_state(config, model.state(), data.catalog)
    np.testing.assert_array_equal(again.score([Query()]), model.score([Query()]))


@pytest.mark.parametrize("wrong", [{"by": "fame"}, {"half_life": 0}, {"half_life": float("inf")}, {"cover": -1}])
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Popularity(**wrong)


def test_the_weighted_score_is_public() -> None:
    np.testing.assert_allclose(weighted_score(np.array([8, 2]), np.array([28.0, 2.0]), 2), [3.4, 2.0])


def test_newcomers_like_the_liked_more(shared_data: Path, tmp_path: Path) -> None:
    """A tenth of MovieLens 100K's users held out: likes found by counts, and by what unknown users get."""
    settings = Settings(offline=True, cache_dir=tmp_path)
    data = load_dataset(shared_data / "ml-100k", settings, credits=False)
    ratings = data.ratings
    held = np.zeros(ratings.n_users, dtype=np.bool_)
    held[np.random.RandomState(5).permutation(ratings.n_users)[:94]] = True
    part = data.with_ratings(ratings.select(~np.repeat(held, np.diff(ratings.indptr))))
    found = []
    for model in (Popularity(), Popularity(by="top_rated"), Popularity(by="liked", cover=0.3)):
        top = model.fit(part).top(Query())
        liked = 0
        for user in np.flatnonzero(held):
            rows, stars, _ = ratings.history(int(user))
            liked += len(set(rows[(stars > stars.mean()) & (stars >= 3.5)].tolist()) & set(top))
        found.append(liked)
    counts, imdb, chosen = found
    assert imdb < counts < chosen


def test_frames_without_years() -> None:
    data = make_dataset(ROWS, MOVIES)
    assert data.catalog.frame["year"].null_count() == 4
    assert data.catalog.frame["year"].dtype == pl.Int32
    assert Popularity().fit(data).top(Query()) == [0, 1, 2]
