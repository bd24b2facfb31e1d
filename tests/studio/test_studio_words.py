"""What the pages say in words: how much two lists have in common, and why a film is for a user."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.studio.explanation_text import because, factor, sentences
from matinee.studio.model_descriptions import KINDS, what_it_does
from matinee.studio.overlap import Moves, in_words, move_in_words, moves, overlap
from studio_support import HOSTILE

LISTS = st.lists(st.sampled_from("abcdefghij"), unique=True)


# --- two lists -------------------------------------------------------------------------------------------------
def test_overlap_by_hand() -> None:
    found = overlap(["1", "2", "3", "4"], ["4", "3", "2", "9"])
    assert found.both == ("2", "3", "4")
    assert found.jaccard == 3 / 5
    assert found.spearman == -1
    assert found.shorter == 4


def test_overlap_of_a_swapped_pair_by_hand() -> None:
    assert overlap("abcd", "abdc").spearman == pytest.approx(1 - 6 * 2 / 60)


def test_moves_by_hand() -> None:
    before, after = list("abcd"), list("acbx")
    assert moves(before, after) == Moves(same=1, moved=2, new=1, dropped=1)
    said = {movie_id: move_in_words(movie_id, before, after) for movie_id in "abcdx"}
    assert said == {"a": "", "b": "down 1", "c": "up 1", "d": "dropped", "x": "new"}


@given(LISTS, LISTS)
def test_moves_account_for_every_place(before: list[str], after: list[str]) -> None:
    found = moves(before, after)
    assert found.same + found.moved + found.new == len(after)
    assert found.same + found.moved + found.dropped == len(before)
    assert moves(before, before) == Moves(len(before), 0, 0, 0)


@given(LISTS, LISTS)
def test_overlap_is_the_same_both_ways(first: list[str], second: list[str]) -> None:
    one, other = overlap(first, second), overlap(second, first)
    assert (
        one.jaccard == other.jaccard == (len({*first} & {*second}) / len({*first} | {*second}) if first + second else 0)
    )
    assert one.spearman == pytest.approx(other.spearman)
    assert one.spearman is None or -1 <= one.spearman <= 1
    assert in_words(one)


@given(LISTS.filter(lambda films: len(films) >= 3))
def test_overlap_of_a_list_with_itself(films: list[str]) -> None:
    found = overlap(films, films)
    assert (found.jaccard, found.spearman) == (1, 1)
    assert overlap(films, films[::-1]).spearman == -1
    assert "the same films" in in_words(found)
    assert "much the same order" in in_words(found)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("", "abc", "empty"),
        ("abc", "def", "No film is in both lists"),
        ("abc", "ade", "1 of 3 films is in both lists"),
        ("abc", "ade", "Too few to compare"),
        ("abcd", "abce", "much the same taste"),
        ("abcdef", "abcghi", "some taste in common"),
        ("abcdefghij", "aklmnopqrs", "little in common"),
        ("abcd", "badc", "a roughly similar order"),
        ("abcd", "bdac", "nothing in common"),
        ("abc", "cba", "rather the opposite"),
    ],
)
def test_overlap_is_said_in_words(first: str, second: str, words: str) -> None:
    assert words in in_words(overlap(first, second))


# --- why a film ------------------------------------------------------------------------------------------------
def reason(title: str, share: float, rating: float = 5.0) -> dict[str, Any]:
    return {"movie_id": "1", "title": title, "rating": rating, "share": share}


def test_explanation_is_the_cores_sentence() -> None:
    films = [reason("Alien", 0.62), reason("Heat", 0.1, 4.5)]
    said = because({"model": "ease", "because": films, "reason": "because you loved Alien"})
    assert said == "Because you loved Alien."


def test_titles_in_a_sentence_are_no_markup() -> None:
    said = because({"model": "ease", "because": [reason("*M*", 0.9)], "reason": "because you loved *M* <b>"})
    assert said == r"Because you loved \*M\* \<b\>."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"model": "blend", "fallback": "popular"}, "goes by what is popular"),
        ({"model": "ials", "because": []}, "does not tell"),
        (
            {"model": "ease", "fallback": "content", "because": [reason("M", 0.9)], "reason": "like M"},
            "content answers in its place",
        ),
        ({}, "this model"),
    ],
)
def test_explanation_without_reasons(answer: dict[str, Any], words: str) -> None:
    assert words in because(answer)


def test_explanation_in_full() -> None:
    answer = {
        "model": "blend",
        "stars": 4.04,
        "rating": None,
        "because": [reason(HOSTILE, 0.5)],
        "reason": f"because you loved {HOSTILE}",
        "content": [
            {"field": "genres", "shared": ["Sci-Fi"], "films": []},
            {"field": "tags", "shared": ["a", "b", "c", "d", "e"], "films": []},
            {"field": "mood", "shared": ["<b>"], "films": []},
        ],
        "neighbors": [{"user_id": "7"}, {"user_id": "8"}],
        "neighbors_mean": 4.25,
        "models": [
            {"name": "ease", "rank": 3, "of": 900},
            {"name": "popular", "rank": 400, "of": 1200},
            {"name": "ials", "rank": None, "of": 9},
        ],
    }
    said = sentences(answer)
    assert said[0] == "You would probably give it 4.0 stars."
    assert "<script>" not in said[1]
    assert r"genre Sci\-Fi; tags a, b, c and 2 more; mood \<b\>" in said[2]
    assert said[3] == "2 users of similar taste have rated it: 4.2 stars on average."
    assert said[4] == (
        "1 of 2 models have it among their first 20 films for you: it stands highest with **ease** (3 of 900), "
        "lowest with **popular** (400 of 1,200)."
    )


def test_explanation_of_a_rated_film() -> None:
    said = sentences(
        {"model": "m", "stars": 3.5, "rating": 1.0, "neighbors": [], "models": [{"name": "m", "rank": 1, "of": 2}]}
    )
    assert (
        said[0]
        == "You gave it 1 star; that rating is left out of what follows. From the others, 3.5 stars would be expected."
    )
    assert "Nobody of similar taste has rated it." in said
    assert said[-1] == "1 of 1 models have it among their first 20 films for you."
    assert sentences({"model": "m", "rating": 2.5})[0].startswith("You gave it 2.5 stars")
    assert sentences({"neighbors": [{}], "neighbors_mean": None})[-1] == "1 user of similar taste has rated it."


def test_explanation_of_a_factor() -> None:
    ends = {"high": [{"title": "Alien"}, {"title": "Heat"}], "low": [{"title": "*M*"}]}
    said = factor({"factor": 3, "user": 0.5, "film": 0.4, "product": 0.2, **ends})
    assert said == (
        "**Factor 3**: You and the film lean the same way, which speaks **for** it (+0.200). On the one end stand "
        r"*Alien* and *Heat* (you and the film are on this side); on the other *\*M\**."
    )
    against = factor({"factor": 0, "user": -0.5, "film": 0.4, "product": -0.2, **ends})
    assert "**against** it (-0.200)" in against
    assert "*Heat* (the film is on this side)" in against
    assert "(you are on this side)" in against
    assert factor({"factor": 1, "product": 0}).endswith("(+0.000).")


def test_a_line_on_every_kind_of_chart() -> None:
    lines = [
        what_it_does({"kind": "popularity", "config": {"by": by}})
        for by in ("counts", "liked", "trending", "top_rated")
    ]
    assert len({*lines, what_it_does({"kind": "ease"})}) == 5
    assert what_it_does({"kind": "popularity"}) == lines[0] == KINDS["popularity"]
    assert what_it_does({"kind": "mine", "config": {}}) is None
