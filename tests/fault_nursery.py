"""Processes that start in a few milliseconds: forked from one that has imported everything and opened nothing.

Run as a program it is that process: it reads one command a line, a function of this module with its arguments as JSON,
and answers with the process id of the child that runs it, or with the exit status of one that it is told to wait for.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self


# --- what children do ---------------------------------------------------------------------------------------------
def serve(settings: dict[str, Any]) -> None:
    """The core service."""
    from matinee.api.serve import serve as run
    from matinee.settings import Settings

    run(Settings(**settings))


def train(settings: dict[str, Any], source: str, answer: str, promote: bool = True) -> None:
    """Training; the id of the snapshot, or the error, is written to the file `answer`."""
    from matinee.errors import MatineeError
    from matinee.settings import Settings
    from matinee.training.pipeline import train as run

    try:
        outcome = {"id": run(Settings(**settings), source, promote=promote, measure=False)}
    except MatineeError as error:
        outcome = {"error": str(error)}
    Path(answer).write_text(json.dumps(outcome), encoding="utf-8")


def train_often(settings: dict[str, Any], source: str, answer: str, gates: list[str]) -> None:
    """Training for each line from the first gate; its end is told at the second. Models are fitted once."""
    from matinee.training import pipeline

    fit = pipeline.fit_lineup
    fitted: list[Any] = []

    def fit_once(*arguments: Any) -> Any:
        if not fitted:
            fitted.append(fit(*arguments))
        return fitted[0]

    pipeline.fit_lineup = fit_once  # type: ignore[assignment]
    with open(gates[0]) as requests, open(gates[1], "w") as answers:  # noqa: PTH123
        for _ in requests:
            train(settings, source, answer)
            print("done", file=answers, flush=True)


# --- the process --------------------------------------------------------------------------------------------------
def _child(words: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = os.open(words["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.setsid()
    status = 1
    try:
        globals()[words["what"]](**words["arguments"])
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    import matinee.api.app
    import matinee.api.serve
    import matinee.stores.sqlite
    import matinee.training.pipeline  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        words = json.loads(line)
        if "wait" in words:
            _, status = os.waitpid(words["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if not pid:
            _child(words)
        print(pid, flush=True)


class Nursery:
    """The process that starts others.

    Args:
        log: file of what they print.
        environment: variables besides those of this process.
    """

    def __init__(self, log: Path, environment: dict[str, str] | None = None) -> None:
        self.log = log
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MATINEE_", "COVERAGE_"))}
        quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=kept | quiet | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._running: set[int] = set()
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, f"the process that starts others has ended: {self.log}"
        return line

    def _ask(self, **words: Any) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def start(self, what: str, **arguments: Any) -> int:
        """Start a child that runs a function of this module; its process id."""
        pid = self._ask(what=what, arguments=arguments, log=os.fspath(self.log))
        self._running.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        """Wait until a child ends; its exit status, negative for a signal."""
        self._running.discard(pid)
        return self._ask(wait=pid)

    def kill(self, pid: int) -> None:
        """Kill a child with all that it started."""
        if pid in self._running:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:  # it has not become the first of its group yet
                os.kill(pid, signal.SIGKILL)
            self.wait(pid)

    def run(self, what: str, **arguments: Any) -> int:
        """Run a child to its end; its exit status."""
        return self.wait(self.start(what, **arguments))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in list(self._running):
            self.kill(pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def until(check: Any, seconds: float = 90.0, step: float = 0.005) -> Any:
    """The first true answer of a check, asked again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if outcome := check():
            return outcome
        time.sleep(step)
    raise AssertionError(f"not so within {seconds:g} seconds")


if __name__ == "__main__":
    main()
