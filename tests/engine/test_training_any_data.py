"""Any data trains: the whole way from a data set to answers, on data that are hardly any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from degenerate import DEGENERATE
from matinee.engine import Engine, Request
from matinee.engine.training import train_dataset
from matinee.models.preference import StarScale
from matinee.settings import Settings
from matinee.snapshots import SnapshotShelf


@pytest.mark.parametrize("case", DEGENERATE)
def test_it_trains_and_answers(case: str, tmp_path: Path) -> None:
    """With metrics, spaces, maps and indexes; every model and every kind of question has an answer."""
    dataset = DEGENERATE[case]()
    settings = Settings(data_dir=tmp_path)
    made = train_dataset(settings, dataset, measure=True)
    manifest = SnapshotShelf(settings.snapshots_dir).show(made)
    n, ids = len(dataset.catalog), dataset.catalog.column("movie_id")
    flat = StarScale.of(dataset).flat
    assert ("stars" in manifest.settings["skipped"]) == flat == ("stars" not in manifest.models)
    assert set(manifest.metrics) <= set(manifest.models)
    for figures in manifest.metrics.values():
        assert all(value is None or np.isfinite(value) for value in figures.values())
    with Engine.open(settings) as engine:
        assert engine.dataset_name == dataset.name
        user = dataset.ratings.user_ids[0]
        seen = set(dataset.catalog.ids(dataset.ratings.history(0)[0].astype(np.int64)))
        for name in [None, *manifest.models]:
            asked = Request(n=n, model=name, explain=True)
            for who in (user, "nobody"):
                listed = engine.recommend(who, asked).items
                found = {item.movie_id for item in listed}
                assert len(listed) == len(found)
                assert not found & (seen if who == user else set())
                assert all(np.isfinite(item.score) for item in listed)
                assert all(0 <= reason.share <= 1 for item in listed for reason in item.because or ())
                if flat:
                    assert all(item.stars is None for item in listed)
            if len(seen) == n:
                assert not engine.recommend(user, asked).items, "nothing is left to recommend"
        # The default always has something to say about films that are left.
        assert bool(engine.recommend(user, Request(n=n)).items) == (len(seen) < n)
        assert len(engine.recommend("nobody", Request(n=n)).items) == n
        varied = engine.recommend("nobody", Request(n=n, diversity=0.7)).items
        assert len(varied) == n
        again = engine.recommend(user, Request(n=n, include_seen=True)).items
        assert {item.movie_id for item in again} >= seen
        for by in ("taste", "content", "blend"):
            similar = engine.similar(ids[0], by=by, n=n)
            assert ids[0] not in {item.movie_id for item in similar.items}
        engine.neighbours_in("taste", ids[0]) if "taste" in manifest.spaces else None
        engine.neighbors(user)
        engine.popular(n=n)
        engine.statistics()
