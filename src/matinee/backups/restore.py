"""Putting a backup back: verified before anything is touched, and nothing that is there is deleted."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import sqlite3
import tarfile
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from matinee._util.atomic_files import sync_file, sync_folder
from matinee._util.private_files import private_file, private_folder
from matinee.backups.write import MANIFEST, Manifest, check_embedded, content_of, parsed
from matinee.errors import InvalidInputError, StoreError
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.stores.sqlite import migrations, replacement

_NAME = re.compile(
    r"stores/[^/\x00]+\.sqlite3|posters/[^/\x00]+/[^/\x00]+|snapshots/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+){1,4}"
)
_BLOCK = 1 << 20
STAGE = ".restore-"


@dataclass(frozen=True)
class Restored:
    """What a restore has done.

    Attributes:
        manifest: of the backup.
        aside: folder that what was there before was moved to; None where nothing was.
    """

    manifest: Manifest
    aside: Path | None


def read_backup(path: Path, into: Path | None = None) -> Manifest:
    """Verify a backup: every file against its hash.

    Args:
        into: folder that the files are written to; None: they are only read.

    Raises:
        InvalidInputError: it is no backup, incomplete, or damaged.
        StoreError: a file cannot be written.
    """
    manifest: Manifest | None = None
    found: dict[str, tuple[str, int]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                source = tar.extractfile(member) if member.isreg() else None
                if source is None or manifest is not None or not _is_allowed(member.name):
                    raise InvalidInputError(f"{path} holds {member.name!r}, which no backup has.", "Do not use it.")
                if member.name == MANIFEST:
                    manifest = parsed(source.read(), path)
                else:
                    found[member.name] = _unpack(source, None if into is None else into / member.name)
    except tarfile.TarError as error:
        raise InvalidInputError(
            f"{path} is no backup, or was cut short: {error}.", "Use another one; this one was not changed."
        ) from error
    except FileNotFoundError as error:
        raise InvalidInputError(f"There is no file {path}.", "Name a file of `matinee backup`.") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be unpacked: {error}.", "Make room on the disk, then try again.") from error
    if manifest is None:
        raise InvalidInputError(f"{path} is no backup, or was cut short.", "Use another one; this was not changed.")
    wrong = sorted(name for name in manifest.files.keys() | found.keys() if manifest.files.get(name) != found.get(name))
    if wrong:
        raise InvalidInputError(f"{path} is damaged: {', '.join(wrong[:3])} changed.", "Use another one.")
    return manifest


def _is_allowed(name: str) -> bool:
    parts = name.split("/")
    return name == MANIFEST or (bool(_NAME.fullmatch(name)) and not {"", ".", ".."}.intersection(parts))


def _unpack(source: IO[bytes], target: Path | None) -> tuple[str, int]:
    """SHA-256 and bytes of a member, which is written to a file, if one is given."""
    digest, size = hashlib.sha256(), 0
    with ExitStack() as stack:
        file = None
        if target is not None:
            private_folder(target.parent)
            private_file(target)
            file = stack.enter_context(target.open("r+b"))
        while block := source.read(_BLOCK):
            digest.update(block)
            size += len(block)
            if file is not None:
                file.write(block)
        if file is not None:
            file.flush()
            os.fsync(file.fileno())
    return digest.hexdigest(), size


def restore(settings: Settings, path: Path) -> Restored:
    """Put a backup in the place of what is in the data folder, which is moved aside, into its folder `replaced`.

    A kill at any moment leaves each store as it was or as it is in the backup.

    Raises:
        InvalidInputError: no sound backup, or the store is on a server; nothing was changed.
        StoreError: a service has a store open, or a file cannot be written; nothing was changed.
    """
    check_embedded(settings)
    home = settings.data_dir
    private_folder(home)
    _tidy(home)
    stage = home / f"{STAGE}{os.getpid()}-{secrets.token_hex(4)}"
    aside = home / "replaced" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    with ExitStack() as stack:
        stack.callback(_clear, home, stage)
        private_folder(stage)
        manifest = read_backup(path, stage)
        for name, content in manifest.stores.items():
            _check_store(stage / "stores" / name, content.model_dump(), path)
        for name in manifest.stores:
            stack.enter_context(replacement.alone(home / "stores" / name))
        for folder in sorted((stage / "posters").glob("*")):
            _swap(folder, home / "posters" / folder.name, aside / "posters" / folder.name)
        for folder in sorted((stage / "snapshots").glob("*")):
            if not (settings.snapshots_dir / folder.name).exists():
                _swap(folder, settings.snapshots_dir / folder.name, aside)
            SnapshotRegistry(settings.snapshots_dir).promote(folder.name)
        for name in manifest.stores:
            replacement.replace(home / "stores" / name, stage / "stores" / name, aside / "stores")
    return Restored(manifest, aside if aside.exists() else None)


def _check_store(path: Path, content: dict[str, object], backup: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            migrations.check(connection, backup)
            found = content_of(connection).model_dump()
    except sqlite3.Error as error:
        raise InvalidInputError(f"{backup} is damaged: {path.name}: {error}.", "Use another one.") from error
    if found != content:
        raise InvalidInputError(f"{backup} is damaged: {path.name} has {found}, not {content}.", "Use another one.")
    sync_file(path)


def _swap(new: Path, target: Path, aside: Path) -> None:
    """Put a folder in the place of another one, which is moved aside."""
    private_folder(target.parent)
    if target.exists():
        private_folder(aside.parent)
        target.rename(aside)
        sync_folder(aside.parent)
    new.rename(target)
    sync_folder(target.parent)


def _clear(home: Path, stage: Path) -> None:
    pending = any(replacement.is_pending(path) for path in (home / "stores").glob("*.sqlite3"))
    if not pending:
        shutil.rmtree(stage, ignore_errors=True)


def _tidy(home: Path) -> None:
    """Finish what a killed restore left, and delete what it had unpacked."""
    for plan in (home / "stores").glob(f"*{replacement.PLAN}"):
        with replacement.alone(plan.with_name(plan.name.removesuffix(replacement.PLAN))):
            pass  # which finishes it
    for stage in home.glob(f"{STAGE}*"):
        with suppress(ValueError):
            if not _is_running(int(stage.name.removeprefix(STAGE).partition("-")[0])):
                shutil.rmtree(stage, ignore_errors=True)


def _is_running(pid: int) -> bool:
    from matinee.snapshots.folder import process_alive

    return process_alive(pid)
