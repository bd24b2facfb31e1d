"""A command in a terminal of its own, ended by Ctrl-C."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence


def until_ctrl_c(words: Sequence[str], due: Callable[[bytes], object], seconds: float = 120) -> tuple[int, str]:
    """Run a command in a terminal, and press Ctrl-C once as soon as it is due.

    Args:
        due: asked with what was told so far.
        seconds: after which the command is killed.

    Returns:
        its exit status, and what it told.
    """
    import pty

    child, terminal = pty.fork()
    if child == 0:
        try:
            os.execvp(words[0], words)
        finally:  # no second run of the tests goes on here
            os._exit(127)
    told, pressed = b"", False
    ready = selectors.DefaultSelector()  # select() fails in a process with many open files
    ready.register(terminal, selectors.EVENT_READ)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if ready.select(0.1):
                try:
                    part = os.read(terminal, 65536)
                except OSError:  # Linux: the other side is closed
                    break
                if not part:
                    break
                told += part
            if not pressed and due(told):
                os.write(terminal, b"\x03")
                pressed = True
        else:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    finally:
        ready.close()
        os.close(terminal)
    code, text = os.waitstatus_to_exitcode(status), told.decode(errors="replace")
    assert pressed, f"ended with {code} before Ctrl-C was due: {text}"
    return code, text
