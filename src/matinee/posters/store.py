"""Posters as files: one picture per movie, named by the movie's id and checked before it is stored.

All processes see changes immediately, because nothing is cached: a lookup is four calls of `lstat`, which takes
microseconds whatever the number of pictures.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from matinee._util.atomic_files import locked, remove_leftovers, replacing, sync_folder
from matinee._util.private_files import private_file, private_folder
from matinee.errors import InvalidInputError, MediaTypeError, StoreError, TooLargeError
from matinee.posters.links import allowed_link
from matinee.posters.pictures import HEAD, KINDS, Kind, Picture, inspect, kind_of

if TYPE_CHECKING:
    from matinee.data.catalog import Movie
    from matinee.settings import Settings

Check = Callable[[bytes], object]
"""Decodes a picture. Raises InvalidInputError (or a subclass) if that fails."""
Put = Literal["added", "replaced", "unchanged"]
Shown = Literal["file", "link", "card"]

_PLAIN = re.compile(r"[a-z0-9_-]")
_MAX_STEM = 240
"""Maximum bytes of a file name without suffix. File systems allow 255."""
_WAIT = 30.0
"""Seconds to wait for another process that is replacing a picture, which takes less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored picture: path, size in bytes, and time of the last change (nanoseconds since 1970)."""

    path: Path
    bytes: int
    mtime_ns: int

    @property
    def tag(self) -> str:
        """A value that changes whenever the picture changes."""
        return f"{self.mtime_ns:x}.{self.bytes:x}"


def stem_of(movie_id: str) -> str:
    """The file name of an id. Characters other than a-z, 0-9, _ and - are percent-quoted.

    This prevents path traversal, and keeps ids apart that differ only in case on case-insensitive file systems.
    """
    return "".join(
        c if _PLAIN.match(c) else "".join(f"%{b:02x}" for b in c.encode("utf-8", "surrogatepass")) for c in movie_id
    )


class PosterStore:
    """The pictures of one data set's movies. Safe for use from many threads and processes.

    Args:
        folder: created when the first picture is stored.
        max_bytes: maximum size of a picture.
        max_pixels: maximum number of pixels (width × height).
        check: called with a picture before it is stored, after its header was checked.
        link_hosts: hosts whose pictures records may link to, see `links.allowed_link`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = 8 << 20,
        max_pixels: int = 50_000_000,
        check: Check | None = None,
        link_hosts: str = "",
    ) -> None:
        self.folder = folder
        self.max_bytes, self.max_pixels = max_bytes, max_pixels
        self._check, self._link_hosts = check, link_hosts

    @classmethod
    def of(cls, settings: Settings, dataset: str, check: Check | None = None) -> PosterStore:
        """The poster store of a data set, with the limits of the settings."""
        folder = settings.posters_dir(dataset)
        return cls(
            folder,
            max_bytes=settings.max_body,
            max_pixels=settings.max_pixels,
            check=check,
            link_hosts=settings.poster_hosts,
        )

    # --- reading ----------------------------------------------------------------------------------------------
    def find(self, movie_id: str) -> Stored | None:
        """The picture of a movie. Symbolic links, folders and empty files are ignored."""
        found = self._find(stem_of(movie_id))
        if found is None and not movie_id.isascii():  # stored when ids were not normalized
            found = self._find(stem_of(unicodedata.normalize("NFD", movie_id)))
        return found

    def _find(self, stem: str) -> Stored | None:
        if not stem or len(stem) > _MAX_STEM:
            return None
        newest: Stored | None = None
        for kind in KINDS:
            path = f"{self.folder}{os.sep}{stem}{kind.suffix}"
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size and (not newest or status.st_mtime_ns > newest.mtime_ns):
                newest = Stored(Path(path), status.st_size, status.st_mtime_ns)
        return newest

    def path(self, movie_id: str) -> Path | None:
        """The file of a movie's picture; None if there is none."""
        stored = self.find(movie_id)
        return None if stored is None else stored.path

    def read(self, stored: Stored) -> tuple[Kind, bytes] | None:
        """Format and bytes of a picture; None if it was deleted or overwritten with something else."""
        try:
            with stored.path.open("rb") as file:
                data = file.read(self.max_bytes + 1)
        except OSError:
            return None
        kind = kind_of(data[:HEAD])
        return (kind, data) if kind is not None and len(data) <= self.max_bytes else None

    def ids(self) -> set[str]:
        """Ids of all movies that have a picture."""
        suffixes = {kind.suffix for kind in KINDS}
        ids = set()
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - a Path for each would take most of the time
                if suffix in suffixes and stem[:1] != "." and entry.is_file(follow_symlinks=False):
                    movie_id = unquote(stem)
                    if stem_of(movie_id) == stem:
                        ids.add(movie_id)
        return ids

    def shown(self, movie: Movie) -> Shown:
        """What is shown for a movie: its stored picture, the one its record links to, or a drawn card."""
        if self.find(movie.movie_id) is not None:
            return "file"
        return "card" if self.link(movie) is None else "link"

    def link(self, movie: Movie) -> str | None:
        """The address that a movie's record links to, where it may be handed on."""
        return allowed_link(movie.poster, self._link_hosts)

    # --- writing ----------------------------------------------------------------------------------------------
    def inspect(self, data: bytes) -> Picture:
        """Check a picture's header and decode it, as `put` does.

        Raises:
            TooLargeError: more bytes or pixels than allowed.
            MediaTypeError: not JPEG, PNG, WebP or AVIF.
            InvalidInputError: empty, damaged, or truncated.
        """
        picture = inspect(data, self.max_bytes, self.max_pixels)
        if self._check is not None:
            self._check(data)
        return picture

    def put(self, movie_id: str, data: bytes, *, durable: bool = True) -> Put:
        """Store a movie's picture. Replaces an existing one.

        Args:
            movie_id: any id; the caller checks that the movie exists.
            durable: fsync. Otherwise a power cut may lose the picture or leave an empty file, which is ignored.

        Raises:
            InvalidInputError: see `inspect`; or the id is too long for a file name.
            StoreError: the folder cannot be written.
        """
        stem = stem_of(movie_id)
        if not stem or len(stem) > _MAX_STEM:
            raise InvalidInputError(f"The id {movie_id!r} is too long to name a file.", "Give the film a shorter id.")
        before = self.find(movie_id)
        if before is not None and before.bytes == len(data) and (self.read(before) or ("", b""))[1] == data:
            return "unchanged"
        target = self.folder / f"{stem}{self.inspect(data).kind.suffix}"
        with writing():
            private_folder(self.folder)
            with self._lock():
                with replacing(target, durable=durable) as file:
                    private_file(file)
                    file.write_bytes(data)
                if self._discard(stem, keep=target) and durable:
                    sync_folder(self.folder)  # else the former picture could come back after a power cut
        return "added" if before is None else "replaced"

    def remove(self, movie_id: str) -> bool:
        """Delete a movie's picture. Returns whether there was one."""
        if self.find(movie_id) is None:
            return False
        with writing(), self._lock():
            removed = self._discard(stem_of(movie_id))
            sync_folder(self.folder)
            return removed

    def tidy(self) -> None:
        """Delete temporary files of killed processes."""
        remove_leftovers(self.folder)

    def _discard(self, stem: str, keep: Path | None = None) -> bool:
        deleted = False
        for kind in KINDS:
            path = self.folder / f"{stem}{kind.suffix}"
            if path != keep:
                with suppress(FileNotFoundError):
                    path.unlink()
                    deleted = True
        return deleted

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # Otherwise two processes that store a JPEG and a PNG at the same time could delete each other's file.
        busy = StoreError(
            "Another process has locked the folder of posters.", "Wait for it or stop it, then try again."
        )
        with locked(self.folder / ".lock", _WAIT, busy):
            yield


def read_file(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file, at most `max_bytes` + 1. Never blocks on pipes and devices.

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
    """Convert OSErrors to StoreErrors."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"A poster cannot be written: {error.strerror or error}.",
            "Free some space, or make the folder `posters` in MATINEE_DATA_DIR writable.",
        ) from error
