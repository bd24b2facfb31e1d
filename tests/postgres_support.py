"""A real PostgreSQL server for the tests, started when the first test needs one and stopped with the test run.

It is, in this order: the server at MATINEE_TEST_POSTGRES_URL (whose user may create databases), the one in the package
`pgserver` (with pgvector), or an installed one. Without any, the tests that need one are skipped and say so.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql

from matinee.errors import StoreError
from matinee.indexes.base import Items, Vectors
from matinee.indexes.pgvector import PgvectorIndex, Variant
from matinee.settings import Settings
from matinee.stores import Store, open_store
from matinee.stores.postgres.schema import schema_name
from matinee.stores.postgres.store import PostgresStore
from service_support import free_port

USER = "matinee"
PASSWORD = "a:secret/with@signs?"
DATABASE = "films"
START_SECONDS = 60


@dataclass(frozen=True)
class PostgresFactory:
    """Opens one and the same store again and again, in any process."""

    url: str
    dataset: str
    timeout: float = 60.0
    user: str = ""
    password: str = ""
    name: str = "postgres"

    def __call__(self) -> Store:
        return open_store(self.settings, self.dataset)

    @property
    def settings(self) -> Settings:
        return Settings(
            store_url=self.url, store_user=self.user, store_password=self.password, store_timeout=self.timeout
        )

    def remove(self) -> None:
        """Delete the store."""
        name = sql.Identifier(schema_name(self.dataset))
        user = {"user": self.user, "password": self.password} if self.user else {}
        with psycopg.connect(self.url, autocommit=True, **user) as connection:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))


def new_store(folder: Path | None = None) -> PostgresFactory:
    """A store of a new data set, on the server of the test run."""
    url = server_url()  # with user and password, where it was given
    user, password = ("", "") if "MATINEE_TEST_POSTGRES_URL" in os.environ else (USER, PASSWORD)
    return PostgresFactory(url, f"test {secrets.token_hex(6)}", user=user, password=password)


def open_with(factory: PostgresFactory, **options: Any) -> PostgresStore:
    """A store with options of its class."""
    given = {"user": factory.user, "password": factory.password, "timeout": factory.timeout, **options}
    return PostgresStore(factory.url, factory.dataset, **given)


class Server:
    """A PostgreSQL server on the loopback address, with its data in a folder of its own.

    Args:
        binaries: folder of `initdb` and `postgres`.
        options: settings of the server: `fsync=off`.
    """

    def __init__(self, binaries: Path, *options: str) -> None:
        self.port = free_port()
        self.folder = _open_folder("matinee-postgres-")
        self._options = options
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = self.folder / "log"
        self._binaries = _readable(binaries, self.folder)
        try:
            self._create()
        except BaseException:
            self.remove()
            raise

    @property
    def url(self) -> str:
        """Without user and password."""
        return f"postgresql://127.0.0.1:{self.port}/{DATABASE}"

    def factory(self, timeout: float = 5.0) -> PostgresFactory:
        """A store of a new data set."""
        return PostgresFactory(self.url, secrets.token_hex(6), timeout, USER, PASSWORD)

    def _create(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        (self.folder / "data").mkdir()
        if self._account is not None:
            for path in (secret, self.folder / "data", self.folder):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        words = ["-D", self.folder / "data", "-U", USER, "--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8"]
        done = self._run("initdb", *words, "--locale=C", "--no-sync", "--no-instructions")
        assert done.wait(START_SECONDS) == 0, self._log.read_text(errors="replace")
        self.start()
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def _run(self, program: str, *words: object) -> subprocess.Popen[bytes]:
        # Not as root, which PostgreSQL refuses.
        account = self._account
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [self._binaries / program, *map(str, words)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
            )

    def start(self, *options: str) -> None:
        """Start it and wait until it answers."""
        words = ["-D", self.folder / "data", "-p", self.port, "-c", "listen_addresses=127.0.0.1"]
        words += ["-c", "unix_socket_directories="]
        for option in (*self._options, *options):
            words += ["-c", option]
        self._process = self._run("postgres", *words)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(self._log.read_text(errors="replace")) from error
            time.sleep(0.05)

    def connect(self, database: str = DATABASE) -> psycopg.Connection[tuple[object, ...]]:
        """An administrator's connection."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        )

    def processes(self) -> list[psutil.Process]:
        """The server and its processes."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        server.suspend()  # so that it starts no more of them
        return [server, *server.children(recursive=True)]

    def kill(self) -> None:
        """Kill the server and all its processes."""
        assert self._process is not None
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(START_SECONDS)
        self._process = None
        # While one of them has its memory, the server cannot be started again.
        deadline = time.monotonic() + START_SECONDS
        while any(map(_alive, processes)):
            assert time.monotonic() < deadline, "processes of the server do not end"
            time.sleep(0.01)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let the server and all its processes stand still."""
        processes = self.processes()
        try:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def stop(self) -> None:
        """Stop it, ending all sessions."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def remove(self) -> None:
        """Stop it and delete its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _account() -> pwd.struct_passwd | None:
    """Who runs the server where the tests are root; None: the same user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _passable(path: Path) -> bool:
    """Whether any user may enter a folder."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _open_folder(prefix: str) -> Path:
    """A new temporary folder that other users may enter."""
    roots = [
        root for root in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")) if root.is_dir() and _passable(root)
    ]
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=roots[0] if roots else None))
    folder.chmod(0o755)
    return folder


