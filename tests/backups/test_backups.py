"""Backups: of a store in use, verified, put back whole, whatever is killed when."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from matinee.backups import read_backup, restore, write_backup
from matinee.data.catalog import Movie
from matinee.errors import InvalidInputError, MatineeError, StoreError
from matinee.settings import Settings
from matinee.stores import MovieState, Rating, SqliteStore
from matinee.stores.sqlite import migrations
from store_support import all_ratings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def open_store(settings: Settings) -> SqliteStore:
    return SqliteStore(settings.store_path("tiny"))


def one(movie: str = "1", rating: float | None = 4.0) -> Rating:
    return Rating("u", movie, rating, 1)


def picture(settings: Settings, name: str = "1.png", data: bytes = b"picture") -> Path:
    folder = settings.posters_dir("tiny")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def rated(settings: Settings) -> set[str]:
    store = open_store(settings)
    try:
        return {movie for _, movie in all_ratings(store)}
    finally:
        store.close()


def test_a_store_in_use_is_copied_and_put_back(settings: Settings, tmp_path: Path) -> None:
    store = open_store(settings)
    store.put_ratings([one(str(n)) for n in range(500)])
    store.put_movies([Movie(movie_id="x", title="X")])
    kept = picture(settings)
    stop, writes = threading.Event(), 0

    def write() -> None:
        nonlocal writes
        while not stop.is_set():
            store.put_ratings([one(f"later {writes}")])
            writes += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        path, manifest = write_backup(settings)
        other, _ = write_backup(settings, tmp_path / "without.tar", posters=False)
    finally:
        stop.set()
        thread.join()
    held = manifest.stores["tiny.sqlite3"]
    assert held.rows["ratings"] == held.seq - 1 >= 500
    assert read_backup(path) == manifest
    assert not read_backup(other).posters
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreError, match=r"in use.*Stop the service"):
        restore(settings, path)
    assert store.put_ratings([one("last")])
    store.close()
    kept.write_bytes(b"another")
    done = restore(settings, path)
    assert len(rated(settings)) == held.rows["ratings"]
    assert kept.read_bytes() == b"picture"
    assert done.aside is not None
    assert (done.aside / "posters" / "tiny" / "1.png").read_bytes() == b"another"
    before = SqliteStore(done.aside / "stores" / "tiny.sqlite3")
    assert "last" in {movie for _, movie in all_ratings(before)}, "nothing that was there is lost"
    before.close()
    assert not [file for file in settings.data_dir.iterdir() if file.name.startswith(".")]


def test_states_are_in_a_backup_and_earlier_backups_do_without(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:5])
        store = open_store(settings)
        store.put_ratings([one()])
        store.close()
        old, manifest = write_backup(settings, tmp_path / "old.tar")
        assert "states" not in manifest.stores["tiny.sqlite3"].rows
    store = open_store(settings)
    store.put_states([MovieState("u", "2", "seen", 7)])
    store.close()
    new, manifest = write_backup(settings, tmp_path / "new.tar")
    assert manifest.stores["tiny.sqlite3"].rows["states"] == 1
    for path, states in ((old, {}), (new, {"seen": {"2": 7}})):
        restore(settings, path)
        store = open_store(settings)
        assert store.user("u").states == states
        assert set(store.user("u").ratings) == {"1"}
        store.close()


def test_an_old_log_is_not_replayed_over_what_is_put_back(settings: Settings) -> None:
    store = open_store(settings)
    store.put_ratings([one("old")])
    path, _ = write_backup(settings)
    store.put_ratings([one(f"{n:0100}") for n in range(2000)])
    log = settings.store_path("tiny").with_name("tiny.sqlite3-wal").read_bytes()
    store.close()
    settings.store_path("tiny").with_name("tiny.sqlite3-wal").write_bytes(log)  # as a kill leaves it
    restore(settings, path)
    assert rated(settings) == {"old"}


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def add(path: Path) -> None:
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("stores/../../escaped"))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other(path: Path) -> None:
    path.write_bytes(b"no backup" * 1000)


@pytest.mark.parametrize("damage", [cut, flip, add, empty, other])
def test_a_damaged_backup_changes_nothing(settings: Settings, damage: Callable[[Path], None]) -> None:
    store = open_store(settings)
    store.put_ratings([one(str(n)) for n in range(500)])
    path, _ = write_backup(settings)
    store.put_ratings([one("newer")])
    store.close()
    damage(path)
    for call in (lambda: read_backup(path), lambda: restore(settings, path)):
        with pytest.raises(InvalidInputError, match=r"damaged|no backup|which no backup"):
            call()
    assert "newer" in rated(settings)
    assert not (settings.data_dir / "replaced").exists()
    assert not list(settings.data_dir.glob(".restore-*"))


def test_what_cannot_be_backed_up_says_so(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nothing to back up"):
        write_backup(settings)
    assert not list((settings.data_dir / "backups").iterdir())
    (tmp_path / "there.tar").touch()
    with pytest.raises(InvalidInputError, match="exists"):
        write_backup(settings, tmp_path / "there.tar")
    with pytest.raises(InvalidInputError, match="There is no file"):
        restore(settings, tmp_path / "missing.tar")
    for url, tool in (("postgresql://h/d", "pg_dump"), ("http://h:9200", "snapshot")):
        for call in (write_backup, lambda s: restore(s, tmp_path / "there.tar")):
            with pytest.raises(InvalidInputError, match=tool):
                call(Settings(data_dir=tmp_path, store_url=url))


def test_a_damaged_store_leads_to_a_backup(settings: Settings) -> None:
    store = open_store(settings)
    store.put_ratings([one(str(n)) for n in range(3000)])
    store.close()
    path, _ = write_backup(settings)
    cut(settings.store_path("tiny"))
    with pytest.raises(MatineeError, match=r"matinee restore.*Delete nothing"):
        write_backup(settings)
    restore(settings, path)
    assert len(rated(settings)) == 3000


KILLED = """
import os, sys
from pathlib import Path
from matinee.backups import restore
from matinee.settings import Settings
from matinee.stores import SqliteStore
home, backup = Path(sys.argv[1]), Path(sys.argv[2])

