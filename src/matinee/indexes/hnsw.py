"""USearch: a hierarchical navigable graph (HNSW; Malkov and Yashunin, 2016, arXiv:1603.09320), memory-mapped.

USearch has wheels for every platform; the equivalent hnswlib must be compiled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from matinee.indexes.approximate import Approximate, IndexConfig, library, mismatch, queues
from matinee.indexes.base import Kind, Vectors
from matinee.indexes.scoring import Rows


class HnswConfig(IndexConfig):
    """Settings of a USearch index."""

    m: int = Field(16, ge=2, le=256, description="Links per node.")
    ef_construction: int = Field(100, ge=1, description="Queue length while building.")
    ef_search: int | None = Field(None, ge=1, description="Queue length of searches; unset: as `recall` needs.")
    codes: Literal["f32", "f16", "i8"] = Field(
        "f16", description="Type of vectors in the graph. Results are always scored with the full vectors."
    )
    threads: int = Field(1, ge=1, description="Build threads; with more than 1, graphs differ between runs.")


def _class() -> Any:
    return library("usearch.index", "USearch").Index


class HnswIndex(Approximate):
    """A USearch index by inner product; see `Approximate`. Searches of one index are serialized."""

    kind: ClassVar[Kind] = "hnsw"
    Config: ClassVar[type[IndexConfig]] = HnswConfig
    config: HnswConfig
    growth = 0.3  # the queue also is never shorter than k

    def __init__(self, index: Any, config: HnswConfig, seed: int) -> None:
        self._index = index
        self.config, self.seed = config, seed
        self.effort = config.ef_search or self.efforts[-1]

    @classmethod
    def build(cls, vectors: Vectors, config: IndexConfig, seed: int) -> Self:
        """See `Approximate.build`. `seed` has no effect, because USearch uses a fixed one."""
        assert isinstance(config, HnswConfig)
        index = _class()(
            ndim=vectors.shape[1],
            metric="ip",
            dtype=config.codes,
            connectivity=config.m,
            expansion_add=config.ef_construction,
            expansion_search=1,  # the requested number of results sets the queue length
        )
        index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=config.threads)
        built = cls(index, config, seed)
        return built if config.ef_search else built.tuned(vectors, config.recall)

    @classmethod
    def read(cls, path: Path, config: IndexConfig, seed: int, shape: tuple[int, int]) -> Self:
        """See `Approximate.read`."""
        assert isinstance(config, HnswConfig)
        class_ = _class()
        try:
            index = class_.restore(str(path), view=True)
        except (RuntimeError, ValueError, KeyError) as error:
            raise mismatch(path, "cannot be read by USearch") from error
        if index is None or (len(index), index.ndim) != shape:
            raise mismatch(path, f"does not hold {shape[0]} vectors of {shape[1]} values")
        index.expansion_search = 1
        return cls(index, config, seed)

    def write(self, path: Path) -> None:
        """See `Approximate.write`."""
        self._index.save(str(path))

    @property
    def efforts(self) -> tuple[int, ...]:
        """See `Approximate.efforts`."""
        return queues(len(self._index))

    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """See `Approximate.candidates`."""
        count = min(max(k, effort), len(self._index))
        matches = self._index.search(queries, count, threads=1)
        keys: Rows = matches.keys.view(np.int64)
        if len(queries) == 1:  # USearch returns a one-dimensional array without padding
            return keys.reshape(1, -1)
        if bool((matches.counts < count).any()):
            keys = np.where(np.arange(count) < matches.counts[:, None], keys, -1)
        return keys
