"""Why one film for one user: each part against the engine's other answers, or worked out by loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.engine import Engine, Request
from matinee.engine.explain import FIELDS, Explanation
from matinee.errors import UnknownModelError, UnknownMovieError, UnknownUserError
from matinee.models.base import Query
from matinee.models.ials import ImplicitALS

USER = "u3"


def best(engine: Engine, user: str = USER) -> str:
    return engine.recommend(user, Request(n=1)).items[0].movie_id


def check_shapes(found: Explanation) -> None:
    """What holds of every explanation."""
    shares = [reason.share for reason in found.because]
    assert len(shares) <= 20
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) + found.rest == pytest.approx(1 if shares else 0, abs=1e-6)
    assert found.movie_id not in [reason.movie_id for reason in found.because]
    alike = [one.similarity for one in found.neighbors]
    assert alike == sorted(alike, reverse=True)
    assert all(one.similarity >= 0 and one.user_id != found.user_id for one in found.neighbors)
    assert len(found.neighbors) <= 20
    assert (found.neighbors_mean is None) == (not found.neighbors)
    sizes = [abs(one.product) for one in found.factors]
    assert len(sizes) <= 8
    assert sizes == sorted(sizes, reverse=True)
    assert [one.field for one in found.content] == [f for f in FIELDS if f in {one.field for one in found.content}]
    assert all(one.shared and 1 <= len(one.films) <= 3 for one in found.content)
    for one in found.models:
        assert (one.score is None) == (one.rank is None)
        assert one.rank is None or 1 <= one.rank <= one.of


def test_every_user_and_film_can_be_explained(engine: Engine) -> None:
    for user in ("u0", "u1", "u59"):
        for film in engine.title_table().movie_ids:
            check_shapes(engine.explain(user, film))


@pytest.mark.parametrize("model", ["popular", "itemknn", "ease", "edlae", "ials", "content", "stars", "blend"])
def test_scores_and_ranks_are_those_of_the_lists(engine: Engine, model: str) -> None:
    items = engine.recommend(USER, Request(n=40, model=model)).items
    for place, item in enumerate(sorted(items, key=lambda item: -item.score), 1):
        one = next(one for one in engine.explain(USER, item.movie_id).models if one.name == model)
        assert one.rank is not None
        assert one.rank <= place  # equal scores share the better rank
        assert one.score == pytest.approx(item.score, abs=1e-5)


def test_reasons_are_those_of_the_list(engine: Engine) -> None:
    ratings = {one.movie_id: one.rating for one in engine.history(USER)}
    for model in ("blend", "ease", "content"):
        item = engine.recommend(USER, Request(n=1, model=model, explain=True)).items[0]
        found = engine.explain(USER, item.movie_id, model)
        assert found.model == model
        assert item.because
        first = [(one.movie_id, one.title, one.share) for one in found.because[: len(item.because)]]
        assert first == [(one.movie_id, one.title, one.share) for one in item.because]
        assert all(one.rating == ratings[one.movie_id] for one in found.because)
        assert found.stars == item.stars


def test_a_model_without_shares_gives_no_reasons(engine: Engine) -> None:
    found = engine.explain(USER, best(engine), "popular")
    assert (found.model, found.because, found.rest) == ("popular", (), 0.0)
    assert len(found.models) == len(engine.models())


def test_the_own_rating_of_a_film_does_not_explain_it(engine: Engine) -> None:
    film = best(engine)
    before = engine.explain(USER, film)
    assert before.rating is None
    engine.rate([(USER, film, 1.5)])
    after = engine.explain(USER, film)
    assert after.rating == 1.5
    for part in ("stars", "because", "rest", "models", "content", "neighbors", "neighbors_mean"):
        assert getattr(after, part) == getattr(before, part), part
    assert [(one.factor, one.product) for one in after.factors] == [(one.factor, one.product) for one in before.factors]
    engine.unrate(USER, film)
    assert engine.explain(USER, film).rating is None


def test_neighbours_are_those_who_rated_the_film(engine: Engine) -> None:
    engine.rate([("u7", "m1", 4.5), ("new", "m1", 2.0), ("new", "m3", 5.0), ("new", "m5", 1.0)])
    engine.erase_user("u5")
    film = next(one for one in ("m1", "m9", "m3") if one not in {r.movie_id for r in engine.history(USER)})
    stars = {user: value for user, movie, value, _ in engine.export_ratings() if movie == film}
    wanted = [one for one in engine.neighbors(USER, 1000) if one.user_id in stars and one.similarity > 0][:20]
    found = engine.explain(USER, film)
    assert [(one.user_id, one.similarity, one.common) for one in found.neighbors] == [
        (one.user_id, one.similarity, one.common) for one in wanted
    ]
    assert [one.stars for one in found.neighbors] == [stars[one.user_id] for one in wanted]
    assert found.neighbors_mean == pytest.approx(np.mean([stars[one.user_id] for one in wanted]), abs=1e-3)


def test_factors_make_up_the_score(engine: Engine) -> None:
    film = best(engine)
    view = engine.request_view()
    model, query = view.models["ials"], view.history(USER)
    assert isinstance(model, ImplicitALS)
    row = np.array([view.catalog.row(film)])
    products = model.user_factors([query])[0] * model.factors(row)[0][0]
    score = next(one.score for one in engine.explain(USER, film).models if one.name == "ials")
    assert products.sum() == pytest.approx(score, abs=1e-4)
    found = engine.explain(USER, film).factors
    assert len(found) == 8
    assert [one.factor for one in found] == np.argsort(-np.abs(products), kind="stable")[:8].tolist()
    for one in found:
        assert one.product == pytest.approx(products[one.factor], abs=1e-5)
        assert one.user * one.film == pytest.approx(one.product, abs=1e-3)
        ends = model.factors(np.arange(40))[0][:, one.factor]
        high, low = ([view.catalog.row(film.movie_id) for film in end] for end in (one.high, one.low))
        assert len(high) == len(low) == 5
        assert ends[high].tolist() == sorted(ends.tolist(), reverse=True)[:5]
        assert ends[low].tolist() == sorted(ends.tolist())[:5]
    assert np.isnan(model.user_factors([Query()])).all()


def test_content_is_what_liked_films_share(engine: Engine) -> None:
    history = engine.history(USER)
    mean = sum(one.rating for one in history) / len(history)
    liked = [engine.movie(one.movie_id) for one in history if one.rating >= mean]
    film = engine.movie(best(engine))
    found = {one.field: one for one in engine.explain(USER, film.movie_id).content}
    for field in FIELDS:
        words = [word for word in getattr(film, field) if any(word in getattr(movie, field) for movie in liked)]
        assert set(found[field].shared if field in found else ()) == set(words)
        if field in found:
            having = {movie.movie_id for movie in liked if set(getattr(movie, field)) & set(words)}
            assert {one.movie_id for one in found[field].films} <= having
            assert len(found[field].films) == min(3, len(having))
    engine.put_movies([Movie(movie_id="odd", title="Odd", genres=("Western",), tags=("odd", "funny", "funny"))])
    assert [one.field for one in engine.explain(USER, "odd").content if one.field == "genres"] == []


def test_a_film_that_nobody_knows(engine: Engine) -> None:
    engine.put_movies([Movie(movie_id="odd", title="Xyzzy")])
    found = engine.explain(USER, "odd")
    check_shapes(found)
    assert (found.neighbors, found.neighbors_mean, found.factors, found.content) == ((), None, (), ())
    assert {one.name: one.rank for one in found.models}["ease"] is None


def test_a_user_of_one_rating(engine: Engine) -> None:
    engine.rate([("solo", "m1", 4.0)])
    found = engine.explain("solo", "m1")
    check_shapes(found)
    assert (found.rating, found.because, found.rest, found.fallback) == (4.0, (), 0.0, "popular")
    assert (found.neighbors, found.factors, found.content, found.stars) == ((), (), (), None)
    other = engine.explain("solo", "m3")
    check_shapes(other)
    assert [one.movie_id for one in other.because] == ["m1"]
    assert not any(math.isnan(one.score) for one in other.models if one.score is not None)


def test_unknown_users_films_and_models(engine: Engine) -> None:
    with pytest.raises(UnknownUserError):
        engine.explain("nobody", "m1")
    with pytest.raises(UnknownMovieError):
        engine.explain(USER, "nope")
    with pytest.raises(UnknownModelError, match="blend"):
        engine.explain(USER, "m1", "oracle")
    engine.delete_movie("m1")
    with pytest.raises(UnknownMovieError):
        engine.explain(USER, "m1")
    engine.erase_user(USER)
    with pytest.raises(UnknownUserError):
        engine.explain(USER, "m2")
