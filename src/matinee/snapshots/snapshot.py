"""Loading snapshots: files are verified, then memory-mapped. Nothing in a snapshot is ever executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from matinee import models as model_package
from matinee._util.early_hashes import MOST_THREADS, hash_of
from matinee._util.literals import one_literal
from matinee._util.notebook import html_table
from matinee._util.processors import processor_count
from matinee._util.tensor_file import read_tensors
from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.packed import Texts
from matinee.data.ratings import NO_TIME, Ratings
from matinee.errors import DataError, PluginError, SnapshotError, UnknownModelError
from matinee.models.base import Model
from matinee.models.preference import StarScale
from matinee.snapshots.folder import inside
from matinee.snapshots.manifest import ELSEWHERE, MANIFEST, SNAPSHOT_ID, FileEntry, Manifest, ModelEntry, read_manifest
from matinee.snapshots.spaces import Space, SpaceEntry

Verify = Literal["full", "size"]
CATALOG_FILE, USERS_FILE = "catalog.safetensors", "users.safetensors"
RATING_ARRAYS: dict[str, type[np.generic]] = {
    "indptr": np.int64,
    "indices": np.int32,
    "values": np.float32,
    "times": np.int64,
}
DERIVED_ARRAYS: dict[str, type[np.generic]] = {"counts": np.int64, "sums": np.float64}
"""What `Ratings` would count of all ratings, (n_items,). Snapshots may lack it: those of older versions do."""
SCALE_FILE = "ratings/star_scale.npy"
"""`Snapshot.star_scale`, which may be missing likewise."""


def folder_of(root: Path, snapshot_id: str) -> Path:
    """The folder of a snapshot.

    Raises:
        SnapshotError: the id is not valid, or there is no such snapshot.
    """
    folder = root / snapshot_id
    if not SNAPSHOT_ID.fullmatch(snapshot_id) or not folder.is_dir():
        raise SnapshotError(f"There is no snapshot {snapshot_id!r}.", "See `matinee snapshots list`.")
    if folder.is_symlink():
        raise SnapshotError(f"{folder} is a symbolic link, which a snapshot must not be.", ELSEWHERE)
    return folder


class _Checks:
    """Compares the files of a snapshot with its manifest, in threads, while the block goes on."""

    def __init__(self, folder: Path, manifest: Manifest, verify: Verify) -> None:
        self._pool = ThreadPoolExecutor(min(processor_count(), MOST_THREADS), "matinee-verify")
        entries = manifest.files
        largest = sorted(entries, key=lambda name: entries[name].bytes, reverse=True)  # else one would be left over
        found = {name: self._pool.submit(_problem, folder, name, entries[name], verify) for name in largest}
        self._found = [found[name] for name in entries]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def problems(self) -> list[str]:
        """Wait for the end; one sentence for each problem, in the manifest's order."""
        return [problem for one in self._found if (problem := one.result()) is not None]


def _problem(folder: Path, name: str, entry: FileEntry, verify: Verify) -> str | None:
    """What is wrong with a file; None: nothing."""
    try:
        path = inside(folder, name)
        size = path.stat().st_size
        if not path.is_file():
            return f"{path} is not a file"
        if size != entry.bytes:
            return f"{path} has {size:,} bytes instead of {entry.bytes:,}"
        if verify == "full" and hash_of(path) != entry.sha256:
            return f"{path} was altered (its hash differs)"
    except SnapshotError as error:
        return str(error).rstrip(".")
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror or error})"
    return None


def problems_of(folder: Path, manifest: Manifest, verify: Verify = "full") -> list[str]:
    """Problems of a snapshot's files, one sentence each; empty if there are none.

    Args:
        verify: compare hashes (`full`) or only sizes (`size`).
    """
    with _Checks(folder, manifest, verify) as checks:
        problems = checks.problems()
    expected = {CATALOG_FILE, USERS_FILE, *(f"ratings/{name}.npy" for name in RATING_ARRAYS)}
    for name, model in manifest.models.items():
        expected.update(f"models/{name}/{array}.npy" for array in model.arrays)
    for name, space in manifest.spaces.items():
        expected.update(f"spaces/{name}/{array}.npy" for array in space.arrays)
    problems += [f"{folder / MANIFEST} does not list {name}" for name in sorted(expected - manifest.files.keys())]
    return problems


def cut_short(folder: Path, manifest: Manifest) -> Path | None:
    """A file that has fewer bytes than it had; None if none has. One that is gone stays whole for those who map it."""
    for name, entry in manifest.files.items():
        path = folder / name
        with suppress(OSError):
            if path.stat().st_size < entry.bytes:
                return path
    return None


