"""Annoy: a forest of random projection trees, memory-mapped (Bernhardsson, github.com/spotify/annoy)."""

from __future__ import annotations

import shutil
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from matinee.indexes.approximate import Approximate, IndexConfig, library, mismatch
from matinee.indexes.base import Kind, Vectors
from matinee.indexes.scoring import Rows

MAX_VISITED = 8
"""Maximum number of visited nodes per vector of the index. A full scan is faster long before that."""


class AnnoyConfig(IndexConfig):
    """Settings of an Annoy index."""

    trees: int = Field(10, ge=1, le=1000, description="Number of trees. More trees find more and need more memory.")
    search_k: int | None = Field(None, ge=1, description="Number of visited nodes; unset: as `recall` needs.")


def _class() -> Any:
    return library("annoy", "Annoy").AnnoyIndex


class _File:
    """The file that an Annoy index is mapped from; None while it is in memory.

    Saving moves the index into the file, so searches must wait for it.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.moving = threading.Lock()


class AnnoyIndex(Approximate):
    """An Annoy index with the metric `angular`; see `Approximate`.

    Searches are serialized until the index is saved for the first time.
    """

    kind: ClassVar[Kind] = "annoy"
    Config: ClassVar[type[IndexConfig]] = AnnoyConfig
    config: AnnoyConfig
    growth = 0.65

    def __init__(self, index: Any, config: AnnoyConfig, seed: int, path: Path | None = None) -> None:
        self._index, self._file = index, _File(path)
        self.config, self.seed = config, seed
        self.effort = config.search_k or self.efforts[-1]

    @classmethod
    def build(cls, vectors: Vectors, config: IndexConfig, seed: int) -> Self:
        """See `Approximate.build`."""
        assert isinstance(config, AnnoyConfig)
        index = _class()(vectors.shape[1], "angular")
        index.set_seed(seed)
        for row, vector in enumerate(vectors):
            index.add_item(row, vector)
        index.build(config.trees, n_jobs=1)
        built = cls(index, config, seed)
        return built if config.search_k else built.tuned(vectors, config.recall)

    @classmethod
    def read(cls, path: Path, config: IndexConfig, seed: int, shape: tuple[int, int]) -> Self:
        """See `Approximate.read`."""
        assert isinstance(config, AnnoyConfig)
        class_ = _class()
        n, dim = shape
        # A node has a number of descendants, a norm or children, and a vector. Every item is a node.
        node = 12 + 4 * dim
        size = path.stat().st_size
        if size % node or size // node < n:
            raise mismatch(path, f"does not hold {n} vectors of {dim} values")
        index = class_(dim, "angular")
        try:
            index.load(str(path))
        except OSError as error:
            raise mismatch(path, "cannot be read by Annoy") from error
        if index.get_n_items() != n:
            raise mismatch(path, f"holds {index.get_n_items()} vectors, not {n}")
        return cls(index, config, seed, path)

    def write(self, path: Path) -> None:
        """See `Approximate.write`. An index that was read from a file is copied from it."""
        with self._file.moving:
            if self._file.path is None:
                self._index.save(str(path))  # this also makes Annoy map the file
                self._file.path = path
            else:
                shutil.copyfile(self._file.path, path)

    @property
    def efforts(self) -> tuple[int, ...]:
        """See `Approximate.efforts`."""
        n = self._index.get_n_items()
        return tuple(500 * 2**step for step in range(10) if step == 0 or 500 * 2**step <= MAX_VISITED * n)

    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """See `Approximate.candidates`."""
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        with self._file.moving if self._file.path is None else nullcontext():
            for i, query in enumerate(queries.tolist()):
                nearest = self._index.get_nns_by_vector(query, k, max(effort, k))
                rows[i, : len(nearest)] = nearest
        return rows
