"""Reasons for people: golden sentences and shares by hand, and what holds of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matinee.data.catalog import Catalog, Movie
from matinee.engine import Engine, Request
from matinee.engine.allowed import Ranked
from matinee.engine.reasons import (
    DECIDES,
    NO_LIKES,
    POPULAR,
    UNDECIDED,
    Cited,
    Reasons,
    chart_text,
    decides,
    liked_shares,
    list_reasons,
    reason_text,
)
from matinee.engine.runtime import RequestView
from matinee.engine.types import MovieRef, Reason
from matinee.models import Popularity
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from support import random_dataset


class Given(Model[ModelConfig]):
    """A model whose contributions are written down: one row for any film asked for."""

    name = "given"
    Config = ModelConfig

    def __init__(self, parts: Sequence[float]) -> None:
        super().__init__(ModelConfig())
        self.parts_given = np.array([parts], dtype=np.float32)

    def _fit(self, dataset: Any, progress: Progress) -> None: ...

    def score(self, queries: Sequence[Query]) -> Scores:
        raise AssertionError("reasons ask for contributions alone")

    def state(self) -> State:
        return {}

    @classmethod
    def from_state(cls, config: ModelConfig, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> Given:
        raise AssertionError("it is never stored")

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        return np.repeat(self.parts_given, len(rows), axis=0)


def cited(*films: tuple[str, float] | tuple[str, float, float]) -> list[Cited]:
    return [Cited(row, film[0], film[1], film[2] if len(film) > 2 else 0.9) for row, film in enumerate(films)]


def view_of(engine: Engine) -> RequestView:
    return engine.request_view()


def titled(engine: Engine, **films: tuple[tuple[str, ...], tuple[str, ...]]) -> dict[str, int]:
    """Films of these titles, genres and directors, put into the catalogue; rows by title."""
    engine.put_movies(
        [
            Movie(movie_id=title, title=title, genres=genres, directors=directors)
            for title, (genres, directors) in films.items()
        ]
    )
    return {title: view_of(engine).catalog.row(title) for title in films}


# --- sentences -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("films", "liked", "said"),
    [
        ([], 0, NO_LIKES),
        ([], 3, "no single film decides"),
        ([("Alien", 1.0)], 1, "because you loved Alien"),
        ([("Alien", 0.6, 0.4)], 2, "because you liked Alien"),
        ([("Alien", 0.6, 0.5)], 2, "because you liked Alien"),  # seen, and given no stars
        ([("Alien", 0.6), ("Heat", 0.4)], 2, "because you loved Alien and Heat"),
        ([("Alien", 0.6), ("Heat", 0.4, 0.2)], 2, "because you liked Alien and Heat"),
        ([("Alien", 0.6), ("Heat", 0.29, 0.2)], 2, "because you loved Alien"),
        ([("Alien", 0.4), ("Heat", 0.3), ("M", 0.2)], 3, "because you loved Alien, Heat and M"),
        ([("Alien", 0.3), ("Heat", 0.3), ("M", 0.2), ("Ran", 0.2)], 4, "because you loved Alien, Heat and M"),
        ([("Alien", 0.0299)], 100, "no single film decides"),
        ([("Alien", 0.03)], 100, "because you loved Alien"),
        ([("Alien", 0.03)], 20, "because you loved Alien"),
        ([("Alien", 0.0799)], 25, "no single film decides"),
        ([("Alien", 0.08)], 25, "because you loved Alien"),
    ],
)
def test_what_is_said(films: list[Any], liked: int, said: str) -> None:
    assert reason_text(cited(*films), liked) == said


def test_a_taste_is_named_only_where_no_film_decides() -> None:
    many = cited(("Alien", 0.02), ("Heat", 0.02))
    assert reason_text(many, 100, "Sci-Fi") == "no single film decides: your taste for Sci-Fi"
    assert reason_text(many, 100) == UNDECIDED
    assert reason_text(cited(("Alien", 0.5)), 100, "Sci-Fi") == "because you loved Alien"
    assert reason_text([], 100, "Sci-Fi") == UNDECIDED


def test_a_sentence_is_plain_text() -> None:
    assert reason_text(cited(("<b>M</b> & *Co*", 1.0)), 1) == "because you loved <b>M</b> & *Co*"


# --- shares ----------------------------------------------------------------------------------------------------
def test_shares_by_hand() -> None:
    parts = np.array([3.0, -2.0, 4.0, 1.0, np.nan, 2.0])
    preferences = np.array([0.8, 0.9, -0.5, 0.1, 1.0, 0.0])
    # The disliked film adds most (minus times minus) and the neutral one adds too: neither counts, 3 + 1 remain.
    both = np.stack([parts, -parts])
    assert liked_shares(both, preferences, 5) == [[(0, 0.75), (3, 0.25)], [(1, 1.0)]]
    assert liked_shares(both, preferences, 1) == [[(0, 0.75)], [(1, 1.0)]]
    assert liked_shares(both[:0], preferences, 5) == []


def test_shares_are_rounded_down_and_none_is_zero() -> None:
    assert liked_shares(np.array([[1.0, 1.0, 1.0]]), np.ones(3), 5) == [[(0, 0.3333), (1, 0.3333), (2, 0.3333)]]
    assert liked_shares(np.array([[1.0, 5e-5]]), np.ones(2), 5) == [[(0, 0.9999)]]
    assert liked_shares(np.array([[1.0, 0.0]]), np.ones(2), 5) == [[(0, 1.0)]]
    assert liked_shares(np.array([[-1.0, 0.0]]), np.ones(2), 5) == [[]]
    assert liked_shares(np.array([[np.inf, -np.inf]]), np.ones(2), 5) == [[]]


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1, 1, width=32)), max_size=30),
    st.integers(1, 20),
)
def test_no_share_is_a_dislikes_and_none_is_zero(history: list[tuple[float, float]], most: int) -> None:
    parts = np.array([part for part, _ in history], dtype=np.float32)
    preferences = np.array([preference for _, preference in history], dtype=np.float32)
    (found,) = liked_shares(parts[None], preferences, most)
    assert len(found) <= most
    assert all(preferences[place] > 0 and parts[place] > 0 for place, _ in found)
    shares = [share for _, share in found]
    assert all(0 < share <= 1 for share in shares)
    assert shares == sorted(shares, reverse=True)
    assert round(sum(shares), 4) <= 1
    assert len({place for place, _ in found}) == len(found)


@given(st.floats(0, 1), st.integers(1, 1000))
def test_a_bigger_share_decides_no_less(share: float, liked: int) -> None:
    assert not decides([], liked)
    if decides([share], liked):
        assert share >= DECIDES
        assert decides([1.0], liked)


# --- over a catalogue ------------------------------------------------------------------------------------------
def test_a_list_by_hand(engine: Engine) -> None:
    rows = titled(engine, Alien=((), ()), Heat=((), ()), Saw=((), ()), Ring=((), ()), Cats=((), ()))
    history = np.array([rows[title] for title in ("Alien", "Heat", "Saw", "Ring", "Cats")], dtype=np.int64)
    query = Query(history, np.array([5, 4.5, 0.5, 0.5, 0.5], dtype=np.float32))
    view = view_of(engine)
    model = Given([0.75, 0.25, -0.5, 0.9, -0.001])
    ranked = Ranked(np.zeros(len(view.catalog), dtype=np.float32))
    told = list_reasons(view, model, query, np.array([0, 1]), ranked, None)
    assert told.because == ((Reason("Alien", "Alien", 0.75), Reason("Heat", "Heat", 0.25)),) * 2
    assert told.texts == ("because you loved Alien",) * 2
    # Ring speaks for the films, Cats takes less than a hundredth of what Alien and Heat give.
    assert told.less_of == (MovieRef("Saw", "Saw"),)
    assert list_reasons(view, model, query, np.array([0, 1]), ranked, "popular").texts == (POPULAR,) * 2
    assert list_reasons(view, model, query, np.array([], dtype=np.int64), ranked, "popular").because == ()


def test_no_more_than_three_push_the_strongest_first(engine: Engine) -> None:
    names = ("Loved", "One", "Two", "Three", "Four")
    rows = titled(engine, **dict.fromkeys(names, ((), ())))
    query = Query(np.array([rows[name] for name in names]), np.array([5, 0.5, 0.5, 0.5, 0.5], dtype=np.float32))
    reasons = Reasons(view_of(engine), query)
    parts = np.array([[1.0, -0.1, -0.4, -0.2, -0.3]])
    assert [film.title for film in reasons.less_of(parts)] == ["Two", "Four", "Three"]
    assert [film.title for film in reasons.less_of(-parts)] == []
    assert reasons.less_of(np.zeros((1, 5))) == ()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ((("Sci-Fi",), ("Scott",)), "no single film decides: your taste for films by Scott, as in A and B"),
        ((("Drama", "Sci-Fi"), ()), "no single film decides: your taste for Sci-Fi, as in A and B"),
        ((("Drama",), ()), "no single film decides: your taste for Drama, as in A and B"),
        ((("Drama", "IMAX"), ()), "no single film decides: your taste for Drama, as in A and B"),
        ((("War",), ("Mann",)), "no single film decides"),  # two of five films are War, or Mann's
        (((), ()), "no single film decides"),
    ],
)
def test_a_taste_is_what_the_reasons_and_the_film_share(engine: Engine, wanted: Any, said: str) -> None:
    films: dict[str, Any] = {
        "A": (("Drama", "Sci-Fi", "IMAX"), ("Scott",)),
        "B": (("Drama", "Sci-Fi", "IMAX"), ("Scott",)),
        "C": (("Drama", "Sci-Fi", "IMAX"), ("Scott",)),
        "D": (("Drama", "War"), ("Mann",)),
        "E": (("Drama", "War"), ("Mann",)),
    }
    # Every film liked is a drama, so that drama says the least.
    others: dict[str, Any] = {f"O{number}": (("Drama",), ()) for number in range(40)}
    rows = titled(engine, **films, **others, Film=wanted)
    history = np.array([rows[title] for title in (*films, *others)], dtype=np.int64)
    query = Query(history, np.full(len(history), 5, dtype=np.float32))
    reasons = Reasons(view_of(engine), query)
    parts = np.array([1.1] * 5 + [1.0] * 40)
    found = reasons.cited(parts[None])[0]
    assert [one.title for one in found] == ["A", "B", "C", "D", "E"]
    assert reasons.text(rows["Film"], found) == said


@pytest.mark.parametrize(
    ("genres", "directors", "said"),
    [
        (("War",), ("Scott",), "like Alien: same director"),
        (("Sci-Fi",), ("Mann",), "like Alien: same genre"),
        ((), (), "like Alien"),
    ],
)
def test_by_content_films_are_like_others(engine: Engine, genres: Any, directors: Any, said: str) -> None:
    rows = titled(engine, Alien=(("Sci-Fi",), ("Scott",)), Film=(genres, directors))
    query = Query(np.array([rows["Alien"]]), np.array([5], dtype=np.float32))
    reasons = Reasons(view_of(engine), query, by_content=True)
    assert reasons.text(rows["Film"], reasons.cited(np.array([[1.0]]))[0]) == said
    assert reasons.text(rows["Film"], []) == UNDECIDED


# --- the engine ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["blend", "ease", "itemknn", "content", "ials", None])
def test_the_engine_cites_only_what_is_liked(engine: Engine, model: str | None) -> None:
    view = view_of(engine)
    for user in ("u1", "u2", "u3", "u4"):
        query = view.history(user)
        preferences = view.snapshot.star_scale.preferences(query.ratings)
        ids = view.catalog.ids(query.rows)
        liked = {film for film, preference in zip(ids, preferences, strict=True) if preference > 0}
        answer = engine.recommend(user, Request(n=10, model=model, explain=True))
        assert answer.items
        for item in answer.items:
            assert {reason.movie_id for reason in item.because or ()} <= liked
            assert all(reason.share > 0 for reason in item.because or ())
            assert round(sum(reason.share for reason in item.because or ()), 4) <= 1
            assert item.reason
            assert {reason.movie_id for reason in engine.explain(user, item.movie_id, model).because} <= liked
        assert not {film.movie_id for film in answer.less_of or ()} & liked


def test_without_explain_nothing_is_told(engine: Engine) -> None:
    answer = engine.recommend("u3")
    assert answer.less_of is None
    assert all(item.because is None and item.reason is None for item in answer.items)


def test_a_newcomer_is_told_what_is_popular(engine: Engine) -> None:
    answer = engine.recommend("nobody", Request(n=3, explain=True))
    assert [item.reason for item in answer.items] == [POPULAR] * 3
    assert answer.less_of == ()
    named = engine.recommend("u3", Request(n=3, explain=True, model="popular"))
    assert [item.reason for item in named.items] == [POPULAR] * 3


def test_one_film_hated_is_no_reason(engine: Engine) -> None:
    film = engine.history("u3")[0].movie_id
    answer = engine.recommend_for({film: 0.5}, Request(n=5, model="ease", explain=True))
    assert [item.because for item in answer.items] == [()] * len(answer.items)
    assert {item.reason for item in answer.items} <= {NO_LIKES, POPULAR}
    loved = engine.recommend_for({film: 5.0}, Request(n=5, model="ease", explain=True))
    assert any((item.reason or "").startswith("because you loved") for item in loved.items)


def test_an_explanation_tells_as_the_list_does(engine: Engine) -> None:
    item = engine.recommend("u3", Request(n=1, explain=True)).items[0]
    assert engine.explain("u3", item.movie_id).reason == item.reason
    assert engine.explain("u3", item.movie_id, "popular").reason == POPULAR


def test_charts_say_what_they_are() -> None:
    data = random_dataset()
    for by, text in (
        ("counts", "popular with everybody"),
        ("trending", "rated by many lately"),
        ("top_rated", "among the best rated"),
    ):
        model = Popularity(by=by).fit(data)
        assert chart_text(model, None) == text
        assert chart_text(model, "popular") == "popular with everybody"


def test_films_whose_share_rounds_to_nothing_are_no_reasons() -> None:
    preferences = np.ones(3)
    assert liked_shares(np.array([[1.0, 1e-6, 0.0]]), preferences, 3) == [[(0, 0.9999)]]
    assert liked_shares(np.array([[0.0, -1.0, np.nan]]), preferences, 3) == [[]]
