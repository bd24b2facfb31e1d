from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as fewer
from hypothesis import strategies as st

from matinee.engine import Engine, Request
from matinee.errors import (
    FilterError,
    InvalidInputError,
    UnknownModelError,
    UnknownMovieError,
    UnknownUserError,
)
from matinee.settings import Settings

MODELS = ["popular", "itemknn", "ease", "content", "stars", "blend"]


def ids(answer: object) -> list[str]:
    return [item.movie_id for item in answer.items]  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_ranks_unseen_films_best_first(engine: Engine, model: str) -> None:
    answer = engine.recommend("u3", Request(n=10, model=model))
    seen = {rated.movie_id for rated in engine.history("u3")}
    assert answer.model == model
    assert len(answer.items) == 10
    assert not seen & set(ids(answer))
    scores = [item.score for item in answer.items]
    if model == "popular":  # a chart; other lists are calibrated too
        assert scores == sorted(scores, reverse=True)
    everything = engine.recommend("u3", Request(n=40, model=model)).items
    assert np.mean(scores) > np.mean([item.score for item in everything])
    assert [item.rank for item in answer.items] == list(range(1, 11))


def test_taste_is_learnt(engine: Engine) -> None:
    """Users of odd number like the comedies, the others the dramas, which are as many."""
    liked = {0: "Drama", 1: "Comedy"}
    picks = [
        item.genres == (liked[n % 2],) for n in range(60) for item in engine.recommend(f"u{n}", Request(n=5)).items
    ]
    assert sum(picks) > 0.7 * len(picks)


def test_include_seen_and_exclude(engine: Engine) -> None:
    everything = engine.recommend("u3", Request(n=40, include_seen=True))
    assert len(everything.items) == 40
    best = ids(engine.recommend("u3", Request(n=3)))
    rest = engine.recommend("u3", Request(n=40, exclude=[best[0], "no such film"]))
    assert best[0] not in ids(rest)
    assert ids(rest)[0] == best[1]


def test_unknown_user_gets_what_is_popular(engine: Engine) -> None:
    answer = engine.recommend("nobody", Request(n=5, explain=True))
    assert answer.fallback == "popular"
    assert answer.model == "popular"
    assert answer.volatile
    assert ids(answer) == ids(engine.recommend_for({}, Request(n=5)))
    assert all(item.because == () for item in answer.items)


def test_top_rated_is_the_imdb_formula(engine: Engine) -> None:
    chart = engine.popular(by="top_rated", n=1000)
    stats = engine.movies(limit=1000, sort="movie_id")
    counts = {m.movie_id: s for m, s in zip(stats.movies, stats.stats, strict=True)}
    v = np.array([count for count, _ in counts.values()], dtype=float)
    means = np.array([mean or 0.0 for _, mean in counts.values()])
    m = max(float(np.quantile(v[v > 0], 0.9)), 1.0)
    c = float((v * means).sum() / v.sum())
    for row in chart[:10]:
        count, mean = counts[row.item.movie_id]
        assert mean is not None
        assert (row.ratings, row.mean) == (count, mean)
        assert row.item.score == pytest.approx(count / (count + m) * mean + m / (count + m) * c, abs=2e-3)


def test_chart_by_genre_year_and_window(engine: Engine) -> None:
    comedies = engine.popular(n=50, genre="comedy")
    assert comedies
    assert {p.item.genres for p in comedies} == {("Comedy",)}
    assert all(p.item.year == 1985 for p in engine.popular(year=1985))
    whole = engine.popular(n=50, days=10_000)
    assert [(p.item.movie_id, p.ratings) for p in whole] == [(p.item.movie_id, p.ratings) for p in engine.popular(n=50)]
    some = engine.popular(n=50, days=10)
    assert 0 < sum(p.ratings for p in some) < sum(p.ratings for p in whole)
    for days in (0, -1, math.inf, math.nan):
        with pytest.raises(InvalidInputError, match="days"):
            engine.popular(days=days)


