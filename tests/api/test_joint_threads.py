"""Requests that wait are begun together: which, what becomes of failures and of those that left, and their lists."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from api_support import Client
from matinee.api.joint_threads import FEWEST, MOST, JointThreads, JointWork
from matinee.api.list_work import ListWork
from matinee.engine import Engine
from matinee.engine.types import Request
from matinee.models.blend import Blend, shortlist


class Work(JointWork[int]):
    """Notes what is begun together and what is done."""

    begun: list[list[int]]
    done: list[int]

    def __init__(self, number: int, fails: bool = False, gate: threading.Event | None = None) -> None:
        self.number, self.fails, self.gate = number, fails, gate

    def __call__(self) -> int:
        if self.gate is not None:
            assert self.gate.wait(90)
        if self.fails:
            raise ValueError(str(self.number))
        self.done.append(self.number)
        return self.number

    def together(self, works: Sequence[JointWork[Any]]) -> None:
        numbers = [work.number for work in works if isinstance(work, Work)]
        self.begun.append(numbers)
        if 66 in numbers:
            raise ZeroDivisionError


@pytest.fixture(autouse=True)
def fresh() -> None:
    Work.begun, Work.done = [], []


def results_of(works: Sequence[Work], leave: Callable[[list[asyncio.Task[int]]], None] = lambda _: None) -> list[Any]:
    """What each piece of work gives or raises where all wait for a first one, and the seconds told."""

    async def run() -> list[Any]:
        told: list[str] = []
        thread, gate = JointThreads(lambda _, key: told.append(key)), threading.Event()
        first = asyncio.create_task(thread.run(Work(0, gate=gate), "first"))
        await asyncio.sleep(0)  # it waits in the thread, or is the first to get there
        while thread._waiting:
            await asyncio.sleep(0.001)
        tasks = [asyncio.create_task(thread.run(work, str(work.number))) for work in works]
        await asyncio.sleep(0)
        leave(tasks)
        await asyncio.sleep(0)
        gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert await first == 0
        return found

    return asyncio.run(run())


def test_what_waits_is_begun_together_and_in_order() -> None:
    n = MOST + FEWEST
    assert results_of([Work(number) for number in range(1, n + 1)]) == list(range(1, n + 1))
    assert Work.begun == [list(range(1, MOST + 1)), list(range(MOST + 1, n + 1))]
    assert Work.done == list(range(n + 1))


@pytest.mark.parametrize("n", [1, FEWEST - 1])
def test_few_that_wait_are_begun_one_by_one(n: int) -> None:
    assert results_of([Work(number) for number in range(1, n + 1)]) == list(range(1, n + 1))
    assert Work.begun == []


def test_a_failure_is_that_of_one_request() -> None:
    found = results_of([Work(1), Work(2, fails=True), Work(3)])
    assert (found[0], found[2], type(found[1]), str(found[1])) == (1, 3, ValueError, "2")


def test_a_panic_is_heard_of_and_work_goes_on() -> None:
    class Panic(BaseException):
        """As of a library in Rust."""

    class Panicking(Work):
        def __call__(self) -> int:
            raise Panic

    found = results_of([Work(1), Panicking(2), Work(3)])
    assert (found[0], type(found[1]), found[2]) == (1, Panic, 3)


def test_what_cannot_be_begun_together_is_done_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "matinee.api"):
        assert results_of([Work(1), Work(66), Work(3), Work(4)]) == [1, 66, 3, 4]
    assert "begun together" in caplog.text


def test_work_whose_client_left_is_not_begun() -> None:
    works = [Work(number) for number in range(1, FEWEST + 2)]
    found = results_of(works, lambda tasks: [task.cancel() for task in tasks[1:2]] and None)
    assert (type(found[1]), [found[0], *found[2:]]) == (asyncio.CancelledError, [1, 3, 4, 5])
    assert (Work.begun, Work.done) == ([[1, 3, 4, 5]], [0, 1, 3, 4, 5])


def test_it_begins_again_after_it_was_idle() -> None:
    async def run() -> list[int]:
        thread = JointThreads(lambda *_: None)
        return [await thread.run(Work(number)) for number in range(3)]

    assert asyncio.run(run()) == [0, 1, 2]


def test_work_goes_on_in_another_event_loop() -> None:
    """As when an application is started again in the same process."""
    threads = JointThreads(lambda *_: None)
    for number in range(50):
        assert asyncio.run(asyncio.wait_for(threads.run(Work(number)), 30)) == number


def test_several_threads_beside_other_work() -> None:
    """Two pieces of work that wait for each other come to their end only in two threads."""
    meeting = threading.Barrier(2, timeout=90)

    class Meeting(Work):
        def __call__(self) -> int:
            return meeting.wait()

        def together(self, works: Sequence[JointWork[Any]]) -> None:
            raise AssertionError("each is alone")

    async def run() -> list[int]:
        threads = JointThreads(lambda *_: None, lambda: True)
        first = asyncio.ensure_future(threads.run(Meeting(1)))
        while not meeting.n_waiting:
            await asyncio.sleep(0)
        return [await threads.run(Meeting(2)), await first]

    assert sorted(asyncio.run(run())) == [0, 1]


def alike(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> None:
    """The same lists, up to the rounding of sums."""
    assert [{**item, "score": 0} for item in one] == [{**item, "score": 0} for item in two]
    assert [item["score"] for item in one] == pytest.approx([item["score"] for item in two], abs=5e-6)


def test_lists_made_together_are_those_made_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of known and unknown users, with and without a model, a model that does not exist, and lists that are no plain
    ones."""
    monkeypatch.setattr(shortlist, "WORTH", 0)
    view, counted = engine.request_view(), list[int]()
    whole = Blend.score_together

    def counting(self: Blend, queries: Sequence[Any], size: int) -> None:
        counted.append(len(queries))
        whole(self, queries, size)

    monkeypatch.setattr(Blend, "score_together", counting)
    asked = [(f"u{number}", Request(n=5)) for number in range(6)]
    asked += [("nobody", Request(n=5)), ("u7", Request(n=3, diversity=0.5)), ("u8", Request(n=4, model="blend"))]
    alone = [ListWork(engine, view, *one)() for one in asked]
    works = [ListWork(engine, view, *one) for one in [*asked, ("u9", Request(n=5, model="nope"))]]
    works[0].together(works)
    for work, one in zip(works[:-1], alone, strict=True):
        alike(orjson.loads(work().body)["items"], orjson.loads(one.body)["items"])
    assert counted == [7]  # neither nobody's nor the diverse one


def test_a_server_answers_together_as_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many requests at once, through the whole application, with a limit under which all work takes the thread."""
    monkeypatch.setattr(shortlist, "WORTH", 0)
    executor = client.app.service.executor  # type: ignore[attr-defined]
    executor.limit, executor.mean = 0.0, 1.0
    paths = [f"/v1/users/u{number}/recommendations?n=5" for number in range(20)]
    alone = [client.get(path).json()["items"] for path in paths]
    client.app.service.cache = type(client.app.service.cache)(0)  # type: ignore[attr-defined]
    found: dict[str, Any] = {}

    def ask(path: str) -> None:
        found[path] = client.get(path).json()["items"]

    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[item["movie_id"] for item in found[path]] for path in paths] == [
        [item["movie_id"] for item in items] for items in alone
    ]
