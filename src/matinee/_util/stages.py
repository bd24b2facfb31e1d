"""Time of the stages of an answer. They are reported to whoever answers the request, and to nobody outside of one."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import Literal

from matinee._util.request_context import current

Stage = Literal["retrieve", "score", "rerank", "encode", "store"]


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
        context = current.get()
        if context is None or context.observe is None:
            return
        end = perf_counter()
        context.observe(self._name, end - self._start)
        if context.stages is not None:
            context.stages.append((self._name, self._start, end))
