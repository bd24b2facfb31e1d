"""Writes of several threads in one commit: who shares it, whose error is whose, and what an interruption leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from matinee.databases.lifetime import Lifetime
from matinee.errors import InvalidInputError, StoreError
from matinee.stores.group_commit import MAX_WEIGHT, GroupCommit, Job, run
from store_support import until

Words = Job[list[str], int]


class Notebook:
    """Stores words, whole groups at a time; the first commit waits for `opened`."""

    def __init__(self, by_one: Callable[[Exception], bool]) -> None:
        self.opened = threading.Event()
        self.groups: list[list[str]] = []
        self.writes = GroupCommit(self._commit, Lifetime(), by_one)

    def _commit(self, jobs: list[Words]) -> None:
        assert self.opened.wait(90)
        group: list[str] = []
        run(jobs, group)
        self.groups.append(group)

    def put(self, word: str, **options: int) -> int:
        def work(group: list[str]) -> int:
            if word == "refused":
                raise InvalidInputError("This word is refused.")
            if word == "broken":
                raise ZeroDivisionError
            if word == "interrupted":
                raise KeyboardInterrupt
            group.append(word)
            return len(group)

        result: int = self.writes.write(Job(work=work, **options))
        return result


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def notebook() -> Notebook:
    return Notebook(lambda error: isinstance(error, ZeroDivisionError))


def queued(notebook: Notebook, pool: ThreadPoolExecutor, *words: str | tuple[str, dict[str, int]]) -> list[Future[int]]:
    """Results of words that come, in this order, while the commit of "first" is under way."""
    futures = [pool.submit(notebook.put, "first")]
    deadline = time.monotonic() + 90
    while not notebook.writes._busy and time.monotonic() < deadline:
        time.sleep(0.001)
    while notebook.writes._queue and time.monotonic() < deadline:
        time.sleep(0.001)
    for number, given in enumerate(words, 1):
        word, options = (given, {}) if isinstance(given, str) else given
        futures.append(pool.submit(notebook.put, word, **options))
        while len(notebook.writes._queue) < number and time.monotonic() < deadline:
            time.sleep(0.001)
    notebook.opened.set()
    return futures


def test_what_comes_during_a_commit_shares_the_next(notebook: Notebook, pool: ThreadPoolExecutor) -> None:
    assert [future.result(90) for future in queued(notebook, pool, "a", "b", "c")] == [1, 1, 2, 3]
    assert notebook.groups == [["first"], ["a", "b", "c"]]


def test_a_refused_write_leaves_the_commit_to_the_others(notebook: Notebook, pool: ThreadPoolExecutor) -> None:
    _, a, refused, b = queued(notebook, pool, "a", "refused", "b")
    with pytest.raises(InvalidInputError):
        refused.result(90)
    assert (a.result(90), b.result(90)) == (1, 2)
    assert notebook.groups == [["first"], ["a", "b"]]


def test_where_one_breaks_the_commit_each_is_committed_alone(notebook: Notebook, pool: ThreadPoolExecutor) -> None:
    _, a, broken, b = queued(notebook, pool, "a", "broken", "b")
    with pytest.raises(ZeroDivisionError):
        broken.result(90)
    assert (a.result(90), b.result(90)) == (1, 1)
    assert notebook.groups == [["first"], ["a"], ["b"]]


def test_where_the_store_is_away_all_fail(pool: ThreadPoolExecutor) -> None:
    notebook = Notebook(lambda error: False)
    _, a, broken = queued(notebook, pool, "a", "broken")
    for future in (a, broken):
        with pytest.raises(ZeroDivisionError):
            future.result(90)
    assert notebook.groups == [["first"]]


def test_an_interrupted_writer_does_not_hold_the_others_up(notebook: Notebook, pool: ThreadPoolExecutor) -> None:
    _, interrupted, a = queued(notebook, pool, "interrupted", "a")
    errors = [future.exception(30) for future in (interrupted, a)]
    assert {type(error) for error in errors} == {KeyboardInterrupt, StoreError}
    assert notebook.put("later") == 1


def test_large_writes_and_those_that_want_it_are_alone(notebook: Notebook, pool: ThreadPoolExecutor) -> None:
    words = ("a", ("large", {"weight": MAX_WEIGHT}), "b", ("alone", {"alone": True}), "c")
    for future in queued(notebook, pool, *words):
        future.result(90)
    assert notebook.groups == [["first"], ["a"], ["large"], ["b"], ["alone"], ["c"]]


def test_who_waited_for_a_locked_store_fails_with_the_commit_that_waited() -> None:
    """Each would wait as long again. Who came late is not to blame, and tries."""

    class LockedError(Exception):
        pass

    held, attempts = threading.Event(), []

    def commit(jobs: list[Job[Any, Any]]) -> None:
        attempts.append(len(jobs))
        if len(attempts) == 1:
            assert held.wait(90)
            jobs[0].queued -= 1000
            raise LockedError
        if len(attempts) == 2:
            raise LockedError  # too early for the last one, which is tried again
        run(jobs, None)

    writes: GroupCommit[Job[Any, Any]] = GroupCommit(
        commit, Lifetime(), locked=lambda error: isinstance(error, LockedError), patience=500
    )

    def put() -> object:
        return writes.write(Job(work=lambda _: "stored"))

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(put)
        until(lambda: attempts == [1])
        early = [pool.submit(put) for _ in range(2)]
        until(lambda: len(writes._queue) == 2)
        late = pool.submit(put)
        until(lambda: len(writes._queue) == 3)
        for job, seconds in zip(writes._queue, (-1000, -1000, 1000), strict=True):
            job.queued += seconds  # as if the first two had come long before the last
        held.set()
        for future in (first, *early):
            with pytest.raises(LockedError):
                future.result(90)
        assert late.result(90) == "stored"
    assert attempts == [1, 1, 1]


def test_many_threads_write_and_none_hangs() -> None:
    stored: list[int] = []

    def commit(jobs: list[Job[Any, Any]]) -> None:
        run(jobs, stored)

    writes: GroupCommit[Job[Any, Any]] = GroupCommit(commit, Lifetime())

    def put(start: int) -> None:
        for n in range(start, start + 50):
            writes.write(Job(work=lambda target, n=n: target.append(n)))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(0, 800, 50)))
    assert sorted(stored) == list(range(800))
    assert not writes._busy
    assert not writes._queue
