"""One list for several people, and what a guest has rated given to a user."""

from __future__ import annotations

import pytest

from matinee.engine import Engine, Request, StateChange
from matinee.engine import claims as claiming
from matinee.errors import ConflictError, InvalidInputError
from matinee.stores.base import Rating

GUEST = "guest-0123456789abcdef"


@pytest.mark.parametrize("method", ["average", "least_misery"])
def test_a_list_for_two_has_nothing_that_either_knows(engine: Engine, method: str) -> None:
    first = engine.recommend("u1").items[0].movie_id
    engine.set_states("u2", [StateChange(first, "not_interested")])
    second = engine.recommend("u2").items[0].movie_id
    engine.set_states("u1", [StateChange(second, "seen")])
    answer = engine.recommend_group(["u1", "u2", "u1"], Request(n=1000), method=method)  # type: ignore[arg-type]
    ids = {item.movie_id for item in answer.items}
    rated = {one.movie_id for user in ("u1", "u2") for one in engine.history(user)}
    assert ids
    assert not ids & (rated | {first, second})
    assert [one.user_id for one in answer.users] == ["u1", "u2"]
    assert answer.fallback is None
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    for item in answer.items:
        assert [one.user_id for one in item.members] == ["u1", "u2"]
        assert all(one.fit is not None and 0 <= one.fit <= 1 for one in item.members)
    seen = {item.movie_id for item in engine.recommend_group(["u1", "u2"], Request(n=1000, include_seen=True)).items}
    assert second in seen
    assert first not in seen


def test_least_misery_asks_the_one_who_likes_it_least(engine: Engine) -> None:
    everything = Request(n=1000)
    least = engine.recommend_group(["u1", "u2"], everything, method="least_misery").items
    mean = {item.movie_id: item.score for item in engine.recommend_group(["u1", "u2"], everything).items}
    assert {item.movie_id for item in least} == set(mean)
    assert all(item.score <= mean[item.movie_id] + 1e-5 for item in least)
    top = [min(one.fit or 0.0 for one in item.members) for item in least[:5]]
    rest = [min(one.fit or 0.0 for one in item.members) for item in least[-5:]]
    assert min(top) > max(rest)


def test_whoever_is_not_known_leaves_the_choice_to_the_others(engine: Engine) -> None:
    answer = engine.recommend_group(["u1", "nobody"], Request(n=5))
    alone = engine.recommend("u1", Request(n=5, adventurous=0.0))
    assert answer.users[1].fallback == "popular"
    assert answer.items[0].members[1].fit is None
    assert answer.model == alone.model
    nobody = engine.recommend_group(["nobody", "no one"], Request(n=5))
    assert (nobody.fallback, nobody.model) == ("popular", "popular")
    assert len(nobody.items) == 5


def test_what_is_no_group_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidInputError, match="2 to 10"):
        engine.recommend_group(["u1", "u1"])
    with pytest.raises(InvalidInputError, match="2 to 10"):
        engine.recommend_group([f"u{n}" for n in range(11)])
    with pytest.raises(InvalidInputError, match="explain"):
        engine.recommend_group(["u1", "u2"], Request(explain=True))


def test_a_guest_becomes_a_user(engine: Engine) -> None:
    engine.rate([(GUEST, "m1", 5.0), (GUEST, "m2", 1.0)], timestamp=7)
    engine.set_states(GUEST, [StateChange("m3", "seen", timestamp=8), StateChange("m4", "watchlist", timestamp=9)])
    engine.rate([("ann", "m2", 4.0)], timestamp=5)
    engine.set_states("ann", [StateChange("m4", "watchlist", timestamp=3)])
    claimed = engine.claim("ann", GUEST)
    assert (claimed.ratings, claimed.states, claimed.kept) == (1, 1, 2)
    assert {(one.movie_id, one.rating, one.timestamp) for one in engine.history("ann")} == {
        ("m1", 5.0, 7),
        ("m2", 4.0, 5),
    }
    assert {(one.movie_id, one.state, one.timestamp) for one in engine.states("ann").states} == {
        ("m3", "seen", 8),
        ("m4", "watchlist", 3),
    }
    assert engine.rated_count(GUEST) == engine.states(GUEST).total == 0
    again = engine.claim("ann", GUEST)
    assert (again.ratings, again.states, again.kept) == (0, 0, 0)
    assert engine.claim("ann", "guest-neverseen").moved == 0


def test_a_claim_that_broke_off_is_made_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.rate([(GUEST, "m1", 5.0), (GUEST, "m2", 1.0)])
    store = engine.request_view().runtime.store
    with monkeypatch.context() as patch:
        patch.setattr(store, "erase_user", lambda user_id: 1 / 0)  # the process dies here
        with pytest.raises(ZeroDivisionError):
            engine.claim("ann", GUEST)
    assert engine.rated_count("ann") == engine.rated_count(GUEST) == 2
    engine.claim("ann", GUEST)
    assert (engine.rated_count("ann"), engine.rated_count(GUEST)) == (2, 0)


def test_what_a_guest_rates_meanwhile_is_claimed_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.rate([(GUEST, "m1", 5.0)])
    copy, later = claiming._copy, iter(["m2"])

    def copy_while_rated(*args: object) -> object:
        done = copy(*args)  # type: ignore[arg-type]
        for movie_id in later:
            engine.rate([(GUEST, movie_id, 3.0)])
        return done

    monkeypatch.setattr(claiming, "_copy", copy_while_rated)
    claimed = engine.claim("ann", GUEST)
    assert (claimed.ratings, claimed.kept) == (2, 0)
    assert {one.movie_id for one in engine.history("ann")} == {"m1", "m2"}
    assert engine.rated_count(GUEST) == 0

    def copy_and_rate(*args: object) -> object:
        done = copy(*args)  # type: ignore[arg-type]
        engine.request_view().runtime.store.put_ratings([Rating(GUEST, "m3", 3.0, 1)])
        return done

    monkeypatch.setattr(claiming, "_copy", copy_and_rate)
    with pytest.raises(ConflictError, match="goes on"):
        engine.claim("ann", GUEST)


@pytest.mark.parametrize("guest", ["u1", "guest-1", "guest-../../etc", "", GUEST])
def test_only_guests_are_claimed(engine: Engine, guest: str) -> None:
    user = GUEST if guest == GUEST else "ann"
    with pytest.raises(InvalidInputError):
        engine.claim(user, guest)
    assert engine.rated_count("u1")
