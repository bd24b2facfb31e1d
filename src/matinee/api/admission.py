"""Which requests of the core service are worked on now, which wait, and which are refused: bounded queues by cost.

Requests that cost about as much share a queue, so that lists with reasons do not hold up a plain list, nor an import a
rating. A request that waits is dropped when its client disconnects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee._util.processors import processor_count
from matinee.api.body_reader import replaying
from matinee.api.cost import Cost, cost_of
from matinee.api.errors import kind_of, problem, status_of
from matinee.api.fair_queue import FairQueue
from matinee.errors import OverloadedError
from matinee.settings import Settings

ANSWERED_WITHIN = 1.0
"""Seconds from a list's request to its answer, be it that there are too many; where `max_wait` is longer, that much."""
STREAMS = 4
"""Streamed imports at a time, in one worker process."""


def queues_of(settings: Settings) -> dict[Cost, FairQueue]:
    """The queues of one worker process."""
    processors = max(1, processor_count() // settings.workers)
    wait = settings.max_wait
    within = max(ANSWERED_WITHIN, wait)
    return {
        "light": FairQueue(16, 512, wait),
        "list": FairQueue(2 * processors, 256, wait, within),
        "heavy": FairQueue(max(1, processors // 2), 64, wait, within),
        # Writes wait for the disk, and are committed in groups: many at a time take hardly longer than one.
        "write": FairQueue(32, 512, wait),
        "import": FairQueue(2, 32, max(wait, settings.busy_timeout)),
        # They last for minutes: nobody waits for the end of one.
        "stream": FairQueue(STREAMS, 1, wait),
    }


class Admission:
    """ASGI middleware: a request waits for a slot in the queue of its cost, or is refused (503 and `Retry-After`).

    Bodies have been received before (`body_reader`): a slow client holds no slot. The slot is given back with the
    first byte of the answer.
    """

    def __init__(self, app: ASGIApp, queues: Mapping[Cost, FairQueue]) -> None:
        self._app, self.queues = app, queues

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        cost = cost_of(scope["method"], scope["path"], scope["query_string"]) if scope["type"] == "http" else None
        if cost is None:
            return await self._app(scope, receive, send)
        queue = self.queues[cost]
        try:
            since, receive = await _enter(queue, scope, receive, watched=cost != "stream")
        except OverloadedError as error:
            headers = {"retry-after": str(error.retry_after)}
            status, kind = status_of(error), kind_of(error)
            answer = problem(status, str(error), instance=scope["path"], type=kind, headers=headers)
            return await answer(scope, receive, send)
        if since is None:
            return None
        held = True

        async def watch(message: Message) -> None:
            nonlocal held
            if held:
                held = False
                queue.leave(since)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            if held:
                queue.leave(since)


async def _enter(queue: FairQueue, scope: Scope, receive: Receive, *, watched: bool) -> tuple[float | None, Receive]:
    """When the slot was given (None: the client left before), and a `receive` that gives what came meanwhile.

    Args:
        watched: whether to look if the client leaves, which takes in what it sends.

    Raises:
        OverloadedError: the request is refused.
    """
    client = scope["client"][0] if scope.get("client") else ""
    if queue.free or not watched:
        return await queue.enter(client), receive
    messages: list[Message] = []

    async def gone() -> None:
        while not messages or messages[-1]["type"] != "http.disconnect":
            messages.append(await receive())

    entering, leaving = asyncio.ensure_future(queue.enter(client)), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((entering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not entering.done():
            return None, receive
        return entering.result(), replaying(messages, receive)
    finally:
        for task in (entering, leaving):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
