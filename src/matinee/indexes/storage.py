"""Indexes in folders: built, written, and read back only where every byte is the one that was written.

    index.json   format, kind, settings, dim, count, digests of the items and vectors, size and hash of the other file
    index.bin    the search structure of an approximate index, as its library writes it

The vectors themselves are not in the folder: they lie in a snapshot, memory-mapped, and are given to `load_index`.
FAISS, Annoy and USearch crash on garbage, so hashes are compared before they see the file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matinee._util.atomic_files import file_hash, sync_file, sync_folder
from matinee.errors import IndexFileError, InvalidInputError
from matinee.indexes.approximate import Approximate, IndexConfig, Recipe
from matinee.indexes.base import MOST_VALUES, Items, Kind, Vectors
from matinee.indexes.exact import ExactIndex
from matinee.indexes.updatable import UpdatableIndex

DESCRIPTION = "index.json"
STRUCTURE = "index.bin"
LONGEST_DESCRIPTION = 1 << 16
"""Most bytes of an `index.json`."""
AGAIN = "Build the index again, e.g. with `matinee train`."
BLOCK_BYTES = 1 << 24

_HOMES: dict[Kind, tuple[str, str, str]] = {
    "faiss": ("faiss", "matinee.indexes.faiss", "FaissIndex"),
    "annoy": ("annoy", "matinee.indexes.annoy", "AnnoyIndex"),
    "hnsw": ("usearch", "matinee.indexes.hnsw", "HnswIndex"),
}
"""Kind → library, module and class of an approximate index."""


class StructureFile(BaseModel):
    """Size and hash of `index.bin`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(ge=0)
    sha256: str


class Description(BaseModel):
    """What `index.json` says.

    Attributes:
        items, vectors: sha256 of the item numbers (int64) and of the unit vectors (float32), little-endian.
        effort: see `Approximate`; None where the vectors are searched exactly.
        structure: None where there is nothing to search but the vectors.
        seal: sha256 of all the rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kind: Kind
    config: dict[str, Any] | None
    seed: int
    dim: int = Field(ge=1, le=MOST_VALUES)
    count: int = Field(ge=0)
    items: str
    vectors: str
    effort: int | None = None
    structure: StructureFile | None = None
    seal: str = ""

    def sealed(self) -> Description:
        """With its seal."""
        rest = self.model_dump(mode="json", exclude={"seal"})
        return self.model_copy(update={"seal": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()})


def available_kinds() -> tuple[str, ...]:
    """Kinds of index whose libraries are installed; `exact` always is."""
    return ("exact", *(kind for kind, (library, _, _) in _HOMES.items() if importlib.util.find_spec(library)))


def build_index(kind: str, items: Items, vectors: Vectors, seed: int = 0, **config: Any) -> UpdatableIndex:
    """Build an index that takes changes.

    Args:
        kind: `exact`, `faiss`, `annoy` or `hnsw`.
        items: int64, (n,), increasing catalogue rows.
        vectors: (n, dim); float32 of length 1 is used as it is, memory-mapped too; other vectors are copied.
        seed: of everything random in the building.
        config: settings of the kind (`FaissConfig`, `AnnoyConfig`, `HnswConfig`), e.g. `variant="hnsw"` for faiss.

    Raises:
        InvalidInputError: an unknown kind or setting, or items or vectors that cannot be indexed.
        MatineeError: the library of the kind is not installed.
    """
    main = ExactIndex(items, vectors)
    recipe = Recipe(_kind(kind), None, seed)
    if recipe.kind == "exact":
        if config:
            raise InvalidInputError("An exact index has no settings.", f"Leave out: {', '.join(sorted(config))}.")
        return UpdatableIndex(main, None, recipe)
    recipe = Recipe(recipe.kind, _config(recipe.kind, config).settled(len(main)), seed)
    return UpdatableIndex(main, build_approximate(recipe, main), recipe)


def build_approximate(recipe: Recipe, main: ExactIndex) -> Approximate | None:
    """The search structure over the rows of an index; None where none is needed (exact, or nothing to search)."""
    if recipe.config is None or recipe.given_up or len(main) == 0:
        return None
    return _class(recipe.kind).build(main.matrix, recipe.config, recipe.seed)


def write_index(folder: Path, recipe: Recipe, main: ExactIndex, approximate: Approximate | None) -> None:
    """Write an index into a folder, which is made where it is absent and must be empty.

    Raises:
        IndexFileError: the folder is not empty, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise IndexFileError(f"The folder {folder} is not empty.", "Save the index into a new folder.")
        structure = None
        if approximate is not None and not approximate.config.derived:
            path = folder / STRUCTURE
            approximate.write(path)
            sync_file(path)
            structure = StructureFile(bytes=path.stat().st_size, sha256=file_hash(path))
        description = Description(
            kind=recipe.kind,
            config=None if recipe.config is None else recipe.config.model_dump(mode="json"),
            seed=recipe.seed,
            dim=main.dim,
            count=len(main),
            items=_digest(main.items(), "<i8"),
            vectors=_digest(main.matrix, "<f4"),
            effort=None if approximate is None else approximate.effort,
            structure=structure,
        ).sealed()
        path = folder / DESCRIPTION
        path.write_text(description.model_dump_json(indent=1), encoding="utf-8")
        sync_file(path)
        sync_folder(folder)
    except (OSError, RuntimeError) as error:  # the libraries raise the latter on a full disk
        raise IndexFileError(f"The index could not be written into {folder}: {error}.", "Make room there.") from error


