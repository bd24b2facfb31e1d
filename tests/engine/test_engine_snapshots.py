from __future__ import annotations

import json
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from matinee._util import allocator
from matinee.data.catalog import Movie
from matinee.engine import Engine, Request
from matinee.errors import DataError, MemoryLimitError, SnapshotError
from matinee.models import default_lineup
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.training.pipeline import snapshot_of, source_identity, train, train_dataset
from small_folder import write_folder
from support import random_dataset, until


def test_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="matinee train"):
        Engine.open(Settings(data_dir=tmp_path / "empty"))


def test_training_learns_from_the_store_and_ratings_survive(engine: Engine) -> None:
    first, settings = engine.snapshot_id, engine.settings
    engine.put_movies([Movie(movie_id="new", title="Newcomer", genres=("Comedy",))])
    engine.rate([(f"u{n}", "new", 5.0) for n in range(1, 60, 2)])
    engine.unrate("u3", "new")
    engine.erase_user("u4")
    engine.delete_movie("m0")
    second = train_dataset(settings, random_dataset(), promote=False)
    assert engine.snapshot_id == first
    assert engine.promote(second) == second
    ratings = engine.request_view().snapshot.ratings
    catalog = engine.request_view().snapshot.catalog
    assert ratings.counts[catalog.row("new")] == 29
    assert ratings.find_user("u4") is None
    assert catalog.find("m0") is None
    assert engine.models()
    similar = engine.similar("new", by="taste", n=5)
    assert similar.fallback is None
    manifest = SnapshotRegistry(settings.snapshots_dir).show(second)
    held = [change for change in engine.request_view().runtime.store.changes(-1).ratings if change.after is not None]
    newest = max(int(ratings.times.max()), *(change.timestamp for change in held))
    marks = {one["id"]: one["watermark"] for one in engine.snapshots()}
    assert marks[second] == {"timestamp": newest, "sequence": manifest.watermark}
    assert manifest.watermark == engine.request_view().sequence > 0
    assert marks[first]["sequence"] == 0
    assert 0 < marks[first]["timestamp"] < newest
    table = manifest.report.tables["store"]
    assert table.rows_in - table.rows_out == sum(table.dropped.values())
    engine.rate([("u2", "new", 1.0)])
    assert engine.rollback() == first
    assert engine.history("u2")[0].movie_id == "new"
    assert "m0" not in {m.movie_id for m in engine.movies(limit=100).movies}
    assert [s["id"] for s in engine.snapshots() if s["current"]] == [first]
    with pytest.raises(SnapshotError, match="roll back"):
        engine.rollback()


def test_another_engine_follows_the_pointer(engine: Engine) -> None:
    with Engine.open(engine.settings) as other:
        second = train_dataset(engine.settings, random_dataset(seed=1), promote=False)
        engine.promote(second)
        assert other.recommend("u3").items  # served by the old one or the new one, never dropped
        until(lambda: other.revision()[0] == second)
        engine.rollback()
        until(lambda: other.revision()[0] != second)


