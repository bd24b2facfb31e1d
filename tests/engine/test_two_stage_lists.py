from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.engine import Engine, Request
from matinee.models import Blend
from matinee.models.base import Query, Shortlisted, Subset
from matinee.models.blend import shortlist
from matinee.settings import Settings

SIZE = 12


def ids(answer: Any) -> list[str]:
    return [item.movie_id for item in answer.items]


@pytest.fixture
def shortlists(monkeypatch: pytest.MonkeyPatch) -> list[Shortlisted | None]:
    """Those that were made, with a sample of six."""
    monkeypatch.setattr(shortlist, "SAMPLE", 6)
    made: list[Shortlisted | None] = []
    original = Blend.shortlist

    def noting(self: Blend, query: Query, size: int, subset: Subset | None = None) -> Shortlisted | None:
        made.append(original(self, query, size, subset))
        return made[-1]

    monkeypatch.setattr(Blend, "shortlist", noting)
    return made


def opened(settings: Settings, size: int) -> Engine:
    return Engine.open(settings.model_copy(update={"candidates": size}))


def test_where_all_others_are_sampled_lists_are_those_of_all_scores(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "WORTH", 0)
    with opened(settings, 0) as whole, opened(settings, SIZE) as short:
        for user in [f"u{n}" for n in range(0, 60, 3)]:
            expected, found = (engine.recommend(user, Request(n=5)) for engine in (whole, short))
            assert ids(found) == ids(expected)
            assert [one.score for one in found.items] == pytest.approx([one.score for one in expected.items], abs=1e-3)
            assert [one.stars for one in found.items] == [one.stars for one in expected.items]
            assert found.items[0].because is None
            expected, found = (engine.recommend(user, Request(n=5, explain=True)) for engine in (whole, short))
            assert [one.reason for one in found.items] == [one.reason for one in expected.items]
            assert found.less_of == expected.less_of
            assert (found.model, found.fallback, found.user_id) == (expected.model, None, user)


def test_only_plain_lists_are_chosen_from_one(settings: Settings, shortlists: list[Shortlisted | None]) -> None:
    with opened(settings, SIZE) as engine:
        engine.recommend("u3", Request(n=3, explain=True))
        assert len(shortlists) == 1
        for request in (
            Request(n=3, diversity=0.5),
            Request(n=3, adventurous=0.9),
            Request(n=3, model="ease"),
        ):
            assert len(engine.recommend("u3", request).items) == 3
        assert engine.recommend("nobody", Request(n=3)).fallback == "popular"
        assert len(shortlists) == 1
        engine.recommend("u3", Request(n=3, adventurous=0.2, include_seen=True, model="watched"))
        assert len(shortlists) == 2


def test_all_are_scored_where_candidates_do_not_suffice(
    settings: Settings, shortlists: list[Shortlisted | None]
) -> None:
    with opened(settings, SIZE) as engine, opened(settings, 0) as whole:
        request = Request(n=40, include_seen=True)
        assert ids(engine.recommend("u3", request)) == ids(whole.recommend("u3", request))
        assert shortlists[0] is not None
        assert len(shortlists[0].rows) < 40


FILTERS = (
    "genre = Comedy",
    "not genre = Comedy and year >= 1990",
    "ratings >= 3 and ratings < 12",
    'title ~ "no film is called so"',
    "movie_id in (m1, m7, m30)",
    "year < 1995 or genre = Horror",
)


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_is_exact(
    settings: Settings, shortlists: list[Shortlisted | None], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Lists are those of all scores where all films that it allows are candidates, and never hold another film."""
    request = Request(n=5, filter=text, include_seen=True, explain=True)
    monkeypatch.setattr(shortlist, "SAMPLE", 10_000)
    monkeypatch.setattr(shortlist, "WORTH", 0)
    with opened(settings, 2) as engine, opened(settings, 0) as whole:
        view = engine.request_view()
        allowed = set(view.catalog.ids(np.flatnonzero(view.allowed(text))))
        for user in [f"u{n}" for n in range(20)]:
            found, expected = engine.recommend(user, request), whole.recommend(user, request)
            assert ids(found) == ids(expected)
            assert [one.score for one in found.items] == pytest.approx([one.score for one in expected.items], abs=1e-3)
            assert [one.reason for one in found.items] == [one.reason for one in expected.items]
            assert set(ids(found)) <= allowed
            assert len(ids(found)) == min(5, len(allowed))
        assert all(made is None or made.whole for made in shortlists)


def test_where_a_filter_allows_more_they_are_the_most_rated(
    settings: Settings, shortlists: list[Shortlisted | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "ALLOWED", 8)
    monkeypatch.setattr(shortlist, "ALLOWED_SAMPLE", 3)
    with opened(settings, 2) as engine:
        view = engine.request_view()
        allowed = view.allowed("genre = Comedy")
        assert allowed.sum() > 14
        for user in [f"u{n}" for n in range(12)]:
            answer = engine.recommend(user, Request(n=3, filter="genre = Comedy"))
            assert [one.genres for one in answer.items] == [("Comedy",)] * 3
        made = shortlists[0]
        assert made is not None
        assert not made.whole
        assert all(other is None or other.rows is made.rows for other in shortlists)


def test_the_movies_of_a_filter_are_looked_up_once(settings: Settings) -> None:
    with opened(settings, SIZE) as engine:
        first = engine.request_view().subset("genre = Comedy and year > 1990")
        assert engine.request_view().subset("year > 1990  and genre = Comedy") is not first
        assert engine.request_view().subset('genre = "Comedy" and year > 1990') is first
        rated = engine.request_view().subset("ratings > 3")
        assert engine.request_view().subset("ratings > 3") is rated
        engine.rate([("u3", "m2", 5.0)])
        assert engine.request_view().subset('genre = "Comedy" and year > 1990') is first
        assert engine.request_view().subset("ratings > 3") is not rated
        engine.delete_movie("m2")
        after = engine.request_view()
        row = after.catalog.find_any("m2")
        assert row is not None
        assert not after.subset("").mask[row]
        assert not after.subset("ratings >= 0").mask[row]
        assert not first.mask.flags.writeable


def test_a_sampled_film_on_the_list_has_all_scored(settings: Settings, shortlists: list[Shortlisted | None]) -> None:
    """With few candidates, liked films are often among those that are not: the list must not lack them."""
    with opened(settings, 2) as engine, opened(settings, 0) as whole:
        counts = [0, 0]
        for user in [f"u{n}" for n in range(60)]:
            found, expected = (ids(one.recommend(user, Request(n=2))) for one in (engine, whole))
            made = shortlists[-2]
            assert made is not None
            rows = engine.request_view().catalog.rows(found)
            by_candidates = set(rows.tolist()) <= set(made.rows[~made.sampled].tolist())
            assert by_candidates or found == expected
            counts[by_candidates] += 1
        assert min(counts) > 0


def test_a_film_put_in_is_listed_at_the_next_request(settings: Settings, shortlists: list[Shortlisted | None]) -> None:
    with opened(settings, SIZE) as engine:
        before = engine.recommend("u3", Request(n=3))
        first = engine.find(ids(before)[0])
        twin = Movie.model_validate(first.model_dump() | {"movie_id": "twin", "title": "Twin", "year": 2019})
        engine.put_movies([twin])
        answer = engine.recommend("u3", Request(n=20, include_seen=True))
        assert "twin" in ids(answer)
        assert shortlists[-1] is not None
        assert engine.request_view().catalog.find("twin") in shortlists[-1].rows.tolist()
        engine.delete_movie("twin")
        assert "twin" not in ids(engine.recommend("u3", Request(n=20, include_seen=True)))