def test_reasons_come_from_the_history_and_sum_to_at_most_one(engine: Engine) -> None:
    seen = {rated.movie_id for rated in engine.history("u3")}
    for model in ("ease", "itemknn", "content", "blend"):
        for item in engine.recommend("u3", Request(n=10, model=model, explain=True)).items:
            assert item.because is not None
            assert {reason.movie_id for reason in item.because} <= seen
            shares = [reason.share for reason in item.because]
            assert shares == sorted(shares, reverse=True)
            assert sum(shares) <= 1.0
            assert all(share >= 0 for share in shares)
    assert all(item.because is None for item in engine.recommend("u3").items)


def test_ad_hoc_history_equals_the_stored_one(engine: Engine) -> None:
    history = {rated.movie_id: rated.rating for rated in engine.history("u3")}
    request = Request(n=10, explain=True)
    stored, sent = engine.recommend("u3", request), engine.recommend_for(history, request)
    assert ids(stored) == ids(sent)
    assert [i.score for i in stored.items] == pytest.approx([i.score for i in sent.items], rel=1e-4)


def test_ad_hoc_history_faults(engine: Engine) -> None:
    with pytest.raises(UnknownMovieError, match="nix"):
        engine.recommend_for({"m1": 4.0, "nix": 3.0})
    for stars in (-1.0, 0.0, 5.5, math.nan, math.inf):
        with pytest.raises(InvalidInputError, match="scale"):
            engine.recommend_for({"m1": stars})
    with pytest.raises(InvalidInputError, match="at most"):
        engine.recommend_for({f"x{i}": None for i in range(engine.settings.max_history + 1)})
    assert engine.recommend_for({}).fallback == "popular"
    assert engine.recommend_for({"m1": None}).fallback is None


@pytest.mark.parametrize("n", [0, -1, 1001, 10**9])
def test_n_out_of_range(engine: Engine, n: int) -> None:
    with pytest.raises(InvalidInputError, match=r"1\.\.1000"):
        engine.recommend("u3", Request(n=n))
    with pytest.raises(InvalidInputError):
        engine.popular(n=n)
    with pytest.raises(InvalidInputError):
        engine.similar("m1", n=n)
    with pytest.raises(InvalidInputError):
        engine.search("x", n=n)
    with pytest.raises(InvalidInputError):
        engine.movies(limit=n)


def test_named_faults(engine: Engine) -> None:
    with pytest.raises(UnknownModelError, match="blend"):
        engine.recommend("u3", Request(model="magic"))
    with pytest.raises(FilterError) as fault:
        engine.recommend("u3", Request(filter='gnre = "Comedy"'))
    assert fault.value.position == 0
    for diversity in (-0.1, 1.1, math.nan):
        with pytest.raises(InvalidInputError, match="diversity"):
            engine.recommend("u3", Request(diversity=diversity))
        with pytest.raises(InvalidInputError, match="adventurous"):
            engine.recommend("u3", Request(adventurous=diversity))
    with pytest.raises(UnknownMovieError):
        engine.similar("nix")
    with pytest.raises(UnknownMovieError):
        engine.movie("nix")
    with pytest.raises(InvalidInputError, match="poster"):
        engine.similar("m1", by="poster")
    with pytest.raises(InvalidInputError, match=r"no index 'scann'.*exact, faiss, annoy, hnsw"):
        engine.similar("m1", index="scann")
    with pytest.raises(InvalidInputError, match="offset"):
        engine.movies(offset=-1)
    with pytest.raises(InvalidInputError, match="sorted"):
        engine.movies(sort="colour")
    with pytest.raises(InvalidInputError, match="characters"):
        engine.search("x" * 501)
    for call in (engine.history, engine.neighbors, engine.export_user, engine.erase_user):
        with pytest.raises(UnknownUserError):
            call("nobody")


def test_filters_hold_in_every_reading_call(engine: Engine) -> None:
    text = 'genre = "Drama" and year >= 1990'
    for items in (
        engine.recommend("u3", Request(n=40, filter=text)).items,
        engine.recommend("u3", Request(n=40, filter=text, diversity=0.7)).items,
        engine.recommend("nobody", Request(n=40, filter=text)).items,
        engine.similar("m2", n=40, filter=text).items,
        [p.item for p in engine.popular(n=40, filter=text)],
    ):
        assert items
        assert all(item.genres == ("Drama",) and (item.year or 0) >= 1990 for item in items)
    page = engine.movies(filter=text, limit=1000)
    assert page.total == len(page.movies) == 15
    assert all(hit.movie.year and hit.movie.year >= 1990 for hit in engine.search("story", n=40, filter=text))


