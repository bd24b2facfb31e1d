"""What every approximate index has: an immutable search structure that proposes candidates.

It holds no item numbers and gives no similarities: `UpdatableIndex` scores its candidates again from the vectors that
lie beside, so that similarities are exact and comparable between kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from matinee.errors import IndexFileError, MatineeError
from matinee.indexes.base import Kind, Vectors
from matinee.indexes.scoring import Rows, nearest_rows, rescore

SAMPLE = 128
"""Searches that `tuned` tries an effort with."""
K = 10
"""Neighbors that it counts in each."""
NEAR = 6
"""Which neighbor `_probes` goes to; a vector is its own first."""
QUEUES = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)
"""Efforts of graphs (HNSW): lengths of the queue of a search."""
QUEUE, QUEUE_SHARE = 1024, 0.25
"""The longest queue, and beyond that as a share of the vectors: a scan of all is faster long before."""
MIN_LENGTH = np.float32(1e-3)
"""A sum of vectors that is shorter has no direction to speak of."""


class IndexConfig(BaseModel):
    """Settings of an approximate index."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recall: float = Field(
        0.96, gt=0, le=1, description="Share of the true ten nearest that a search shall find; sets the effort."
    )

    @property
    def derived(self) -> bool:
        """Whether an index is made anew from the vectors when it is opened, which takes no longer than reading it."""
        return False

    def settled(self, n: int) -> Self:
        """With everything decided that depends on the number of vectors."""
        del n
        return self


@dataclass(frozen=True)
class Recipe:
    """How an index is built.

    Attributes:
        config: settings of the kind; None for exact.
        seed: of everything random.
        given_up: the kind misses too much among these vectors, so they are searched exactly.
    """

    kind: Kind = "exact"
    config: IndexConfig | None = None
    seed: int = 0
    given_up: bool = False


class Approximate(ABC):
    """An immutable approximate index over the rows of a matrix of unit vectors. Thread-safe.

    Attributes:
        config: as it was built.
        seed: of everything random in its building.
        effort: how much a search looks at: lists (IVF), the length of the queue (HNSW) or nodes (Annoy). More finds
            more of the true nearest and takes longer.
        growth: power of the number of neighbors with which the effort must grow, measured on clustered vectors.
    """

    kind: ClassVar[Kind]
    Config: ClassVar[type[IndexConfig]]
    config: IndexConfig
    seed: int
    effort: int
    growth: float

    @classmethod
    @abstractmethod
    def build(cls, vectors: Vectors, config: IndexConfig, seed: int) -> Self:
        """Build over (n, dim) unit vectors, n ≥ 1, on one thread: the same input gives the same index.

        Raises:
            MatineeError: the library is not installed.
        """

    @classmethod
    @abstractmethod
    def read(cls, path: Path, config: IndexConfig, seed: int, shape: tuple[int, int]) -> Self:
        """Open a file of `write`, memory-mapped. The caller has checked its hash: libraries crash on garbage.

        Raises:
            IndexFileError: it does not hold what config and shape (n, dim) say.
            MatineeError: the library is not installed.
        """

    @abstractmethod
    def write(self, path: Path) -> None:
        """Write the search structure into a file."""

    @abstractmethod
    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """At least k rows near each query where it finds them, (n_queries, m), in any order; −1 is none.

        Args:
            queries: (n_queries, dim) unit vectors.
            k: 1..n.
            effort: see above, ≥ 1.
        """

    @property
    @abstractmethod
    def efforts(self) -> tuple[int, ...]:
        """Efforts that `tuned` chooses from, increasing."""

    def with_effort(self, effort: int) -> Self:
        """The same search structure, searched with another effort (≥ 1)."""
        other = self.__class__.__new__(self.__class__)
        other.__dict__.update(self.__dict__)
        other.effort = effort
        return other

    def effort_for(self, k: float) -> int:
        """The effort that finds the k nearest about as well as `effort` finds the ten nearest."""
        return self.effort if k <= K else round(self.effort * (k / K) ** self.growth)

    def tuned(self, vectors: Vectors, target: float) -> Self:
        """With the least effort of `efforts` that reaches a recall, else the greatest.

        Recall is that of the ten nearest of at most 128 probes (`_probes`), within a few hundredths that of new vectors
        of the same kind.

        Args:
            vectors: (n, dim), the vectors it was built over.
            target: 0..1.
        """
        queries = _probes(vectors, self.seed)
        k = min(K, len(vectors))
        _, true = nearest_rows(vectors, queries, k)

        def reaches(effort: int) -> bool:
            _, found = rescore(vectors, queries, self.candidates(queries, k, effort), k)
            # By similarity, for equal vectors are equally right; NaN is no hit.
            return int((found >= true[:, -1:]).sum()) >= target * true.size

        least = bisect_left(self.efforts, True, key=reaches)
        return self.with_effort(self.efforts[min(least, len(self.efforts) - 1)])


def queues(n: int) -> tuple[int, ...]:
    """Efforts of a graph over n vectors, increasing."""
    return tuple(queue for queue in QUEUES if queue <= max(QUEUE, QUEUE_SHARE * n))


def _probes(vectors: Vectors, seed: int) -> Vectors:
    """Unit vectors that lie among the stored ones but are not stored: some of them, each moved by the way that leads
    from another to a near neighbor of it.

    Stored vectors would flatter: a graph leads straight to its own nodes, and misses seem a third as frequent or less.
    """
    rng = np.random.default_rng(seed)
    some = vectors[np.sort(rng.choice(len(vectors), size=min(SAMPLE, len(vectors)), replace=False))]
    near, _ = nearest_rows(vectors, some, min(NEAR, len(vectors)))
    moved = some + (vectors[near[:, -1]] - some)[rng.permutation(len(some))]
    lengths = np.sqrt(np.vecdot(moved, moved))[:, None]
    return np.ascontiguousarray(np.where(lengths > MIN_LENGTH, moved / np.maximum(lengths, MIN_LENGTH), some))


def library(module: str, name: str) -> Any:
    """A module of a library that not everybody has installed.

    Raises:
        MatineeError: it cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MatineeError(
            f"The library {name} is not installed.", "Install it: pip install 'matinee[ann]'."
        ) from error


def unfit(path: Path, what: str) -> IndexFileError:
    """What to raise where an index file does not hold what it should."""
    return IndexFileError(f"{path} {what}.", "Build the index again, e.g. with `matinee train`.")
