"""Posters as files: one picture a film, named by the film's id, checked before it is kept.

Every process sees what another has put there at once: nothing is cached, and a film is looked up by four calls of
`lstat`, which takes microseconds however many there are.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from matinee._util.atomic_files import locked, replacing
from matinee.errors import InvalidInputError, MediaTypeError, StoreError, TooLargeError
from matinee.posters.pictures import HEAD, KINDS, Kind, Picture, inspect, kind_of

if TYPE_CHECKING:
    from matinee.data.catalog import Movie
    from matinee.settings import Settings

Check = Callable[[bytes], object]
"""Decodes a picture, and raises an InvalidInputError (or one of its kinds) where it cannot."""
Put = Literal["added", "replaced", "unchanged"]
Shown = Literal["file", "link", "card"]

_PLAIN = re.compile(r"[a-z0-9_-]")
_LONGEST = 240
"""Bytes of a file name without its ending; file systems take 255."""
_WAIT = 30.0
"""Seconds to wait for another process that puts a picture in place, which takes less than a millisecond."""
_STALE = 3600.0
"""Age in seconds of an unfinished file that no process can still be writing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture on the shelf: where, how large in bytes, and when it was put there (nanoseconds since 1970)."""

    path: Path
    bytes: int
    mtime_ns: int

    @property
    def tag(self) -> str:
        """Changes whenever the picture does."""
        return f"{self.mtime_ns:x}.{self.bytes:x}"


def stem_of(movie_id: str) -> str:
    """A file name for an id: other characters than a-z, 0-9, _ and - are percent-quoted, capitals too.

    So ids can name no folder, and ids that differ in capitals stay apart on file systems that do not tell them.
    """
    return "".join(
        c if _PLAIN.match(c) else "".join(f"%{b:02x}" for b in c.encode("utf-8", "surrogatepass")) for c in movie_id
    )


def is_link(address: str | None) -> bool:
    """Whether a film's `poster` is an address on the web; anything else is never opened or led to."""
    return address is not None and address.startswith(("https://", "http://"))


