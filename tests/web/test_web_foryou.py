"""For you, asked as a program asks it: rating, lists, the controls and the filter language, the wall, users."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps_support import Service
from matinee.errors import InvalidInputError
from matinee.web.pages.foryou.filter import Narrowing, narrowing
from matinee.web.pages.foryou.options import DEFAULT_N, MAX_FILTER, MAX_N, MIN_N, Options, user_name
from matinee.web.pages.foryou.queries import WALL_SIZE

Endpoint = Callable[..., list[Any]]

_names = (f"<img src=x onerror=alert(1)> ü 🎬 ${{{number}}} {{{{x}}}}" for number in count())


@pytest.fixture
def user() -> str:
    """Somebody who has rated nothing, with a name that must be shown as text."""
    return next(_names)


def restored(call: Endpoint, query: str, user: str | None = None) -> dict[str, Any]:
    """The page's values by name."""
    values = call("open", query, user)
    _, address, picks, ratings, wall, genres, first, last, surprise, text, diversity, n, adventurous, *_ = values
    return {
        "address": address,
        "picks": picks,
        "ratings": ratings,
        "wall": wall,
        "genres": genres,
        "from": first,
        "to": last,
        "surprise": surprise,
        "filter": text,
        "diversity": diversity,
        "n": n,
        "adventurous": adventurous,
    }


# --- rating ----------------------------------------------------------------------------------------------------
def test_a_newcomer_sees_what_most_people_like(call: Endpoint, user: str) -> None:
    page = restored(call, "?tab=for-you", user)
    assert page["picks"]["fallback"] == "popular"
    assert len(page["picks"]["items"]) == DEFAULT_N
    assert page["ratings"]["items"] == []
    assert len(page["wall"]["items"]) == WALL_SIZE
    assert all(film["rating"] is None for film in page["wall"]["items"])


def test_a_rating_changes_the_list_and_says_why(call: Endpoint, core: Service, user: str) -> None:
    before = restored(call, "?tab=for-you", user)["picks"]
    for film in ("1", "3", "5", "7"):  # comedies
        picks, ratings = call("rate", user, film, 5, "", 0, 10)
    assert picks["fallback"] is None
    assert [film["movie_id"] for film in picks["items"]] != [film["movie_id"] for film in before["items"]]
    reasons = {reason["movie_id"] for film in picks["items"] for reason in film["because"]}
    assert reasons & {"1", "3", "5", "7"}
    assert any(film["reason"].startswith("because you ") for film in picks["items"])
    assert picks["less_of"] == []
    assert ratings["items"][0] == {"movie_id": "7", "title": "Airplane!", "rating": 5}
    assert {film["movie_id"] for film in ratings["items"]} == {"1", "3", "5", "7"}
    assert ratings["total"] == 4
    wall = restored(call, "?tab=for-you", user)["wall"]
    assert not {"1", "3", "5", "7"} & {film["movie_id"] for film in wall["items"]}
    stored = httpx.get(f"{core.url}/v1/users/{user}/ratings", trust_env=False).json()
    assert len(stored["items"]) == 4


def test_a_rating_is_changed_and_taken_back(call: Endpoint, user: str) -> None:
    call("rate", user, "1", 5, "", 0, 10)
    _, ratings = call("rate", user, "1", 2, "", 0, 10)
    assert [film["rating"] for film in ratings["items"]] == [2]
    _, ratings = call("rate", user, "1", 1.5, "", 0, 10)
    assert [film["rating"] for film in ratings["items"]] == [1.5]
    assert ratings["lowest"] == 0.5
    picks, ratings = call("unrate", user, "1", "", 0, 10)
    assert (ratings["items"], ratings["removed"]) == ([], "1")
    assert picks["fallback"] == "popular"
    _, ratings = call("unrate", user, "1", "", 0, 10)
    assert "error" not in ratings, "what is gone already may be taken back"


@pytest.mark.parametrize(
    ("film", "stars"),
    [("nothing", 5), ("1", 0), ("1", 6), ("1", "many"), ("1", None), (None, 5), ("a/b", 5), ({"a": 1}, 5), ("1", [])],
)
def test_a_rating_that_cannot_be_is_refused_in_words(call: Endpoint, user: str, film: Any, stars: Any) -> None:
    picks, ratings = call("rate", user, film, stars, "", 0, 10)
    assert picks["__type__"] == "update"
    assert "value" not in picks, "the list stays"
    assert ratings["error"]["title"]
    assert ratings["movie_id"] == str(film)
    assert restored(call, "?tab=for-you", user)["ratings"]["total"] == 0


