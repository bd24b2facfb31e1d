"""Makes every call that changes a file fail once: of a server's session, and of a training; then looks for losses.

    .venv/bin/python tools/fault_sweep.py                          # all, about half an hour
    .venv/bin/python tools/fault_sweep.py --every 20               # a twentieth of the points
    .venv/bin/python tools/fault_sweep.py --part session --errors EIO --start 100 --seconds 500

A point is one call (an open, write, fsync, rename, ftruncate, unlink or mkdir) that fails: with ENOSPC or EIO, once or
from then on, or, for a write, by being short. After each the process is killed and a new one opens the folder. Lost is
what was acknowledged and is not there, or is half there, or cannot be served.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from fault_layer import missing  # noqa: E402
from fault_points import ERRORS_OF_POINTS, Sweep, points  # noqa: E402
from fault_stage import stage_under_faults  # noqa: E402


def main() -> int:
    """Sweep, and print what was tried and lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("session", "training"), action="append")
    parser.add_argument("--errors", choices=tuple(ERRORS_OF_POINTS), action="append")
    parser.add_argument("--every", type=int, default=1, help="try every k-th call only")
    parser.add_argument("--start", type=int, default=1, help="the first call to try")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time, and say where")
    options = parser.parse_args()
    if reason := missing():
        print(f"Not run: {reason}.")
        return 0
    end = time.monotonic() + options.seconds
    lost = 0
    with stage_under_faults() as (stage, layer), closing(Sweep(stage, layer)) as sweep:
        for part in options.part or ("session", "training"):
            calls = sweep.calls(part)
            print(f"{part}: {len(calls)} calls, {dict(Counter(calls).most_common())}", flush=True)
            for error in options.errors or ERRORS_OF_POINTS:
                tried = hit = acknowledged = refused = 0
                for point in points(calls, error, options.start, options.every):
                    outcome = sweep.run(part, error, point)
                    tried, hit = tried + 1, hit + outcome.hit
                    acknowledged, refused = acknowledged + outcome.acknowledged, refused + outcome.refused
                    for fault in outcome.faults:
                        lost += 1
                        print(f"  {error} at call {point} ({outcome.where}): {fault}", flush=True)
                    if time.monotonic() > end:
                        print(f"  stopped after call {point}")
                        break
                print(
                    f"  {error:14} {tried:5} points tried, {hit:5} failed a call, "
                    f"{acknowledged:6} acknowledged, {refused:5} refused",
                    flush=True,
                )
    print(f"lost, half there, not served or badly told: {lost}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