def counted(name, kill_at, seen=[0]):
    call = getattr(os, name)
    def counting(*words, **options):
        seen[0] += 1
        if seen[0] == kill_at:
            os.kill(os.getpid(), 9)
        return call(*words, **options)
    setattr(os, name, counting)

def movies(store):
    return {r.movie_id for batch in store.ratings() for r in batch}

import shutil
for kill_at in range(1, 1000):
    shutil.rmtree(home / "run", ignore_errors=True)
    shutil.copytree(home / "killed", home / "run")
    pid = os.fork()
    if not pid:
        seen = [0]
        for name in ("replace", "rename", "unlink", "fsync", "mkdir", "rmdir"):
            counted(name, kill_at, seen)
        restore(Settings(data_dir=home / "run"), backup)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    store = SqliteStore(home / "run" / "stores" / "tiny.sqlite3")
    found = movies(store)
    assert found in ({"old"}, {"old", "new"}), (kill_at, found)
    store.put_ratings(())
    store.close()
    aside = list((home / "run" / "replaced").glob("*/stores/tiny.sqlite3"))
    if found == {"old"}:
        (kept,) = aside
        store = SqliteStore(kept)
        assert movies(store) == {"old", "new"}, kill_at
        store.close()
    restore(Settings(data_dir=home / "run"), backup)
    store = SqliteStore(home / "run" / "stores" / "tiny.sqlite3")
    assert movies(store) == {"old"}, kill_at
    store.close()
    assert not list((home / "run").glob(".restore-*")), kill_at
    if status == 0:
        print(kill_at - 1)
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_restore_may_be_killed_at_any_point(settings: Settings, tmp_path: Path) -> None:
    store = open_store(settings)
    store.put_ratings([one("old")])
    picture(settings)
    path, _ = write_backup(settings, tmp_path / "backup.tar")
    store.put_ratings([one("new")])
    (tmp_path / "killed" / "stores").mkdir(parents=True)
    for file in settings.store_path("tiny").parent.iterdir():  # with the log that a kill leaves
        (tmp_path / "killed" / "stores" / file.name).write_bytes(file.read_bytes())
    store.close()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 15
