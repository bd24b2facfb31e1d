"""SIGKILL of the PostgreSQL server in the middle of writes: nothing acknowledged is lost."""

from __future__ import annotations

import threading

import pytest

from matinee.errors import StoreError
from matinee.stores import Rating
from postgres_support import own_server

WRITERS = 4
WRITES = 500
CRASHES = (300, 900, 1500)
"""Acknowledged writes after which the server is killed."""


@pytest.mark.extended
def test_kill_9_of_the_server_loses_nothing_acknowledged() -> None:
    with own_server() as server:  # with the settings that it has by default
        store = server.factory()()
        acknowledged: dict[tuple[str, str], int] = {}
        failed = 0
        crash, gone = threading.Semaphore(0), threading.Event()
        lock = threading.Lock()

        def write(worker: int) -> None:
            nonlocal failed
            for n in range(WRITES):
                while not gone.is_set():
                    try:
                        seq = store.put_ratings([Rating(f"w{worker}", f"m{n}", 3.0, n)], key=f"{worker}.{n}")
                    except StoreError:
                        failed += 1
                        gone.wait(0.01)
                        continue
                    with lock:
                        acknowledged[f"w{worker}", f"m{n}"] = seq
                        if len(acknowledged) in CRASHES:
                            crash.release()
                    break

        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            for _ in CRASHES:
                assert crash.acquire(timeout=120), "the writers do not get on"
                server.kill()
                server.start()
            for thread in threads:
                thread.join(120)
        finally:
            gone.set()
        assert failed, "no write met the crash"
        assert len(acknowledged) == WRITERS * WRITES
        changes = store.changes(0)
        assert changes.complete
        logged = {(change.user_id, change.movie_id): change.seq for change in changes.ratings}
        assert logged == acknowledged
        assert sorted(logged.values()) == list(range(1, WRITERS * WRITES + 1)), "each counts once, in order"
        assert store.seq() == WRITERS * WRITES
        for worker in range(WRITERS):
            assert len(store.user(f"w{worker}").ratings) == WRITES
        store.close()
