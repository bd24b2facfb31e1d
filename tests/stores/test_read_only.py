"""A disk that is full or read-only: reading goes on, writing says why it cannot, and works again by itself."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from matinee.errors import ReadOnlyError, StoreError
from matinee.stores import Rating, SqliteStore
from matinee.stores.sqlite import connections
from matinee.stores.sqlite.connection import Access
from matinee.stores.sqlite.opening import has_wal_reset_bug
from store_support import until


def mount(*words: str) -> bool:
    with suppress(OSError, subprocess.SubprocessError):
        return not subprocess.run(["mount", *words], capture_output=True, timeout=60, check=False).returncode
    return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name == "nt" or os.geteuid() or not mount("-t", "tmpfs", "-o", "size=2m", "none", str(folder)):
        pytest.skip("nobody here may mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=60)


def fill(disk: Path) -> Path:
    """Leave no byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return ballast


def one(user: str = "u", movie: str = "1", rating: float | None = 4.0) -> Rating:
    return Rating(user, movie, rating, 1)


def put_much(store: SqliteStore) -> None:
    store.put_ratings([one(movie=f"{n:0100}") for n in range(3000)])


def can_be_written(store: SqliteStore) -> bool:
    return store.write_problem() is None


def test_a_disk_that_fills_up(disk: Path) -> None:
    with_store = SqliteStore(disk / "stores" / "s.sqlite3")
    other = SqliteStore(disk / "stores" / "s.sqlite3")
    with_store.put_ratings([one()])
    assert can_be_written(other)
    ballast = fill(disk)
    with pytest.raises(ReadOnlyError, match=r"cannot be written.*Make room"):
        put_much(with_store)
    problem = with_store.write_problem()
    for store in (with_store, other):
        assert store.user("u").ratings["1"].rating == 4.0
        store.ping()
    assert problem is None or "Make room" in str(problem)
    ballast.unlink()
    until(lambda: can_be_written(with_store) and can_be_written(other))
    assert other.put_ratings([one(movie="2")]) == with_store.seq()
    for store in (with_store, other):
        store.close()


def test_a_disk_that_is_full_at_the_start(disk: Path) -> None:
    """SQLite cannot make its two files there, so that the store is read without them until there is room."""
    path = disk / "stores" / "s.sqlite3"
    store = SqliteStore(path)
    seq = store.put_ratings([one()])
    store.close()
    assert not path.with_name("s.sqlite3-wal").exists()
    ballast = fill(disk)
    store, other = SqliteStore(path), SqliteStore(path)
    for each in (store, other):
        assert each.user("u").ratings["1"].rating == 4.0
        assert each.seq() == seq
        assert "Make room" in str(each.write_problem())
        with pytest.raises(ReadOnlyError, match="Make room"):
            each.put_ratings([one(movie="2")])
    ballast.unlink()
    assert store.put_ratings([one(movie="2")]) == seq + 1
    assert other.seq() == seq + 1, "what another process writes again is seen at once"
    assert set(other.user("u").ratings) == {"1", "2"}
    until(lambda: can_be_written(other))
    store.close()
    other.close()


def test_a_read_only_disk_without_a_store(disk: Path) -> None:
    """As for a snapshot from an image: nothing was rated yet."""
    assert mount("-o", "remount,ro", str(disk))
    store = SqliteStore(disk / "stores" / "s.sqlite3")
    assert store.seq() == 0
    assert store.changes(-1).ratings == ()
    with pytest.raises(ReadOnlyError, match=r"Read-only.*writable"):
        store.put_ratings([one()])
    assert mount("-o", "remount,rw", str(disk))
    assert store.put_ratings([one()]) == 1
    assert store.user("u").ratings
    store.close()
    again = SqliteStore(disk / "stores" / "s.sqlite3")
    assert again.seq() == 1
    again.close()


