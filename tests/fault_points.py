"""A fault at one call: of the session of `fault_session`, or of a training; and what comes of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from fault_layer import SHORT, FaultLayer
from fault_session import Answer, Stage, Step, Trainer

Part = Literal["session", "training"]
ERRORS_OF_POINTS: dict[str, tuple[int, bool]] = {
    "ENOSPC": (errno.ENOSPC, False),
    "ENOSPC-stays": (errno.ENOSPC, True),
    "EIO": (errno.EIO, False),
    "EIO-stays": (errno.EIO, True),
    "short": (SHORT, False),
    "short-stays": (SHORT, True),
}
"""Name → errno, and whether it stays."""


@dataclass
class Outcome:
    """What came of a fault.

    Attributes:
        where: the call that failed, and its path.
        hit: whether one failed.
        faults: what was lost, half there, not served, or told badly.
    """

    where: str
    hit: bool
    acknowledged: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


def points(calls: list[str], error: str, start: int = 1, every: int = 1) -> Iterator[int]:
    """Numbers of the calls to fail, from 1: all of them, or every k-th; writes alone where they are to be short."""
    numbers = [n for n, call in enumerate(calls, 1) if n >= start and ("short" not in error or call == "WRITE")]
    yield from numbers[::every]


class Sweep:
    """Runs a part with a fault at one point, and looks at what is left.

    Args:
        stage: the folder.
        layer: under its processes.
    """

    def __init__(self, stage: Stage, layer: FaultLayer) -> None:
        self.stage, self.layer = stage, layer
        self._trainer: Trainer | None = None
        self._calls: dict[Part, list[str]] = {}

    def close(self) -> None:
        """End what waits."""
        if self._trainer is not None:
            self._trainer.close()

    def calls(self, part: Part) -> list[str]:
        """The kinds of all calls of a part, in order, where nothing fails."""
        if part in self._calls:
            return self._calls[part]
        outcome = self.run(part, "EIO", 0)
        assert not outcome.faults, outcome.faults
        kinds: dict[int, str] = {}
        for record in self.layer.records():
            kinds.setdefault(record.call, record.kind.name)
        self._calls[part] = [kinds.get(call, "OTHER") for call in range(1, self.layer.calls + 1)]
        return self._calls[part]

    def run(self, part: Part, error: str, point: int) -> Outcome:
        """Run a part in which one call fails; 0: none, and all calls are recorded."""
        number, stays = ERRORS_OF_POINTS[error]
        return (self._session if part == "session" else self._train)(number, point, stays)

    def _start(self, error: int, point: int, stays: bool) -> None:
        self.layer.start(self.stage.home, point, error, sticky=stays, recording=not point)

    def _session(self, error: int, point: int, stays: bool) -> Outcome:
        self.stage.fresh()
        expected, refused = self.stage.expectation(), 0

        def visit(step: Step, answer: Answer) -> None:
            nonlocal refused
            refused += not answer.fine
            expected.take(step, acknowledged=answer.fine)

        self._start(error, point, stays)
        flaws = self.stage.play(visit)
        outcome = Outcome(self.layer.hit, self.layer.hits > 0, expected.acknowledged, refused, flaws)
        self.layer.stop()
        outcome.faults += self.stage.check(expected)
        return outcome

    def _train(self, error: int, point: int, stays: bool) -> Outcome:
        self.stage.fresh()
        if self._trainer is None:
            self._trainer = Trainer(self.stage)
            self._trainer.train()
            self.stage.fresh()
        self._start(error, point, stays)
        answer = self._trainer.train()
        outcome = Outcome(self.layer.hit, self.layer.hits > 0)
        self.layer.stop()
        if answer is None:
            outcome.faults.append("training ended with a traceback")
            answer = {}
        outcome.acknowledged, outcome.refused = int("id" in answer), int("error" in answer)
        expected = self.stage.expectation()
        new = self.stage.newest()
        if "id" in answer:
            expected.values["snapshot",] = {answer["id"]}
        elif new is not None:
            expected.values["snapshot",].add(new)
        outcome.faults += self.stage.check(expected)
        outcome.faults += [f"left behind: {name}" for name in self.stage.leftovers()]
        return outcome