@pytest.mark.parametrize("name", ["", "   ", None, "x" * 65, "x" * 10_000, "a/b", "a\nb", "a\x00b"])
def test_a_name_that_cannot_be_is_refused_in_words(call: Endpoint, name: Any) -> None:
    _, ratings = call("rate", name, "1", 5, "", 0, 10)
    assert ratings["error"]["title"]
    assert ratings["error"]["hint"].startswith("Choose")
    with pytest.raises(InvalidInputError):
        user_name(name)


def test_trouble_with_the_core_and_after_it(call: Endpoint, core: Service, user: str) -> None:
    call("rate", user, "1", 5, "", 0, 10)
    core.stop()
    try:
        _, first = call("rate", user, "2", 4, "", 0, 10)
        _, second = call("rate", user, "2", 4, "", 0, 10)
        assert "does not answer" in first["error"]["title"]
        assert first != second, "an equal value would not be drawn again"
        assert "error" in call("wall", user, 0, "")[0]
        assert call("users", "a")[0]["items"] == []
    finally:
        core.start()
    _, ratings = call("rate", user, "2", 4, "", 0, 10)
    assert ratings["total"] == 2


# --- the list --------------------------------------------------------------------------------------------------
def test_the_text_of_the_filter_counts_and_the_controls_follow(call: Endpoint, user: str) -> None:
    text = 'year >= 1990 and genre = "Comedy" and not title ~ "toy"'
    picks, genres, first, last, surprise, address = call("recommend", user, text, 0.3, 7)
    assert len(picks["items"]) == 7
    assert all(film["year"] >= 1990 and "Comedy" in film["genres"] for film in picks["items"])
    assert (genres, first, last, surprise) == (["Comedy"], 1990, None, False)
    page = restored(call, address)
    assert page["picks"].pop("at") > picks.pop("at"), "so that an answer that was overtaken is not drawn"
    assert page["picks"] == picks
    assert (page["filter"], page["diversity"], page["n"]) == (text, 0.3, 7)


def test_known_films_or_hidden_ones(call: Endpoint) -> None:
    lists = {}
    for adventurous in (0, 0.5, 1):
        picks, *_, address = call("recommend", "42", "", 0, 10, adventurous)
        assert ("adventurous=" in address) is (adventurous != 0.5), "the middle is what everybody gets"
        page = restored(call, address)
        assert page["adventurous"] == adventurous
        lists[adventurous] = [film["movie_id"] for film in picks["items"]]
        assert [film["movie_id"] for film in page["picks"]["items"]] == lists[adventurous]
    assert lists[0] != lists[1]
    assert [film["movie_id"] for film in call("recommend", "42", "", 0, 10)[0]["items"]] == lists[0.5], "left out"
    assert restored(call, "?tab=for-you&adventurous=9", "42")["adventurous"] == 1
    assert restored(call, "?tab=for-you&adventurous=nan", "42")["adventurous"] == 0.5


def test_controls_become_the_filter_and_leave_what_they_do_not_know(call: Endpoint, user: str) -> None:
    before = 'not title ~ "toy"'
    text, diversity, picks, address = call("narrow", user, ["Comedy", "Drama"], 1999, 1980, False, before, 0, 10)
    assert text == 'genre in ("Comedy", "Drama") and year between 1980 and 1999 and not title ~ "toy"'
    assert diversity == 0
    assert all(1980 <= film["year"] <= 1999 for film in picks["items"])
    text, *_ = call("narrow", user, [], None, None, False, text, 0, 10)
    assert text == before
    assert restored(call, address)["genres"]["value"] == ["Comedy", "Drama"]


def test_a_surprise_is_less_known_and_varied(call: Endpoint, user: str) -> None:
    text, diversity, picks, address = call("narrow", user, [], None, None, True, "", 0, 10)
    assert text.startswith("ratings < ")
    assert diversity > 0
    assert picks["items"]
    assert "surprise=1" in address
    assert restored(call, address)["surprise"] is True
    assert restored(call, "?tab=for-you&surprise=1", user)["filter"] == text
    assert call("narrow", user, [], None, None, False, text, diversity, 10)[:2] == ["", 0]


def test_a_fault_of_the_filter_has_its_place(call: Endpoint, user: str) -> None:
    text = 'genre = "Comedy" and yeer > 3'
    picks, *_ = call("recommend", user, text, 0, 10)
    assert picks["error"]["position"] == text.index("yeer")
    assert picks["error"]["filter"] == text
    assert "year" in picks["error"]["hint"]
    page = restored(call, "?tab=for-you&filter=genre%20%3D", user)
    assert page["filter"] == "genre ="
    assert page["picks"]["error"]
    assert page["wall"]["items"], "the rest of the page stands"
    # A control that is not changed does not touch what cannot be read.
    assert call("narrow", user, [], None, None, False, "genre = ", 0, 10)[0] == "genre = "


