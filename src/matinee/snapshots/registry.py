"""The registry of snapshots: which exist, and which one is served.

`pointer.json` names the current snapshot and the previous ones. It is always replaced atomically. A damaged pointer
(a disk error or a manual edit) is an error: falling back to the newest snapshot would be wrong, because it may be the
one that was rolled back. `promote` overwrites a damaged pointer.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matinee._util.atomic_files import UnsyncedError, replacing, sync_folder
from matinee.errors import SnapshotError
from matinee.snapshots.folder import locked
from matinee.snapshots.manifest import SNAPSHOT_ID, Manifest, read_manifest
from matinee.snapshots.snapshot import folder_of, problems_of
from matinee.snapshots.write import TEMPORARY

KEEP_PREVIOUS = 20
# Aliases, because inside the class `list` is a method.
Texts = list[str]
Manifests = list[Manifest]


class Pointer(BaseModel):
    """The content of `pointer.json`: the current snapshot and the previous ones, newest last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    current: str = Field(pattern=rf"^{SNAPSHOT_ID.pattern}$")
    previous: tuple[str, ...] = ()


class SnapshotRegistry:
    """All snapshots in one folder. Safe for use from many processes.

    Args:
        root: the folder; it need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._pointer = self.root / "pointer.json"
        self._pointer_name = os.fspath(self._pointer)

    # --- reading --------------------------------------------------------------------------------------------
    def ids(self) -> Texts:
        """Ids of all snapshots, including damaged ones, newest first. The order within one second is arbitrary."""
        if not self.root.is_dir():
            return []
        return sorted(
            (path.name for path in self.root.iterdir() if SNAPSHOT_ID.fullmatch(path.name) and path.is_dir()),
            reverse=True,
        )

    def list(self) -> Manifests:
        """Manifests of all readable snapshots, newest first; `damaged` has the others."""
        return self._scan()[0]

    def damaged(self) -> dict[str, str]:
        """Snapshots whose manifest cannot be read: id → error message."""
        return self._scan()[1]

    def _scan(self) -> tuple[Manifests, dict[str, str]]:
        readable, damaged = [], {}
        for snapshot_id in self.ids():
            try:
                readable.append(self.show(snapshot_id))
            except SnapshotError as error:
                damaged[snapshot_id] = str(error)
        readable.sort(key=lambda manifest: (manifest.created, manifest.id), reverse=True)
        return readable, damaged

    def show(self, snapshot_id: str) -> Manifest:
        """The manifest of one snapshot.

        Raises:
            SnapshotError: the id is unknown, or the manifest is damaged.
        """
        return read_manifest(folder_of(self.root, snapshot_id))

    def verify(self, snapshot_id: str) -> Texts:
        """Compare every file with its hash. Returns one sentence for each problem; empty if there are none.

        Raises:
            SnapshotError: there is no such snapshot.
        """
        folder = folder_of(self.root, snapshot_id)
        try:
            return problems_of(folder, read_manifest(folder))
        except SnapshotError as error:
            return [error.message.rstrip(".")]

    # --- the pointer ----------------------------------------------------------------------------------------
    def current(self) -> str | None:
        """Id of the snapshot that is served; None if none was promoted yet.

        Raises:
            SnapshotError: `pointer.json` is damaged.
        """
        pointer = self._read()
        return None if pointer is None else pointer.current

    def previous(self) -> tuple[str, ...]:
        """Ids of the snapshots served before, newest last. `rollback` tries them from the end.

        Raises:
            SnapshotError: `pointer.json` is damaged.
        """
        pointer = self._read()
        return () if pointer is None else pointer.previous

    def stamp(self) -> object:
        """A value that changes whenever the pointer is replaced. Takes about a microsecond."""
        try:
            status = os.stat(self._pointer_name)  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def promote(self, snapshot_id: str, verify: bool = True) -> str:
        """Serve a snapshot from now on, and return its id.

        Args:
            verify: compare every file with its hash first.

        Raises:
            SnapshotError: unknown or damaged; the pointer is unchanged.
        """
        problems = self.verify(snapshot_id) if verify else []
        if problems:
            raise SnapshotError(
                f"Snapshot {snapshot_id} is damaged and cannot be served: {problems[0]}.",
                "Promote another one (`matinee snapshots list`), or make a new one with `matinee train`.",
            )
        folder_of(self.root, snapshot_id)
        with self._locked():
            try:
                pointer = self._read()
            except SnapshotError:
                pointer = None  # promoting is the way to repair a damaged pointer
            previous: tuple[str, ...] = ()
            if pointer is not None:
                before = [*pointer.previous, pointer.current]
                previous = tuple(old for old in before if old != snapshot_id)[-KEEP_PREVIOUS:]
            self._write(Pointer(current=snapshot_id, previous=previous))
        return snapshot_id

    def rollback(self) -> str:
        """Serve the previous snapshot again, skipping damaged ones, and return its id.

        Raises:
            SnapshotError: there is no previous snapshot that is intact; the pointer is unchanged.
        """
        with self._locked():
            pointer = self._read()
            previous = [] if pointer is None else [*pointer.previous]
            while previous:
                target = previous.pop()
                try:
                    intact = not self.verify(target)
                except SnapshotError:
                    intact = False
                if intact:
                    self._write(Pointer(current=target, previous=tuple(previous)))
                    return target
        raise SnapshotError(
            "There is no intact snapshot to roll back to.", "Promote one by id, or make a new one with `matinee train`."
        )

    def prune(self, keep: int) -> Texts:
        """Delete all but the newest `keep` snapshots and return the deleted ids.

        The current snapshot, the one that `rollback` would serve, and those with an unreadable manifest are never
        deleted. The latter may be of a newer Matinee; delete their folders manually.

        Raises:
            SnapshotError: `pointer.json` is damaged, or a folder cannot be deleted.
        """
        if not self.root.is_dir():
            return []
        with self._locked():
            pointer = self._read()
            protected = set() if pointer is None else {pointer.current, *pointer.previous[-1:]}
            obsolete = [manifest.id for manifest in self.list()[max(0, keep) :] if manifest.id not in protected]
            if pointer is not None and set(obsolete) & set(pointer.previous):
                remaining = tuple(old for old in pointer.previous if old not in obsolete)
                self._write(Pointer(current=pointer.current, previous=remaining))
            for snapshot_id in obsolete:
                self._delete(snapshot_id)
        return obsolete

    # --- files ----------------------------------------------------------------------------------------------
    def _delete(self, snapshot_id: str) -> None:
        # Rename first, so that no process sees it half deleted. The next write removes leftovers.
        hidden = self.root / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
        try:
            (self.root / snapshot_id).rename(hidden)
            shutil.rmtree(hidden)
            sync_folder(self.root)
        except OSError as error:
            raise SnapshotError(
                f"Snapshot {snapshot_id} cannot be deleted: {error}.",
                "Stop the servers that use it, and try again.",
            ) from error

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self.root / "pointer.lock")

    def _read(self) -> Pointer | None:
        try:
            return Pointer.model_validate_json(self._pointer.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            newest = next(iter(self.ids()), "ID")
            raise SnapshotError(
                f"{self._pointer} is damaged: it does not say which snapshot to serve.",
                f"Choose one of `matinee snapshots list` with `matinee snapshots promote {newest}`.",
            ) from error

    def _write(self, pointer: Pointer) -> None:
        try:
            with replacing(self._pointer) as file:
                file.write_text(pointer.model_dump_json(), encoding="utf-8")
        except UnsyncedError as error:
            raise SnapshotError(
                f"{self._pointer} was changed, but the disk does not confirm it: {error.strerror}.",
                f"Check the disk, then repeat it. {pointer.current} is served; after a power cut it may be the former.",
            ) from error
        except OSError as error:
            raise SnapshotError(
                f"{self._pointer} cannot be written: {error}.",
                "Make room on the disk. The previous snapshot is still served.",
            ) from error
