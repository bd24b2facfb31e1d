"""States of movies: every list for a user leaves out what is seen or not interesting, and nothing learns from them."""

from __future__ import annotations

import json
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from matinee.data.catalog import Movie
from matinee.engine import Engine, Request, StateChange
from matinee.errors import InvalidInputError, UnknownMovieError, UnknownUserError
from matinee.settings import Settings
from matinee.stores.base import State

MOVIES = ["m0", "m1", "m2", "m3"]


def ids(engine: Engine, user_id: str, **options: object) -> list[str]:
    return [item.movie_id for item in engine.recommend(user_id, Request(**options)).items]  # type: ignore[arg-type]


def mark(engine: Engine, user_id: str, state: State, *movie_ids: str, remove: bool = False) -> None:
    engine.set_states(user_id, [StateChange(movie_id, state, remove) for movie_id in movie_ids])


def test_a_seen_movie_leaves_the_very_next_list_and_comes_back(engine: Engine) -> None:
    before = ids(engine, "u3", n=20)
    history = engine.history("u3")
    mark(engine, "u3", "seen", *before[:2])
    assert not set(before[:2]) & set(ids(engine, "u3", n=1000))
    assert set(before[:2]) <= set(ids(engine, "u3", n=1000, include_seen=True))
    assert engine.history("u3") == history, "no rating, and no taste"
    mark(engine, "u3", "seen", *before[:2], remove=True)
    assert ids(engine, "u3", n=20) == before


def test_not_interesting_lasts_and_a_watchlist_hides_nothing(engine: Engine) -> None:
    first, second, *_ = before = ids(engine, "u3")
    rated = engine.history("u3")[0].movie_id
    mark(engine, "u3", "watchlist", first)
    assert ids(engine, "u3") == before
    mark(engine, "u3", "not_interested", first, rated)
    everything = ids(engine, "u3", n=1000, include_seen=True)
    assert first not in everything
    assert rated not in everything
    assert second in everything
    assert engine.states_of("u3", first) == ("watchlist", "not_interested")


@pytest.mark.parametrize("user_id", ["u3", "nobody"])
def test_every_model_and_the_chart_respect_them(engine: Engine, user_id: str) -> None:
    for name in (None, *(model["name"] for model in engine.models())):
        before = ids(engine, user_id, model=name, n=5)
        mark(engine, user_id, "seen", before[0])
        mark(engine, user_id, "not_interested", before[1])
        after = ids(engine, user_id, model=name, n=1000)
        assert not {before[0], before[1]} & set(after), name
        assert after, name
        mark(engine, user_id, "seen", before[0], remove=True)
        mark(engine, user_id, "not_interested", before[1], remove=True)
        assert ids(engine, user_id, model=name, n=5) == before


def test_a_user_who_only_has_states_is_known_exported_and_erased(engine: Engine) -> None:
    engine.set_states("fresh", [StateChange("m1", "seen", timestamp=7), StateChange("m2", "watchlist", timestamp=9)])
    assert engine.recommend("fresh").fallback == "popular"
    assert "m1" not in ids(engine, "fresh", n=1000)
    exported = engine.export_user("fresh")
    assert exported["ratings"] == []
    assert [(one["movie_id"], one["state"], one["timestamp"]) for one in exported["states"]] == [
        ("m2", "watchlist", 9),
        ("m1", "seen", 7),
    ]
    json.dumps(exported)
    engine.erase_user("fresh")
    assert engine.states("fresh").total == 0
    assert "m1" in ids(engine, "fresh", n=1000)
    with pytest.raises(UnknownUserError):
        engine.export_user("fresh")


def test_states_are_listed_newest_first_in_pages(engine: Engine) -> None:
    engine.set_states("u3", [StateChange(movie_id, "seen", timestamp=n) for n, movie_id in enumerate(MOVIES)])
    mark(engine, "u3", "watchlist", "m9")
    page = engine.states("u3", state="seen", limit=2, offset=1)
    assert [(one.movie_id, one.timestamp) for one in page.states] == [("m2", 2), ("m1", 1)]
    assert page.total == 4
    movie = engine.movie("m2")
    assert (page.states[0].title, page.states[0].year) == (movie.title, movie.year)
    assert engine.states("u3").states[0].movie_id == "m9"
    assert engine.states("nobody").total == 0
    engine.delete_movie("m2")
    assert engine.states("u3", state="seen").total == 3
    mark(engine, "u3", "seen", "m2", remove=True)
    with pytest.raises(InvalidInputError):
        engine.states("u3", offset=-1)


