"""FAISS: inverted lists, graphs and full scans (Douze et al., 2024, arXiv:2401.08281)."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from matinee.indexes.approximate import Approximate, IndexConfig, K, library, mismatch, queues
from matinee.indexes.base import Kind, Mask, Vectors
from matinee.indexes.cell_search import Survey, search_cells
from matinee.indexes.inverted_subset import InvertedSubset
from matinee.indexes.row_subset import RowSubset
from matinee.indexes.scoring import Rows, Similarities

Variant = Literal["flat", "hnsw", "ivf"]
Codes = Literal["float32", "float16"]

POINTS_PER_LIST = 39
"""Minimum number of vectors per list for useful k-means clusters (FAISS's own rule)."""
FEW_VECTORS = 200_000
"""Fewer vectors are scanned exhaustively, which takes milliseconds and has recall 1."""
MAX_CACHED = 256
"""Maximum number of cached search parameter objects. Creating one takes a fifth of a search."""
STEP = 1.2
"""Ratio of the efforts for which the reach of searches under filters is measured."""
CLASSES = {"flat": "IndexFlat", "hnsw": "IndexHNSW", "ivf": "IndexIVF"}


class FaissConfig(IndexConfig):
    """Settings of a FAISS index."""

    variant: Variant | None = Field(
        None,
        description="Inverted lists (ivf), a graph (hnsw), or a full scan (flat); unset: flat below "
        "200,000 vectors unless settings of lists are given.",
    )
    codes: Codes = Field("float32", description="Type of vectors in inverted lists; float16 halves file and memory.")
    lists: int | None = Field(None, ge=1, le=1 << 20, description="Inverted lists; unset: 4·√n (ivf).")
    nprobe: int | None = Field(None, ge=1, description="Lists searched; unset: as `recall` needs (ivf).")
    m: int = Field(16, ge=2, le=256, description="Links per node (hnsw).")
    ef_construction: int = Field(100, ge=1, description="Queue length while building (hnsw).")
    ef_search: int | None = Field(None, ge=1, description="Queue length of searches; unset: as `recall` needs (hnsw).")
    threads: int = Field(1, ge=1, description="Build threads; with more than 1, graphs differ between runs.")

    def settled(self, n: int) -> Self:
        """See `IndexConfig.settled`."""
        if self.variant is not None:
            return self
        lists = n >= FEW_VECTORS or self.lists or self.nprobe or self.codes != "float32"
        return self.model_copy(update={"variant": "ivf" if lists else "flat"})

    @property
    def derived(self) -> bool:
        """See `IndexConfig.derived`."""
        return self.variant == "flat"


def _library() -> Any:
    return library("faiss", "FAISS")


class FaissIndex(Approximate):
    """A FAISS index by inner product; see `Approximate`."""

    kind: ClassVar[Kind] = "faiss"
    Config: ClassVar[type[IndexConfig]] = FaissConfig
    config: FaissConfig

    def __init__(self, index: Any, config: FaissConfig, seed: int) -> None:
        self._faiss = _library()
        self._index = index
        self._parameters_by_effort: dict[int, Any] = {}
        assert config.variant is not None
        self.config, self.seed = config, seed
        given = {"flat": 1, "hnsw": config.ef_search, "ivf": config.nprobe}[config.variant]
        self.effort = given or self.efforts[-1]
        self._survey = Survey(index, seed)
        self.growth = 0.45 if config.variant == "ivf" else 0.3  # a graph's queue also is never shorter than k

    @classmethod
    def build(cls, vectors: Vectors, config: IndexConfig, seed: int) -> Self:
        """See `Approximate.build`."""
        assert isinstance(config, FaissConfig)
        config = config.settled(len(vectors))
        faiss = _library()
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(config.threads)  # applies to this thread only
        try:
            index = _empty(faiss, config, vectors.shape, seed)
            index.train(vectors)
            index.add(vectors)
        finally:
            faiss.omp_set_num_threads(before)
        return cls._open(index, vectors, config, seed)

    @classmethod
    def _open(cls, index: Any, vectors: Vectors, config: FaissConfig, seed: int) -> Self:
        built = cls(index, config, seed)
        given = config.variant == "flat" or (config.nprobe if config.variant == "ivf" else config.ef_search)
        return built if given else built.tuned(vectors, config.recall)

    @classmethod
    def read(cls, path: Path, config: IndexConfig, seed: int, shape: tuple[int, int]) -> Self:
        """See `Approximate.read`."""
        assert isinstance(config, FaissConfig)
        faiss = _library()
        try:
            index = _read(faiss, path)
        except RuntimeError as error:
            raise mismatch(path, f"cannot be read by FAISS {faiss.__version__}") from error
        kind = getattr(faiss, CLASSES[str(config.variant)])
        if not isinstance(index, kind) or (index.ntotal, index.d) != shape:
            raise mismatch(path, f"does not hold {shape[0]} vectors of {shape[1]} values as {config.variant}")
        if index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise mismatch(path, "does not compare by inner product")
        return cls(index, config, seed)

    def write(self, path: Path) -> None:
        """See `Approximate.write`."""
        self._faiss.write_index(self._index, str(path))

    @property
    def efforts(self) -> tuple[int, ...]:
        """See `Approximate.efforts`."""
        if self.config.variant == "flat":
            return (1,)
        if self.config.variant == "hnsw":
            return queues(int(self._index.ntotal))
        lists = int(self._index.nlist)
        steps = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072)
        return (*(step for step in steps if step < lists), lists)

    def candidates(self, queries: Vectors, k: int, effort: int) -> Rows:
        """See `Approximate.candidates`."""
        return search_rows(self._faiss, self._index, queries, k, self._parameters(k, effort))

    def filtered(
        self, vectors: Vectors, queries: Vectors, k: int, effort: int, mask: Mask
    ) -> tuple[Rows, Similarities] | None:
        """See `Approximate.filtered`; by inverted lists only."""
        if self.config.variant != "ivf":
            return None
        cells = self._survey.of(vectors).cells
        return search_cells(vectors, cells, queries, k, effort, self._reach(vectors, effort), mask)

    def subset_bytes(self, count: int) -> int | None:
        """See `Approximate.subset_bytes`; of inverted lists only."""
        if self.config.variant != "ivf":
            return None
        return InvertedSubset.size(count, int(self._index.d), int(self._index.nlist))

    def subset(self, vectors: Vectors, mask: Mask) -> RowSubset:
        """See `Approximate.subset`."""
        return InvertedSubset(vectors, mask, self._survey.of(vectors).cells, partial(self._reach, vectors))

    def _reach(self, vectors: Vectors, effort: int) -> np.float32 | None:
        """See `Reach.of`; it is measured for every 1.2 times the effort, and others take the next."""
        step = max(0, math.ceil(math.log(effort / self.effort, STEP) - 1e-9))
        return self._survey.of(vectors).reach.of(K * STEP ** (step / self.growth), round(self.effort * STEP**step))

    def _parameters(self, k: int, effort: int) -> Any:
        if self.config.variant == "flat":
            return None
        hnsw = self.config.variant == "hnsw"
        effort = max(effort, k) if hnsw else min(effort, int(self._index.nlist))
        cached = self._parameters_by_effort.get(effort)
        if cached is None:
            faiss = self._faiss
            cached = faiss.SearchParametersHNSW(efSearch=effort) if hnsw else faiss.SearchParametersIVF(nprobe=effort)
            if len(self._parameters_by_effort) < MAX_CACHED:
                self._parameters_by_effort[effort] = cached
        return cached


