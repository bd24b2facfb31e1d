"""The command line (`matinee --help`): parses arguments, calls the engine, and prints results."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: success; 1: a `MatineeError`, printed with its hint; 2: invalid arguments; 130: Ctrl-C. A traceback is only
    printed with MATINEE_DEBUG=1, or for bugs.

    Args:
        argv: arguments after the program name; None: those of this process.
    """
    from matinee._util.extras import missing_extra
    from matinee.cli.app import app
    from matinee.cli.console import INTERRUPTED, CliExit, note, print_error, tolerate_narrow_encodings
    from matinee.errors import MatineeError

    tolerate_narrow_encodings()
    code, explained = 0, False
    try:
        app(args=None if argv is None else list(argv), prog_name="matinee")
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        explained = isinstance(leave, CliExit)
    except (MatineeError, ModuleNotFoundError) as error:
        problem = missing_extra(error) if isinstance(error, ModuleNotFoundError) else error
        if os.environ.get("MATINEE_DEBUG") == "1" or not isinstance(problem, MatineeError):
            raise
        print_error(problem)
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED and not explained:
        note("Interrupted.")
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (`| head`) has exited, so the output is discarded
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
