"""A layer under a process's files that fails at the n-th call, and records all calls: `fault_layer.c`, preloaded.

Counted are the calls that change files below one folder: opening for writing, writes, `fsync`, `rename`, `ftruncate`,
`unlink`, `mkdir`. Python, SQLite, NumPy and Rust libraries all make them through the C library.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
SHORT = -1
"""In place of an errno: half of a write is written; with `sticky`, all later writes find the disk full."""
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "short": SHORT}


def missing() -> str | None:
    """Why the layer cannot be had here; None if it can."""
    if sys.platform != "linux":
        return "the layer under files is made for Linux"
    return None if shutil.which("cc") else "there is no C compiler (cc)"


class Kind(IntEnum):
    """What a record is about; as in `fault_layer.c`."""

    OPEN = 1
    CREATE = 2
    WRITE = 3
    TRUNCATE = 4
    SYNC = 5
    RENAME = 6
    UNLINK = 7
    MKDIR = 8
    RMDIR = 9
    LINK = 10


@dataclass(frozen=True, slots=True)
class Record:
    """One call that was made.

    Attributes:
        call: number of counted calls up to this one.
        inode: of the file.
        offset: of a write; the new size of a truncation.
        name, target: paths; target of a rename or link.
        data: what was written.
    """

    kind: Kind
    call: int
    inode: int
    offset: int
    name: str
    target: str
    data: bytes


class _Control(ctypes.Structure):
    _fields_ = (
        ("calls", ctypes.c_uint64),
        ("fail_at", ctypes.c_uint64),
        ("error", ctypes.c_int64),
        ("sticky", ctypes.c_uint64),
        ("hits", ctypes.c_uint64),
        ("recording", ctypes.c_uint64),
        ("clock", ctypes.c_int64),
        ("under", ctypes.c_char * 1024),
        ("log", ctypes.c_char * 1024),
        ("hit", ctypes.c_char * 1024),
    )


class FaultLayer:
    """The built library, and the memory that it shares with the processes under it.

    Args:
        folder: an empty folder for the library, the shared memory and the records.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.library, self._shared, self._log = folder / "layer.so", folder / "control", folder / "records"
        command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(self.library), str(SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True, timeout=120)
        self._shared.write_bytes(bytes(ctypes.sizeof(_Control)))
        with self._shared.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._control = _Control.from_buffer(self._memory)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to be under the layer."""
        return {"LD_PRELOAD": os.fspath(self.library), "MATINEE_FAULT_CONTROL": os.fspath(self._shared)}

    def start(
        self, under: Path, fail_at: int = 0, error: int = errno.EIO, *, sticky: bool = False, recording: bool = False
    ) -> None:
        """Count from now on below a folder.

        Args:
            under: the folder.
            fail_at: the call that fails, counted from 1; 0: none.
            error: its errno, or SHORT.
            sticky: later calls fail too: writes and new files where the disk is full, all where it is broken.
            recording: record all calls.
        """
        self.stop()
        self._log.unlink(missing_ok=True)
        control = self._control
        control.calls, control.hits, control.hit = 0, 0, b""
        control.fail_at, control.error, control.sticky = fail_at, error, sticky
        control.recording, control.log = recording, os.fsencode(self._log)
        control.under = os.fsencode(under.resolve())

    def stop(self) -> None:
        """Count nothing and fail nothing any more."""
        self._control.under = b""
        self._control.fail_at = 0

    def set_clock(self, seconds: int) -> None:
        """Put the clock of the processes wrong by so many seconds."""
        self._control.clock = seconds

    @property
    def calls(self) -> int:
        """Calls counted since the start."""
        return int(self._control.calls)

    @property
    def hits(self) -> int:
        """Calls that failed."""
        return int(self._control.hits)

    @property
    def hit(self) -> str:
        """The first call that failed, and its path below the folder."""
        return os.fsdecode(self._control.hit)

    def records(self) -> Iterator[Record]:
        """What was recorded since the start."""
        head = struct.Struct("7Q")
        with self._log.open("rb") as file:
            while part := file.read(head.size):
                kind, call, inode, offset, length, name, target = head.unpack(part)
                names = os.fsdecode(file.read(name)), os.fsdecode(file.read(target))
                yield Record(Kind(kind), call, inode, offset, *names, file.read(length))

    def close(self) -> None:
        """Let go of the shared memory."""
        self.stop()
        del self._control
        self._memory.close()