def search_rows(faiss: Any, index: Any, queries: Vectors, k: int, parameters: Any) -> Rows:
    """Ids that a FAISS index finds, (n_queries, k), padded with −1; on one thread."""
    before = faiss.omp_get_max_threads()
    if before > 1:
        faiss.omp_set_num_threads(1)  # applies to this thread only
    try:
        found: Rows = index.search(queries, k, params=parameters)[1]
        return found
    finally:
        if before > 1:
            faiss.omp_set_num_threads(before)


def _read(faiss: Any, path: Path) -> Any:
    """Memory-map a file if FAISS supports it for this index (1.11 or later), else read it."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except (AttributeError, RuntimeError):
        return faiss.read_index(str(path))


def _empty(faiss: Any, config: FaissConfig, shape: tuple[int, ...], seed: int) -> Any:
    """An empty index."""
    n, dim = shape
    metric = faiss.METRIC_INNER_PRODUCT
    if config.variant == "flat":
        return faiss.IndexFlat(dim, metric)
    if config.variant == "hnsw":
        index = faiss.IndexHNSWFlat(dim, config.m, metric)
        index.hnsw.efConstruction = config.ef_construction
        index.hnsw.rng = faiss.RandomGenerator(seed)
        return index
    lists = max(1, min(config.lists or round(4 * np.sqrt(n)), n // POINTS_PER_LIST))
    quantizer = faiss.IndexFlat(dim, metric)
    if config.codes == "float16":
        index = faiss.IndexIVFScalarQuantizer(quantizer, dim, lists, faiss.ScalarQuantizer.QT_fp16, metric)
        index.by_residual = False
    else:
        index = faiss.IndexIVFFlat(quantizer, dim, lists, metric)
    index.cp.seed = seed + 1  # 0 would mean a seed from the clock
    index.cp.min_points_per_centroid = 1  # below FAISS's default it only warns
    # A third of the time of FAISS's defaults (25 and 256), and at most one hundredth less recall.
    index.cp.niter, index.cp.max_points_per_centroid = 10, 64
    index.cp.spherical = True
    return index
