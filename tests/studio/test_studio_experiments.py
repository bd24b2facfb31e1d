"""The page of experiments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps_support import Service
from matinee.experiments.definition import FILE, ExperimentFile, plan_of
from matinee.settings import Settings
from matinee.stores import Exposure, MovieState, open_store
from matinee.studio.style import plain
from studio_support import open_app, texts_of

pytestmark = pytest.mark.usefixtures("asked_core")


@pytest.fixture
def experiment(asked_core: Service) -> Iterator[str]:
    """An experiment with a few lists, of which those of one arm were used; it is gone behind."""
    settings = Settings(data_dir=Path(asked_core.environment["MATINEE_DATA_DIR"]))
    arms = [{"name": "control", "share": 0.5}, {"name": "mixed", "share": 0.5, "model": "ease", "against": "popular"}]
    ExperimentFile(settings.data_dir).start(plan_of({"name": "rows", "arms": arms}))
    now, users = int(time.time()), [f"visitor{number}" for number in range(6)]
    store = open_store(settings, "small")
    seq = store.seq()
    shown = [
        Exposure(user, now, "s", "ease", ("1", "2"), "rows", "control", sequence=seq)
        if number % 2 == 0
        else Exposure(user, now, "s", "ease", ("1", "2"), "rows", "mixed", teams=(0, 1), sequence=seq)
        for number, user in enumerate(users)
    ]
    store.log_exposures(shown)
    store.put_states([MovieState(user, "2", "watchlist", now) for user in users[1:4:2]])
    yield "rows"
    (settings.data_dir / FILE).unlink()
    for user in users:
        store.erase_user(user)
    store.close()


def test_experiments_without_any() -> None:
    app = open_app(page="experiments")
    assert not app.exception
    assert "matinee experiment start" in texts_of(app)


def test_experiments_arms_and_wins(experiment: str) -> None:
    app = open_app(page="experiments", experiment=experiment)
    assert not app.exception
    (frame,) = [table.value for table in app.dataframe]
    assert list(frame["Arm"]) == ["control", "mixed"]
    assert list(frame["Users"]) == [3, 3]
    assert list(frame["Outcome"]) == [0, 2]
    assert frame["Difference"][1] == pytest.approx(2 / 3)
    said = texts_of(app)
    assert plain("of popular: 2, of neither: 1") in said
    assert plain("of ease: 0") in said
