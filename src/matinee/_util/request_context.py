"""The request that is being answered: its id, its place in a trace, the times of its stages.

Ids follow a request from service to service: `X-Request-ID`, and `traceparent` of the W3C (Trace Context, level 2).
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from types import TracebackType
from typing import Literal

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
"""Ids of clients that are taken over; others are replaced, since ids are written into logs and headers."""
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACESTATE = re.compile(rb"[\x20-\x7e]{1,512}")
SAMPLED = 1
"""The flag of a trace that is recorded."""
_random = random.Random()
"""Ids need to be unique, not secret."""
_bits = _random.getrandbits
if hasattr(os, "register_at_fork"):  # else forked processes would all give the same ids
    os.register_at_fork(after_in_child=_random.seed)


class RequestContext:
    """One request, or one piece of work in the background.

    Attributes:
        request_id: the client's, else the trace id.
        trace_id: 32 hexadecimal digits, the same in all services that the request passes.
        parent_id: span of the caller, 16 digits; "" where the trace begins here.
        flags: of the trace; `SAMPLED` is its lowest bit.
        tracestate: handed on as it came.
        started: by `perf_counter`.
        observe: called with name and seconds of each finished stage where `stages` is None, as in the background.
        finished: it was answered; tasks that were started in it and outlive it are no part of it.
        stages: name, start and end (`perf_counter`) of finished stages, recorded with the answer.
    """

    __slots__ = (
        "_span_id",
        "finished",
        "flags",
        "observe",
        "parent_id",
        "request_id",
        "stages",
        "started",
        "trace_id",
        "tracestate",
    )

    def __init__(self, request_id: str = "", trace_id: str = "", parent_id: str = "", flags: int = SAMPLED) -> None:
        self.trace_id = trace_id or new_trace_id()
        self.request_id = request_id or self.trace_id
        self.parent_id, self.flags = parent_id, flags
        self._span_id = self.tracestate = ""
        self.started = perf_counter()
        self.observe: Callable[[str, float], None] | None = None
        self.finished = False
        self.stages: list[tuple[str, float, float]] | None = None

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
        """The context of a request with these headers (lower-case names); what is not valid in them is ignored."""
        request_id = trace = state = b""
        for name, value in headers:
            if name == b"x-request-id":
                request_id = value if REQUEST_ID.fullmatch(value) else b""
            elif name[:5] == b"trace":
                if name == b"traceparent":
                    trace = value
                elif name == b"tracestate":
                    state = value
        if not trace:
            return cls(request_id.decode())
        trace_id, parent_id, flags = _parsed(trace)
        context = cls(request_id.decode(), trace_id, parent_id, flags)
        if trace_id and _TRACESTATE.fullmatch(state):
            context.tracestate = state.decode()
        return context

    @property
    def span_id(self) -> str:
        """Span of this request; made when it is first asked for, as most answers need none."""
        if not self._span_id:
            self._span_id = new_span_id()
        return self._span_id

    @property
    def traceparent(self) -> str:
        """The header that makes what is called a part of this trace."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def new_trace_id() -> str:
    """32 random hexadecimal digits."""
    return "%032x" % (_bits(128) or 1)


def new_span_id() -> str:
    """16 random hexadecimal digits."""
    return "%016x" % (_bits(64) or 1)


def _parsed(header: bytes) -> tuple[str, str, int]:
    """Trace id, parent's span id and flags of a `traceparent`; a new trace where it is not valid."""
    match = _TRACEPARENT.fullmatch(header)
    if match is not None:
        version, trace_id, parent_id, flags, more = match.groups()
        # Of later versions the parts known now are read; version 00 has no others, and ff is forbidden.
        if version != b"ff" and not (version == b"00" and more) and trace_id.strip(b"0") and parent_id.strip(b"0"):
            return trace_id.decode(), parent_id.decode(), int(flags, 16) & SAMPLED
    return "", "", SAMPLED


current: ContextVar[RequestContext | None] = ContextVar("matinee_request", default=None)
"""The request that this code answers; None outside of one."""


def active() -> RequestContext | None:
    """The current request, unless it was answered already."""
    context = current.get()
    return None if context is None or context.finished else context


def outgoing_headers() -> dict[str, str]:
    """Headers for calls of other services on behalf of the current request; {} outside of one."""
    context = active()
    if context is None:
        return {}
    headers = {"x-request-id": context.request_id, "traceparent": context.traceparent}
    return headers | {"tracestate": context.tracestate} if context.tracestate else headers


@contextmanager
def background(observe: Callable[[str, float], None] | None = None) -> Iterator[RequestContext]:
    """A context of its own for work that answers no request."""
    context = RequestContext()
    context.observe = observe
    token = current.set(context)
    try:
        yield context
    finally:
        current.reset(token)


Stage = Literal["retrieve", "score", "rerank", "encode", "ocr", "store"]


class stage:  # noqa: N801 - used like a function
    """Measures a block: `with stage("score"): …`. Stages do not contain one another, so that their times add up.

    Args:
        name: retrieve (which movies may come, nearest vectors, titles), score (models), rerank (calibration,
            diversity), encode (texts and pictures to vectors) or store (reads and writes of it).
    """

    __slots__ = ("_name", "_start")

    def __init__(self, name: Stage) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._start = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        passed(self._name, self._start, perf_counter())


def passed(name: Stage, start: float, end: float) -> None:
    """Record a stage of the current request that was measured elsewhere (`perf_counter`)."""
    context = current.get()
    if context is None:
        return
    if context.stages is not None:
        context.stages.append((name, start, end))
    elif context.observe is not None:
        context.observe(name, end - start)
