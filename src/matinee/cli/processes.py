"""Processes beside this one, and the terminal that they share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from matinee.cli.console import INTERRUPTED, CliExit, notes

PATIENCE = 15.0
"""Seconds that a companion gets to end."""


class ChildProcess:
    """A command that runs beside this process, ends with it, and hears no Ctrl-C of its own.

    Its standard input is a pipe from here, which closes however this process ends: see `end_with_stdin`.

    Args:
        words: of the command line after `matinee`.
    """

    def __init__(self, *words: str) -> None:
        self.ending = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "matinee", *words], stdin=subprocess.PIPE, start_new_session=os.name == "posix"
        )

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Until it ends; its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """End it."""
        self.ending.set()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def end_with_stdin() -> None:
    """Have this process end as by SIGTERM once its standard input closes: when the one that started it is gone."""

    def watch() -> None:
        # Not sys.stdin, whose lock would be held when the interpreter ends.
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end with stdin", daemon=True).start()


def in_a_process_of_its_own(*words: str) -> None:
    """Run another command and return once it is done: a server should not carry the memory that training took.

    Raises:
        typer.Exit: it failed, and has said why.
    """
    sys.stdout.flush()
    asked: list[int] = []
    process = subprocess.Popen([sys.executable, "-m", "matinee", *words])
    before = {sig: signal.signal(sig, lambda sig, _: asked.append(sig)) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        while process.poll() is None:
            heard = bool(asked)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
                break
            # A terminal tells both, and the other has had a second; who told this process alone means both.
            if heard:
                process.terminate()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
    if process.returncode < 0 and (screen := notes()).is_terminal:
        screen.show_cursor(True)  # the progress bar could not put it back
    if asked:  # whatever became of it: done a moment before, stopped by the signal, or ended from here
        if process.returncode == INTERRUPTED:
            raise CliExit(INTERRUPTED)
        raise typer.Exit(128 + asked[0])
    if process.returncode:
        raise typer.Exit(process.returncode if process.returncode > 0 else 128 - process.returncode)


@contextmanager
def own_terminal_group() -> Iterator[None]:
    """Under make on a terminal: be the foreground process group, so that Ctrl-C reaches this program alone.

    make dies of any Ctrl-C that reaches it ("*** Interrupt", exit code 130), however well its recipe ends.
    """
    if os.name != "posix" or not os.environ.get("MAKELEVEL") or not os.isatty(0) or os.getpgrp() == os.getpid():
        yield
        return
    group = os.getpgrp()
    try:
        if os.tcgetpgrp(0) != group:
            yield
            return
    except OSError:
        yield
        return
    old = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # tcsetpgrp from the background would stop us
    stop = signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # the shell could not continue a group that it does not know
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    try:
        yield
    finally:
        with suppress(OSError):
            os.tcsetpgrp(0, group)
            os.setpgid(0, group)
        signal.signal(signal.SIGTTOU, old)
        signal.signal(signal.SIGTSTP, stop)
