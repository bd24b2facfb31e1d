"""Sums over pairs of movies on Spark: the Gram matrix of EASE, and what item neighbors have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee._util.progress import Progress, silent
from matinee.models.gram import gram_matrix
from matinee.models.item_knn import ItemKNNConfig, links_of
from matinee.spark.blocks import Block, summed

if TYPE_CHECKING:
    from pyspark import RDD

SPAN_BYTES = 256 << 20
"""A task adds up pairs for so many movies at a time that their counts with all others take about these bytes."""
TILE = 256
"""Movies of a part that is sent. Parts are numbered: Spark would send all multiples of 256 to the same task. Each part
goes to a task of its own, since Java holds all that a task sends another in one array."""
MOST_SUMS = 8
"""Tasks that add up a whole Gram matrix; more would send more than they save."""

MUCH_SMALLER = 16
"""Cells of a tile for each that is not 0 from which on it is sent sparse: Spark compresses zeros well itself."""

Tile = NDArray[np.float32] | sp.csr_matrix


def gram(blocks: RDD[Block], k: int, scale: float) -> NDArray[np.float32]:
    """Lower triangle of XᵀX, (k, k) float32, Fortran order.

    Args:
        blocks: users × the k movies.
        scale: what stars are divided by; 0: every rating counts 1.
    """

    def of_task(own: Iterable[Block]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        total: NDArray[np.float32] | None = None
        for block in own:
            values = block.values / np.float32(scale) if scale else np.ones(len(block.values), dtype=np.float32)
            total = gram_matrix(block.matrix(k, values), silent, "", total)
        for start in range(0, k if total is not None else 0, TILE):
            assert total is not None
            yield start // TILE, np.ascontiguousarray(total[start:, start : start + TILE].T)

    slots = min(blocks.context.defaultParallelism, MOST_SUMS)
    result = np.zeros((k, k), dtype=np.float32, order="F")
    sums = blocks.coalesce(slots).mapPartitions(of_task).reduceByKey(np.add, max(-(-k // TILE), 1))
    for number, tile in sums.toLocalIterator():
        start = number * TILE
        result[start:, start : start + TILE] = tile.T
    return result


def item_links(blocks: RDD[Block], k: int, top: float, config: ItemKNNConfig, progress: Progress) -> sp.csr_matrix:
    """The links of `ItemKNN`: the pairs of each user's movies are added up for a span of movies at a time."""

    def weights(block: Block) -> NDArray[np.float32]:
        values = (
            np.ones(len(block.values), np.float32) if config.weighting == "binary" else block.values / np.float32(top)
        )
        sizes = np.diff(block.indptr)
        scale = (np.maximum(sizes, 1) ** (-config.user_weight / 2)).astype(np.float32)
        return values * np.repeat(scale, sizes)

    def own_squares(block: Block) -> tuple[NDArray[np.float64]]:
        squares = np.square(weights(block), dtype=np.float64)
        return (np.bincount(block.indices, weights=squares, minlength=k).astype(np.float64),)

    squares = summed(blocks, own_squares)[0]
    source, target = squares**config.asymmetry, squares ** (1 - config.asymmetry)
    span = max(min(SPAN_BYTES // (4 * max(k, 1)), k) // TILE * TILE, TILE)
    parts: list[sp.csr_matrix] = []
    for first in range(0, k, span):
        last = min(first + span, k)

        def of_task(own: Iterable[Block], first: int = first, last: int = last) -> Iterator[tuple[int, Tile]]:
            from matinee.spark.pairs import add_pairs

            total = np.zeros((last - first, k), dtype=np.float32)
            for block in own:
                matrix = block.matrix(k, weights(block))
                some = matrix.tocsc()[:, first:last]
                rated = some.indptr, some.indices, some.data
                add_pairs(*rated, matrix.indptr, matrix.indices, matrix.data, total)
            for start in range(0, len(total), TILE):
                yield start // TILE, _packed(total[start : start + TILE])

        def nearest_of(pair: tuple[int, Tile], first: int = first) -> tuple[int, sp.csr_matrix]:
            from matinee.spark.pairs import nearest

            dots = pair[1].toarray() if sp.issparse(pair[1]) else pair[1]
            found = nearest(dots, first + pair[0] * TILE, source, target, config.shrinkage, min(config.neighbors, k))
            return pair[0], sp.csr_matrix(found, shape=(len(dots), k))

        tasks = blocks.coalesce(blocks.context.defaultParallelism)
        sums = tasks.mapPartitions(of_task).reduceByKey(_added, -(-(last - first) // TILE))
        parts += [found for _, found in sorted(sums.map(nearest_of).collect(), key=lambda pair: pair[0])]
        progress("itemknn: similarities", last / k)
    return links_of(parts)


def _packed(tile: NDArray[np.float32]) -> Tile:
    """Sparse where that is much smaller: most pairs of a long tail of movies are nobody's."""
    return sp.csr_matrix(tile) if MUCH_SMALLER * np.count_nonzero(tile) < tile.size else tile


def _added(one: Tile, two: Tile) -> Tile:
    if sp.issparse(one) and sp.issparse(two):
        return one + two
    return np.add(*(tile.toarray() if sp.issparse(tile) else tile for tile in (one, two)))
