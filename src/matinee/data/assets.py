"""The cache of downloaded assets: verified by hash, written atomically, usable offline.

An asset is a folder `<cache>/assets/<name>/` with its files and `manifest.json` (size and sha256 of each file, hash of
the archive). A damaged folder is detected on its next use and fetched again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from matinee._util.atomic_files import file_hash, locked, sync_file, sync_folder
from matinee._util.progress import Progress
from matinee.data.download import download, pip_download
from matinee.errors import FetchError
from matinee.settings import Settings

FORMAT = 1
LOCK_LIMIT = 900.0
"""Seconds to wait for another process that is fetching the same asset."""

Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Asset:
    """A downloadable asset.

    Attributes:
        name: folder in the cache; changes whenever the content changes.
        requirement: a wheel in the package index, e.g. "recbole==1.2.1"; or
        url: address of a zip archive.
        hash: (algorithm, hexadecimal digest) of the wheel or archive; None if the publisher updates it in place. Then
            files are only checked by name, and their hashes are recorded on first use.
        published: the same by the publisher, where that is another algorithm; both must be right.
        members: names (last path component) of the files to extract; those in `required` must exist.
        max_bytes: maximum size of the archive and of each extracted file.
        prepare: converts the extracted files in place.
    """

    name: str
    members: tuple[str, ...]
    requirement: str = ""
    url: str = ""
    hash: tuple[str, str] | None = None
    published: tuple[str, str] | None = None
    required: tuple[str, ...] = ()
    max_bytes: int = 64 << 20
    prepare: Prepare | None = field(default=None, compare=False)

    @property
    def source(self) -> str:
        """Where it comes from, for messages."""
        return self.url or f"{self.requirement} (package index)"


def asset_dir(asset: Asset, settings: Settings) -> Path:
    """The asset's folder in the cache, which need not exist."""
    return settings.cache_dir / "assets" / asset.name


def damage(folder: Path) -> str | None:
    """The problem of a cached asset; "" if it is missing, None if all files are intact."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        if manifest["format"] != FORMAT:
            return "it was written by another version"
        for name, entry in manifest["files"].items():
            path = folder / name
            if path.stat().st_size != entry["bytes"] or file_hash(path) != entry["sha256"]:
                return f"{name} is damaged"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing" if folder.exists() else ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its manifest cannot be read ({error})"
    return None


def is_cached(asset: Asset, settings: Settings) -> bool:
    """Whether the asset is in the cache. Checks only that the manifest exists."""
    return (asset_dir(asset, settings) / "manifest.json").is_file()


def ensure(
    asset: Asset,
    settings: Settings,
    progress: Progress | None = None,
    *,
    timeout: float | None = None,
) -> Path:
    """The asset's folder. Fetches the asset if it is missing or damaged.

    Args:
        timeout: seconds to wait for the source to answer (default: the setting `fetch_timeout`).

    Raises:
        FetchError: it cannot be fetched, its content is unexpected, or Matinee is offline.
    """
    folder = asset_dir(asset, settings)
    problem = damage(folder)
    if problem is None:
        return folder
    if settings.offline:
        why = f"is damaged in the cache ({problem})" if problem else "is not in the cache"
        raise FetchError(f"{asset.name} {why} and Matinee is offline.", "Unset MATINEE_OFFLINE once, to fetch it.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.parent / f".{asset.name}.lock"):
            if damage(folder) is None:  # another process has fetched it meanwhile
                return folder
            for stale in folder.parent.glob(f".{asset.name}~*"):  # left by a killed process
                shutil.rmtree(stale, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=f".{asset.name}~", dir=folder.parent) as scratch:
                _fetch(asset, Path(scratch), settings.fetch_timeout if timeout is None else timeout, progress)
                _put_in_place(Path(scratch) / "files", folder)
    except OSError as error:
        raise FetchError(
            f"The cache folder {settings.cache_dir} cannot be used: {error.strerror or error}.",
            "Free some space, or set MATINEE_CACHE_DIR to a folder that can be written.",
        ) from error
    return folder


def _fetch(asset: Asset, scratch: Path, timeout: float, progress: Progress | None) -> None:
    """Create `scratch/files`, including the manifest."""
    what = f"Fetching {asset.name}"

    def tick(share: float) -> None:
        if progress is not None:
            progress(what, share)

    tick(0.0)
    if asset.requirement:
        archive = pip_download(asset.requirement, scratch, timeout=timeout)
    else:
        archive = scratch / "archive.zip"
        download(asset.url, archive, timeout=timeout, max_bytes=asset.max_bytes, tick=tick)
    for algorithm, expected in filter(None, (asset.hash, asset.published)):
        if (digest := file_hash(archive, algorithm)) != expected:
            raise FetchError(
                f"{asset.source} has the {algorithm} {digest}, not {expected}.",
                "Repeat the command. If that does not help, a proxy may be altering downloads.",
            )
    files = scratch / "files"
    files.mkdir()
    unzip(archive, files, asset.members, max_bytes=asset.max_bytes)
    missing = [name for name in asset.required or asset.members if not (files / name).is_file()]
    if missing:
        raise FetchError(
            f"{asset.source} does not contain {', '.join(missing)}.", "Its layout has changed; please report this."
        )
    if asset.prepare is not None:
        asset.prepare(files)
    manifest = {
        "format": FORMAT,
        "source": asset.source,
        "archive_sha256": file_hash(archive),
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": file_hash(path)} for path in sorted(files.iterdir())
        },
    }
    (files / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    tick(1.0)


def unzip(archive: Path, folder: Path, members: tuple[str, ...], *, max_bytes: int) -> None:
    """Extract the members with the given file names into one folder. Paths in the archive are ignored.

    Raises:
        FetchError: not a valid zip file, a member is larger than `max_bytes`, or all are larger than twice that.
    """
    try:
        with zipfile.ZipFile(archive) as bundle:
            total = 0
            for info in bundle.infolist():
                name = info.filename.rsplit("/", 1)[-1]
                if name not in members or info.is_dir():
                    continue
                if info.file_size > max_bytes:
                    raise FetchError(f"{info.filename} in {archive.name} is too large.", "Please report this.")
                total += info.file_size
                if total > 2 * max_bytes:
                    raise FetchError(f"{archive.name} holds too much.", "Please report this.")
                with bundle.open(info) as source, (folder / name).open("wb") as target:
                    _copy(source, target, info.file_size, archive.name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise FetchError(f"{archive.name} is not a valid zip file ({error}).", "Repeat the command.") from error


def _copy(source: IO[bytes], target: IO[bytes], size: int, archive: str) -> None:
    """Copy a member, whose real bytes are counted: what the directory says of it need not be true."""
    while part := source.read(1 << 20):
        size -= len(part)
        if size < 0:
            raise FetchError(
                f"{archive} is not a valid zip file (a file is longer than it says).", "Please report this."
            )
        target.write(part)


def _put_in_place(made: Path, folder: Path) -> None:
    """Fsync a new folder and rename it to its final name. An existing damaged folder is moved away first."""
    for path in made.iterdir():
        sync_file(path)
    if folder.exists():
        folder.replace(made.parent / "damaged")  # deleted with the scratch folder
    made.replace(folder)
    sync_folder(folder.parent)


def _lock(path: Path, limit: float = LOCK_LIMIT) -> AbstractContextManager[None]:
    """Hold the lock file of an asset."""
    busy = FetchError(
        f"Another process has been fetching {path.stem.lstrip('.')} for {limit:.0f} s.",
        "Wait for it or stop it, then repeat the command.",
    )
    return locked(path, limit, busy)
