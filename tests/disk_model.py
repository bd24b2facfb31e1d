"""Power cuts: from the recorded calls of a process, what a disk may hold when the power goes at some point.

A disk keeps what was synced: bytes of a file by `fsync` of the file, names by `fsync` of their folder. Of what was not
synced yet it keeps nothing, all, or any part: whole writes, or the 512-byte sectors of a write. That is harsher than
usual file systems are: ext4 keeps the name of a new file that was synced.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fault_layer import Kind, Record

SECTOR = 512
Kept = Literal["nothing", "data", "names", "some"]
"""What a disk keeps of that which was not synced: nothing; bytes but no names; names but no bytes; any part."""


@dataclass(eq=False)
class File:
    """A file's synced bytes, and its writes since: (offset, bytes), or (size, None) for a truncation."""

    synced: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        """All writes are on the disk."""
        self.synced, self.pending = _applied(self.synced, self.pending), []


@dataclass(eq=False)
class Folder:
    """A folder's synced names, and its changes since: (name, what it names now; None: removed) in groups.

    The two changes of one rename are a group, which is kept or lost as one.
    """

    synced: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[list[tuple[str, File | Folder | None]]] = field(default_factory=list)

    def sync(self) -> None:
        """All names are on the disk."""
        self.synced, self.pending = _renamed(self.synced, self.pending), []

    @property
    def now(self) -> dict[str, File | Folder]:
        """Names as processes see them."""
        return _renamed(self.synced, self.pending)


def _applied(data: bytes, writes: Sequence[tuple[int, bytes | None]]) -> bytes:
    content = bytearray(data)
    for offset, part in writes:
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        if part is None:
            del content[offset:]
        else:
            content[offset : offset + len(part)] = part
    return bytes(content)


def _renamed(
    names: dict[str, File | Folder], changes: Sequence[Sequence[tuple[str, File | Folder | None]]]
) -> dict[str, File | Folder]:
    after = dict(names)
    for group in changes:
        for name, node in group:
            if node is None:
                after.pop(name, None)
            else:
                after[name] = node
    return after


class Disk:
    """A folder as it was when recording began, and the calls since.

    Args:
        root: the folder; all of it is taken as synced.
    """

    def __init__(self, root: Path) -> None:
        self._under = os.fspath(root.resolve())
        self._nodes: dict[int, File | Folder] = {}
        self.root = self._read(root)

    def _read(self, folder: Path) -> Folder:
        node = Folder()
        self._nodes[folder.stat().st_ino] = node
        for path in folder.iterdir():
            if path.is_dir():
                node.synced[path.name] = self._read(path)
            else:
                file = node.synced[path.name] = File(path.read_bytes())
                self._nodes[path.stat().st_ino] = file
        return node

    def _place(self, path: str) -> tuple[Folder, str]:
        folder, parts = self.root, Path(path).relative_to(self._under).parts
        for part in parts[:-1]:
            inner = folder.now[part]
            assert isinstance(inner, Folder)
            folder = inner
        return folder, parts[-1]

    def take(self, record: Record) -> None:
        """Do a recorded call."""
        kind, node = record.kind, self._nodes.get(record.inode)
        if kind in (Kind.CREATE, Kind.MKDIR):
            node = self._nodes[record.inode] = File() if kind is Kind.CREATE else Folder()
            self._change(record.name, node)
        elif kind is Kind.WRITE and isinstance(node, File):
            node.pending.append((record.offset, record.data))
        elif kind is Kind.TRUNCATE and isinstance(node, File):
            node.pending.append((record.offset, None))
        elif kind is Kind.SYNC and node is not None:
            node.sync()
        elif kind in (Kind.UNLINK, Kind.RMDIR):
            self._change(record.name, None)
        elif kind in (Kind.RENAME, Kind.LINK):
            (before, old), (after, new) = self._place(record.name), self._place(record.target)
            moved = before.now[old]
            gone: list[tuple[str, File | Folder | None]] = [(old, None)] if kind is Kind.RENAME else []
            if before is after:
                after.pending.append([(new, moved), *gone])
            else:
                after.pending.append([(new, moved)])
                before.pending.append(gone)

    def _change(self, path: str, node: File | Folder | None) -> None:
        folder, name = self._place(path)
        folder.pending.append([(name, node)])

    def after_cut(self, kept: Kept, chance: random.Random) -> dict[str, bytes | None]:
        """Path → bytes (None: a folder) of what the disk holds if the power goes now."""
        found: dict[str, bytes | None] = {}
        self._collect(self.root, "", kept, chance, found, {})
        return found

    def _collect(
        self,
        folder: Folder,
        prefix: str,
        kept: Kept,
        chance: random.Random,
        found: dict[str, bytes | None],
        contents: dict[int, bytes],
    ) -> None:
        changes = folder.pending
        if kept == "some":
            changes = [group for group in changes if chance.random() < 0.5]
        elif kept != "names":
            changes = []
        for name, node in sorted(_renamed(folder.synced, changes).items()):
            path = prefix + name
            if isinstance(node, Folder):
                found[path] = None
                self._collect(node, path + "/", kept, chance, found, contents)
            else:
                if id(node) not in contents:
                    contents[id(node)] = _bytes_after_cut(node, kept, chance)
                found[path] = contents[id(node)]


def _bytes_after_cut(file: File, kept: Kept, chance: random.Random) -> bytes:
    if kept == "data":
        return _applied(file.synced, file.pending)
    if kept != "some":
        return file.synced
    writes: list[tuple[int, bytes | None]] = []
    for offset, data in file.pending:
        if data is None:
            if chance.random() < 0.5:
                writes.append((offset, None))
            continue
        # Sectors of the disk, each of which is written whole or not at all.
        start = 0
        while start < len(data):
            stop = min(len(data), ((offset + start) // SECTOR + 1) * SECTOR - offset)
            if chance.random() < 0.7:
                writes.append((offset + start, data[start:stop]))
            start = stop
    return _applied(file.synced, writes)


def write_out(content: dict[str, bytes | None], folder: Path) -> None:
    """Make a folder of what a disk holds."""
    folder.mkdir(parents=True)
    for name, data in content.items():
        path = folder / name
        if data is None:
            path.mkdir()
        else:
            path.write_bytes(data)
