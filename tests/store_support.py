"""What the store tests share, importable in child processes (the test modules themselves are not)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

import elasticsearch_support
import postgres_support
from matinee.data.catalog import Movie
from matinee.stores import MovieVector, Rating, SqliteStore, Store

BATCHES = (*[3] * 15, 210)
"""Ratings of the writes, in turn; SQLite stages many of them."""


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
    return [Rating(f"{label}-{part}", f"m{n}", 1.0 + n % 4, n) for part in range(BATCHES[n % len(BATCHES)])]


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


def until(true: Callable[[], object], seconds: float = 90) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it has not become true"
        time.sleep(0.005)


NFC, NFD = "Zo\u00eb", "Zoe\u0308"
"""The same name in two forms."""


def write_both_forms(store: Store) -> int:
    """Write what an earlier version may have written, with ids in both forms. Returns the sequence number."""
    store.put_ratings([Rating(NFC, "1", 1.0, 1), Rating(NFD, "1", 2.0, 2), Rating(NFD, "2", 3.0, 3)])
    store.put_ratings([Rating(NFC, NFD, 4.0, 4), Rating("u", "1", 5.0, 5)])
    store.put_movies([Movie(movie_id="x", title="X").model_copy(update={"movie_id": NFD})])
    store.put_vectors([MovieVector(NFD, "poster", "e", np.ones(2, dtype=np.float32))])
    return store.seq()


SHOWN_BEFORE = (
    f"INSERT INTO exposures (user_id, timestamp, snapshot, model, movie_ids) VALUES ('{NFD}', 6, 's', 'm', '[]')"
)
"""A list that was shown, as `write_both_forms` would write it if the version had the table of today."""


def check_one_form(store: Store, before: int) -> None:
    """What must have become of it."""
    stars = {movie_id: rating.rating for movie_id, rating in store.user(NFC).ratings.items()}
    assert stars == {"1": 2.0, "2": 3.0, NFC: 4.0}
    assert store.user(NFD).version == 0
    assert store.user("u").ratings["1"].rating == 5.0
    (((movie_id, movie),),) = [store.movies()]
    assert movie_id == NFC
    assert movie is not None
    assert movie.movie_id == NFC
    assert [vector.movie_id for vector in store.vectors()] == [NFC]
    assert len(store.exposures(NFC)) == 1
    assert store.seq() == before + 1
    assert not store.changes(before).complete
