"""How many processors this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from math import ceil
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def processor_count(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Processors that this process may use: those of its affinity, and no more than the quota of its cgroup.

    Args:
        cgroups: where the cgroup file systems are mounted.
        own: file that names the cgroups of this process.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *(ceil(quota) for quota in _quotas(cgroups, own))]))


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """The quotas, in processors, of the cgroups of this process and of those around them; none elsewhere than Linux."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / "cpu" if controllers else cgroups
        inner = root / path.lstrip("/")
        for folder in (inner, *inner.parents):
            # In a container the path may be one of the host, of which only the mounted root is visible.
            with suppress(OSError, ValueError, ZeroDivisionError):
                yield _version_1(folder) if controllers else _version_2(folder)
            if folder == root:
                break


def _version_1(folder: Path) -> float:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    if quota <= 0:
        raise ValueError("no quota")
    return quota / int((folder / "cpu.cfs_period_us").read_text())


def _version_2(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text().split()
    return int(quota) / int(period)  # ValueError: "max", no quota
