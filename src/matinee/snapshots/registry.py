"""The shelf of snapshots: which there are, and which one is served.

`pointer.json` names the snapshot served and those served before it. It is only ever replaced whole. A damaged
one (a fault of the disk, or an edit by hand) is an error and no guess is made, because the newest snapshot may
be the very one that was rolled back; `promote` writes it anew.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matinee._util.atomic_files import replacing, sync_folder
from matinee.errors import SnapshotError
from matinee.snapshots.folder import locked
from matinee.snapshots.manifest import SNAPSHOT_ID, Manifest, read_manifest
from matinee.snapshots.snapshot import folder_of, problems_of
from matinee.snapshots.write import TEMPORARY

KEEP_PREVIOUS = 20
# Named here, because inside the class `list` is a method.
Texts = list[str]
Manifests = list[Manifest]


class Pointer(BaseModel):
    """What `pointer.json` holds: the snapshot served, and those before it, newest last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    current: str = Field(pattern=rf"^{SNAPSHOT_ID.pattern}$")
    previous: tuple[str, ...] = ()


class SnapshotRegistry:
    """All snapshots below one folder; safe to use from many processes.

    Args:
        root: the folder; need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._pointer = self.root / "pointer.json"
        self._pointer_name = os.fspath(self._pointer)

    # --- looking --------------------------------------------------------------------------------------------
    def ids(self) -> Texts:
        """Ids of all snapshots, sound or not, newest first (within a second: in no order)."""
        if not self.root.is_dir():
            return []
        return sorted(
            (path.name for path in self.root.iterdir() if SNAPSHOT_ID.fullmatch(path.name) and path.is_dir()),
            reverse=True,
        )

    def list(self) -> Manifests:
        """Manifests of all snapshots that can be read, newest first; the others are in `damaged`."""
        return self._scan()[0]

    def damaged(self) -> dict[str, str]:
        """Snapshots whose manifest cannot be read: id → what is wrong and what to do."""
        return self._scan()[1]

    def _scan(self) -> tuple[Manifests, dict[str, str]]:
        sound, damaged = [], {}
        for snapshot_id in self.ids():
            try:
                sound.append(self.show(snapshot_id))
            except SnapshotError as error:
                damaged[snapshot_id] = str(error)
        sound.sort(key=lambda manifest: (manifest.created, manifest.id), reverse=True)
        return sound, damaged

    def show(self, snapshot_id: str) -> Manifest:
        """The manifest of one snapshot.

        Raises:
            SnapshotError: unknown, or its manifest is damaged.
        """
        return read_manifest(folder_of(self.root, snapshot_id))

    def verify(self, snapshot_id: str) -> Texts:
        """Compare every file with its hash: what is wrong, one sentence each; empty: nothing.

        Raises:
            SnapshotError: there is no such snapshot.
        """
        folder = folder_of(self.root, snapshot_id)
        try:
            return problems_of(folder, read_manifest(folder))
        except SnapshotError as error:
            return [error.message.rstrip(".")]

    # --- what is served -------------------------------------------------------------------------------------
    def current(self) -> str | None:
        """Id of the snapshot served, None where none ever was.

        Raises:
            SnapshotError: `pointer.json` is damaged.
        """
        pointer = self._read()
        return None if pointer is None else pointer.current

    def previous(self) -> tuple[str, ...]:
        """Ids served before, newest last: what `rollback` would go through.

        Raises:
            SnapshotError: `pointer.json` is damaged.
        """
        pointer = self._read()
        return () if pointer is None else pointer.previous

    def stamp(self) -> object:
        """A marker that differs whenever the pointer was replaced; about a microsecond."""
        try:
            found = os.stat(self._pointer_name)  # noqa: PTH116 - half the cost of Path.stat
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def promote(self, snapshot_id: str, verify: bool = True) -> str:
        """Serve a snapshot from now on, and return its id.

        Args:
            verify: compare every file with its hash before.

        Raises:
            SnapshotError: unknown or damaged; the pointer is untouched.
        """
        problems = self.verify(snapshot_id) if verify else []
        if problems:
            raise SnapshotError(
                f"Snapshot {snapshot_id} is damaged and is not served: {problems[0]}.",
                "Promote another one (`matinee snapshots list`), or make a new one with `matinee train`.",
            )
        folder_of(self.root, snapshot_id)
        with self._locked():
            try:
                pointer = self._read()
            except SnapshotError:
                pointer = None  # promoting is how a damaged pointer is mended
            previous: tuple[str, ...] = ()
            if pointer is not None:
                before = [*pointer.previous, pointer.current]
                previous = tuple(old for old in before if old != snapshot_id)[-KEEP_PREVIOUS:]
            self._write(Pointer(current=snapshot_id, previous=previous))
        return snapshot_id

    def rollback(self) -> str:
        """Serve the snapshot served before the current one, and return its id; damaged ones are passed over.

        Raises:
            SnapshotError: there is none to go back to; the pointer is untouched.
        """
        with self._locked():
            pointer = self._read()
            previous = [] if pointer is None else [*pointer.previous]
            while previous:
                target = previous.pop()
                try:
                    sound = not self.verify(target)
                except SnapshotError:
                    sound = False
                if sound:
                    self._write(Pointer(current=target, previous=tuple(previous)))
                    return target
        raise SnapshotError(
            "There is no sound snapshot to go back to.", "Promote one by id, or make a new one with `matinee train`."
        )

    def prune(self, keep: int) -> Texts:
        """Delete all but the newest `keep` snapshots; returns the ids deleted.

        Never the one served nor the one `rollback` would serve, and never one whose manifest cannot be read (it
        may be a newer Matinee's; delete its folder by hand).

        Raises:
            SnapshotError: `pointer.json` is damaged, or a folder cannot be deleted.
        """
        if not self.root.is_dir():
            return []
        with self._locked():
            pointer = self._read()
            spared = set() if pointer is None else {pointer.current, *pointer.previous[-1:]}
            gone = [manifest.id for manifest in self.list()[max(0, keep) :] if manifest.id not in spared]
            if pointer is not None and set(gone) & set(pointer.previous):
                left = tuple(old for old in pointer.previous if old not in gone)
                self._write(Pointer(current=pointer.current, previous=left))
            for snapshot_id in gone:
                self._delete(snapshot_id)
        return gone

    # --- the files ------------------------------------------------------------------------------------------
    def _delete(self, snapshot_id: str) -> None:
        # Out of sight first: nobody may find it half deleted. What is left of it, the next write cleans up.
        hidden = self.root / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
        try:
            (self.root / snapshot_id).rename(hidden)
            shutil.rmtree(hidden)
            sync_folder(self.root)
        except OSError as error:
            raise SnapshotError(
                f"Snapshot {snapshot_id} cannot be deleted: {error}.",
                "Stop the servers that have it open, and try again.",
            ) from error

    def _locked(self) -> AbstractContextManager[None]:
        self.root.mkdir(parents=True, exist_ok=True)
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
                f"Choose one of `matinee snapshots list` by `matinee snapshots promote {newest}`.",
            ) from error

    def _write(self, pointer: Pointer) -> None:
        try:
            with replacing(self._pointer) as file:
                file.write_text(pointer.model_dump_json(), encoding="utf-8")
        except OSError as error:
            raise SnapshotError(
                f"{self._pointer} cannot be written: {error}.",
                "Make room on the disk; the snapshot served is the old one.",
            ) from error
