"""A bounded queue of requests: a few are worked on, some wait, clients take turns, and the rest is refused."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from time import perf_counter

from matinee.errors import OverloadedError

_MEMORY = 0.1
"""Weight of the newest request in the mean duration."""
_DEVIATIONS = 2.0
"""Mean deviations by which a long request exceeds the mean, as retransmission timers of TCP have it (RFC 6298)."""
_LEAST = 0.5
"""Share of its patience that a request has in any case: a slow machine answers late rather than hardly anybody."""


class FairQueue:
    """Admits requests. Only for the event loop's thread.

    Clients take turns, each with its oldest request: one that sends a thousand requests delays the others by one of
    its own. Where the queue is full, the client that has most in it gives way.

    Args:
        slots: requests that are worked on at the same time.
        max_waiting: requests that wait.
        patience: seconds that a request waits at most. One that would wait longer, by the mean duration of the
            requests before it, is refused at once.
        within: seconds from its coming to its answer; it waits for no longer than leaves time for the work on it.
    """

    def __init__(self, slots: int, max_waiting: int, patience: float, within: float = float("inf")) -> None:
        self.slots, self.max_waiting, self.patience, self.within = slots, max_waiting, patience, within
        self.busy = 0
        """Requests that are worked on."""
        self.waiting = 0
        self.refused = 0
        """Requests refused since the start."""
        self.mean = 0.0
        """Mean seconds that a request keeps its slot."""
        self.deviation = 0.0
        """Mean seconds by which that differs from the mean."""
        self._clients: OrderedDict[str, deque[asyncio.Future[float]]] = OrderedDict()

    @property
    def free(self) -> bool:
        """Whether a request gets a slot without waiting."""
        return self.busy < self.slots and not self.waiting

    @property
    def longest_wait(self) -> float:
        """Seconds that a request waits at most, as things are."""
        left = self.within - (self.mean + _DEVIATIONS * self.deviation)
        return min(self.patience, max(left, _LEAST * self.patience))

    async def enter(self, client: str) -> float:
        """Wait for a slot; `leave` gives it back. A caller that is canceled while it waits has no slot.

        Returns:
            the time (`perf_counter`) at which the slot was given, for `leave`.

        Raises:
            OverloadedError: there is no room, or the wait is too long (503).
        """
        if self.free:
            self.busy += 1
            return perf_counter()
        longest = self.longest_wait
        if self.wait_for(client) > longest or (self.waiting >= self.max_waiting and not self._make_room(client)):
            raise self._refuse()
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[float] = loop.create_future()
        self._clients.setdefault(client, deque()).append(turn)
        self.waiting += 1
        timer = loop.call_later(longest, self._give_up, client, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(turn.result(), counts=False)  # it got its slot in the same round of the loop
            else:
                self._remove(client, turn)
            raise
        finally:
            timer.cancel()

    def leave(self, since: float, *, counts: bool = True) -> None:
        """Give a slot back.

        Args:
            since: what `enter` returned.
            counts: whether the duration says something about later requests.
        """
        if counts:
            took = perf_counter() - since
            self.deviation += _MEMORY * (abs(took - self.mean) - self.deviation) if self.mean else 0.0
            self.mean += _MEMORY * (took - self.mean) if self.mean else took
        self.busy -= 1
        self._next()

    def wait_for(self, client: str) -> float:
        """Seconds that the next request of a client will wait, about."""
        own = len(self._clients.get(client, ()))
        before = own + sum(min(len(queue), own + 1) for name, queue in self._clients.items() if name != client)
        free = self.slots - self.busy
        return max(before + 1 - free, 0) * self.mean / self.slots

    def _next(self) -> None:
        while self._clients and self.busy < self.slots:
            client, queue = next(iter(self._clients.items()))
            turn = queue.popleft()
            self.waiting -= 1
            if queue:
                self._clients.move_to_end(client)
            else:
                del self._clients[client]
            if not turn.done():
                self.busy += 1
                turn.set_result(perf_counter())

    def _make_room(self, client: str) -> bool:
        """Refuse the newest request of the client that has most in the queue, unless it is this client."""
        greedy = max(self._clients, key=lambda name: len(self._clients[name]))
        if len(self._clients[greedy]) <= len(self._clients.get(client, ())) + 1:
            return False
        turn = self._clients[greedy][-1]
        self._remove(greedy, turn)
        if not turn.done():
            turn.set_exception(self._refuse())
        return True

    def _give_up(self, client: str, turn: asyncio.Future[float]) -> None:
        if not turn.done():
            self._remove(client, turn)
            turn.set_exception(self._refuse())

    def _remove(self, client: str, turn: asyncio.Future[float]) -> None:
        queue = self._clients.get(client)
        if queue is not None and turn in queue:
            queue.remove(turn)
            self.waiting -= 1
            if not queue:
                del self._clients[client]

    def _refuse(self) -> OverloadedError:
        self.refused += 1
        seconds = max(1, round(self.waiting * self.mean / self.slots + 0.5))
        return OverloadedError(
            "The service has more requests of this kind than it can answer now.",
            f"Try again in {seconds} second{'s' if seconds > 1 else ''}.",
            retry_after=seconds,
        )
