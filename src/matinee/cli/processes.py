"""Child processes, and the terminal that they share with this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import typer

from matinee.cli.console import INTERRUPTED, CliExit, notes

PATIENCE = 15.0
"""Seconds that a child process gets to exit."""


class ChildProcess:
    """A command in a child process, which ends with this process and does not receive Ctrl-C itself.

    Its standard input is a pipe from this process, which closes when this process ends; see `end_with_stdin`.

    Args:
        arguments: command line arguments after `matinee`.
        insecure: it may serve other machines without API keys.
        output: where it prints to; None: where this process does.
        nice: how much it lets other processes go first, where the system knows that (POSIX, 0..19).
    """

    def __init__(self, *arguments: str, insecure: bool = False, output: IO[bytes] | None = None, nice: int = 0) -> None:
        self.is_stopping = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "matinee", *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=os.environ | ({"MATINEE_INSECURE": "1"} if insecure else {}),
            start_new_session=os.name == "posix",
        )
        if nice and os.name == "posix":
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, nice)

    @property
    def is_running(self) -> bool:
        """Whether it is still running."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait until it exits. Returns the exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """Terminate it, or kill it after `PATIENCE` seconds."""
        self.is_stopping.set()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def end_with_stdin() -> None:
    """Send SIGTERM to this process when its standard input closes, which means that the parent has ended."""

    def watch() -> None:
        # Not sys.stdin, whose lock would be held at interpreter shutdown.
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end with stdin", daemon=True).start()


def in_a_process_of_its_own(*arguments: str) -> None:
    """Run another command in a child process and wait for it, so that a server does not keep the memory of training.

    Raises:
        typer.Exit: it failed, and has printed the reason.
    """
    sys.stdout.flush()
    received: list[int] = []
    process = subprocess.Popen([sys.executable, "-m", "matinee", *arguments])
    before = {sig: signal.signal(sig, lambda sig, _: received.append(sig)) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        while process.poll() is None:
            interrupted = bool(received)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
                break
            # A terminal signals both processes, and the child has had a second. Otherwise forward the signal.
            if interrupted:
                process.terminate()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
    if process.returncode < 0 and (screen := notes()).is_terminal:
        screen.show_cursor(True)  # the progress bar could not restore it
    if received:  # whether the child had finished, was stopped by the signal, or was terminated above
        if process.returncode == INTERRUPTED:
            raise CliExit(INTERRUPTED)
        raise typer.Exit(128 + received[0])
    if process.returncode:
        raise typer.Exit(process.returncode if process.returncode > 0 else 128 - process.returncode)


@contextmanager
def own_terminal_group() -> Iterator[None]:
    """If run by make on a terminal, become the foreground process group, so that make does not receive Ctrl-C.

    make would fail on Ctrl-C ("*** Interrupt", exit code 130) even if its recipe exits cleanly.
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
    stop = signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # the shell could not continue an unknown process group
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
