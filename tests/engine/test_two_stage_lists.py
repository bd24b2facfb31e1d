from __future__ import annotations

from typing import Any

import pytest

from matinee.data.catalog import Movie
from matinee.engine import Engine, Request, recommend
from matinee.models import Blend
from matinee.models.base import Query, Shortlisted
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

    def noting(self: Blend, query: Query, size: int) -> Shortlisted | None:
        made.append(original(self, query, size))
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


def test_a_filter_is_exact(
    settings: Settings, shortlists: list[Shortlisted | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(n=3, filter="genre = Comedy", include_seen=True)
    with opened(settings, SIZE) as engine, opened(settings, 0) as whole:
        narrow = engine.recommend("u3", request)  # few candidates are comedies: all movies are scored
        assert ids(narrow) == ids(whole.recommend("u3", request))
        monkeypatch.setattr(recommend, "MIN_ALLOWED", 1)
        monkeypatch.setattr(recommend, "MIN_ALLOWED_EACH", 1)
        for user in [f"u{n}" for n in range(12)]:
            answer = engine.recommend(user, request)
            assert [one.genres for one in answer.items] == [("Comedy",)] * 3
        assert len(shortlists) > 12


def test_a_sampled_film_on_the_list_has_all_scored(settings: Settings, shortlists: list[Shortlisted | None]) -> None:
    """With few candidates, liked films are often among those that are not: the list must not lack them."""
    with opened(settings, 2) as engine, opened(settings, 0) as whole:
        counts = [0, 0]
        for user in [f"u{n}" for n in range(60)]:
            found, expected = (ids(one.recommend(user, Request(n=2))) for one in (engine, whole))
            made = shortlists[-2]
            assert made is not None
            rows = engine.request_view().catalog.rows(found)
            by_candidates = set(rows.tolist()) <= set(made.rows[made.n_sample :].tolist())
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
