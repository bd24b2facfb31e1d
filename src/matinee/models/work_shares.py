"""Threads that fit models, and the shares of sparse rows that they take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.processors import processor_count

WORKERS = min(processor_count(), 16)
"""Threads that solve batches; BLAS itself gets one, as its own threads slow small systems down tenfold."""


def row_cuts(indptr: NDArray[np.integer[Any]], shares: int) -> list[int]:
    """Where to cut sparse rows, (n + 1,), into at most so many shares of about as many entries: 0 … n, increasing."""
    ends = np.linspace(0, int(indptr[-1]), shares + 1)[1:-1]
    cuts: list[int] = np.unique(np.concatenate([[0], np.searchsorted(indptr, ends), [len(indptr) - 1]])).tolist()
    return cuts
