"""Indexes in folders, verified by hashes.

    index.json   format, kind, settings, dim, count, hashes of items and vectors, size and hash of index.bin
    index.bin    the search structure of an approximate index, as written by its library

The vectors are not in the folder: they are part of the snapshot and passed to `load_index`. FAISS, Annoy and USearch
crash on invalid data, so hashes are verified before they open the file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matinee._util.atomic_files import file_hash, sync_file, sync_folder
from matinee.errors import IndexFileError
from matinee.indexes.approximate import Approximate, Recipe
from matinee.indexes.base import MAX_VALUES, Items, Kind, Vectors
from matinee.indexes.exact import ExactIndex

DESCRIPTION = "index.json"
STRUCTURE = "index.bin"
MAX_DESCRIPTION = 1 << 16
"""Maximum size of `index.json`, in bytes."""
AGAIN = "Build the index again, e.g. with `matinee train`."
BLOCK_BYTES = 1 << 24


class StructureFile(BaseModel):
    """Size and hash of `index.bin`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(ge=0)
    sha256: str


class Description(BaseModel):
    """The content of `index.json`.

    Attributes:
        items, vectors: sha256 of the item numbers (int64) and of the unit vectors (float32), little-endian.
        effort: see `Approximate`; None if the vectors are searched exactly.
        structure: None if there is no `index.bin`.
        seal: sha256 of all other fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kind: Kind
    config: dict[str, Any] | None
    seed: int
    dim: int = Field(ge=1, le=MAX_VALUES)
    count: int = Field(ge=0)
    items: str
    vectors: str
    effort: int | None = None
    structure: StructureFile | None = None
    seal: str = ""

    def sealed(self) -> Description:
        """This description with its seal computed."""
        rest = self.model_dump(mode="json", exclude={"seal"})
        return self.model_copy(update={"seal": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()})


def write_index(folder: Path, recipe: Recipe, main: ExactIndex, approximate: Approximate | None) -> None:
    """Write an index to a folder, which must be empty and is created if missing.

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
            items=digest(main.items(), "<i8"),
            vectors=digest(main.matrix, "<f4"),
            effort=None if approximate is None else approximate.effort,
            structure=structure,
        ).sealed()
        path = folder / DESCRIPTION
        path.write_text(description.model_dump_json(indent=1), encoding="utf-8")
        sync_file(path)
        sync_folder(folder)
    except (OSError, RuntimeError) as error:  # the libraries raise RuntimeError if the disk is full
        raise IndexFileError(f"The index could not be written to {folder}: {error}.", "Make room there.") from error


def read_description(folder: Path) -> Description:
    """Read and verify the `index.json` of a folder.

    Raises:
        IndexFileError: missing, unreadable, altered, or of another format.
    """
    path = folder / DESCRIPTION
    try:
        if path.stat().st_size > MAX_DESCRIPTION:
            raise IndexFileError(f"{path} is too large to describe an index.", AGAIN)
        description = Description.model_validate_json(path.read_bytes())
    except OSError as error:
        raise IndexFileError(f"{path} cannot be read: {error.strerror or error}.", AGAIN) from error
    except ValidationError as error:
        raise IndexFileError(f"{path} is damaged, or of another version of Matinee.", AGAIN) from error
    if description.seal != description.sealed().seal:
        raise IndexFileError(f"{path} was altered: its seal does not match.", AGAIN)
    return description


def check_file(path: Path, expected: StructureFile) -> None:
    """Verify size and hash of a file. Raises IndexFileError."""
    try:
        size = path.stat().st_size
        if not path.is_file() or path.is_symlink():
            raise IndexFileError(f"{path} is not a regular file.", AGAIN)
        if size != expected.bytes:
            raise IndexFileError(f"{path} has {size:,} bytes instead of {expected.bytes:,}.", AGAIN)
        if file_hash(path) != expected.sha256:
            raise IndexFileError(f"{path} was altered: its hash differs.", AGAIN)
    except OSError as error:
        raise IndexFileError(f"{path} cannot be read: {error.strerror or error}.", AGAIN) from error


def digest(array: Items | Vectors, dtype: str) -> str:
    """sha256 of an array's values in little-endian order, computed block by block."""
    digest = hashlib.sha256()
    rows = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows], dtype=dtype).data)
    return digest.hexdigest()
