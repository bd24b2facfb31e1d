"""What the store tests share, importable in child processes (the test modules themselves are not)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import elasticsearch_support
import postgres_support
from matinee.stores import Rating, SqliteStore, Store

BATCH = 3


@dataclass(frozen=True)
class SqliteFactory:
    """Opens one and the same store again and again, in any process."""

    path: Path
    name: str = "sqlite"

    def __call__(self) -> Store:
        return SqliteStore(self.path)


Factory = Callable[[], Store]

FACTORIES: dict[str, Callable[[Path], Factory]] = {
    "sqlite": lambda folder: SqliteFactory(folder / "store.sqlite3"),
    "postgres": postgres_support.new_store,
    "elasticsearch": elasticsearch_support.new_store,
}
"""Every kind of store, made below a folder; a new one joins the contract suites here."""


def removed(factory: Factory) -> None:
    """Delete what a store left on a server; files are deleted with their folder."""
    remove = getattr(factory, "remove", None)
    if remove is not None:
        remove()


def answer(factory: Factory, pipe: Connection) -> None:
    """A process that calls store methods on request: (method, args, kwargs) in, result or error's text out."""
    store = factory()
    try:
        while (request := pipe.recv()) is not None:
            method, args, kwargs = request
            pipe.send(getattr(store, method)(*args, **kwargs))
    finally:
        store.close()


def put_many(factory: Factory, worker: int, count: int) -> None:
    store = factory()
    for n in range(count):
        store.put_ratings([Rating(f"w{worker}", f"m{n}", 3.0, n)])
    store.close()


def batch_of(label: str, n: int) -> list[Rating]:
    return [Rating(f"{label}-{part}", f"m{n}", 1.0 + n % 4, n) for part in range(BATCH)]


def write_until_killed(factory: Factory, label: str, pipe: Connection) -> None:
    """Write batches for ever and tell each acknowledged one."""
    store = factory()
    n = 0
    while os.getppid() != 1:
        store.put_ratings(batch_of(label, n))
        pipe.send(n)
        n += 1


def all_ratings(store: Store) -> dict[tuple[str, str], Rating]:
    return {(r.user_id, r.movie_id): r for r in _flat(store)}


def _flat(store: Store) -> Iterator[Rating]:
    for batch in store.ratings(batch=7):
        yield from batch


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it has not become true"
        time.sleep(0.005)