def test_what_cannot_be_stored_is_refused_whole_or_listed(engine: Engine) -> None:
    changes = [StateChange("m1", "seen"), StateChange("nope", "seen"), StateChange("m2", "seen")]
    with pytest.raises(UnknownMovieError, match="nope"):
        engine.set_states("u3", changes)
    assert engine.states("u3").total == 0
    stored = engine.set_states("u3", [*changes, StateChange("nope", "watchlist")], unknown="skip")
    assert (stored.stored, stored.unknown) == (2, ("nope",))
    assert {one.movie_id for one in engine.states("u3").states} == {"m1", "m2"}
    with pytest.raises(InvalidInputError, match="no state"):
        engine.set_states("u3", [StateChange("m1", "loved")])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="user id"):
        engine.set_states("a\nb", [StateChange("m1", "seen")])
    with pytest.raises(InvalidInputError, match="at once"):
        engine.set_states("u3", [StateChange("m1", "seen")] * 10_001)


def test_one_user_has_so_many_states_at_most(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.engine.states.MAX_STATES", 3)
    mark(engine, "u3", "seen", "m1", "m2", "m3")
    mark(engine, "u3", "seen", "m2", "m3")
    with pytest.raises(InvalidInputError, match="Up to 3"):
        mark(engine, "u3", "watchlist", "m1")
    engine.set_states("u3", [StateChange("m1", "seen", remove=True), StateChange("m1", "watchlist")])
    assert engine.states_of("u3", "m1") == ("watchlist",)


def test_a_history_in_a_request_has_states_too(engine: Engine) -> None:
    history = {"m1": 5.0, "m3": 4.5}
    before = engine.recommend_for(history, Request(n=20))
    first, second = (item.movie_id for item in before.items[:2])
    answer = engine.recommend_for(history, Request(n=20), seen=[first, "unknown"], not_interested=[second])
    scores = {item.movie_id: item.score for item in before.items}
    assert not {first, second} & {item.movie_id for item in answer.items}
    assert all(scores.get(item.movie_id, item.score) == item.score for item in answer.items), "they are no taste"
    again = engine.recommend_for(history, Request(n=1000, include_seen=True), seen=[first], not_interested=[second])
    shown = {item.movie_id for item in again.items}
    assert first in shown
    assert second not in shown


def test_a_movie_that_is_added_later_has_its_states(engine: Engine) -> None:
    engine.put_movies([Movie(movie_id="late", title="Late", year=2020, genres=("Comedy",))])
    mark(engine, "u3", "not_interested", "late")
    assert "late" not in ids(engine, "u3", n=1000)
    engine.put_movies([Movie(movie_id="later", title="Later", year=2020, genres=("Comedy",))])
    mark(engine, "u3", "seen", "later")
    assert "later" not in ids(engine, "u3", n=1000)


def _mark_elsewhere(data_dir: Path, pipe: Connection) -> None:
    with Engine.open(Settings(data_dir=data_dir)) as engine:
        while (movie_id := pipe.recv()) is not None:
            mark(engine, "u3", "seen", movie_id)
            pipe.send(engine.user_version("u3"))


def test_another_process_sees_them_at_its_next_list(engine: Engine) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_mark_elsewhere, args=(engine.settings.data_dir, there), daemon=True)
    process.start()
    try:
        for _ in range(3):
            first = ids(engine, "u3")[0]
            version = engine.user_version("u3")
            here.send(first)
            assert here.poll(60)
            here.recv()
            assert engine.user_version("u3") > version
            assert first not in ids(engine, "u3", n=1000)
    finally:
        here.send(None)
        process.join(90)
