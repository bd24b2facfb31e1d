"""What is particular to the embedded store: the file, its log, its keys, its faults."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matinee.data.catalog import Movie
from matinee.errors import StoreError
from matinee.settings import Settings
from matinee.stores import Exposure, Rating, SqliteStore, open_store
from store_support import all_ratings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


def one(user: str = "u", movie: str = "1", rating: float | None = 4.0) -> Rating:
    return Rating(user, movie, rating, 1)


def raw(path: Path, *statements: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return [row for statement in statements for row in connection.execute(statement).fetchall()]
    finally:
        connection.close()


def test_open_store_uses_the_settings(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    store = open_store(settings, "tiny")
    store.put_ratings([one()])
    store.close()
    assert settings.store_path("tiny").exists()


def test_the_file_is_in_wal_mode_and_durable(store: SqliteStore, path: Path) -> None:
    assert raw(path, "PRAGMA journal_mode") == [("wal",)]
    with store._connections.reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_the_log_is_kept_short_while_writing(path: Path) -> None:
    store = SqliteStore(path, keep_log=200)
    for start in range(0, 1000, 10):
        store.put_ratings([one(movie=str(n)) for n in range(start, start + 10)])
        ((entries, floor),) = raw(path, "SELECT count(*), (SELECT log_floor FROM state) FROM log")
        assert entries == store.seq() - int(str(floor))
        assert int(str(entries)) < 200 + 10
    assert len(store.changes(store.seq() - 200).ratings) == 200
    store.close()


def test_what_is_erased_is_gone_from_the_files(store: SqliteStore, path: Path) -> None:
    secret = "film-nobody-may-know-of"
    store.put_ratings([one(movie=secret), one("v")])
    store.delete_rating("u", secret + "2", 5)
    store.log_exposures([Exposure("u", 1, "s", "m", (secret,))])
    store.erase_user("u")
    store.close()
    files = list(path.parent.iterdir())
    assert files
    assert not any(secret.encode() in file.read_bytes() for file in files)


def test_a_long_read_does_not_hold_up_an_erasure(store: SqliteStore, path: Path) -> None:
    store.put_ratings([one("v", str(n)) for n in range(10)])
    other = SqliteStore(path)
    batches = other.ratings(batch=2)
    next(batches)
    seq = store.erase_user("v")
    assert store.put_ratings([one("v", "new")]) == seq + 1
    assert sum(len(batch) for batch in batches) == 8, "the read goes on over what it began with"
    assert list(store.user("v").ratings) == ["new"]
    other.close()


# --- opening what cannot be opened ------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"These are my holiday notes. " * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"store\.sqlite3 .*not a database.*backup"):
        SqliteStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused_and_kept(path: Path, keep: float) -> None:
    store = SqliteStore(path)
    store.put_ratings([one(movie=str(n)) for n in range(3000)])
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(StoreError, match=r"store\.sqlite3 .*backup"):
        SqliteStore(path)
    assert path.stat().st_size == int(len(content) * keep)


def test_an_altered_file_is_refused(path: Path) -> None:
    store = SqliteStore(path)
    store.put_ratings([one(movie=str(n)) for n in range(3000)])
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:20000] = b"\xff" * (20000 - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        SqliteStore(path)


def test_an_emptied_file_beside_a_full_log_is_refused(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    store.put_ratings([one()])
    other = tmp_path / "copy.sqlite3"
    other.touch()
    (tmp_path / "copy.sqlite3-wal").write_bytes(path.with_name("store.sqlite3-wal").read_bytes())
    with pytest.raises(StoreError, match="write-ahead log is not"):
        SqliteStore(other)
    assert (tmp_path / "copy.sqlite3-wal").stat().st_size


def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match="writable"):
        SqliteStore(path)


def test_a_file_in_place_of_the_folder_is_refused(path: Path) -> None:
    path.parent.touch()
    with pytest.raises(StoreError, match="writable"):
        SqliteStore(path)


def test_a_newer_schema_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    raw(path, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"newer Matinee \(schema 99.*Update Matinee"):
        SqliteStore(path)
    assert raw(path, "PRAGMA user_version") == [(99,)]


def test_a_database_of_another_program_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    raw(path, "CREATE TABLE mine (x)", "INSERT INTO mine VALUES (1)")
    with pytest.raises(StoreError, match="another program"):
        SqliteStore(path)
    assert raw(path, "SELECT * FROM mine", "PRAGMA journal_mode") == [(1,), ("delete",)]


def test_a_film_that_is_none_is_named(store: SqliteStore, path: Path) -> None:
    store.put_movies([Movie(movie_id="x", title="X")])
    raw(path, "UPDATE movies SET body = '{}'")
    with pytest.raises(StoreError, match="Field required"):
        store.movies()


# --- faults while open ------------------------------------------------------------------------------------------


def test_damage_found_while_reading_is_a_store_error(store: SqliteStore, path: Path) -> None:
    raw(path, "DROP TABLE ratings", "DROP TABLE state")
    faulty: list[Callable[[], object]] = [
        lambda: store.user("u"),
        lambda: store.put_ratings([one()]),
        lambda: list(store.ratings()),
        store.seq,
        store.ping,
    ]
    for call in faulty:
        with pytest.raises(StoreError, match=r"store\.sqlite3"):
            call()


def test_a_full_database_refuses_and_works_again(store: SqliteStore) -> None:
    seq = store.put_ratings([one()])
    writer = store._connections._writer
    assert writer is not None
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match=r"full.*Make room"):
        store.put_ratings([one(movie="x" * 100 + str(n)) for n in range(3000)])
    assert store.seq() == seq
    assert store.put_ratings([one(movie=str(n)) for n in range(3000)]) == seq + 3000


def test_one_huge_write_does_not_fail_its_neighbors(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls share a transaction; one of them does not fit: the two others are stored all the same."""
    connections = store._connections
    connect = connections._connect

    def small() -> sqlite3.Connection:
        connection = connect()
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    monkeypatch.setattr(connections, "_connect", small)
    connections._drop_writer()
    outcome: dict[str, object] = {}

    def put(name: str, count: int) -> None:
        try:
            outcome[name] = store.put_ratings([one(name, "x" * 100 + str(n)) for n in range(count)])
        except StoreError as error:
            outcome[name] = error

    threads = [threading.Thread(target=put, args=job) for job in (("a", 1), ("huge", 3000), ("b", 1))]
    with connections._write_lock:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 90
        while len(store._group._queue) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
    for thread in threads:
        thread.join(90)
    assert isinstance(outcome["huge"], StoreError)
    assert {pair[0] for pair in all_ratings(store)} == {"a", "b"}
    assert sorted(outcome[name] for name in "ab") == [1, 2]  # type: ignore[type-var]


