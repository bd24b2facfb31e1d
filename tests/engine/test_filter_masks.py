"""The mask of a filter reaches the indexes as one object, so that they know a filter that is asked for again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.indexes import UpdatableIndex
from matinee.indexes.base import Mask

COMEDIES = "genre = Comedy"


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> list[Mask | None]:
    """The masks that indexes are given."""
    given: list[Mask | None] = []
    search = UpdatableIndex.search

    def spy(index: UpdatableIndex, queries: Any, k: int, allowed: Mask | None = None) -> Any:
        given.append(allowed)
        return search(index, queries, k, allowed)

    monkeypatch.setattr(UpdatableIndex, "search", spy)
    return given


@pytest.mark.parametrize("filter", ["", COMEDIES])
def test_films_like_different_films_are_looked_for_under_the_same_mask(
    engine: Engine, masks: list[Mask | None], filter: str
) -> None:
    for movie_id in ("m1", "m2", "m3"):
        engine.similar(movie_id, by="content", n=5, filter=filter)
    assert len(masks) == 3
    assert masks[0] is masks[1] is masks[2]
    assert isinstance(getattr(masks[0], "base", None), bytes), "recognized by indexes, because it cannot change"


def test_a_film_is_not_like_itself_and_no_other_is_missing(engine: Engine) -> None:
    view = engine.request_view()
    space, catalog = view.spaces["content"].space, view.catalog
    for text in ("", COMEDIES):
        allowed = view.allowed(text)
        for movie_id in catalog.ids(space.rows[:6]):
            row = catalog.row(movie_id)
            asked = space.asked(space.vectors[[list(space.rows).index(row)]])[0]
            cosines = space.vectors @ (asked / np.linalg.norm(asked))
            others = [(-cosine, r) for r, cosine in zip(space.rows, cosines, strict=True) if r != row and allowed[r]]
            answer = engine.similar(movie_id, by="content", n=7, filter=text)
            assert [item.movie_id for item in answer] == catalog.ids([r for _, r in sorted(others)[:7]])
            np.testing.assert_allclose([item.score for item in answer], [-c for c, _ in sorted(others)[:7]], atol=1e-6)


def test_a_film_written_or_removed_is_in_the_next_mask(engine: Engine, masks: list[Mask | None]) -> None:
    engine.similar("m1", by="content", n=5, filter=COMEDIES)
    before = engine.request_view().subset(COMEDIES)
    engine.put_movies([Movie(movie_id="new", title="A New One", genres=("Comedy",))])
    gone = engine.similar("m1", by="content", n=40, filter=COMEDIES).items[0].movie_id
    engine.delete_movie(gone)
    answer = engine.similar("m1", by="content", n=40, filter=COMEDIES)
    view = engine.request_view()
    assert gone not in {item.movie_id for item in answer}
    assert masks[-1] is view.subset(COMEDIES).mask is not before.mask
    assert view.subset(COMEDIES).mask[view.catalog.row("new")]
    assert before.mask[view.catalog.find_any(gone)], "requests that began before see what they saw"
