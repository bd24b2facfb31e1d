"""Install pinned requirements by pip, with the number of packages done so far instead of pip's log or its silence.

python tools/install.py requirements/base.txt
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

QUIET_SECONDS = 10.0
"""Where the output is no terminal, a line is printed after this many seconds at most."""
FETCHED = re.compile(r"^(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)")
SIZE = re.compile(r"^ *Downloading (\S+?)-\d\S* \(([\d.]+ [kMG]?B)\)")


def required(requirements: Path) -> int:
    """How many packages a file of pinned requirements names, those of other systems included."""
    return sum(line[:1].isalnum() for line in requirements.read_text(encoding="utf-8").splitlines())


def install(requirements: Path) -> int:
    """Install them into this Python's environment, and return pip's exit code; its log is printed if it fails."""
    total, seen, log = required(requirements), set[str](), list[str]()
    screen, told = sys.stdout.isatty(), time.monotonic()
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar"]
    pip = subprocess.Popen(
        [*command, "off", "-r", str(requirements)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert pip.stdout is not None
    for line in pip.stdout:
        log.append(line)
        fetched, size = FETCHED.match(line), SIZE.match(line)
        if fetched:
            seen.add(fetched[1].lower())
        what = f"{size[1]} ({size[2]})" if size else fetched[1] if fetched else ""
        if line.startswith("Installing collected packages"):
            what = "unpacking"
        if what and (screen or time.monotonic() - told > QUIET_SECONDS):
            told = time.monotonic()
            text = f"  {len(seen)} of up to {total} packages: {what}"
            print(f"\r{text[:79]:<79}" if screen else text, end="" if screen else "\n", flush=True)
    if screen:
        print(f"\r{'':79}\r", end="", flush=True)
    if pip.wait():
        print("".join(log[-40:]), file=sys.stderr, end="")
        print("Installing has failed. Look at the lines above; after a broken connection, try again.", file=sys.stderr)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(install(Path(sys.argv[1])))
