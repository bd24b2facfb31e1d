"""Reciprocal rank fusion, and how titles, meaning, words and posters become one list."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.catalog import Catalog
from matinee.engine.search.bm25 import WordIndex
from matinee.engine.search.rank_fusion import (
    MEANING_POPULARITY,
    MIN_COSINE,
    POSTERS,
    Fused,
    fuse,
    fuse_search,
    meaning_hits,
)
from matinee.engine.search.title_index import TitleHit, TitleIndex
from meaning_queries import DEVELOPMENT, TEST, with_typos

FILMS = [
    ("Jaws", "A police chief hunts a great shark that kills swimmers at a beach resort."),
    ("The Shark Hunter", "A lonely man lives by the sea."),
    ("Hunting Party", "Friends hunt deer in the mountains; a chief of police asks questions."),
    ("Love Story", "Two students fall in love, and one falls ill."),
    ("Swimming Pool", "A writer meets swimmers at a resort."),
    ("Deep Blue", "A shark, a beach, a police chief and swimmers."),
]
CATALOG = Catalog(
    pl.DataFrame([{"movie_id": str(i), "title": t, "overview": o, "year": 1990} for i, (t, o) in enumerate(FILMS)])
)
TITLES, WORDS = TitleIndex(CATALOG), WordIndex(CATALOG)
ALL, EVEN = np.ones(len(FILMS), dtype=np.bool_), np.zeros(len(FILMS))
PLOT = "police chief hunts a shark at a beach"

hit_lists = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1)), max_size=15),
)


def ask(
    text: str, meaning: list[int] | None = None, posters: list[int] | None = None, n: int = 6, **options: object
) -> list[Fused]:
    """Titles and words by their indexes; meaning and posters as given, best first."""
    return fuse_search(
        text,
        TITLES.find(text, ALL, EVEN, 50),
        [(row, 0.5) for row in meaning or []],
        WORDS.find(text, ALL, EVEN, 50),
        [(row, 0.5) for row in posters or []],
        n=n,
        **({"index": WORDS} | options),  # type: ignore[arg-type]
    )


@given(hit_lists, st.dictionaries(st.sampled_from(["a", "b"]), st.floats(0.1, 3)), st.integers(1, 30))
def test_fuse_agrees_with_its_formula(
    lists: dict[str, list[tuple[int, float]]], weights: dict[str, float], n: int
) -> None:
    wanted: dict[int, float] = {}
    for name, hits in lists.items():
        order: list[int] = []
        for row, _ in hits:
            if row not in order:
                order.append(row)
        for place, row in enumerate(order):
            wanted[row] = wanted.get(row, 0) + weights.get(name, 1) / (60 + place + 1)
    found = fuse(lists, weights, n)
    assert len(found) == min(n, len(wanted))
    assert [row for row, _, _ in found] == sorted(wanted, key=lambda row: (-wanted[row], row))[:n]
    for row, score, sources in found:
        assert score == pytest.approx(wanted[row])
        assert set(sources) == {name for name, hits in lists.items() if row in [hit for hit, _ in hits]}


def test_fuse_by_hand() -> None:
    found = fuse({"a": [(7, 0.9), (3, 0.1)], "b": [(3, 55.0)]}, {"b": 0.5}, 5)
    assert found == [(3, pytest.approx(1 / 62 + 0.5 / 61), ("a", "b")), (7, pytest.approx(1 / 61), ("a",))]


def test_meaning_lifts_popular_films_a_little_and_drops_what_is_not_alike() -> None:
    weight = np.array([0.0, 1.0, 0.0, 1.0])
    rows, cosines = np.array([0, 1, 2, 3, -1]), np.array([0.5, 0.45, MIN_COSINE - 0.01, 0.3, np.nan], np.float32)
    found = meaning_hits(rows, cosines, weight)
    assert [row for row, _ in found] == [1, 0, 3]
    assert found[0][1] == pytest.approx(0.45)  # the cosine itself is told
    assert [row for row, _ in meaning_hits(rows, cosines, 0 * weight, n=2)] == [0, 1]
    assert MEANING_POPULARITY < 0.2


@pytest.mark.parametrize("text", ["love story", "Love Sto", "lov"])
def test_a_title_and_its_beginning_stay_ahead_of_any_meaning(text: str) -> None:
    found = ask(text, meaning=[0, 1, 2])
    assert (found[0].row, found[0].matched) == (3, "title")
    assert found[0].how in ("the title itself", "the title begins so")
    assert found[0].score > 0.8
    assert [hit.matched for hit in found[1:3]] == ["meaning", "meaning"]


@pytest.mark.parametrize("text", ["Lvoe Stoyr", "Swiming Pol", "Shrak Huntr"])
def test_a_title_with_typos_comes_before_meaning(text: str) -> None:
    first = ask(text, meaning=[0, 2, 5])[0]
    assert first.matched == "title"
    assert first.how.startswith("spelt ")


def test_a_plot_is_led_by_meaning_and_words() -> None:
    found = ask(PLOT, meaning=[0, 4, 5])
    assert [hit.row for hit in found[:2]] == [0, 5]
    assert found[0].matched == "meaning"
    assert found[0].how == "means much the same: beach, hunts, shark, chief, police"
    assert all(hit.matched != "title" for hit in found[:3])


def test_words_find_what_meaning_missed_and_say_so() -> None:
    found = {hit.row: hit for hit in ask(PLOT, meaning=[3])}
    assert found[5].matched == "words"
    assert found[5].how.startswith("its description has the words: beach, ")


def test_words_of_one_title_in_a_row_mean_the_film() -> None:
    assert ask("blue", meaning=[0, 1])[0].row == 5  # not known from descriptions
    catalog = Catalog(pl.DataFrame([{"movie_id": str(i), "title": f"The Old Boat {i}"} for i in range(3)]))
    hits = TitleIndex(catalog).find("boat 2", ALL[:3], EVEN[:3], 3)
    assert fuse_search("boat 2", hits, [(0, 0.9), (1, 0.8)], n=3)[0].row == 2


def test_posters_only_move_films_a_little() -> None:
    plain = [hit.row for hit in ask(PLOT, meaning=[0, 4, 5])]
    moved = ask(PLOT, meaning=[0, 4, 5], posters=[3, 4])
    assert [hit.row for hit in moved][:2] == plain[:2]
    assert POSTERS < 0.2
    last = ask("x", posters=[3], shows=lambda row: f"thing {row}")[-1]
    assert last == Fused(3, last.score, "poster", "its poster seems to show thing 3")
    assert ask("x", posters=[3])[-1].how == "its poster seems to show it"


def test_titles_less_alike_fill_up_what_is_left() -> None:
    rows = [
        hit.row
        for hit in fuse_search("shark hunter man", [TitleHit(1, 0.5, "spelt 60 % alike", alike=60.0)], [(0, 0.5)], n=5)
    ]
    assert rows == [0, 1]


@given(st.text(max_size=40), st.lists(st.integers(0, 5), unique=True), st.lists(st.integers(0, 5), unique=True))
def test_whatever_is_asked(text: str, meaning: list[int], posters: list[int]) -> None:
    for n in (1, 6):
        found = ask(text, meaning=meaning, posters=posters, n=n)
        assert len(found) <= n
        assert len({hit.row for hit in found}) == len(found)
        scores = [hit.score for hit in found]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert all(hit.how and hit.matched in ("title", "meaning", "words", "poster") for hit in found)


def test_a_title_that_may_be_meant_has_the_fifth_place() -> None:
    near = TitleHit(3, 0.7, "spelt 75 % alike", alike=75.0)
    meaning = [(row, 0.5) for row in (0, 1, 2, 4, 5)]
    found = fuse_search("police chief", [near], meaning, n=6, index=WordIndex(CATALOG))
    assert [hit.row for hit in found] == [0, 1, 2, 4, 3, 5]
    assert (found[4].matched, found[4].score) == ("title", min(0.7, found[3].score))
    assert [hit.row for hit in fuse_search("police chief", [near], meaning, n=3, index=WordIndex(CATALOG))] == [0, 1, 2]


def test_without_an_index_of_words() -> None:
    found = fuse_search(PLOT, [], [(0, 0.5)], n=3)
    assert found == [Fused(0, found[0].score, "meaning", "means much the same")]
    assert fuse_search(PLOT, [], [], [(2, 3.0)], n=3)[0].how == "its description has the words"
    assert fuse_search("Lvoe Stoyr", TITLES.find("Lvoe Stoyr", ALL, EVEN, 5), [(0, 0.5)], n=3)[0].row == 3


def test_both_kinds_of_queries_keep_their_answers_on_real_films(real_catalog: Catalog) -> None:
    """Titles with two typos against random films "by meaning"; plots by words against whatever titles are alike."""
    titles, words = TitleIndex(real_catalog), WordIndex(real_catalog)
    allowed, even = np.ones(len(real_catalog), dtype=np.bool_), np.zeros(len(real_catalog))
    names, rng = real_catalog.column("title"), random.Random(4)
    asked = rng.sample(range(len(names)), 200)
    alone = kept = 0
    for row in asked:
        text = with_typos(names[row], rng)
        hits = titles.find(text, allowed, even, 100)
        noise = [(other, 0.4) for other in rng.sample(range(len(names)), 100)]
        word_hits = words.find(text, allowed, even, 100)
        found = fuse_search(text, hits, noise, word_hits, n=5, index=words)
        alone += row in [hit.row for hit in hits[:5]]
        kept += row in [hit.row for hit in found]
    assert alone - 2 <= kept
    assert kept >= 0.96 * len(asked)
    for movie_id, plot in (*DEVELOPMENT[::3], *TEST[::3]):
        by_words = words.find(plot, allowed, even, 100)
        found = fuse_search(plot, titles.find(plot, allowed, even, 100), [], by_words, n=10, index=words)
        assert [hit.row for hit in found] == [row for row, _ in by_words[:10]], movie_id


@pytest.fixture(scope="module")
def real_catalog(shared_data: Path) -> Catalog:
    """ml-latest-small's titles with overviews and keywords."""
    movies = pl.read_csv(shared_data / "ml-latest-small" / "movies.csv").select(
        pl.col("movieId").cast(pl.String).alias("movie_id"),
        pl.col("title").str.replace(r"\s*\(\d{4}\)\s*$", "").str.replace(r"^(.*), The$", "The $1"),
    )
    texts = pl.read_csv(shared_data / "overviews" / "overviews.csv", infer_schema_length=0).select(
        "movie_id", "overview", pl.col("keywords").fill_null("").str.split("|")
    )
    return Catalog(movies.join(texts, on="movie_id", how="left", maintain_order="left"))