@dataclass(frozen=True, repr=False)
class Snapshot:
    """A loaded snapshot. Its arrays are read-only memory maps, shared by all processes that load it."""

    id: str
    manifest: Manifest
    dataset: Dataset
    models: dict[str, Model[Any]]
    spaces: dict[str, Space] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Snapshot {self.id}: {self.dataset!r}, {len(self.models)} models>"

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for values in self.manifest.metrics.values() for name in values))[:4]
        metrics = [self.manifest.metrics.get(model, {}) for model in self.models]
        rows = [
            [model, *(None if (value := metrics_of_model.get(name)) is None else f"{value:.4f}" for name in names)]
            for model, metrics_of_model in zip(self.models, metrics, strict=True)
        ]
        return html_table(["Model", *names], rows, caption=f"Snapshot {self.id} of {self.dataset.name}", right=names)

    @property
    def catalog(self) -> Catalog:
        """The movies."""
        return self.dataset.catalog

    @property
    def ratings(self) -> Ratings:
        """The training ratings."""
        return self.dataset.ratings

    @cached_property
    def star_scale(self) -> StarScale:
        """The star scale of these ratings, which turns stars into preferences. Computed on first use."""
        return StarScale.of(self.dataset)

    @cached_property
    def newest(self) -> int:
        """Time of the newest rating, seconds since 1970; `NO_TIME` where none has a time."""
        known = self.manifest.newest  # which manifests of older versions lack
        return int(self.ratings.times.max(initial=NO_TIME)) if known is None else known

    @classmethod
    def load(cls, root: Path, snapshot_id: str, verify: Verify = "full") -> Self:
        """Verify and open a snapshot.

        Args:
            root: the folder of all snapshots.
            verify: check each file's sha256 (`full`) or only its size (`size`) first.

        Raises:
            SnapshotError: missing, truncated, altered, or of another format. The message names the file.
        """
        folder = folder_of(root, snapshot_id)
        manifest = read_manifest(folder)
        _refuse(
            snapshot_id, problems_of(folder, manifest, "size")
        )  # a map of a file that is too short ends the process
        with _Checks(folder, manifest, verify) as checks:
            try:
                snapshot = cls._read(folder, manifest)
            except Exception:
                _refuse(snapshot_id, checks.problems())  # which names the file
                raise
            _refuse(snapshot_id, checks.problems())
        return snapshot

    @classmethod
    def _read(cls, folder: Path, manifest: Manifest) -> Self:
        """Map what the files hold.

        Raises:
            SnapshotError: something in them does not fit.
        """
        dataset = _read_dataset(folder, manifest)
        spaces = {name: _read_space(folder, name, entry, dataset) for name, entry in manifest.spaces.items()}
        dataset = _with_vectors(dataset, spaces)
        models = {name: read_model(folder, name, entry, dataset) for name, entry in manifest.models.items()}
        if manifest.default_model not in models:
            raise SnapshotError(f"The default model of snapshot {manifest.id} is missing.", ELSEWHERE)
        snapshot = cls(manifest.id, manifest, dataset, _bind(models), spaces)
        if SCALE_FILE in manifest.files:
            state = {"star_scale": read_array(folder, SCALE_FILE)}
            try:
                snapshot.__dict__["star_scale"] = StarScale.from_state(state)
            except SnapshotError as error:
                raise _damaged(folder / SCALE_FILE, error) from error
        return snapshot


def _refuse(snapshot_id: str, problems: Sequence[str]) -> None:
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise SnapshotError(f"Snapshot {snapshot_id} is damaged: {problems[0]}{more}.", ELSEWHERE)


def _damaged(path: Path, error: BaseException) -> SnapshotError:
    return SnapshotError(f"{path} is damaged: {error or type(error).__name__}.", ELSEWHERE)


def read_array(folder: Path, name: str) -> NDArray[Any]:
    """A `.npy` file as a read-only memory map. Returns a plain ndarray, because slicing a `memmap` is slower.

    Raises:
        SnapshotError: not a valid `.npy` file, or it contains Python objects.
    """
    path = inside(folder, name)
    try:
        # Not np.load, which would also open archives and, if asked to, pickles.
        with one_literal:
            return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError) as error:
        raise _damaged(path, error) from error