@fewer(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    user=st.integers(0, 59).map(lambda n: f"u{n}"),
    n=st.integers(1, 60),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
    adventurous=st.sampled_from([None, 0.0, 1.0]),
    model=st.sampled_from(MODELS),
    filter=st.sampled_from(["", "genre = Comedy", "year < 1990", "ratings > 12 and mean >= 3"]),
)
def test_any_request_is_safe(
    engine: Engine, user: str, n: int, diversity: float, adventurous: float | None, model: str, filter: str
) -> None:
    request = Request(n=n, diversity=diversity, adventurous=adventurous, model=model, filter=filter, explain=True)
    answer = engine.recommend(user, request)
    found = ids(answer)
    assert len(set(found)) == len(found) <= n
    assert not {rated.movie_id for rated in engine.history(user)} & set(found)
    assert set(found) <= {m.movie_id for m in engine.movies(filter=filter, limit=1000).movies}


def test_adventurous_lists_are_less_known(engine: Engine) -> None:
    counts = engine.request_view().stats.counts

    def known(adventurous: float | None, user: str = "u") -> float:
        request = Request(n=5, adventurous=adventurous)
        answers = [engine.recommend(f"{user}{n}", request) for n in range(60)]
        return float(np.mean([counts[item.row] for answer in answers for item in answer.items]))

    low, usual, high = known(0.0), known(None), known(1.0)
    assert low >= usual >= high
    assert low > high
    assert known(0.5) == usual, "the setting's"
    assert known(1.0, "nobody") < known(0.0, "nobody"), "the chart of an unknown user too, where it is asked for"


def test_a_list_is_the_rerankers(engine: Engine) -> None:
    """What `evaluation` measures by `Reranker.lists` is what the engine answers."""
    view = engine.request_view()
    for user in ("u3", "u4"):
        query = view.history(user)
        scores = view.model("blend").score([query])
        [rows] = view.rerankers(view.catalog).lists(scores, [query], 10).tolist()
        assert [item.row for item in engine.recommend(user, Request(n=10)).items] == rows
        [rows] = view.rerankers(view.catalog).lists(scores, [query], 10, adventurous=1.0).tolist()
        assert [item.row for item in engine.recommend(user, Request(n=10, adventurous=1.0)).items] == rows


def test_a_chart_asked_for_by_name_stays_a_chart(engine: Engine) -> None:
    chart = [p.item.movie_id for p in engine.popular(n=40)]
    seen = {rated.movie_id for rated in engine.history("u3")}
    assert ids(engine.recommend("u3", Request(n=40, model="popular"))) == [film for film in chart if film not in seen]


def test_settings_say_how_lists_are_made(settings: Settings) -> None:
    changed = settings.model_copy(update={"calibration": 0.0, "adventurous": 0.0})
    with Engine.open(changed) as opened:
        view = opened.request_view()
        query = view.history("u3")
        scores = view.model("blend").score([query])
        [rows] = view.rerankers(view.catalog).lists(scores, [query], 10, adventurous=0.0, strength=0.0).tolist()
        assert [item.row for item in opened.recommend("u3").items] == rows
        assert opened.recommend("u3", Request(adventurous=1.0)) != opened.recommend("u3")


def test_diversity_makes_lists_less_alike(engine: Engine) -> None:
    def comedies(diversity: float) -> list[str]:
        return [
            g
            for n in range(1, 21, 2)
            for i in engine.recommend(f"u{n}", Request(n=8, diversity=diversity)).items
            for g in i.genres
        ]

    plain, mixed = comedies(0.0), comedies(0.9)
    assert mixed.count("Drama") > plain.count("Drama")


def test_similar(engine: Engine) -> None:
    for by in ("taste", "content", "blend"):
        answer = engine.similar("m1", by=by, n=5)
        assert len(answer.items) == 5
        assert "m1" not in ids(answer)
    assert all(item.genres == ("Comedy",) for item in engine.similar("m1", by="content", n=5).items)


