"""Construction of indexes: from vectors, or from a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matinee.errors import IndexFileError, InvalidInputError
from matinee.indexes.approximate import Recipe
from matinee.indexes.base import Items, Vectors
from matinee.indexes.exact import ExactIndex
from matinee.indexes.filter_cache import FilterCache
from matinee.indexes.kinds import build_approximate, class_of, config_of, known_kind
from matinee.indexes.storage import AGAIN, STRUCTURE, check_file, digest, read_description
from matinee.indexes.updatable import UpdatableIndex


def build_index(kind: str, items: Items, vectors: Vectors, seed: int = 0, **config: Any) -> UpdatableIndex:
    """Build an index that can be changed.

    Args:
        kind: `exact`, `faiss`, `annoy` or `hnsw`.
        items: int64, (n,), increasing catalog rows.
        vectors: (n, dim); float32 unit vectors are used without a copy, memory-mapped or not; others are copied.
        seed: random seed.
        config: settings of the kind (`FaissConfig`, `AnnoyConfig`, `HnswConfig`), e.g. `variant="hnsw"` for faiss.

    Raises:
        InvalidInputError: an unknown kind or setting, or items or vectors that cannot be indexed.
        MatineeError: the library of the kind is not installed.
    """
    main = ExactIndex(items, vectors)
    recipe = Recipe(known_kind(kind), None, seed)
    if recipe.kind == "exact":
        if config:
            raise InvalidInputError("An exact index has no settings.", f"Leave out: {', '.join(sorted(config))}.")
        return UpdatableIndex(main, None, recipe)
    recipe = Recipe(recipe.kind, config_of(recipe.kind, config).settled(len(main)), seed)
    return UpdatableIndex(main, build_approximate(recipe, main), recipe)


def load_index(
    folder: Path, *, items: Items, vectors: Vectors, kind: str | None = None, filters: FilterCache | None = None
) -> UpdatableIndex:
    """Open an index written by `save`, after verifying its hash; memory-mapped if its library supports it.

    Args:
        folder: as given to `save`.
        items: int64, (n,), the catalog rows that it must contain.
        vectors: (n, dim), their vectors.
        kind: the expected kind; None: any.
        filters: see `UpdatableIndex`.

    Raises:
        IndexFileError: missing, truncated, altered, of another kind or format, or built over other items or vectors.
        InvalidInputError: items or vectors that cannot be indexed.
        MatineeError: the library of its kind is not installed.
    """
    description = read_description(folder)
    if kind is not None and description.kind != known_kind(kind):
        raise IndexFileError(f"The index in {folder} is of the kind {description.kind}, not {kind}.", AGAIN)
    main = ExactIndex(items, vectors)
    if description.dim != main.dim:
        raise IndexFileError(
            f"The index in {folder} holds vectors of {description.dim} values; the catalog's have {main.dim}.", AGAIN
        )
    if description.count != len(main):
        raise IndexFileError(
            f"The index in {folder} holds {description.count} items; the catalog has {len(main)} with a vector.", AGAIN
        )
    if description.items != digest(main.items(), "<i8"):
        raise IndexFileError(f"The index in {folder} was built over other items of a catalog.", AGAIN)
    if description.vectors != digest(main.matrix, "<f4"):
        raise IndexFileError(f"The index in {folder} was built over other vectors.", AGAIN)
    recipe = Recipe(
        description.kind,
        None if description.config is None else config_of(description.kind, description.config),
        description.seed,
    )
    if recipe.config is None or len(main) == 0:
        return UpdatableIndex(main, None, recipe, filters)
    if description.effort is None:
        return UpdatableIndex(main, None, replace(recipe, given_up=True), filters)
    if description.structure is None and not recipe.config.derived:
        raise IndexFileError(f"The index in {folder} lacks its search structure.", AGAIN)
    if description.structure is None:
        return UpdatableIndex(main, build_approximate(recipe, main), recipe, filters)
    path = folder / STRUCTURE
    check_file(path, description.structure)
    read = class_of(description.kind).read(path, recipe.config, description.seed, (len(main), main.dim))
    return UpdatableIndex(main, read.with_effort(description.effort), recipe, filters)
