"""Cuts the power after every call that changes a file, of a server's session and of a training; looks for losses.

    .venv/bin/python tools/power_loss.py
    .venv/bin/python tools/power_loss.py --part session --every 5 --seconds 500

All calls of a run are recorded. For the time after each of them, folders are made that a disk may hold when the power
goes: without anything that was not synced, with its bytes but not its names, with its names but not its bytes, and with
any part of it, torn at sectors of 512 bytes. A new process opens each folder; equal ones once. Lost is what was
acknowledged before the cut and is not there, or is half there, or cannot be served.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from fault_layer import missing  # noqa: E402
from fault_points import Part  # noqa: E402
from fault_stage import stage_under_faults  # noqa: E402
from power_cuts import PowerCuts  # noqa: E402

RUNS: dict[str, tuple[Part, bool]] = {
    "session": ("session", False),
    "first writes": ("session", True),
    "training": ("training", False),
}


def main() -> int:
    """Cut the power, and print what was tried and lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(RUNS), action="append")
    parser.add_argument("--every", type=int, default=1, help="open every k-th folder only")
    parser.add_argument("--some", type=int, default=2, help="folders with a random part, after each call")
    parser.add_argument("--start", type=int, default=0, help="the first call to cut after")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time, and say where")
    options = parser.parse_args()
    if reason := missing():
        print(f"Not run: {reason}.")
        return 0
    end = time.monotonic() + options.seconds
    lost = 0
    with stage_under_faults() as (stage, layer):
        for run in options.part or RUNS:
            part, empty = RUNS[run]
            cuts = PowerCuts(stage, layer, part, empty=empty)
            seen: set[tuple[bytes, str]] = set()
            made = opened = 0
            for cut in cuts.cuts(options.seed, options.some):
                if cut.after < options.start:
                    continue
                made += 1
                state = cut.digest, repr(cut.expected.values)
                if state in seen:
                    continue
                seen.add(state)
                if len(seen) % options.every:
                    continue
                opened += 1
                for fault in cuts.check(cut, stage.folder / "cut"):
                    lost += 1
                    print(f"  after call {cut.after}, {cut.kept} kept: {fault}", flush=True)
                if time.monotonic() > end:
                    print(f"  stopped after call {cut.after}")
                    break
            print(
                f"{run}: {len(cuts.records)} calls, {cuts.acknowledged} writes acknowledged, {made} power cuts, "
                f"{len(seen)} different folders, {opened} opened",
                flush=True,
            )
    print(f"lost, half there or not served: {lost}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
