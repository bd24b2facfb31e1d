"""Which snapshot is served: promote, roll back, prune; atomically, between processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from matinee.errors import SnapshotError
from matinee.snapshots import Snapshot, SnapshotRegistry, folder


@pytest.fixture
def shelf(root: Path) -> SnapshotRegistry:
    return SnapshotRegistry(root)


def damage(shelf: SnapshotRegistry, snapshot_id: str, name: str = "users.safetensors") -> None:
    (shelf.root / snapshot_id / name).write_bytes(b"?")


def test_an_empty_shelf(shelf: SnapshotRegistry) -> None:
    assert shelf.ids() == shelf.list() == shelf.prune(1) == []
    assert shelf.damaged() == {}
    assert shelf.current() is None
    assert shelf.previous() == ()
    assert shelf.stamp() is None
    assert not shelf.root.exists()
    with pytest.raises(SnapshotError, match="no intact snapshot"):
        shelf.rollback()
    for call in (shelf.promote, shelf.show, shelf.verify):
        with pytest.raises(SnapshotError, match="no snapshot"):
            call("20200101T000000Z-00000000")
        with pytest.raises(SnapshotError, match="no snapshot"):
            call("../..")


def test_promote_and_roll_back(shelf: SnapshotRegistry, ids: list[str]) -> None:
    stamps = [shelf.stamp()]
    for snapshot_id in ids[:3]:
        assert shelf.promote(snapshot_id) == snapshot_id
        assert shelf.current() == snapshot_id
        stamps.append(shelf.stamp())
        assert shelf.stamp() == stamps[-1]
    assert len(set(stamps)) == 4
    assert shelf.previous() == tuple(ids[:2])
    assert SnapshotRegistry(shelf.root).current() == ids[2], "another process sees the same"
    assert shelf.rollback() == ids[1]
    assert shelf.stamp() not in stamps
    assert shelf.current() == ids[1]
    assert shelf.rollback() == ids[0]
    with pytest.raises(SnapshotError, match="no intact snapshot"):
        shelf.rollback()
    assert shelf.current() == ids[0]


def test_promoting_again_does_not_make_a_snapshot_its_own_predecessor(shelf: SnapshotRegistry, ids: list[str]) -> None:
    for n in (0, 1, 0, 0, 1, 1):
        shelf.promote(ids[n])
    assert shelf.current() == ids[1]
    assert shelf.previous() == (ids[0],)


def test_a_damaged_snapshot_is_not_promoted(shelf: SnapshotRegistry, ids: list[str]) -> None:
    shelf.promote(ids[0])
    damage(shelf, ids[1])
    stamp = shelf.stamp()
    with pytest.raises(SnapshotError, match=r"damaged and cannot be served: .*users\.safetensors"):
        shelf.promote(ids[1])
    assert shelf.stamp() == stamp
    assert shelf.current() == ids[0]
    shelf.promote(ids[1], verify=False)
    assert shelf.current() == ids[1]


def test_rolling_back_passes_over_damaged_and_missing_ones(shelf: SnapshotRegistry, ids: list[str]) -> None:
    for snapshot_id in ids:
        shelf.promote(snapshot_id)
    damage(shelf, ids[2])
    (shelf.root / ids[1]).rename(shelf.root / "gone")
    assert shelf.rollback() == ids[0]
    damage(shelf, ids[0])
    shelf.promote(ids[3])
    with pytest.raises(SnapshotError):
        shelf.rollback()
    assert shelf.current() == ids[3]
    assert Snapshot.load(shelf.root, ids[3])


def test_damaged_manifests_are_reported_not_raised(shelf: SnapshotRegistry, ids: list[str]) -> None:
    damage(shelf, ids[1], "manifest.json")
    (shelf.root / "something else").mkdir()
    assert [manifest.id for manifest in shelf.list()] == [ids[3], ids[2], ids[0]]
    assert list(shelf.damaged()) == [ids[1]]
    assert "manifest.json" in shelf.damaged()[ids[1]]
    assert set(shelf.ids()) == set(ids)
    assert "manifest.json" in shelf.verify(ids[1])[0]
    assert shelf.verify(ids[0]) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"current": "../../etc"}', '{"current": 5}', "\0\0\0\0"])
def test_a_damaged_pointer_is_an_error_until_promoted_anew(shelf: SnapshotRegistry, ids: list[str], text: str) -> None:
    shelf.promote(ids[0])
    pointer = shelf.root / "pointer.json"
    pointer.write_text(text)
    for call in (shelf.current, shelf.previous, shelf.rollback, lambda: shelf.prune(0)):
        with pytest.raises(SnapshotError, match=r"pointer\.json is damaged.*snapshots promote 2"):
            call()
    assert pointer.read_text() == text
    assert set(shelf.ids()) == set(ids)
    shelf.promote(ids[2])
    assert shelf.current() == ids[2]
    assert shelf.previous() == ()


def test_a_pointer_that_cannot_be_written_leaves_the_old_one(
    shelf: SnapshotRegistry, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.promote(ids[0])

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(SnapshotError, match="No space left"):
            shelf.promote(ids[1])
    assert shelf.current() == ids[0]
    assert {path.name for path in shelf.root.iterdir()} == {"pointer.json", "pointer.lock", *ids}


def test_pruning_spares_the_served_and_the_rollback_target(shelf: SnapshotRegistry, ids: list[str]) -> None:
    for n in (1, 3, 0, 2):
        shelf.promote(ids[n])
    shelf.promote(ids[0])  # served: 0; would roll back to 2
    assert shelf.prune(4) == []
    assert shelf.prune(1) == [ids[1]]
    assert set(shelf.ids()) == {ids[0], ids[2], ids[3]}
    assert shelf.previous() == (ids[3], ids[2])
    assert shelf.prune(-5) == [ids[3]]
    assert shelf.rollback() == ids[2]
    assert not list(shelf.root.glob(".tmp-*"))


def test_pruning_without_a_pointer_and_beside_damage(shelf: SnapshotRegistry, ids: list[str]) -> None:
    damage(shelf, ids[0], "manifest.json")
    assert shelf.prune(1) == [ids[2], ids[1]]
    assert set(shelf.ids()) == {ids[0], ids[3]}


def test_a_snapshot_that_cannot_be_deleted_is_named(
    shelf: SnapshotRegistry, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(self: Path, target: Path) -> Path:
        raise PermissionError(13, "in use")

    monkeypatch.setattr(Path, "rename", busy)
    with pytest.raises(SnapshotError, match=f"{ids[0]} cannot be deleted.*in use"):
        shelf.prune(3)


def test_a_loaded_snapshot_outlives_its_folder(shelf: SnapshotRegistry, ids: list[str]) -> None:
    snapshot = Snapshot.load(shelf.root, ids[0])
    total = float(snapshot.ratings.values.sum())
    assert ids[0] in shelf.prune(1)
    assert float(snapshot.ratings.values.sum()) == total


def test_many_promote_at_once(shelf: SnapshotRegistry, ids: list[str]) -> None:
    faults: list[BaseException] = []

    def work(snapshot_id: str) -> None:
        try:
            own = SnapshotRegistry(shelf.root)
            for _ in range(15):
                own.promote(snapshot_id, verify=False)
                assert own.current() in ids
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(snapshot_id,)) for snapshot_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert {shelf.current(), *shelf.previous()} == set(ids)


def test_a_lock_is_waited_for_only_so_long(tmp_path: Path) -> None:
    with (
        folder.locked(tmp_path / "lock"),
        pytest.raises(SnapshotError, match="Another process has held"),
        folder.locked(tmp_path / "lock", timeout=0.05),
    ):
        pass
    with folder.locked(tmp_path / "lock", timeout=0.05):
        pass


def test_processes_that_run_are_known() -> None:
    assert folder.process_alive(1)
    assert not folder.process_alive(2**62)
    assert not folder.process_alive(2**80)