@pytest.mark.parametrize("stopped", [True, False], ids=["after a stop", "after a kill"])
def test_a_read_only_disk_at_the_start(disk: Path, stopped: bool) -> None:
    path = disk / "stores" / "s.sqlite3"
    store = SqliteStore(path)
    store.put_ratings([one()])
    if stopped:
        store.close()
    else:  # a copy has the files as a kill leaves them
        (disk / "killed").mkdir()
        for file in path.parent.iterdir():
            (disk / "killed" / file.name).write_bytes(file.read_bytes())
        store.close()
        path = disk / "killed" / "s.sqlite3"
    assert mount("-o", "remount,ro", str(disk))
    store = SqliteStore(path)
    assert store.user("u").ratings["1"].rating == 4.0
    assert store._connections._access is (Access.FROZEN if stopped else Access.READ_ONLY)
    assert store.write_problem() is not None
    with pytest.raises(ReadOnlyError):
        store.erase_user("u")
    assert mount("-o", "remount,rw", str(disk))
    until(lambda: can_be_written(store))
    assert store.put_ratings([one(movie="2")]) == 2
    assert len(store.user("u").ratings) == 2
    store.close()


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_file_that_is_cut_takes_no_more_writes(tmp_path: Path, share: float) -> None:
    path = tmp_path / "s.sqlite3"
    store, other = SqliteStore(path), SqliteStore(path)
    put_much(store)
    store._connections.checkpoint()
    other.ping()
    os.truncate(path, int(path.stat().st_size * share))
    for each in (store, other):
        for _ in range(2):
            with pytest.raises(ReadOnlyError, match=r"cut from .* bytes.*matinee restore.*Delete nothing"):
                each.put_ratings([one(movie="2")])
        assert "cut from" in str(each.write_problem())
        each.close()


def test_a_log_that_is_removed_takes_no_writes(tmp_path: Path) -> None:
    """SQLite goes on with the file that nobody else can see any more."""
    path = tmp_path / "s.sqlite3"
    store = SqliteStore(path)
    store.put_ratings([one()])
    path.with_name("s.sqlite3-wal").unlink()
    with pytest.raises(StoreError, match=r"-wal .* removed.*matinee restore"):
        store.put_ratings([one(movie="2")])
    store.close()


def test_who_waits_is_next(tmp_path: Path) -> None:
    """A process that writes without a pause does not take the lock again before another that waits."""
    path = tmp_path / "s.sqlite3"
    busy, other = SqliteStore(path), SqliteStore(path)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            busy.put_ratings([one("busy")])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(20):
        before = busy.seq()
        other.put_ratings([one("other", str(n))])
        assert other.seq() - before < 2000
    stop.set()
    for thread in threads:
        thread.join()
    busy.close()
    other.close()


def test_a_writer_waits_once(tmp_path: Path) -> None:
    """Behind another process that keeps the lock, however many writes of this one are queued before."""
    path = tmp_path / "s.sqlite3"
    store, other = SqliteStore(path, busy_timeout=0.3), SqliteStore(path)
    with other._connections._write_lock, other._connections._taking_turn(time.monotonic()):
        with pytest.raises(StoreError, match=r"locked.*MATINEE_BUSY_TIMEOUT"):
            store._connections.write(lambda _: None, since=time.monotonic() - 1000)
        with pytest.raises(StoreError, match="locked"):
            store.put_ratings([one()])
    assert store.put_ratings([one()]) == 1
    store.close()
    other.close()


@pytest.mark.skipif(os.name == "nt", reason="no rights by user and group")
def test_files_are_their_owners(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "data" / "stores" / "s.sqlite3")
        store.put_ratings([one()])
        files = list((tmp_path / "data").rglob("*"))
        assert len(files) >= 4
        assert {oct(file.stat().st_mode & 0o777) for file in (tmp_path / "data", *files)} == {"0o700", "0o600"}
        store.close()
        assert not caplog.text
        (tmp_path / "open").mkdir(0o755)
        SqliteStore(tmp_path / "open" / "s.sqlite3").close()
        assert "chmod -R go=" in caplog.text
        assert (tmp_path / "open").stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(before)


def test_versions_with_the_wal_reset_bug_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    affected = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 46, 1), (3, 50, 6), (3, 51, 2)]
    assert all(map(has_wal_reset_bug, affected))
    assert not any(map(has_wal_reset_bug, [(3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 53, 0), (4, 0, 0)]))
    monkeypatch.setattr(connections.sqlite3, "sqlite_version_info", (3, 51, 3))
    SqliteStore(tmp_path / "s.sqlite3").close()
