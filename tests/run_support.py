"""What all processes of one test run share: a node of Elasticsearch, and the films that browsers look at.

pytest-xdist deals the tests out; its first process, which runs none, begins both before the others start. They are
ready when the first test needs them, instead of every process waiting for its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import browser_support
import elasticsearch_support
from support import SHARED

TRAINED = "MATINEE_TEST_TRAINED"
"""Folder of the trained films; where it is set, they are kept between runs."""
HERE = Path(__file__).parent


def begin(paths: Sequence[Path], folder: Path) -> list[subprocess.Popen[bytes]]:
    """Begin what the tests below these paths need, as far as this machine has it; waits for nothing.

    Args:
        folder: of this test run, where the films go.

    Returns:
        What is to be ended with the run. The node ends with this process.
    """

    def needed(name: str) -> bool:
        place = HERE / name
        return any(path in (place, *place.parents) for path in paths)

    if needed("stores") or needed("contracts"):
        with suppress(elasticsearch_support.AbsentError):
            elasticsearch_support.begin_shared()
    if not (needed("browser") and browser_support.chromium() and (SHARED / "ml-latest-small").is_dir()):
        return []
    os.environ.setdefault(TRAINED, str(folder / "trained"))
    with (folder / "trained.log").open("ab") as log:
        words = [sys.executable, str(Path(__file__)), os.environ[TRAINED], str(SHARED)]
        environment = os.environ | {"MATINEE_CONFIG": str(folder / "none.toml")}
        return [
            subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=elasticsearch_support.die_with_parent,
            )
        ]


def end(begun: Sequence[subprocess.Popen[bytes]]) -> None:
    """End what still runs."""
    for process in begun:
        process.terminate()
        process.wait(90)


if __name__ == "__main__":
    browser_support.keep_films(Path(sys.argv[1]), partial(browser_support.train_films, shared=Path(sys.argv[2])))