@pytest.mark.parametrize("call", ["promote", "rollback"])
def test_a_promotion_by_another_process_in_the_same_moment_is_not_missed(
    engine: Engine, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SnapshotRegistry(engine.settings.snapshots_dir)
    first = engine.snapshot_id
    second, third = (train_dataset(engine.settings, random_dataset(seed=n), promote=False) for n in (1, 2))
    engine.promote(second)
    moved = getattr(engine._lifecycle.registry, call)

    def and_another(*args: str, **options: bool) -> str:
        result: str = moved(*args, **options)
        other.promote(third, verify=False)
        return result

    monkeypatch.setattr(engine._lifecycle.registry, call, and_another)
    assert (engine.promote(first) if call == "promote" else engine.rollback()) == first
    until(lambda: engine.revision()[0] == third)


def test_a_damaged_promotion_leaves_the_old_one_in_service(engine: Engine) -> None:
    first = engine.snapshot_id
    second = train_dataset(engine.settings, random_dataset(seed=1), promote=False)
    victim = next((engine.settings.snapshots_dir / second / "models").rglob("*.npy"))
    original = victim.read_bytes()
    victim.write_bytes(original[:-1])
    with pytest.raises(SnapshotError, match=victim.name):
        engine.promote(second)
    assert engine.recommend("u3").snapshot == first
    victim.write_bytes(bytes([*original[:-1], original[-1] ^ 1]))
    with pytest.raises(SnapshotError, match="altered"):
        engine.promote(second)
    # Another process promotes it all the same (without looking): this one warns and goes on.
    SnapshotRegistry(engine.settings.snapshots_dir).promote(second, verify=False)
    until(lambda: engine.revision()[0] == first and bool(engine.warnings))
    assert "altered" in engine.warnings[-1]
    # A restart serves the one before.
    with Engine.open(engine.settings) as again:
        assert again.snapshot_id == first
        assert second in again.warnings[0]
    for path in (engine.settings.snapshots_dir / first).rglob("*.npy"):
        path.write_bytes(b"rubbish")
    with pytest.raises(SnapshotError, match="damaged"):
        Engine.open(engine.settings)


def test_a_promotion_that_cannot_be_loaded_for_a_moment_is_loaded_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, load, failed, mended = engine.snapshot_id, Snapshot.load, [], threading.Event()

    def fail_at_first(*args: Any) -> Snapshot:
        if mended.is_set():
            return load(*args)
        failed.append(args)
        raise RuntimeError("not now")

    second = train_dataset(engine.settings, random_dataset(seed=1), promote=False)
    monkeypatch.setattr(Snapshot, "load", fail_at_first)
    SnapshotRegistry(engine.settings.snapshots_dir).promote(second, verify=False)
    until(lambda: engine.revision()[0] == first and len(failed) > 2)
    warning = "The promoted snapshot could not be loaded yet, the old one stays: RuntimeError('not now')"
    assert engine.warnings == (warning,)
    mended.set()
    until(lambda: engine.revision()[0] == second)
    assert not engine.warnings


def test_a_damaged_store_is_named_and_kept(settings: Settings) -> None:
    from matinee.errors import StoreError

    path = settings.store_path("random")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreError, match=path.name):
        Engine.open(settings)
    assert path.read_bytes().startswith(b"this is no database")


def test_each_data_set_has_its_own_store(engine: Engine) -> None:
    engine.rate([("u3", "m1", 4.5)])
    import dataclasses

    other = dataclasses.replace(random_dataset(seed=2), name="other films")
    second = train_dataset(engine.settings, other, promote=False)
    engine.promote(second)
    assert all(
        r.rating != 4.5 or r.movie_id != "m1" or r.timestamp is None or r.timestamp < 1.2e9
        for r in engine.history("u3")
    )
    engine.rollback()
    assert engine.history("u3")[0].rating == 4.5


def test_train_from_a_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "films")
    settings = Settings(data_dir=tmp_path / "home", cache_dir=tmp_path / "cache", data=str(folder), offline=True)
    assert snapshot_of(settings) is None
    steps: list[tuple[str, float]] = []
    made = train(settings, progress=lambda what, share: steps.append((what, share)))
    assert snapshot_of(settings) == made
    assert {what for what, _ in steps} >= {"fitting blend", "writing the snapshot"}
    assert all(0 <= share <= 1 for _, share in steps)
    manifest = SnapshotRegistry(settings.snapshots_dir).show(made)
    assert 0 < (manifest.metrics["blend"]["ndcg@10"] or 0) <= 1
    assert manifest.report.tables
    # Touched data are other data.
    with (folder / "ratings.csv").open("a") as file:
        file.write("1,m1,4.0,1000000000\n")
    assert snapshot_of(settings) is None
    with Engine.open(settings) as engine:
        assert engine.recommend("nobody").items


