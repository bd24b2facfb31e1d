"""Promotions, followed by a core and by the recommender service that its models are behind."""

from __future__ import annotations

import threading

import pytest

from matinee.engine import Engine
from matinee.engine.lifecycle import Lifecycle
from matinee.remote import RemoteRecommender
from matinee.remote.recommender import State
from support import until


def test_promotions_are_followed_by_both(core: Engine, second: str) -> None:
    first = core.snapshot_id
    assert core.recommend("u1").snapshot == first
    core.promote(second)
    assert core.recommend("u1").snapshot == second
    assert core.rollback() == first
    assert core.recommend("u1").snapshot == first


def test_no_request_is_dropped_during_promotions(core: Engine, second: str) -> None:
    ids = [core.snapshot_id, second]
    stop, faults, answers = threading.Event(), [], []

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(core.recommend("u1").snapshot)
            except Exception as error:  # whatever it is, it is a dropped request
                faults.append(error)
                return

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        # Another process promotes: both services follow.
        with Engine.open(core.settings.model_copy(update={"recommender_url": ""})) as other:
            for turn in (1, 0, 1):
                other.promote(ids[turn])
                until(lambda turn=turn: bool(faults) or answers[-1:] == [ids[turn]])  # type: ignore[misc]
    finally:
        stop.set()
        for asker in askers:
            asker.join(90)
    assert not faults
    assert set(answers) == set(ids)


def test_lists_go_on_with_the_snapshot_before_while_the_service_loads(
    core: Engine, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, load, check = core.snapshot_id, Lifecycle._load_current, RemoteRecommender.check
    free, loading, waiting = threading.Event(), threading.Event(), threading.Event()

    def held(self: Lifecycle) -> None:
        if not self._settings.recommender_url:  # that of the service
            loading.set()
            assert free.wait(90)
        load(self)

    def told(self: RemoteRecommender, state: State) -> None:
        waiting.set()
        check(self, state)

    monkeypatch.setattr(Lifecycle, "_load_current", held)
    monkeypatch.setattr(RemoteRecommender, "check", told)
    core._lifecycle.registry.promote(second)
    try:
        assert core.recommend("u1").snapshot == first
        assert waiting.wait(90)
        assert loading.wait(90)
        for _ in range(3):
            assert core.recommend("u1").snapshot == first
    finally:
        free.set()
    until(lambda: core.recommend("u1").snapshot == second)


def test_a_service_that_is_away_holds_no_promotion_up(core: Engine, second: str) -> None:
    settings = core.settings.model_copy(update={"recommender_url": "http://127.0.0.1:9"})
    with Engine.open(settings) as alone:
        assert alone.promote(second) == second
        assert alone.snapshot_id == second


def test_who_waits_for_a_promotion_that_nobody_follows_follows_it(core: Engine, second: str) -> None:
    with Engine.open(core.settings.model_copy(update={"recommender_url": ""})) as engine:
        engine._lifecycle.registry.promote(second)
        engine.settle(60)
        assert engine._lifecycle.runtime.snapshot.id == second