def test_neighbors_have_the_same_taste(engine: Engine) -> None:
    found = engine.neighbors("u3", 10)
    assert len(found) == 10
    assert "u3" not in {n.user_id for n in found}
    similarities = [n.similarity for n in found]
    assert similarities == sorted(similarities, reverse=True)
    assert sum(int(n.user_id[1:]) % 2 for n in found) >= 7


def slow_neighbors(engine: Engine, user_id: str) -> dict[str, tuple[float, int]]:
    """Cosine of centred ratings over all films, a user with one number of stars standing for a small constant."""
    taste: dict[str, dict[str, float]] = {}
    for user, movie, stars, _ in engine.export_ratings():
        taste.setdefault(user, {})[movie] = stars
    for stars_of in taste.values():
        mean = sum(stars_of.values()) / len(stars_of)
        flat = len(set(stars_of.values())) == 1
        stars_of.update({movie: 1e-3 if flat else stars - mean for movie, stars in stars_of.items()})
    mine = taste[user_id]
    found = {}
    for user, theirs in taste.items():
        both = mine.keys() & theirs.keys()
        if user != user_id and both:
            length = math.hypot(*mine.values()) * math.hypot(*theirs.values())
            cosine = sum(mine[movie] * theirs[movie] for movie in both) / length
            found[user] = (cosine * min(len(both), 3) / 3, len(both))
    return found


def test_neighbors_equal_a_slow_count_wherever_the_ratings_are_kept(engine: Engine) -> None:
    engine.rate([("flat", f"m{n}", 4.0) for n in range(0, 12, 2)])
    engine.rate([("new", "m1", 5.0), ("new", "m2", 1.0), ("u4", "m3", 3.0)])
    engine.erase_user("u5")
    for user in ("u3", "u4", "new", "flat"):
        found = {n.user_id: (n.similarity, n.common) for n in engine.neighbors(user, 1000)}
        expected = slow_neighbors(engine, user)
        assert found.keys() == expected.keys()
        for other, (similarity, common) in expected.items():
            assert found[other] == (pytest.approx(similarity, abs=1e-4), common)
    before = {n.user_id: (n.similarity, n.common) for n in engine.neighbors("u3", 1000)}
    engine.rate([(other, r.movie_id, r.rating) for other in ("u7", "u8") for r in engine.history(other)])
    assert {n.user_id: (n.similarity, n.common) for n in engine.neighbors("u3", 1000)} == before


@pytest.mark.parametrize("sort", ["movie_id", "title", "year", "ratings", "mean", "popularity", "top_rated"])
def test_pages_cover_the_catalogue_once(engine: Engine, sort: str) -> None:
    pages = [engine.movies(sort=sort, offset=offset, limit=7) for offset in range(0, 49, 7)]
    found = [movie.movie_id for page in pages for movie in page.movies]
    assert sorted(found) == sorted(f"m{i}" for i in range(40))
    assert {page.total for page in pages} == {40}
    whole = engine.movies(sort=sort, limit=1000)
    assert [m.movie_id for m in whole.movies] == found
    back = engine.movies(sort=f"-{sort}", limit=1000)
    if sort in ("movie_id", "title"):
        assert [m.movie_id for m in back.movies] == found[::-1]
    if sort == "year":
        assert [m.year for m in whole.movies] == sorted(m.year or 0 for m in whole.movies)
        assert [m.year for m in back.movies] == sorted((m.year or 0 for m in whole.movies), reverse=True)
    if sort == "ratings":
        assert [c for c, _ in whole.stats] == sorted((c for c, _ in whole.stats), reverse=True)


def test_what_is_served(engine: Engine) -> None:
    engine.check()
    assert [m["name"] for m in engine.models() if m["default"]] == ["blend"]
    assert {m["name"] for m in engine.models()} >= set(MODELS)
    (snapshot,) = engine.snapshots()
    assert snapshot["id"] == engine.snapshot_id
    assert snapshot["current"]
    assert snapshot["served"]
    assert engine.warnings == ()
    assert engine.scale == (0.5, 5.0)