def _read_dataset(folder: Path, manifest: Manifest) -> Dataset:
    path = inside(folder, CATALOG_FILE)
    try:
        catalog = Catalog.load(path)
        path = inside(folder, USERS_FILE)
        arrays = read_tensors(path)
        users = Texts(arrays["user_id"], arrays["user_id.cuts"])
        path = folder / "ratings"
        arrays = {name: read_array(folder, f"ratings/{name}.npy") for name in RATING_ARRAYS}
        for name, array in arrays.items():
            if array.ndim != 1 or array.dtype != RATING_ARRAYS[name]:
                raise DataError(f"{name} is {array.dtype} of shape {array.shape}")
        indptr = arrays["indptr"]
        if not len(indptr) or indptr[0] != 0 or bool(np.any(np.diff(indptr) < 0)):
            raise DataError("indptr does not increase from 0")
        ratings = Ratings(users, indptr, arrays["indices"], arrays["values"], arrays["times"], len(catalog))
        for name, kind in DERIVED_ARRAYS.items():
            if f"ratings/{name}.npy" in manifest.files:
                array = ratings.__dict__[name] = read_array(folder, f"ratings/{name}.npy")
                if array.dtype != kind or array.shape != (len(catalog),):
                    raise DataError(f"{name} is {array.dtype} of shape {array.shape}")
    except (OSError, ValueError, KeyError, DataError) as error:
        raise _damaged(path, error) from error
    if (len(catalog), ratings.n_users, len(ratings)) != (manifest.n_items, manifest.n_users, manifest.n_ratings):
        raise SnapshotError(f"The data in {folder} does not match the manifest.", ELSEWHERE)
    dataset = Dataset(manifest.dataset, catalog, ratings, manifest.report, manifest.scale)
    # Fill the caches with what is known, because making it would read every page.
    dataset.__dict__["fingerprint"] = manifest.fingerprint
    return dataset


def _read_space(folder: Path, name: str, entry: SpaceEntry, dataset: Dataset) -> Space:
    arrays = {array: read_array(folder, f"spaces/{name}/{array}.npy") for array in entry.arrays}
    stored = {kind: inside(folder, f"spaces/{name}/{kind}") for kind in entry.indexes}
    return Space.of_arrays(name, entry, arrays, len(dataset.catalog), stored)


def _with_vectors(dataset: Dataset, spaces: Mapping[str, Space]) -> Dataset:
    """The data set with the encoders' vectors of its movies (see `Dataset.vectors`)."""
    result = replace(dataset, vectors={name: space.movies for name, space in spaces.items() if space.encoder})
    result.__dict__["fingerprint"] = dataset.fingerprint
    return result


def read_model(folder: Path, name: str, entry: ModelEntry, dataset: Dataset) -> Model[Any]:
    """A model below `folder/models`, its parts not bound.

    Raises:
        SnapshotError: its files are damaged, or there is no such model here.
    """
    try:
        class_ = model_package.model_class(entry.kind)
    except UnknownModelError as error:
        hint = f"Install the package that has it, or {ELSEWHERE[0].lower()}{ELSEWHERE[1:]}"
        raise SnapshotError(
            f"There is no model of the kind {entry.kind!r} here ({folder / MANIFEST}).", hint
        ) from error
    except PluginError as error:
        raise SnapshotError(f"The model {name!r} in {folder} cannot be loaded: {error.message}", error.hint) from error
    state = {array: read_array(folder, f"models/{name}/{array}.npy") for array in entry.arrays}
    try:
        config = class_.Config.model_validate(entry.config)
        model: Model[Any] = class_.from_state(config, state, dataset.catalog)
    except SnapshotError as error:
        raise SnapshotError(f"The model {name!r} in {folder} is damaged: {error}", ELSEWHERE) from error
    except Exception as error:  # models raise various errors on arrays that do not fit
        raise SnapshotError(f"The model {name!r} in {folder} cannot be loaded: {error}.", ELSEWHERE) from error
    return model


def _bind(models: Mapping[str, Model[Any]]) -> dict[str, Model[Any]]:
    """Bind composite models to their parts, in dependency order.

    Raises:
        SnapshotError: a part is missing, or the dependencies are cyclic.
    """
    bound: dict[str, Model[Any]] = {}

    def bind(name: str, above: tuple[str, ...]) -> None:
        if name in bound:
            return
        if name not in models or name in above:
            fault = "missing" if name not in models else "made of itself"
            raise SnapshotError(f"The model {name!r}, a part of {above[-1]!r}, is {fault}.", ELSEWHERE)
        for part in models[name].parts:
            bind(part, (*above, name))
        bound[name] = models[name].bind(bound)

    for name in models:
        bind(name, ())
    return {name: bound[name] for name in models}