class PosterStore:
    """The pictures of one data set's films. Safe to use from many threads and processes.

    Args:
        folder: made when the first picture is put.
        max_bytes: of a picture.
        max_pixels: of a picture.
        check: decodes a picture that is about to be put, after its head was found in order.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int = 8 << 20, max_pixels: int = 50_000_000, check: Check | None = None
    ) -> None:
        self.folder = folder
        self.max_bytes, self.max_pixels = max_bytes, max_pixels
        self._check = check

    @classmethod
    def of(cls, settings: Settings, dataset: str, check: Check | None = None) -> PosterStore:
        """The shelf of a data set, with the limits of the settings."""
        folder = settings.posters_dir(dataset)
        return cls(folder, max_bytes=settings.max_body, max_pixels=settings.max_pixels, check=check)

    # --- reading ----------------------------------------------------------------------------------------------
    def find(self, movie_id: str) -> Stored | None:
        """The picture of a film; symbolic links, folders and empty files are none."""
        stem = stem_of(movie_id)
        if not stem or len(stem) > _LONGEST:
            return None
        found: Stored | None = None
        for kind in KINDS:
            path = f"{self.folder}{os.sep}{stem}{kind.suffix}"
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size and (not found or status.st_mtime_ns > found.mtime_ns):
                found = Stored(Path(path), status.st_size, status.st_mtime_ns)
        return found

    def path(self, movie_id: str) -> Path | None:
        """The file of a film's picture, None where there is none."""
        found = self.find(movie_id)
        return None if found is None else found.path

    def read(self, stored: Stored) -> tuple[Kind, bytes] | None:
        """Kind and bytes of a picture; None where it has gone, or somebody has put there what is no picture."""
        try:
            with stored.path.open("rb") as file:
                data = file.read(self.max_bytes + 1)
        except OSError:
            return None
        kind = kind_of(data[:HEAD])
        return (kind, data) if kind is not None and len(data) <= self.max_bytes else None

    def ids(self) -> set[str]:
        """Ids of all films that have a picture."""
        suffixes = {kind.suffix for kind in KINDS}
        found = set()
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - a Path for each would take most of the time
                if suffix in suffixes and stem[:1] != "." and entry.is_file(follow_symlinks=False):
                    movie_id = unquote(stem)
                    if stem_of(movie_id) == stem:
                        found.add(movie_id)
        return found

    def shown(self, movie: Movie) -> Shown:
        """What stands for a film: its picture here, the one its record links to, or a drawn card."""
        if self.find(movie.movie_id) is not None:
            return "file"
        return "link" if is_link(movie.poster) else "card"

    # --- writing ----------------------------------------------------------------------------------------------
    def inspect(self, data: bytes) -> Picture:
        """Look at a picture's head and decode it, as `put` does.

        Raises:
            TooLargeError: more bytes or pixels than allowed.
            MediaTypeError: not JPEG, PNG, WebP or AVIF.
            InvalidInputError: empty, damaged, or cut short.
        """
        picture = inspect(data, self.max_bytes, self.max_pixels)
        if self._check is not None:
            self._check(data)
        return picture

    def put(self, movie_id: str, data: bytes, *, durable: bool = True) -> Put:
        """Keep a picture as the film's only one.

        Args:
            movie_id: any id; whether there is such a film is the caller's to know.
            durable: survive a power cut from now on; without it, a cut may lose it or leave an empty file, which
                counts as none.

        Raises:
            InvalidInputError: see `inspect`; or the id is too long for a file name.
            StoreError: the folder cannot be written.
        """
        stem = stem_of(movie_id)
        if not stem or len(stem) > _LONGEST:
            raise InvalidInputError(f"The id {movie_id!r} is too long to name a file.", "Give the film a shorter id.")
        before = self.find(movie_id)
        if before is not None and before.bytes == len(data) and (self.read(before) or ("", b""))[1] == data:
            return "unchanged"
        target = self.folder / f"{stem}{self.inspect(data).kind.suffix}"
        with writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock():
                with replacing(target, durable=durable) as file:
                    file.write_bytes(data)
                self._discard(stem, keep=target)
        return "added" if before is None else "replaced"

    def put_file(self, movie_id: str, path: Path, *, durable: bool = True) -> Put:
        """Keep a copy of a picture file; see `put`.

        Raises:
            MediaTypeError: not a regular file; besides what `put` raises.
        """
        return self.put(movie_id, read_file(path, self.max_bytes), durable=durable)

    def remove(self, movie_id: str) -> bool:
        """Take a film's picture away; whether there was one."""
        if self.find(movie_id) is None:
            return False
        with writing(), self._lock():
            return self._discard(stem_of(movie_id))

    def tidy(self) -> None:
        """Delete what processes that were killed have left unfinished."""
        with suppress(OSError):
            for path in self.folder.glob(".*.part"):
                if time.time() - path.lstat().st_mtime > _STALE:
                    path.unlink(missing_ok=True)

    def _discard(self, stem: str, keep: Path | None = None) -> bool:
        gone = False
        for kind in KINDS:
            path = self.folder / f"{stem}{kind.suffix}"
            if path != keep:
                with suppress(FileNotFoundError):
                    path.unlink()
                    gone = True
        return gone

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # Without it, two processes that put a JPEG and a PNG at a time could each delete the other's.
        busy = StoreError("Another process holds the posters' folder.", "Wait for it, or end it, and try again.")
        with locked(self.folder / ".lock", _WAIT, busy):
            yield


def read_file(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file, never more than one above `max_bytes`; pipes and devices are not waited for.

    Raises:
        MediaTypeError: not a regular file, or a symbolic link.
        TooLargeError: larger than `max_bytes`.
        InvalidInputError: it cannot be read.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise MediaTypeError(f"{path} is not a file.", "Name a picture file, not a link or folder.")
        if status.st_size > max_bytes:
            raise TooLargeError(f"{path} has {status.st_size:,} bytes; {max_bytes:,} are accepted.", "Make it smaller.")
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise InvalidInputError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from error


@contextmanager
def writing() -> Iterator[None]:
    """Turn what the file system says into a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"A poster cannot be written: {error.strerror or error}.",
            "Free some space, or see that the folder posters in MATINEE_DATA_DIR can be written.",
        ) from error
