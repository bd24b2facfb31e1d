"""A snapshot that was loaded before, and is taken over by an engine that opens it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from matinee._util import early_hashes
from matinee.engine import Engine, Request, prepared
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.snapshots.manifest import MANIFEST
from matinee.training.pipeline import train_dataset
from support import random_dataset


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(data_dir=tmp_path)
    train_dataset(settings, random_dataset())
    yield settings
    prepared.drop()
    gc.unfreeze()


def registry_of(settings: Settings) -> tuple[SnapshotRegistry, str]:
    registry = SnapshotRegistry(settings.snapshots_dir)
    return registry, str(registry.current())


def test_an_engine_takes_it_over_and_makes_the_same_lists(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine.open(settings) as engine:
        engine.rate([("u2", "m3", 4)])
        expected = [engine.recommend(f"u{user}", Request(n=9)).items for user in range(8)]
    prepared.hold(settings)
    monkeypatch.setattr(Snapshot, "load", lambda *_: pytest.fail("loaded again"))
    with Engine.open(settings) as engine:
        assert prepared.held() is None
        assert [engine.recommend(f"u{user}", Request(n=9)).items for user in range(8)] == expected


def test_no_thread_is_left(settings: Settings) -> None:
    registry, snapshot_id = registry_of(settings)
    early_hashes.begin([registry.root / snapshot_id / name for name in registry.show(snapshot_id).files])
    prepared.hold(settings)
    # Other tests of this process may have left some of their own.
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith(("matinee-hash", "matinee-verify"))
    ]
    assert prepared.held() is not None


def test_it_is_taken_once_and_only_as_it_was_verified(settings: Settings) -> None:
    registry, snapshot_id = registry_of(settings)
    prepared.hold(settings)
    assert prepared.take(registry, snapshot_id) is not None
    assert prepared.take(registry, snapshot_id) is None
    prepared.hold(settings)
    assert prepared.take(registry, "20200101T000000Z-00000000") is None
    assert prepared.held() is None
    for name in (MANIFEST, next(iter(registry.show(snapshot_id).files))):
        prepared.hold(settings)
        path = registry.root / snapshot_id / name
        os.utime(path, ns=(1, path.stat().st_mtime_ns))
        path.touch()
        assert prepared.take(registry, snapshot_id) is None


def test_what_cannot_be_loaded_is_not_held(settings: Settings, tmp_path: Path) -> None:
    prepared.hold(Settings(data_dir=tmp_path / "nothing"))
    assert prepared.held() is None
    registry, snapshot_id = registry_of(settings)
    path = max((registry.root / snapshot_id).rglob("*.npy"), key=lambda path: path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    prepared.hold(settings)
    assert prepared.held() is None
