"""Writing a backup: an uncompressed tar file with the stores, the posters, and snapshots if they are wanted.

The manifest is its last member, so that a file that was cut short has none. Same content, same bytes, but for the
manifest's time.
"""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ValidationError

from matinee._util.atomic_files import replacing
from matinee._util.private_files import private_file, private_folder
from matinee._util.versions import versions
from matinee.errors import InvalidInputError, SnapshotError, StoreError
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.stores import SqliteStore
from matinee.stores.sqlite.errors import store_error

FORMAT = 1
MANIFEST = "manifest.json"
SUFFIX = ".sqlite3"
TABLES = ("ratings", "states", "users", "movies", "vectors", "exposures")
"""Tables whose rows are counted, where a store has them: those of earlier versions lack some."""


class StoreContent(BaseModel):
    """What a copy of a store holds."""

    seq: int
    rows: dict[str, int]


class Manifest(BaseModel):
    """What a backup holds.

    Attributes:
        stores: by file name.
        snapshot: id of the current snapshot, which is in the backup where `files` has it.
        files: SHA-256 and bytes of each member, by name.
    """

    matinee_backup: int
    version: str
    created: datetime
    stores: dict[str, StoreContent]
    snapshot: str | None
    files: dict[str, tuple[str, int]]

    @property
    def posters(self) -> int:
        """Number of pictures."""
        return sum(name.startswith("posters/") for name in self.files)


def check_embedded(settings: Settings) -> None:
    """Raise InvalidInputError where the store is on a server, which has a backup of its own."""
    kind = settings.store_url.split("://", 1)[0]
    if kind in ("postgresql", "postgres"):
        raise InvalidInputError(
            "The store is in PostgreSQL, which this command does not copy.",
            "Use pg_dump and pg_restore, see docs/postgres.md#backup; copy the folders posters and snapshots.",
        )
    if kind:
        raise InvalidInputError(
            "The store is in Elasticsearch, which this command does not copy.",
            "Take a snapshot of its four indices, see docs/stores.md#backup; copy the folders posters and snapshots.",
        )


def content_of(connection: sqlite3.Connection) -> StoreContent:
    """Check a database and count what it holds.

    Raises:
        sqlite3.Error: it is damaged.
    """
    result = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if result != "ok":
        raise sqlite3.DatabaseError(f"it is damaged ({result})")
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    rows = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES if table in there
    }
    return StoreContent(seq=connection.execute("SELECT seq FROM state").fetchone()[0], rows=rows)


def write_backup(
    settings: Settings, target: Path | None = None, *, posters: bool = True, snapshots: bool = False
) -> tuple[Path, Manifest]:
    """Write a backup, while services may run, and verify the copy of each store.

    Args:
        target: file to be made, or a folder that is there; None: `backups` in the data folder.
        posters: with all pictures.
        snapshots: with the current snapshot.

    Returns:
        the file, and what it holds.

    Raises:
        InvalidInputError: the store is on a server; the file exists; there is nothing to copy.
        StoreError: a store is damaged, or a file cannot be read or written.
        SnapshotError: the current snapshot is damaged.
    """
    check_embedded(settings)
    now = datetime.now(UTC)
    if target is None:
        target = settings.data_dir / "backups"
        private_folder(target)
    if target.is_dir():
        names = (f"matinee-{now:%Y%m%dT%H%M%SZ}{more}.tar" for more in chain([""], (f"-{n}" for n in count(2))))
        target = next(path for path in map(target.joinpath, names) if not path.exists())
    if target.exists():
        raise InvalidInputError(f"{target} exists.", "Name another file, or a folder.")
    registry = SnapshotRegistry(settings.snapshots_dir)
    try:
        snapshot = registry.current()
    except SnapshotError:
        snapshot = None
    manifest = Manifest(
        matinee_backup=FORMAT, version=versions()["matinee"], created=now, stores={}, snapshot=snapshot, files={}
    )
    try:
        with replacing(target) as file:
            private_file(file)
            with file.open("wb") as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for path in sorted((settings.data_dir / "stores").glob(f"*{SUFFIX}")):
                    _add_store(tar, manifest, path, file.with_name(file.name + ".copy"))
                for name, path in _files_of(settings.data_dir / "posters", "posters") if posters else ():
                    _add_bytes(tar, manifest, name, path)
                if snapshots:
                    _add_snapshot(tar, manifest, registry)
                if not manifest.files:
                    raise InvalidInputError(
                        f"There is nothing to back up in {settings.data_dir}.", "Check MATINEE_DATA_DIR."
                    )
                body = manifest.model_dump_json().encode()
                tar.addfile(_member(MANIFEST, len(body)), io.BytesIO(body))
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error}.", "Make room, or name another folder.") from error
    return target, manifest


def _add_snapshot(tar: tarfile.TarFile, manifest: Manifest, registry: SnapshotRegistry) -> None:
    if manifest.snapshot is None:
        return
    problems = registry.verify(manifest.snapshot)
    if problems:
        raise SnapshotError(
            f"Snapshot {manifest.snapshot} is damaged: {'; '.join(problems)}.", "Back up without --snapshots."
        )
    for name, path in _files_of(registry.root / manifest.snapshot, f"snapshots/{manifest.snapshot}"):
        with path.open("rb") as source:
            _add(tar, manifest, name, source, path.stat().st_size)


def _add_store(tar: tarfile.TarFile, manifest: Manifest, path: Path, copy: Path) -> None:
    private_file(copy)
    try:
        with closing(SqliteStore(path)) as store, closing(sqlite3.connect(copy)) as to:
            store.copy_to(to)
            to.execute("PRAGMA journal_mode = DELETE")  # one file
            manifest.stores[path.name] = content_of(to)
        with copy.open("rb") as file:
            _add(tar, manifest, f"stores/{path.name}", file, copy.stat().st_size)
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    finally:
        copy.unlink(missing_ok=True)


def _files_of(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Names and paths of all files, but hidden ones and links."""
    if not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files_of(Path(entry.path), f"{name}/{entry.name}")
        elif entry.is_file(follow_symlinks=False):
            yield f"{name}/{entry.name}", Path(entry.path)


def _add_bytes(tar: tarfile.TarFile, manifest: Manifest, name: str, path: Path) -> None:
    """A small file, which may be replaced meanwhile; one that is deleted meanwhile is left out."""
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return
    _add(tar, manifest, name, io.BytesIO(body), len(body))


def _add(tar: tarfile.TarFile, manifest: Manifest, name: str, source: IO[bytes], size: int) -> None:
    hashed = _Hashing(source)
    tar.addfile(_member(name, size), hashed)
    manifest.files[name] = hashed.digest.hexdigest(), size


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, 0
    return member


class _Hashing:
    """Hashes what is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self.digest = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def parsed(body: bytes, path: Path) -> Manifest:
    """The manifest of a backup. Raises InvalidInputError where it is none of ours."""
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError as error:
        raise InvalidInputError(f"{path} is no backup of Matinee.", "Name a file of `matinee backup`.") from error
    if manifest.matinee_backup > FORMAT:
        raise InvalidInputError(f"{path} was written by a newer Matinee.", "Update Matinee.")
    return manifest
