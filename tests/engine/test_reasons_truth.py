"""Reasons are true whatever the history: liked films only, no film for itself, dislikes that are dislikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as fewer
from hypothesis import strategies as st

from matinee.engine import Engine, Request

NO_RESET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
STARS = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("model", ["blend", "ease", "itemknn", "content"])
@fewer(max_examples=25, deadline=None, suppress_health_check=NO_RESET)
@given(data=st.data(), include_seen=st.booleans())
def test_reasons_name_liked_films_and_never_the_film_itself(
    engine: Engine, model: str, data: st.DataObject, include_seen: bool
) -> None:
    view = engine.request_view()
    films = view.catalog.column("movie_id")
    given_stars = data.draw(st.dictionaries(st.sampled_from(films), st.sampled_from(STARS), min_size=1, max_size=12))
    answer = engine.recommend_for(given_stars, Request(n=15, model=model, explain=True, include_seen=include_seen))

    scale = view.snapshot.star_scale
    stars = np.array(list(given_stars.values()), dtype=np.float32)
    preferences = dict(zip(given_stars, scale.preferences(stars).tolist(), strict=True))
    weights = dict(zip(given_stars, scale.weights(stars, "signed").tolist(), strict=True))
    for item in answer.items:
        assert item.reason
        assert item.because is not None
        assert item.movie_id not in {one.movie_id for one in item.because}
        assert all(preferences[one.movie_id] > 0 for one in item.because)
        assert all(one.share > 0 for one in item.because)
        assert sum(one.share for one in item.because) <= 1 + 1e-12
        shares = [one.share for one in item.because]
        assert shares == sorted(shares, reverse=True)
    assert answer.less_of is not None
    assert all(weights[one.movie_id] < 0 for one in answer.less_of)
