"""The memory that a whole training takes, estimated from counts before its first model is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from matinee.data.dataset import Dataset
from matinee.errors import MemoryLimitError
from matinee.models.base import Model
from matinee.models.blend.model import Blend

PROGRAM = 500 << 20
"""Bytes of the program and its libraries, compiled kernels included."""
OF_RATING, OF_MOVIE, OF_USER = 16, 6000, 200
"""Bytes of a rating, of a movie of the catalog (as a frame, as records and as text being written), and of a user."""
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def training_memory(dataset: Dataset, lineup: Mapping[str, Model[Any]], *, measure: bool) -> int:
    """Peak bytes of a training, an estimate from above: the data, all fitted models, and the most that one takes.

    While weights of a blend are learned its parts are there twice, and while measuring so are the ratings.

    Args:
        lineup: the models that will be fitted.
    """
    ratings = dataset.ratings
    data = PROGRAM + OF_RATING * len(ratings) + OF_MOVIE * len(dataset.catalog) + OF_USER * ratings.n_users
    kept = {name: model.memory_kept(dataset) for name, model in lineup.items()}
    most = max((model.memory_needed(dataset) for model in lineup.values()), default=0)
    learning = [
        sum(kept.get(part, 0) for part in model.config.weights)
        for model in lineup.values()
        if isinstance(model, Blend) and model.config.learn
    ]
    parts = 2 * OF_RATING * len(ratings) if measure else 0
    return data + parts + sum(kept.values()) + max(learning, default=0) + most


def memory_there(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Bytes that this process may still take: what the machine has left, or its container; None: it is not known."""
    found: list[int] = []
    with suppress(OSError, ValueError, StopIteration):
        lines = meminfo.read_text().splitlines()
        found.append(next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")))
    with suppress(OSError, ValueError):  # ValueError: "max", no limit
        found.append(int((cgroup / "memory.max").read_text()) - int((cgroup / "memory.current").read_text()))
    return max(min(found), 0) if found else None


def check_memory(dataset: Dataset, lineup: Mapping[str, Model[Any]], *, measure: bool, budget: int) -> int:
    """Refuse a training that would not fit, and return what it is estimated to take.

    Args:
        budget: bytes that it may take; 0: what the machine has.

    Raises:
        MemoryLimitError: it needs more.
    """
    need = training_memory(dataset, lineup, measure=measure)
    there = budget or memory_there()
    # What the data take is there already, and is no part of what is left.
    taken = 0 if budget else PROGRAM + OF_RATING * len(dataset.ratings)
    if there is not None and need - taken > there:
        what = "the memory budget is" if budget else "this machine has"
        raise MemoryLimitError(
            f"Training {len(lineup)} models on {len(dataset.ratings):,} ratings of {len(dataset.catalog):,} films "
            f"needs about {_gib(need)}; {what} {_gib(there + taken)}{'' if budget else ' free'}.",
            "Lower MATINEE_MEMORY_LIMIT, so that the models that need most are left out, train with --quick, raise "
            "--memory-budget where more may be taken, or take a machine with more memory.",
        )
    return need


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