def _readable(binaries: Path, folder: Path) -> Path:
    """The programs where the server's user can read them: copied if need be, as from an environment of root."""
    if os.geteuid() != 0 or _passable(binaries):
        return binaries
    package = binaries.parents[1]  # pgserver/pginstall/bin, with libraries in pgserver.libs beside it
    for source in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(source, folder / source.name)
        for path in (folder / source.name, *(folder / source.name).rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.parent.name == "bin" else 0o444))
    return folder / binaries.relative_to(package.parent)


@cache
def binaries() -> Path | None:
    """Folder of the programs of a PostgreSQL server, if possible one with pgvector."""
    package = importlib.util.find_spec("pgserver")
    places: list[Path] = []
    if package is not None and package.submodule_search_locations:
        places += [Path(place) / "pginstall" / "bin" for place in package.submodule_search_locations]
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    places += sorted(installed, key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)[::-1]
    if found := shutil.which("initdb"):
        places.append(Path(found).resolve().parent)
    return next((place for place in places if all((place / name).exists() for name in ("initdb", "postgres"))), None)


def start_server(*options: str) -> Server:
    """A server of one's own; the test is skipped where there is none."""
    if (found := binaries()) is None:
        pytest.skip("there is no PostgreSQL server: install pgserver or PostgreSQL, or set MATINEE_TEST_POSTGRES_URL")
    return Server(found, *options)


@contextmanager
def own_server(*options: str) -> Iterator[Server]:
    """A server for one test, which may break it."""
    server = start_server(*options)
    try:
        yield server
    finally:
        server.remove()


@cache
def server_url() -> str:
    """Address of the one server of this test run."""
    if given := os.environ.get("MATINEE_TEST_POSTGRES_URL"):
        atexit.register(_drop_schemas, given)
        return given
    # Killing processes loses nothing that the operating system has, so that tests need not wait for the disk.
    server = start_server("fsync=off", "max_connections=200")
    atexit.register(server.remove)
    return server.url


def administrator() -> psycopg.Connection[tuple[object, ...]]:
    """A connection to the database of the test run."""
    url = server_url()
    if "MATINEE_TEST_POSTGRES_URL" in os.environ:
        return psycopg.connect(url, autocommit=True)
    return psycopg.connect(url, user=USER, password=PASSWORD, autocommit=True)


def run_sql(*statements: str, schema: str = "public") -> Sequence[tuple[object, ...]]:
    """Run statements as the administrator of the test run's database; rows of the last."""
    with administrator() as connection:
        connection.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(schema)))
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def pgvector(variant: Variant) -> Callable[[Items, Vectors], AbstractContextManager[PgvectorIndex]]:
    """Makes indexes on the server of the test run; the test is skipped where it has no pgvector."""

    @contextmanager
    def make(items: Items, vectors: Vectors) -> Iterator[PgvectorIndex]:
        index = pgvector_index(f"test {secrets.token_hex(6)}", items, vectors, variant)
        try:
            yield index
        finally:
            index.drop()
            index.close()

    return make


def pgvector_index(
    name: str, items: Items | None = None, vectors: Vectors | None = None, variant: Variant = "exact"
) -> PgvectorIndex:
    """An index on the server of the test run."""
    try:
        return PgvectorIndex(new_store().settings, name, items, vectors, variant=variant)
    except StoreError as error:
        if "has no pgvector" in error.message:
            pytest.skip(f"{error.message} The package pgserver brings a server with it")
        raise


def _drop_schemas(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        names = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'matinee_test %'").fetchall()
        for (name,) in names:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