@pytest.mark.parametrize("given_n", ["abc", None, -5, 1e300, float("inf"), [], {"n": 3}, "7"])
def test_options_out_of_anything(call: Endpoint, user: str, given_n: Any) -> None:
    picks, *_ = call("recommend", user, None, given_n, given_n)
    assert MIN_N <= len(picks["items"]) <= MAX_N


def test_a_long_filter_is_refused_in_words(call: Endpoint, user: str) -> None:
    picks, *_, address = call("recommend", user, "x" * (MAX_FILTER + 1), 0, 10)
    assert "2,001 characters" in picks["error"]["title"]
    assert address == {"__type__": "update"}


def test_options_clip() -> None:
    assert Options.of(None, 7, 999) == Options("", 1.0, MAX_N)
    assert Options.of(" x ", -1, 0) == Options("x", 0.0, MIN_N)
    assert Options.of("", float("nan"), "nan") == Options()


# --- the wall and the users ------------------------------------------------------------------------------------
def test_the_wall_goes_through_all_films_once(call: Endpoint, user: str) -> None:
    call("rate", user, "2", 4, "", 0, 10)
    seen, offset = [], 0
    while offset is not None:
        [wall] = call("wall", user, offset, "")
        seen += [film["movie_id"] for film in wall["items"]]
        offset = wall["next"]
    assert len(seen) == len(set(seen)) == 39
    assert "2" not in seen


def test_a_film_to_rate_is_found_by_title(call: Endpoint, user: str) -> None:
    call("rate", user, "2", 4, "", 0, 10)
    [wall] = call("wall", user, 0, "starr warrs")
    assert wall["items"][0] == {"movie_id": "2", "title": "Star Wars", "year": 1977, "rating": 4}
    [nothing] = call("wall", user, 0, "<script>alert(1)</script>🎬" * 500)
    assert nothing["items"] == []
    assert "error" not in call("wall", user, "abc", None)[0]
    assert call("wall", user, 10**9, "")[0]["items"] == []


def test_users_are_offered(call: Endpoint) -> None:
    [answer] = call("users", "1")
    assert answer["items"][0]["user_id"] == "1"
    assert answer["items"][0]["ratings"] > 0
    assert all(found["user_id"].startswith("1") for found in answer["items"])
    assert call("users", "no such user")[0]["items"] == []
    assert call("users", "x" * 10_000)[0]["items"] == []


# --- controls and filter ---------------------------------------------------------------------------------------
words = st.text(min_size=1, max_size=12).filter(lambda word: word.strip() and "\n" not in word)
years = st.none() | st.integers(0, 9999)
rests = st.sampled_from(
    ["", 'not tag = "gore"', "poster = true and mean >= 3.5", 'tag = "a" or tag = "b"', "title ~ ')'"]
)


@given(st.lists(words, max_size=4, unique=True), years, years, st.none() | st.integers(1, 10**6), rests)
def test_controls_go_into_the_filter_and_back(
    genres: list[str], first: int | None, last: int | None, fewer: int | None, rest: str
) -> None:
    controls = Narrowing(tuple(genres), first, last, fewer, rest)
    assert narrowing(controls.text()) == controls
    assert narrowing(controls.text()).text() == controls.text()


@given(st.text(max_size=60))
def test_any_text_is_kept(text: str) -> None:
    shown = narrowing(text)
    assert narrowing(shown.text()) == shown


@pytest.mark.parametrize(
    ("text", "controls"),
    [
        ("GENRE IN ('A', B) AND Year >= 1990", Narrowing(("A", "B"), 1990)),
        ("genre = A and genre = B", Narrowing(("A",), rest="genre = B")),
        ("year between 1980 and 1989 and ratings<9", Narrowing((), 1980, 1989, 9)),
        ("genre = A or genre = B", Narrowing(rest="genre = A or genre = B")),
        ("(genre = A or year = 3) and year <= 5", Narrowing((), None, 5, rest="genre = A or year = 3")),
        ("genre = ", Narrowing(rest="genre =")),
        ('genre = "A', Narrowing(rest='genre = "A')),
        ("(genre = A", Narrowing(rest="(genre = A")),
        ("year >= 1990 and year <= 1999", Narrowing((), 1990, None, rest="year <= 1999")),
        ('genre = "say \\"and\\""', Narrowing(('say "and"',))),
    ],
)
def test_what_the_controls_show(text: str, controls: Narrowing) -> None:
    assert narrowing(text) == controls
