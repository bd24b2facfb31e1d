"""Implicit ALS on Spark: the objective, the start and the solvers of `models.ials`, on blocks of users and of movies.

Each half sweep sends the other side's factors to every task and brings the new ones back, so the larger side must fit
into the memory of a task: users × factors × 4 bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee._util.progress import Progress
from matinee.models.factorization import Floats, Shared, batch_pool, ridge_descend, ridge_solve
from matinee.models.ials import LARGE, START_SHARE, ImplicitALSConfig, default_solver, ridge_of, settings_for
from matinee.models.truncated_svd import ITERATIONS, OVERSAMPLING, mixed
from matinee.spark.blocks import Block, on_disk, summed

if TYPE_CHECKING:
    from pyspark import RDD


class Factors(NamedTuple):
    """What ALS learned: factors of movies (k, d), and α and λ as used."""

    movies: Floats
    alpha: float
    regularization: float


class Side(NamedTuple):
    """Neighboring rows of one side of the matrix, and what their ridges are.

    Attributes:
        first: the first row.
    """

    first: int
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    ridge: Floats


def fit_factors(
    blocks: RDD[Block],
    n_users: int,
    counts: NDArray[np.int64],
    top: float,
    config: ImplicitALSConfig,
    progress: Progress,
) -> Factors:
    """Learn the factors of movies.

    Args:
        blocks: users × the movies that are learned, cached.
        counts: ratings of these movies, (k,).
        top: the highest stars.
    """
    k, n_ratings = len(counts), int(counts.sum())
    width, regularization, alpha = settings_for(config, n_ratings, n_users, k)
    solver = config.solver or default_solver(n_ratings)
    values_of = _binary if config.weighting == "binary" else _scaled(top)
    weighted = blocks.map(values_of)
    movies = (
        descent_start(weighted, k, width, n_ratings)
        if solver == "cg"
        else principal_directions(weighted, k, width, ITERATIONS)
    )
    progress("ials: start", 0.1)
    ridge_args = (regularization, alpha, config.exponent)

    def by_user(block: Block) -> Side:
        ridge = ridge_of(np.diff(block.indptr), k, *ridge_args)
        return Side(block.first, block.indptr, block.indices, block.values, ridge)

    by_movie = turned(
        weighted, counts, max(blocks.getNumPartitions(), 1), lambda sizes: ridge_of(sizes, n_users, *ridge_args)
    )
    sides = on_disk(weighted.map(by_user)), on_disk(by_movie)
    users = np.zeros((n_users, width), dtype=np.float32)
    try:
        of_users = np.zeros(n_users, dtype=np.int64)
        for first, sizes in sides[0].map(lambda side: (side.first, np.diff(side.indptr))).collect():
            of_users[first : first + len(sizes)] = sizes
        for sweep in range(config.iterations):
            users = _half(sides[0], movies, counts, users, alpha, solver, config)
            movies = _half(sides[1], users, of_users, movies, alpha, solver, config)
            progress("ials: sweeps", 0.1 + 0.9 * (sweep + 1) / config.iterations)
    finally:
        for side in sides:
            side.unpersist()
    return Factors(movies, alpha, regularization)


def _binary(block: Block) -> Block:
    return block._replace(values=np.ones(len(block.values), dtype=np.float32))


def _scaled(top: float) -> Callable[[Block], Block]:
    return lambda block: block._replace(values=block.values / np.float32(top))


def _half(
    side: RDD[Side],
    others: Floats,
    counts: NDArray[np.int64],
    start: Floats,
    alpha: float,
    solver: str,
    config: ImplicitALSConfig,
) -> Floats:
    """New factors of a side, (n, d), those of the other, (k, d) with (k,) ratings, fixed."""
    base = np.float32(alpha) * (others.T @ others)
    context = side.context
    with batch_pool() as threads:
        shared = context.broadcast(Shared.of(others, base, counts, threads) if solver == "cg" else None)
    fixed, before = context.broadcast(None if solver == "cg" else others), context.broadcast(start)

    def solve(rows: Side) -> tuple[int, Floats]:
        own = before.value[rows.first : rows.first + len(rows.ridge)]
        entries = (rows.indptr, rows.indices, rows.values)
        with ThreadPoolExecutor(1) as pool:
            if solver == "cg":
                return rows.first, ridge_descend(*entries, shared.value, rows.ridge, pool, own, steps=config.steps)
            block = config.block_size if solver == "blocks" else None
            wide = np.broadcast_to(rows.ridge[:, None], own.shape)
            return rows.first, ridge_solve(*entries, fixed.value, wide, pool, base, start=own, block=block)

    try:
        result = np.zeros_like(start)
        for first, found in side.map(solve).collect():
            result[first : first + len(found)] = found
        return result
    finally:
        shared.destroy()
        fixed.destroy()
        before.destroy()


def turned(
    blocks: RDD[Block], counts: NDArray[np.int64], count: int, ridge: Callable[[NDArray[np.int64]], Floats]
) -> RDD[Side]:
    """The ratings by movie: neighboring movies of about as many ratings.

    Args:
        counts: ratings of each movie, (k,).
        count: of parts, at most.
        ridge: of movies by their numbers of ratings.
    """
    k, ends = len(counts), np.cumsum(counts)
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], count + 1)[1:-1]) + 1
    edges = np.unique(np.concatenate([[0], np.minimum(cuts, k), [k]]))

    def parts_of(block: Block) -> Iterator[tuple[int, tuple[int, sp.csr_matrix]]]:
        by_movie = block.matrix(k).T.tocsr()
        for number, (start, stop) in enumerate(itertools.pairwise(edges)):
            yield number, (block.first, by_movie[start:stop])

    def side_of(pair: tuple[int, Iterable[tuple[int, sp.csr_matrix]]]) -> Side:
        number, parts = pair
        ordered = sorted(parts, key=lambda part: part[0])
        sizes = np.sum([np.diff(matrix.indptr) for _, matrix in ordered], axis=0).astype(np.int64)
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        indices, values = np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1], dtype=np.float32)
        filled = indptr[:-1].copy()
        for first, matrix in ordered:  # users in their order within each movie
            lengths = np.diff(matrix.indptr)
            target = np.repeat(filled - matrix.indptr[:-1], lengths) + np.arange(matrix.nnz)
            indices[target], values[target] = matrix.indices + first, matrix.data
            filled += lengths
        return Side(int(edges[number]), indptr, indices, values, ridge(sizes))

    return blocks.flatMap(parts_of).groupByKey(len(edges) - 1).map(side_of)


def descent_start(blocks: RDD[Block], k: int, d: int, n_ratings: int) -> Floats:
    """As `ImplicitALS._start`: principal directions of the users with the most ratings, (k, d)."""
    if n_ratings < LARGE:
        return principal_directions(blocks, k, d, 1)
    users = summed(blocks, lambda block: (np.bincount(np.diff(block.indptr), minlength=k + 1),))[0]
    at_least = np.cumsum((users * np.arange(k + 1))[::-1])[::-1]  # ratings of users of so many, or more
    least = int(np.flatnonzero(at_least >= START_SHARE * n_ratings)[-1])
    directions = principal_directions(blocks.map(_of_users(least)), k, d, 1)
    return directions * np.float32((n_ratings / int(at_least[least])) ** 0.25)


def _of_users(least: int) -> Callable[[Block], Block]:
    """Leaves users of fewer ratings out."""

    def of_them(block: Block) -> Block:
        sizes = np.diff(block.indptr)
        some = sizes >= least
        entries = np.repeat(some, sizes)
        indptr = np.concatenate([[0], np.cumsum(sizes[some])]).astype(np.int64)
        return block._replace(indptr=indptr, indices=block.indices[entries], values=block.values[entries])

    return of_them


def principal_directions(blocks: RDD[Block], k: int, d: int, iterations: int) -> Floats:
    """As `factorization.principal_directions`: the same random start, one pass over the ratings an iteration.

    Q = F·T with F = M·B and T = (FᵀF)^(−1/2) needs FᵀF alone, so that MᵀQ = (MᵀF)·T takes sums over blocks.
    """
    squares = summed(
        blocks, lambda block: (np.array([np.square(block.values, dtype=np.float64).sum(), block.n_users]),)
    )[0]
    size, n_users = float(np.sqrt(squares[0])), int(squares[1])
    directions = np.zeros((k, d), dtype=np.float32)
    rank = min(d, n_users, k)
    if not size or not rank:
        return directions
    width = min(rank + OVERSAMPLING, n_users, k)
    basis = np.empty((k, width), dtype=np.float32)
    basis[_column_order(blocks, k)] = np.random.default_rng(0).standard_normal((k, width), dtype=np.float32)
    for _ in range(iterations + 1):
        sent = blocks.context.broadcast(basis / np.float32(size))

        def products(block: Block, sent: Any = sent) -> tuple[NDArray[Any], ...]:
            matrix = block.matrix(k)
            forward = matrix @ sent.value
            return (matrix.T @ (forward / np.float32(size)), forward.T.astype(np.float64) @ forward)

        backward, gram = summed(blocks, products)
        sent.destroy()
        values, vectors = np.linalg.eigh(gram)
        kept = values > max(values.max(initial=0.0) * 1e-10, 1e-30)
        basis = (backward @ (vectors[:, kept] / np.sqrt(values[kept]))).astype(np.float32)
    squares, small = np.linalg.eigh(basis.T.astype(np.float64) @ basis)
    squares, small = squares[::-1][:rank], small[:, ::-1][:, :rank]
    kept = squares > max(squares.max(initial=0.0) * 1e-9, 1e-12)
    values = np.sqrt(squares[kept]).astype(np.float32)
    right = ((basis @ small[:, kept].astype(np.float32)) / values).T
    right *= np.where(right[np.arange(len(right)), np.abs(right).argmax(axis=1)] < 0, -1, 1).astype(np.float32)[:, None]
    directions[:, : len(values)] = (right * np.sqrt(values * np.float32(size))[:, None]).T
    return directions


def _column_order(blocks: RDD[Block], k: int) -> NDArray[np.intp]:
    """As `truncated_svd.column_order`."""

    def marks(block: Block) -> Any:
        ones = np.ones(len(block.indices), dtype=np.uint64)
        return sp.csr_matrix((ones, block.indices, block.indptr), shape=(block.n_users, k))

    columns = summed(blocks, lambda block: (marks(block).T @ mixed(np.diff(block.indptr).astype(np.uint64)),))[0]

    def refined(block: Block) -> tuple[NDArray[Any], ...]:
        by_user = marks(block)
        rows = mixed(by_user @ mixed(columns))
        return (block.matrix(k).T @ (rows / 2.0**64).astype(np.float32), by_user.T @ rows)

    values, hashes = summed(blocks, refined)
    return np.lexsort((values, hashes))