def test_going_back_to_other_data_needs_no_training(tmp_path: Path) -> None:
    one, two = (Settings(data_dir=tmp_path, data=name, offline=True) for name in ("one", "two"))
    first = train_dataset(one, random_dataset(), source="one")
    second = train_dataset(two, random_dataset(seed=1), source="two")
    shelf = SnapshotRegistry(one.snapshots_dir)
    assert snapshot_of(two) == second == shelf.current()
    assert snapshot_of(one) == first == shelf.current()
    third = train_dataset(one, random_dataset(seed=2), source="one")
    shelf.rollback()
    assert snapshot_of(two) == second
    assert snapshot_of(one) == first != third
    next((one.snapshots_dir / second / "models").rglob("*.npy")).write_bytes(b"rubbish")
    assert snapshot_of(two) is None
    assert shelf.current() == first
    assert snapshot_of(Settings(data_dir=tmp_path, data="three", offline=True)) is None


def test_models_that_do_not_fit_are_left_out_and_said(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, memory_limit=100_000)
    made = train_dataset(settings, random_dataset())
    manifest = SnapshotRegistry(tmp_path / "snapshots").show(made)
    skipped = manifest.settings["skipped"]
    assert skipped
    assert not set(skipped) & set(manifest.models)
    assert any("MiB" in why for why in skipped.values())
    json.dumps(skipped)
    with Engine.open(settings) as engine:
        assert engine.recommend("u1", Request(n=3)).items
    with pytest.raises(MemoryLimitError, match="memory limit"):
        train_dataset(Settings(data_dir=tmp_path, memory_limit=1), random_dataset())


def test_a_blend_goes_on_with_the_parts_that_fit(tmp_path: Path) -> None:
    data = random_dataset()
    lineup = default_lineup(data)
    limit = lineup["edlae"].memory_needed(data)
    assert limit < lineup["ials"].memory_needed(data)
    made = train_dataset(Settings(data_dir=tmp_path, memory_limit=limit), data, measure=True)
    manifest = SnapshotRegistry(tmp_path / "snapshots").show(made)
    assert manifest.default_model == "blend"
    assert {"edlae", "ials"} & manifest.models["blend"].config["weights"].keys() == {"edlae"}
    assert "ials" in manifest.settings["skipped"]
    assert set(manifest.metrics) == set(manifest.models)


def test_no_ratings(tmp_path: Path) -> None:
    data = random_dataset()
    empty = data.with_ratings(data.ratings.select(data.ratings.values > 9))
    with pytest.raises(DataError, match="no ratings"):
        train_dataset(Settings(data_dir=tmp_path), empty)


def test_a_source_is_known_again_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "small")
    of_file, of_folder = source_identity(str(folder / "ratings.csv")), source_identity(str(folder))
    assert of_file.startswith("file ratings.csv ")
    assert of_folder.startswith("folder small ")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert source_identity("~/small") == of_folder
    (folder / "ratings.csv").write_text("user,item,stars\nu,1,5\n", encoding="utf-8")
    assert source_identity(str(folder / "ratings.csv")) != of_file
    assert source_identity(str(folder)) != of_folder
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ml-1m").mkdir()
    assert source_identity("ml-1m") == "ml-1m", "a name goes before a folder of that name, as in load_dataset"
    assert source_identity("nowhere") == "nowhere"


@pytest.mark.usefixtures("own_heap")
def test_the_memory_of_a_snapshot_served_before_is_freed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds itself in a circle, which nothing collects where the heap is frozen, as in a service."""
    monkeypatch.setattr(allocator, "PAUSES", (0.01,) * 2000)
    before: weakref.ref[object] = weakref.ref(engine.request_view().catalog)
    second = train_dataset(engine.settings, random_dataset(seed=1), promote=False)
    allocator.freeze_heap()
    try:
        engine.promote(second)
        until(lambda: before() is None)
        assert engine.recommend("u1").snapshot == second
    finally:
        allocator.unfreeze_heap()
