"""Where a run was made: libraries, BLAS and its threads, processors. The last digits of figures can depend on these."""

from __future__ import annotations

import platform
from typing import Any

from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from matinee._util.processors import processor_count
from matinee._util.versions import versions


class Blas(BaseModel):
    """A linear algebra or threading library that is loaded."""

    model_config = ConfigDict(frozen=True)

    library: str
    version: str | None
    threads: int


class Environment(BaseModel):
    """Versions, machine and threads."""

    model_config = ConfigDict(frozen=True)

    versions: dict[str, str]
    system: str
    machine: str
    processors: int
    blas: tuple[Blas, ...]

    @classmethod
    def here(cls) -> Environment:
        """The environment of this process."""
        pools: list[dict[str, Any]] = threadpool_info()
        blas = {
            Blas(library=str(pool["internal_api"]), version=pool.get("version"), threads=int(pool["num_threads"]))
            for pool in pools
        }
        return cls(
            versions=versions(),
            system=platform.system(),
            machine=platform.machine(),
            processors=processor_count(),
            blas=tuple(sorted(blas, key=lambda entry: (entry.library, entry.version or "", entry.threads))),
        )

    @property
    def blas_threads(self) -> int | None:
        """Threads of BLAS; None where its library is not known."""
        counts = [entry.threads for entry in self.blas if entry.library != "openmp"]
        return max(counts) if counts else None