def load_index(folder: Path, *, items: Items, vectors: Vectors, kind: str | None = None) -> UpdatableIndex:
    """Open an index that `save` wrote, after checking every byte of it, memory-mapped where its library can.

    Args:
        folder: as given to `save`.
        items: int64, (n,), the catalogue rows that it must hold.
        vectors: (n, dim), their vectors.
        kind: the kind that is wanted; None: any.

    Raises:
        IndexFileError: missing, truncated, altered, of another kind or format, or built over other items or vectors.
        InvalidInputError: items or vectors that cannot be indexed.
        MatineeError: the library of its kind is not installed.
    """
    found = read_description(folder)
    if kind is not None and found.kind != _kind(kind):
        raise IndexFileError(f"The index in {folder} is of the kind {found.kind}, not {kind}.", AGAIN)
    main = ExactIndex(items, vectors)
    if found.dim != main.dim:
        raise IndexFileError(
            f"The index in {folder} holds vectors of {found.dim} values; the catalogue's have {main.dim}.", AGAIN
        )
    if found.count != len(main):
        raise IndexFileError(
            f"The index in {folder} holds {found.count} items; the catalogue has {len(main)} with a vector.", AGAIN
        )
    if found.items != _digest(main.items(), "<i8"):
        raise IndexFileError(f"The index in {folder} was built over other items of a catalogue.", AGAIN)
    if found.vectors != _digest(main.matrix, "<f4"):
        raise IndexFileError(f"The index in {folder} was built over other vectors.", AGAIN)
    recipe = Recipe(found.kind, None if found.config is None else _config(found.kind, found.config), found.seed)
    if recipe.config is None or len(main) == 0:
        return UpdatableIndex(main, None, recipe)
    if found.effort is None:
        return UpdatableIndex(main, None, replace(recipe, given_up=True))
    if found.structure is None and not recipe.config.derived:
        raise IndexFileError(f"The index in {folder} lacks its search structure.", AGAIN)
    if found.structure is None:
        return UpdatableIndex(main, build_approximate(recipe, main), recipe)
    path = folder / STRUCTURE
    _check_file(path, found.structure)
    read = _class(found.kind).read(path, recipe.config, found.seed, (len(main), main.dim))
    return UpdatableIndex(main, read.with_effort(found.effort), recipe)


def read_description(folder: Path) -> Description:
    """What `index.json` of a folder says, checked against its seal.

    Raises:
        IndexFileError: missing, unreadable, altered, or of another format.
    """
    path = folder / DESCRIPTION
    try:
        if path.stat().st_size > LONGEST_DESCRIPTION:
            raise IndexFileError(f"{path} is too long to describe an index.", AGAIN)
        found = Description.model_validate_json(path.read_bytes())
    except OSError as error:
        raise IndexFileError(f"{path} cannot be read: {error.strerror or error}.", AGAIN) from error
    except ValidationError as error:
        raise IndexFileError(f"{path} is damaged, or of another version of Matinee.", AGAIN) from error
    if found.seal != found.sealed().seal:
        raise IndexFileError(f"{path} was altered: its seal does not fit.", AGAIN)
    return found


def _check_file(path: Path, expected: StructureFile) -> None:
    try:
        size = path.stat().st_size
        if not path.is_file() or path.is_symlink():
            raise IndexFileError(f"{path} is not a plain file.", AGAIN)
        if size != expected.bytes:
            raise IndexFileError(f"{path} has {size:,} bytes instead of {expected.bytes:,}.", AGAIN)
        if file_hash(path) != expected.sha256:
            raise IndexFileError(f"{path} was altered: its hash differs.", AGAIN)
    except OSError as error:
        raise IndexFileError(f"{path} cannot be read: {error.strerror or error}.", AGAIN) from error


def _kind(kind: str) -> Kind:
    for known in ("exact", *_HOMES):
        if kind == known:
            return known
    raise InvalidInputError(f"There is no index of the kind {kind!r}.", f"Choose one of: exact, {', '.join(_HOMES)}.")


def _class(kind: Kind) -> type[Approximate]:
    _, module, name = _HOMES[kind]
    found: type[Approximate] = getattr(import_module(module), name)
    return found


def _config(kind: Kind, settings: dict[str, Any]) -> IndexConfig:
    try:
        return _class(kind).Config.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(_class(kind).Config.model_fields)
        raise InvalidInputError(f"{kind}, {where}: {first['msg']}.", f"Its settings are: {known}.") from error


def _digest(array: Items | Vectors, dtype: str) -> str:
    """sha256 of an array's values, whatever the machine's byte order, block by block."""
    digest = hashlib.sha256()
    rows = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows], dtype=dtype).data)
    return digest.hexdigest()
