"""FAISS: inverted lists, graphs and plain scans (Douze et al., 2024, arXiv:2401.08281)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from matinee.indexes.approximate import Approximate, IndexConfig, library, queues, unfit
from matinee.indexes.base import Kind, Vectors
from matinee.indexes.scoring import Rows

Variant = Literal["flat", "hnsw", "ivf"]
Codes = Literal["float32", "float16"]

POINTS_PER_LIST = 39
"""Fewest vectors to a list at which k-means gives sensible lists (FAISS's own rule)."""
FEW_VECTORS = 200_000
"""Fewer are scanned in some milliseconds, which finds all."""
MAX_KNOWN = 256
"""Objects of search parameters that are kept, because making one takes a fifth of a search."""
CLASSES = {"flat": "IndexFlat", "hnsw": "IndexHNSW", "ivf": "IndexIVF"}


class FaissConfig(IndexConfig):
    """Settings of a FAISS index."""

    variant: Variant | None = Field(
        None,
        description="Inverted lists (ivf), a graph (hnsw), or a scan of everything (flat); unset: flat below "
        "200,000 vectors unless settings of lists are given.",
    )
    codes: Codes = Field("float32", description="How inverted lists hold vectors; float16 halves file and memory.")
    lists: int | None = Field(None, ge=1, le=1 << 20, description="Inverted lists; unset: 4·√n (ivf).")
    nprobe: int | None = Field(None, ge=1, description="Lists searched; unset: as `recall` needs (ivf).")
    m: int = Field(16, ge=2, le=256, description="Links of a node (hnsw).")
    ef_construction: int = Field(100, ge=1, description="Length of the queue while building (hnsw).")
    ef_search: int | None = Field(None, ge=1, description="Length of the queue; unset: as `recall` needs (hnsw).")
    threads: int = Field(1, ge=1, description="Threads that build; with more than 1, graphs differ from run to run.")

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
        self._known: dict[int, Any] = {}
        assert config.variant is not None
        self.config, self.seed = config, seed
        given = {"flat": 1, "hnsw": config.ef_search, "ivf": config.nprobe}[config.variant]
        self.effort = given or self.efforts[-1]
        self.growth = 0.6 if config.variant == "ivf" else 0.3  # besides, a graph's queue is never shorter than k

    @classmethod
    def build(cls, vectors: Vectors, config: IndexConfig, seed: int) -> Self:
        """See `Approximate.build`."""
        assert isinstance(config, FaissConfig)
        config = config.settled(len(vectors))
        faiss = _library()
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(config.threads)  # of this thread only
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
            raise unfit(path, f"cannot be read by FAISS {faiss.__version__}") from error
        kind = getattr(faiss, CLASSES[str(config.variant)])
        if not isinstance(index, kind) or (index.ntotal, index.d) != shape:
            raise unfit(path, f"does not hold {shape[0]} vectors of {shape[1]} values as {config.variant}")
        if index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise unfit(path, "does not compare by inner product")
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
        faiss = self._faiss
        before = faiss.omp_get_max_threads()
        if before > 1:
            faiss.omp_set_num_threads(1)  # of this thread only
        try:
            rows: Rows = self._index.search(queries, k, params=self._parameters(k, effort))[1]
            return rows
        finally:
            if before > 1:
                faiss.omp_set_num_threads(before)

    def _parameters(self, k: int, effort: int) -> Any:
        if self.config.variant == "flat":
            return None
        hnsw = self.config.variant == "hnsw"
        effort = max(effort, k) if hnsw else min(effort, int(self._index.nlist))
        found = self._known.get(effort)
        if found is None:
            faiss = self._faiss
            found = faiss.SearchParametersHNSW(efSearch=effort) if hnsw else faiss.SearchParametersIVF(nprobe=effort)
            if len(self._known) < MAX_KNOWN:
                self._known[effort] = found
        return found


def _read(faiss: Any, path: Path) -> Any:
    """Map a file where FAISS (1.11 or later) can do it for every kind of index, else read it."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except (AttributeError, RuntimeError):
        return faiss.read_index(str(path))


def _empty(faiss: Any, config: FaissConfig, shape: tuple[int, ...], seed: int) -> Any:
    """An index without vectors."""
    n, dim = shape
    metric = faiss.METRIC_INNER_PRODUCT
    if config.variant == "flat":
        return faiss.IndexFlat(dim, metric)
    if config.variant == "hnsw":
        index = faiss.IndexHNSWFlat(dim, config.m, metric)
        index.hnsw.efConstruction = config.ef_construction
        index.hnsw.rng = faiss.RandomGenerator(seed)
        return index
    wanted = config.lists or round(4 * np.sqrt(n))
    lists = max(1, min(wanted, n // POINTS_PER_LIST))
    quantizer = faiss.IndexFlat(dim, metric)
    if config.codes == "float16":
        index = faiss.IndexIVFScalarQuantizer(quantizer, dim, lists, faiss.ScalarQuantizer.QT_fp16, metric)
        index.by_residual = False
    else:
        index = faiss.IndexIVFFlat(quantizer, dim, lists, metric)
    index.cp.seed = seed + 1  # 0 would mean "by the clock"
    index.cp.min_points_per_centroid = 1  # fewer only make it warn
    # A third of the time of FAISS's own 25 and 256, for one hundredth of recall at most.
    index.cp.niter, index.cp.max_points_per_centroid = 10, 64
    index.cp.spherical = True
    return index
