"""The bounded queue of requests: slots, turns of clients, patience, room, callers that leave."""

from __future__ import annotations

import asyncio
from time import perf_counter

import pytest

from matinee.api.fair_queue import FairQueue
from matinee.errors import OverloadedError


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_slots_are_given_in_turns_of_clients() -> None:
    async def play() -> list[str]:
        queue, order = FairQueue(1, 100, 60), []
        first = await queue.enter("x")

        async def visit(client: str, number: int) -> None:
            since = await queue.enter(client)
            order.append(f"{client}{number}")
            queue.leave(since)

        tasks = [asyncio.ensure_future(visit("a", n)) for n in range(4)]
        tasks += [asyncio.ensure_future(visit("b", n)) for n in range(2)]
        await settle()
        assert (queue.busy, queue.waiting, order) == (1, 6, [])
        queue.leave(first)
        await asyncio.gather(*tasks)
        assert (queue.busy, queue.waiting) == (0, 0)
        return order

    assert asyncio.run(play()) == ["a0", "b0", "a1", "b1", "a2", "a3"]


def test_a_full_queue_refuses_whoever_has_most_in_it() -> None:
    async def play() -> None:
        queue = FairQueue(1, 3, 60)
        since = await queue.enter("x")
        greedy = [asyncio.ensure_future(queue.enter("a")) for _ in range(3)]
        await settle()
        with pytest.raises(OverloadedError) as refused:
            await queue.enter("a")
        assert refused.value.retry_after >= 1
        modest = asyncio.ensure_future(queue.enter("b"))
        await settle()
        assert isinstance(greedy[2].exception(), OverloadedError)
        assert (queue.waiting, queue.refused) == (3, 2)
        for _ in range(3):
            queue.leave(since)
            await settle()
        assert all(task.done() for task in (greedy[0], modest, greedy[1]))
        queue.leave(since)
        assert (queue.busy, queue.waiting) == (0, 0)

    asyncio.run(play())


def test_patience_ends() -> None:
    async def play() -> float:
        queue = FairQueue(1, 10, 0.05)
        await queue.enter("x")
        start = perf_counter()
        with pytest.raises(OverloadedError, match="Try again in 1 second"):
            await queue.enter("x")
        assert queue.waiting == 0
        return perf_counter() - start

    assert asyncio.run(play()) >= 0.04


def test_who_would_wait_too_long_is_refused_at_once() -> None:
    async def play() -> None:
        queue = FairQueue(2, 100, 1.05)
        queue.mean = 0.4
        held = [await queue.enter("x") for _ in range(2)]
        waiting = [asyncio.ensure_future(queue.enter("a")) for _ in range(5)]
        await settle()
        assert queue.wait_for("a") == pytest.approx(6 * 0.4 / 2)
        assert queue.wait_for("b") == pytest.approx(2 * 0.4 / 2)  # after one of the other client
        with pytest.raises(OverloadedError):
            await queue.enter("a")
        entering = asyncio.ensure_future(queue.enter("b"))
        await settle()
        assert not entering.done()
        for task in [*waiting, entering]:
            task.cancel()
        await asyncio.gather(*waiting, entering, return_exceptions=True)
        assert (queue.busy, queue.waiting) == (2, 0)
        for since in held:
            queue.leave(since)

    asyncio.run(play())


def test_a_caller_that_leaves_as_its_slot_comes_gives_it_on() -> None:
    async def play() -> None:
        queue = FairQueue(1, 10, 60)
        since = await queue.enter("x")
        entering, next_one = asyncio.ensure_future(queue.enter("a")), asyncio.ensure_future(queue.enter("b"))
        await settle()
        queue.leave(since)  # a's turn has come, and its task has not run yet
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        assert entering.cancelled()
        since = await next_one
        queue.leave(since)
        assert (queue.busy, queue.waiting) == (0, 0)

    asyncio.run(play())


def test_nobody_waits_for_so_long_that_the_work_would_end_too_late() -> None:
    queue = FairQueue(1, 10, 0.6, within=1.0)
    assert queue.longest_wait == 0.6
    queue.mean, queue.deviation = 0.3, 0.15
    assert queue.longest_wait == pytest.approx(0.4)
    queue.mean = 2.0
    assert queue.longest_wait == pytest.approx(0.3)

    async def play() -> None:
        since = await queue.enter("x")
        with pytest.raises(OverloadedError):
            await queue.enter("a")
        queue.leave(since, counts=False)

    asyncio.run(play())


def test_the_mean_follows_durations() -> None:
    async def play() -> None:
        queue = FairQueue(1, 1, 1)
        queue.leave(await queue.enter("x") - 1.0)
        assert queue.mean == pytest.approx(1.0, abs=0.1)
        queue.leave(await queue.enter("x") - 2.0)
        assert queue.mean == pytest.approx(1.1, abs=0.1)
        assert queue.deviation == pytest.approx(0.1, abs=0.02)
        queue.leave(await queue.enter("x") - 9.0, counts=False)
        assert queue.mean == pytest.approx(1.1, abs=0.1)

    asyncio.run(play())