def test_an_interrupted_write_is_not_stored(store: SqliteStore) -> None:
    def interrupted(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE state SET seq = 99")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store._connections.write(interrupted)
    assert store.seq() == 0
    assert store.put_ratings([one()]) == 1


def test_a_write_waits_for_another_process_only_so_long(path: Path) -> None:
    store = SqliteStore(path, busy_timeout=0.05)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked.*MATINEE_BUSY_TIMEOUT"):
        store.put_ratings([one()])
    assert store.seq() == 0
    blocker.execute("ROLLBACK")
    blocker.close()
    assert store.put_ratings([one()]) == 1
    store.close()


def test_opening_waits_for_another_process_only_so_long(path: Path) -> None:
    path.parent.mkdir()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="MATINEE_BUSY_TIMEOUT"):
        SqliteStore(path, busy_timeout=0.0)
    blocker.execute("ROLLBACK")
    blocker.close()


def test_many_open_the_same_new_file_at_once(path: Path) -> None:
    faults: list[BaseException] = []
    start = threading.Barrier(6)

    def work() -> None:
        try:
            start.wait(90)
            store = SqliteStore(path)
            store.put_ratings([one()])
            store.close()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert faults == []
    assert raw(path, "SELECT seq FROM state") == [(6,)]


READ_ONLY = """
import sys
from pathlib import Path
from matinee.errors import StoreError
from matinee.stores import Rating, SqliteStore
try:
    SqliteStore(Path(sys.argv[1])).put_ratings([Rating("u", "2", 1.0, 1)])
except StoreError as error:
    print(error)
"""


def test_a_read_only_database_is_a_store_error(store: SqliteStore) -> None:
    store.put_ratings([one()])
    writer = store._connections._writer
    assert writer is not None
    writer.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match=r"readonly.*writable"):
        store.put_ratings([one(movie="2")])
    assert store.put_ratings([one(movie="2")]) == 2, "a fresh connection must be tried"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anything")
def test_a_read_only_file_is_a_store_error(store: SqliteStore, path: Path) -> None:
    store.put_ratings([one()])
    store.close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(path)], capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        path.parent.chmod(0o755)
        path.chmod(0o644)
    assert "writable" in done.stdout


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from matinee.errors import StoreError
from matinee.stores import Rating, SqliteStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqliteStore(Path(sys.argv[1]))
seq = store.put_ratings([Rating("u", "1", 4.0, 1)])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    store.put_ratings([Rating("u", str(n), 4.0, 1) for n in range(20_000)])
    print("stored?")
except StoreError as error:
    print(error)
assert store.seq() == seq and len(store.user("u").ratings) == 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert store.put_ratings([Rating("u", str(n), 4.0, 1) for n in range(20_000)]) == seq + 20_000
store.close()
print("works again")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
def test_a_file_that_cannot_grow_refuses_and_works_again(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Make room" in done.stdout
    assert "works again" in done.stdout
    assert raw(path, "PRAGMA integrity_check") == [("ok",)]


FORK = """
import os, sys
from pathlib import Path
from matinee.errors import StoreError
from matinee.stores import Rating, SqliteStore
store = SqliteStore(Path(sys.argv[1]))
store.put_ratings([Rating("u", "1", 4.0, 1)])
pid = os.fork()
if not pid:
    try:
        store.seq()
    except StoreError as error:
        store.close()
        os._exit(7 if "forked" in str(error) else 8)
    os._exit(9)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert store.put_ratings([Rating("u", "2", 4.0, 1)]) == 2
store.close()
sys.exit(code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_store_is_not_carried_over_a_fork(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 7, done.stderr


def test_the_connections_of_ended_threads_are_closed(store: SqliteStore) -> None:
    for _ in range(5):
        thread = threading.Thread(target=store.seq)
        thread.start()
        thread.join(90)
    assert len(store._connections._readers) == 0
