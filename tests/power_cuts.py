"""Power cuts in the session of `fault_session` and in a training: each point, and what must be there after it."""

from __future__ import annotations

import copy
import hashlib
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from disk_model import Disk, Kept, write_out
from fault_layer import FaultLayer, Record
from fault_points import Part
from fault_session import Answer, Expectation, Stage, Step, Trainer, settings_of

KEPT: tuple[Kept, ...] = ("nothing", "data", "names", "some")


@dataclass(frozen=True)
class Sent:
    """A step that was sent, and how many calls had been made before it and at its answer."""

    step: Step
    before: int
    answered: int
    acknowledged: bool


@dataclass(frozen=True)
class Cut:
    """A state of the disk after a power cut.

    Attributes:
        after: the last call before it.
        kept: what was kept of that which was not synced.
        content: path → bytes; None: a folder.
        expected: what may be there.
    """

    after: int
    kept: Kept
    content: dict[str, bytes | None]
    expected: Expectation

    @property
    def digest(self) -> bytes:
        """The same for two cuts that leave the same files."""
        whole = hashlib.sha256()
        for name, data in sorted(self.content.items()):
            if not name.endswith("-shm"):  # which SQLite makes anew
                whole.update(f"{name}\0{-1 if data is None else len(data)}\0".encode())
                whole.update(data or b"")
        return whole.digest()


class PowerCuts:
    """A run that was recorded, and the power cuts that it may suffer.

    Args:
        stage: the folder.
        layer: under its processes.
        part: what to run.
        empty: begin without the folder of stores and posters, whose first write makes them.
    """

    def __init__(self, stage: Stage, layer: FaultLayer, part: Part, *, empty: bool = False) -> None:
        self.stage, self.part = stage, part
        stage.fresh()
        self._first = stage.expectation()
        if empty:
            shutil.rmtree(stage.home / "data" / "stores")
            for key in [key for key in self._first.values if key[0] == "rating"]:
                del self._first.values[key]
        trainer = Trainer(stage) if part == "training" else None
        if trainer is not None:
            trainer.train()
            stage.fresh()
        self._disk = Disk(stage.home)
        self._sent: list[Sent] = []
        self._trained: tuple[int, str] | None = None
        layer.start(stage.home, recording=True)
        if trainer is None:
            started = 0

            def visit(step: Step, answer: Answer) -> None:
                nonlocal started
                self._sent.append(Sent(step, started, layer.calls, answer.fine))
                started = layer.calls

            flaws = stage.play(visit)
            assert not flaws, flaws
        else:
            answer = trainer.train()
            assert answer is not None
            self._trained = layer.calls, answer["id"]
            trainer.close()
        layer.stop()
        self.records: list[Record] = list(layer.records())

    @property
    def acknowledged(self) -> int:
        """Steps that were acknowledged."""
        return sum(sent.acknowledged for sent in self._sent) + (self._trained is not None)

    def _expected(self, call: int) -> Expectation:
        expected = copy.deepcopy(self._first)
        for sent in self._sent:
            if sent.answered <= call:
                expected.take(sent.step, acknowledged=sent.acknowledged)
            elif sent.before <= call:
                expected.take(sent.step, acknowledged=False)
        if self._trained is not None:
            answered, new = self._trained
            expected.values["snapshot",] = {new} if answered <= call else {new, self.stage.newer}
        return expected

    def cuts(self, seed: int = 0, some: int = 1) -> Iterator[Cut]:
        """A cut after each call, for each way to keep what was not synced; `some` of those that keep any part."""
        chance, disk = random.Random(seed), self._disk
        for record, following in zip(self.records, [*self.records[1:], None], strict=True):
            disk.take(record)
            # After the last call of a step its answer may have come already.
            call = following.call - 1 if following is not None else max(record.call, 1 << 60)
            expected = self._expected(call)
            for kept in KEPT:
                for _ in range(some if kept == "some" else 1):
                    yield Cut(record.call, kept, disk.after_cut(kept, chance), expected)

    def check(self, cut: Cut, folder: Path) -> list[str]:
        """Open what a cut has left with a new server; what is lost, half there, or not served."""
        shutil.rmtree(folder, ignore_errors=True)
        write_out(cut.content, folder)
        return self.stage.check(cut.expected, settings_of(folder, self.stage.source))
