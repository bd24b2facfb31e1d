"""The base class of approximate indexes: an immutable search structure that proposes candidates.

It has no item numbers and returns no similarities. `UpdatableIndex` scores its candidates from the stored vectors, so
that similarities are exact and comparable between kinds.
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
from matinee.indexes.base import Kind, Mask, Vectors
from matinee.indexes.row_subset import RowSubset
from matinee.indexes.scoring import Rows, Similarities, nearest_rows, rescore

SAMPLE = 128
"""Number of queries with which `tuned` measures recall."""
K = 10
"""Number of neighbors in that measurement."""
NEAR = 6
"""Rank of the neighbor that `_probes` uses; the first neighbor of a vector is itself."""
QUEUES = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)
"""Efforts of graphs (HNSW): queue lengths of a search."""
QUEUE, QUEUE_SHARE = 1024, 0.25
"""The longest queue, absolute and as a share of the vectors; the larger counts. A full scan is faster long before."""
MIN_LENGTH = np.float32(1e-3)
"""Shorter sums of vectors have no meaningful direction."""


class IndexConfig(BaseModel):
    """Settings of an approximate index."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recall: float = Field(
        0.96, gt=0, le=1, description="Target share of the true ten nearest that a search finds; sets the effort."
    )

    @property
    def derived(self) -> bool:
        """Whether an index is rebuilt from the vectors when opened, which takes no longer than reading it."""
        return False

    def settled(self, n: int) -> Self:
        """These settings with all choices that depend on the number of vectors made."""
        del n
        return self


@dataclass(frozen=True)
class Recipe:
    """How an index is built.

    Attributes:
        config: settings of the kind; None for exact.
        seed: random seed.
        given_up: the kind's recall is too low for these vectors, so they are searched exactly.
    """

    kind: Kind = "exact"
    config: IndexConfig | None = None
    seed: int = 0
    given_up: bool = False


class Approximate(ABC):
    """An immutable approximate index over the rows of a matrix of unit vectors. Thread-safe.

    Attributes:
        config: settings it was built with.
        seed: random seed it was built with.
        effort: work of a search: number of lists (IVF), queue length (HNSW) or nodes (Annoy). More effort means higher
            recall and longer searches.
        growth: exponent with which the effort must grow with the number of neighbors, measured on clustered vectors.
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
        """Build over (n, dim) unit vectors, n ≥ 1, on one thread. The result is deterministic.

        Raises:
            MatineeError: the library is not installed.
        """

    @classmethod
    @abstractmethod
    def read(cls, path: Path, config: IndexConfig, seed: int, shape: tuple[int, int]) -> Self:
        """Open a file of `write`, memory-mapped. The caller has checked its hash, because libraries crash on bad data.

        Raises:
            IndexFileError: it does not match the config and the shape (n, dim).
            MatineeError: the library is not installed.
        """

    @abstractmethod
    def write(self, path: Path) -> None:
        """Write the search structure to a file."""

    @abstractmethod
    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """Rows near each query, (n_queries, m), in any order and padded with −1; at least k if that many are found.

        Args:
            queries: (n_queries, dim) unit vectors.
            k: 1..n.
            effort: see the class, ≥ 1.
        """

    def filtered(
        self, vectors: Vectors, queries: Vectors, k: int, effort: int, mask: Mask
    ) -> tuple[Rows, Similarities] | None:
        """The k nearest rows of a mask, as far as they are found; None if this kind cannot leave rows out.

        Args:
            vectors: (n, dim), the vectors it was built over.
            queries: (n_queries, dim) unit vectors.
            k: 1..n.
            effort: see the class, ≥ 1; the lower the share of allowed rows, the more is needed.
            mask: (n,) rows that may come.

        Returns:
            Rows and exact similarities, (n_queries, k), best first; padded with −1 and NaN.
        """
        del vectors, queries, k, effort, mask
        return None

    def subset_bytes(self, count: int) -> int | None:
        """Memory that `subset` takes for so many rows; None if this kind has none."""
        del count
        return None

    def subset(self, vectors: Vectors, mask: Mask) -> RowSubset:
        """The rows of a mask, gathered in the same structure, so that a search takes the same effort.

        Args:
            vectors: (n, dim), the vectors it was built over.
            mask: (n,) rows to gather.
        """
        raise NotImplementedError

    @property
    @abstractmethod
    def efforts(self) -> tuple[int, ...]:
        """Efforts from which `tuned` chooses, increasing."""

    def with_effort(self, effort: int) -> Self:
        """The same search structure with another effort (≥ 1)."""
        other = self.__class__.__new__(self.__class__)
        other.__dict__.update(self.__dict__)
        other.effort = effort
        return other

    def effort_for(self, k: float) -> int:
        """The effort that finds the k nearest with about the recall of `effort` for the ten nearest."""
        return self.effort if k <= K else round(self.effort * (k / K) ** self.growth)

    def tuned(self, vectors: Vectors, target: float) -> Self:
        """The same index with the lowest of `efforts` that reaches a recall, else the highest.

        Recall is measured on the ten nearest of at most 128 probes (`_probes`). It is within a few hundredths of the
        recall on new vectors of the same distribution.

        Args:
            vectors: (n, dim), the vectors it was built over.
            target: recall, 0..1.
        """
        queries = _probes(vectors, self.seed)
        k = min(K, len(vectors))
        _, true = nearest_rows(vectors, queries, k)

        def reaches(effort: int) -> bool:
            _, similarities = rescore(vectors, queries, self.candidates(queries, k, effort), k)
            # Compare similarities, because equal vectors are interchangeable. NaN is not a hit.
            return int((similarities >= true[:, -1:]).sum()) >= target * true.size

        index = bisect_left(self.efforts, True, key=reaches)
        return self.with_effort(self.efforts[min(index, len(self.efforts) - 1)])


def queues(n: int) -> tuple[int, ...]:
    """Efforts of a graph over n vectors, increasing."""
    return tuple(queue for queue in QUEUES if queue <= max(QUEUE, QUEUE_SHARE * n))


def _probes(vectors: Vectors, seed: int) -> Vectors:
    """Unit vectors distributed like the stored ones but not stored: a sample, each moved by the difference between
    another sample and one of its near neighbors.

    Stored vectors would overestimate recall: graphs find their own nodes easily, and misses are a third as frequent.
    """
    rng = np.random.default_rng(seed)
    sample = vectors[np.sort(rng.choice(len(vectors), size=min(SAMPLE, len(vectors)), replace=False))]
    near, _ = nearest_rows(vectors, sample, min(NEAR, len(vectors)))
    moved = sample + (vectors[near[:, -1]] - sample)[rng.permutation(len(sample))]
    lengths = np.sqrt(np.vecdot(moved, moved))[:, None]
    return np.ascontiguousarray(np.where(lengths > MIN_LENGTH, moved / np.maximum(lengths, MIN_LENGTH), sample))


def library(module: str, name: str) -> Any:
    """Import a module of an optional library.

    Raises:
        MatineeError: it cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MatineeError(
            f"The library {name} is not installed.", "Install it: pip install 'matinee[ann]'."
        ) from error


def mismatch(path: Path, problem: str) -> IndexFileError:
    """The error for an index file with unexpected content."""
    return IndexFileError(f"{path} {problem}.", "Build the index again, e.g. with `matinee train`.")
