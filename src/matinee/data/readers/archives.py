"""Packed files: gzip, bzip2, xz, Zstandard, zip and tar, unpacked beside links to the files that are not packed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from matinee.data.readers.memory import FREE, current_limit
from matinee.errors import DataError

STREAMS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".lzma": lzma.open,
}
"""Suffix → how a file of one stream is opened; ".zst" is read by Polars."""
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_MAGIC = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ\x00": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip",
}
_KNOWN = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".item", ".inter", ".genre", ".user", ".json", ".ndjson")
_MEMBERS = (*_KNOWN, ".jsonl", ".parquet", *STREAMS, ".zst", ".nfo", ".xml")
"""Suffixes of members that are unpacked: posters in an archive are left where they are."""
_BLOCK = 1 << 20
_MOST = 1 << 36
_FACTOR = 4
"""An archive may unpack to so many times the limit of memory: text takes less as a table than as a file."""


def packing(path: Path) -> str | None:
    """How a file is packed, by its suffix, or by its content where the suffix says nothing; None if it is not."""
    name = path.name.lower()
    for suffix in (*ARCHIVES, *STREAMS, ".zst"):
        if name.endswith(suffix):
            return suffix
    if path.suffix.lower() in (".xlsx", ".ods", ".docx"):
        return None
    try:
        with path.open("rb") as file:
            head = file.read(6)
    except OSError:
        return None
    return next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), None)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A file or folder without packed files: itself, or a temporary folder that is gone afterwards.

    A packed file becomes a file, an archive a folder. In messages of errors stands the path that was given.

    Raises:
        DataError: damaged, encrypted, or larger than may be unpacked.
    """
    if path.is_file():
        packed = [path] if packing(path) else []
    else:
        files = [file for file in sorted(path.iterdir()) if file.is_file() and file.name[0] != "."]
        by_content = len(files) <= 64
        packed = [
            file
            for file in files
            if (by_content or file.suffix.lower() in (*STREAMS, *ARCHIVES, ".zst")) and packing(file)
        ]
    if not packed:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="matinee-") as temporary:
        folder = Path(temporary).resolve() / (path.name if path.is_dir() else "files")
        folder.mkdir()
        for entry in path.iterdir() if path.is_dir() else ():
            if entry not in packed:
                (folder / entry.name).symlink_to(entry.resolve())
        try:
            left = max(current_limit() or _MOST, FREE) * _FACTOR
            made = [_unpack(file, folder, left) for file in packed]
            for inner in [file for file in folder.rglob("*") if file.is_file() and file.suffix.lower() in STREAMS]:
                _unpack(inner, inner.parent, left)
            yield folder if path.is_dir() else made[0]
        except DataError as error:
            place = str(path if path.is_dir() else path.parent)
            raise DataError(error.message.replace(str(folder), place), error.hint.replace(str(folder), place)) from None


def _unpack(path: Path, folder: Path, left: int) -> Path:
    """Unpack one file into a folder; the path of the file, or the folder for an archive."""
    kind = packing(path) or ""
    try:
        if kind in ARCHIVES:
            _members(path, kind, folder, left)
            return folder
        name = path.name[: -len(kind)] if path.name.lower().endswith(kind) else path.name
        target = folder / (name or "file")
        if target.exists() and target != path:  # the same file lies unpacked beside it
            return target
        if kind == ".zst":
            _zstandard(path, target)
        else:
            with STREAMS[kind](path) as source:
                _copy(source, target, left, path)
        if path.parent == folder or path.is_relative_to(folder):
            path.unlink()
        return target
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        raise DataError(
            f"{path} is damaged, or is not packed as its name says: {error}.", "Fetch or export the file again."
        ) from error


def _copy(source: IO[bytes], target: Path, left: int, path: Path) -> int:
    size = 0
    with target.open("wb") as sink:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > left:
                raise DataError(
                    f"{path} unpacks to more than {left / 2**20:,.0f} MiB.",
                    "Raise MATINEE_MEMORY_LIMIT if the machine has the memory, or leave rows out.",
                )
            sink.write(block)
    return size


def _zstandard(path: Path, target: Path) -> None:
    import polars as pl

    try:
        pl.scan_lines(path).sink_csv(target, include_header=False, quote_style="never")
    except pl.exceptions.PolarsError as error:
        raise OSError(str(error).splitlines()[0]) from error


def _members(path: Path, kind: str, folder: Path, left: int) -> None:
    """Unpack the members of an archive that may be tables."""
    if kind == ".zip":
        with zipfile.ZipFile(path) as bundle:
            for member in bundle.infolist():
                place = None if member.is_dir() else _place(member.filename, folder)
                if place is None:
                    continue
                if member.flag_bits & 1:
                    raise DataError(f"{path} is encrypted.", "Unpack it with its password first.")
                with bundle.open(member) as source:
                    left -= _copy(source, place, left, path)
        return
    with tarfile.open(path) as tar:
        for info in tar:
            place = _place(info.name, folder) if info.isfile() else None
            content: IO[Any] | None = tar.extractfile(info) if place is not None else None
            if place is not None and content is not None:
                left -= _copy(content, place, left, path)


def _place(name: str, folder: Path) -> Path | None:
    """Where a member goes; None for members outside the archive, hidden ones, and what is no table."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    place = folder.joinpath(*parts)
    if place.suffix.lower() not in _MEMBERS or place.exists():
        return None
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
