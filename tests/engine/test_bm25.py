"""Search by words: stems, BM25 against a slow reference, what words are known and shared."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.catalog import Catalog
from matinee.engine.search.bm25 import K1, POPULARITY, B, WordIndex, stem

LETTERS = ["storm", "ship", "ghost", "queen", "city", "train", "heist", "night", "dance", "king"]
films = st.lists(st.lists(st.sampled_from(LETTERS), max_size=12), min_size=1, max_size=8)


def index_of(overviews: list[str | None], **columns: list[object]) -> WordIndex:
    rows = {"movie_id": [str(i) for i in range(len(overviews))], "title": ["T"] * len(overviews)}
    return WordIndex(Catalog(pl.DataFrame(rows | {"overview": overviews} | columns, strict=False)))


def everything(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(n, dtype=np.bool_), np.zeros(n)


@pytest.mark.parametrize(
    "forms",
    [
        ("hunt", "hunts", "hunted", "hunting"),
        ("city", "cities"),
        ("house", "houses", "housing"),
        ("run", "runs", "running"),
        ("kill", "kills", "killed", "killing"),
        ("movie", "movies"),
        ("love", "loves", "loved", "loving"),
    ],
)
def test_forms_of_a_word_are_one(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["gas", "bus", "red", "king", "boss", "été", "千と千尋", "1984"])
def test_words_that_only_look_inflected(word: str) -> None:
    assert stem(word)[:3] == word[:3]


@given(st.text(max_size=20))
def test_stems_are_never_empty(word: str) -> None:
    assert bool(stem(word)) == bool(word)


@given(films, st.lists(st.sampled_from(LETTERS), min_size=1, max_size=5))
def test_scores_are_those_of_bm25(words: list[list[str]], asked: list[str]) -> None:
    n = len(words)
    index = index_of([" ".join(film) or None for film in words])
    found = dict(index.find(" ".join(asked), *everything(n), n=n))
    described = [film for film in words if film]
    usual = sum(map(len, described)) / max(len(described), 1)
    for row, film in enumerate(words):
        wanted = 0.0
        for word in set(asked):
            times, holding = film.count(word), sum(word in other for other in words)
            if times:
                rarity = math.log(1 + (len(described) - holding + 0.5) / (holding + 0.5))
                wanted += rarity * times * (K1 + 1) / (times + K1 * (1 - B + B * len(film) / usual))
        assert found.get(row, 0) == pytest.approx(wanted, rel=1e-5)


def test_every_field_is_read_and_folded_as_the_text_is() -> None:
    index = index_of(
        ["A stormy night", None, None, None, None],
        keywords=[[], ["Lighthouse Keepers"], [], [], []],
        tags=[[], [], ["surreal"], [], []],
        directors=[[], [], [], ["Agnès Varda"], []],
        cast=[[], [], [], [], ["Jean-Paul Belmondo"]],
    )
    for row, text in enumerate(["NIGHTS", "lighthouse keeper", "surreal!", "agnes varda", "Belmondo?"]):
        assert [hit for hit, _ in index.find(text, *everything(5), n=5)] == [row]


def test_masks_popularity_and_number() -> None:
    index = index_of(["storm"] * 4 + ["ship"])
    allowed, weight = everything(5)
    weight[2] = 0.5
    found = index.find("storm", allowed, weight, 10)
    assert [row for row, _ in found] == [2, 0, 1, 3]
    assert found[0][1] - found[1][1] == pytest.approx(POPULARITY / 2, rel=1e-5)
    allowed[2] = False
    assert [row for row, _ in index.find("storm", allowed, weight, 2)] == [0, 1]


def test_films_that_came_later_are_left_out() -> None:
    index = index_of(["storm"])
    assert [row for row, _ in index.find("storm", *everything(3), n=3)] == [0]


def test_words_in_common_come_rarest_first() -> None:
    index = index_of(["storms and ships at night", "ships at night", "ships"])
    assert index.in_common("the night ship storm", 0) == ["storm", "night", "ship"]
    assert index.in_common("the night ship storm", 0, most=1) == ["storm"]
    assert index.in_common("the night ship storm", 2) == ["ship"]
    assert index.in_common("storm", 7) == []


def test_share_of_known_words() -> None:
    index = index_of(["storm at night"] * 3 + ["rarity"])
    assert index.share_known("storms of the night") == 1
    assert index.share_known("storm zqrt") == 0.5
    assert index.share_known("rarity") == 0  # one film may have mistyped it
    assert index.share_known("of the") == index.share_known("x 9") == 0


@pytest.mark.parametrize("text", ["", "  ", "the of and", "zzz", "\x00", "🎬"])
def test_nothing_to_find(text: str) -> None:
    assert index_of(["storm at night"]).find(text, *everything(1), n=3) == []


def test_films_without_any_words() -> None:
    assert index_of([None, None]).find("storm", *everything(2), n=3) == []
    empty = Catalog(pl.DataFrame(schema={"movie_id": pl.String, "title": pl.String}))
    assert WordIndex(empty).find("storm", *everything(0), n=3) == []
