"""Making indexes: built from vectors, or read back from a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matinee.errors import IndexFileError, InvalidInputError
from matinee.indexes.approximate import Recipe
from matinee.indexes.base import Items, Vectors
from matinee.indexes.exact import ExactIndex
from matinee.indexes.kinds import build_approximate, class_of, config_of, known_kind
from matinee.indexes.storage import AGAIN, STRUCTURE, check_file, digest, read_description
from matinee.indexes.updatable import UpdatableIndex


def build_index(kind: str, items: Items, vectors: Vectors, seed: int = 0, **config: Any) -> UpdatableIndex:
    """Build an index that takes changes.

    Args:
        kind: `exact`, `faiss`, `annoy` or `hnsw`.
        items: int64, (n,), increasing catalog rows.
        vectors: (n, dim); float32 of length 1 is used as it is, memory-mapped too; other vectors are copied.
        seed: of everything random in the building.
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


def load_index(folder: Path, *, items: Items, vectors: Vectors, kind: str | None = None) -> UpdatableIndex:
    """Open an index that `save` wrote, after checking every byte of it, memory-mapped where its library can.

    Args:
        folder: as given to `save`.
        items: int64, (n,), the catalog rows that it must hold.
        vectors: (n, dim), their vectors.
        kind: the kind that is wanted; None: any.

    Raises:
        IndexFileError: missing, truncated, altered, of another kind or format, or built over other items or vectors.
        InvalidInputError: items or vectors that cannot be indexed.
        MatineeError: the library of its kind is not installed.
    """
    found = read_description(folder)
    if kind is not None and found.kind != known_kind(kind):
        raise IndexFileError(f"The index in {folder} is of the kind {found.kind}, not {kind}.", AGAIN)
    main = ExactIndex(items, vectors)
    if found.dim != main.dim:
        raise IndexFileError(
            f"The index in {folder} holds vectors of {found.dim} values; the catalog's have {main.dim}.", AGAIN
        )
    if found.count != len(main):
        raise IndexFileError(
            f"The index in {folder} holds {found.count} items; the catalog has {len(main)} with a vector.", AGAIN
        )
    if found.items != digest(main.items(), "<i8"):
        raise IndexFileError(f"The index in {folder} was built over other items of a catalog.", AGAIN)
    if found.vectors != digest(main.matrix, "<f4"):
        raise IndexFileError(f"The index in {folder} was built over other vectors.", AGAIN)
    recipe = Recipe(found.kind, None if found.config is None else config_of(found.kind, found.config), found.seed)
    if recipe.config is None or len(main) == 0:
        return UpdatableIndex(main, None, recipe)
    if found.effort is None:
        return UpdatableIndex(main, None, replace(recipe, given_up=True))
    if found.structure is None and not recipe.config.derived:
        raise IndexFileError(f"The index in {folder} lacks its search structure.", AGAIN)
    if found.structure is None:
        return UpdatableIndex(main, build_approximate(recipe, main), recipe)
    path = folder / STRUCTURE
    check_file(path, found.structure)
    read = class_of(found.kind).read(path, recipe.config, found.seed, (len(main), main.dim))
    return UpdatableIndex(main, read.with_effort(found.effort), recipe)
