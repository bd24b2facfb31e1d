"""A persistent cache of raw vectors, by encoder and by the sha256 of the encoded content.

A cache is a folder of shards. A shard is a `.npy` file of (key, vector) records, named by the hash of its bytes.
Damaged shards are detected and deleted, and their content is encoded again. Shards are written atomically, so that
processes can share a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matinee._util.atomic_files import file_hash, locked, replacing
from matinee._util.literals import one_literal
from matinee._util.progress import Progress, silent
from matinee.encoders.base import ImageEncoder, TextEncoder, Vectors
from matinee.encoders.image import Fault, encode_all
from matinee.encoders.projection import unit
from matinee.errors import DataError, InvalidInputError
from matinee.settings import Settings

MAX_BYTES = 512 << 20
"""Maximum size of one encoder's cache: 200,000 vectors of 1280 values. Beyond it, the older half is deleted."""
MAX_SHARDS = 32
"""Beyond this number, shards are merged into one."""
_CHUNK = 512
_KEY_BYTES = 32
_LOCK_LIMIT = 60.0

Mask = NDArray[np.bool_]


def text_key(text: str) -> bytes:
    """sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def image_key(path: Path) -> bytes:
    """sha256 of a file's bytes. Raises OSError if it cannot be read."""
    return bytes.fromhex(file_hash(path))


class VectorCache:
    """Vectors of one encoder, in half precision. Safe for use from many threads and processes.

    Args:
        folder: created by the first `put`.
        dim: number of values in a vector; shards of another width are ignored.
        max_bytes: maximum total size of all shards.
    """

    def __init__(self, folder: Path, dim: int, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._dim = dim
        self._max_bytes = max_bytes
        self._record = np.dtype([("key", "u1", (_KEY_BYTES,)), ("vector", "<f2", (dim,))])
        self._shards: dict[str, NDArray[np.void]] = {}
        self._index: dict[bytes, tuple[str, int]] = {}
        self._lock = threading.RLock()

    def find(self, keys: Sequence[bytes]) -> tuple[Vectors, Mask]:
        """Unit vectors, (n, dim) float32, and the mask, (n,), of cached keys; vectors of other keys are 0."""
        vectors = np.zeros((len(keys), self._dim), dtype=np.float32)
        cached = np.zeros(len(keys), dtype=np.bool_)
        with self._lock:
            self._refresh()
            for i, key in enumerate(keys):
                if (entry := self._index.get(key)) is not None:
                    shard, row = entry
                    vectors[i] = self._shards[shard]["vector"][row]
                    cached[i] = True
        return unit(vectors), cached

    def put(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Store vectors, (n, dim), under their keys, (n,) of 32 bytes.

        Raises:
            DataError: the folder cannot be written.
        """
        if not keys:
            return
        fresh = np.zeros(len(keys), dtype=self._record)
        fresh["key"] = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), _KEY_BYTES)
        fresh["vector"] = vectors
        with self._lock, self._changing():
            self._write(fresh)
            self._refresh()
            sizes = sum(shard.nbytes for shard in self._shards.values())
            if len(self._shards) > MAX_SHARDS or sizes > self._max_bytes:
                self._merge(full=sizes > self._max_bytes)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the folder's lock file, and convert OSErrors to DataErrors."""
        busy = DataError(
            f"Another process has locked {self._folder} for {_LOCK_LIMIT:.0f} s.", "Stop it, then repeat the command."
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with locked(self._folder / ".lock", _LOCK_LIMIT, busy):
                yield
        except OSError as error:
            raise DataError(
                f"The folder {self._folder} cannot be written ({error.strerror or error}).",
                "Free some space, or set MATINEE_CACHE_DIR to a folder that can be written.",
            ) from error

    def _refresh(self) -> None:
        """Open new shards and drop deleted ones."""
        names = {path.name for path in self._folder.glob("*.npy")} if self._folder.is_dir() else set()
        if deleted := self._shards.keys() - names:
            for name in deleted:
                del self._shards[name]
            self._index = {key: entry for key, entry in self._index.items() if entry[0] not in deleted}
        for name in sorted(names - self._shards.keys()):
            if (shard := self._read(self._folder / name)) is None:
                continue
            self._shards[name] = shard
            self._index.update((key.tobytes(), (name, i)) for i, key in enumerate(shard["key"]))

    def _read(self, path: Path) -> NDArray[np.void] | None:
        """A shard's records, memory-mapped; None if it is damaged, of another width, or was just merged."""
        try:
            if file_hash(path) == path.stem:
                with one_literal:
                    shard: NDArray[np.void] = np.load(path, mmap_mode="r", allow_pickle=False)
                return shard if shard.dtype == self._record and shard.ndim == 1 else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError):
            pass
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def _write(self, records: NDArray[np.void]) -> str:
        buffer = io.BytesIO()
        np.save(buffer, records, allow_pickle=False)
        name = f"{hashlib.sha256(buffer.getbuffer()).hexdigest()}.npy"
        for leftover in self._folder.glob(".*.part"):  # of killed processes, because this process holds the lock
            leftover.unlink(missing_ok=True)
        with replacing(self._folder / name) as file:
            file.write_bytes(buffer.getbuffer())
        return name

    def _merge(self, *, full: bool) -> None:
        """Merge all shards into one with the newest vector of each key; if full, only the newer half of the keys."""
        names = sorted(self._shards, key=lambda name: (self._folder / name).stat().st_mtime_ns, reverse=True)
        records = np.concatenate([self._shards[name][::-1] for name in names])
        _, first = np.unique(records["key"], axis=0, return_index=True)
        newest = np.sort(first)
        if full:
            newest = newest[: self._max_bytes // 2 // self._record.itemsize]
        merged = self._write(records[newest][::-1])
        for name in names:
            if name != merged:
                (self._folder / name).unlink(missing_ok=True)
        self._refresh()


def vectors_dir(settings: Settings, encoder_id: str) -> Path:
    """The cache folder of one encoder."""
    return settings.cache_dir / "vectors" / re.sub(r"[^A-Za-z0-9._-]", "_", encoder_id)


def encode_cached(
    encoder: TextEncoder, texts: Sequence[str], settings: Settings, progress: Progress | None = None
) -> Vectors:
    """Unit vectors of texts, (n, dim), each text encoded at most once per encoder.

    They always have the precision of the cache, so that repeated trainings get equal vectors.

    Raises:
        InvalidInputError, EncoderError: as `TextEncoder.encode`.
        DataError: the cache cannot be written.
    """

    def encode(missing: list[int]) -> tuple[Vectors, list[Fault]]:
        return encoder.encode([texts[i] for i in missing]), []

    vectors, _ = _encode_cached(encoder, [text_key(text) for text in texts], encode, settings, "texts", progress)
    return vectors


def encode_images_cached(
    encoder: ImageEncoder, paths: Sequence[Path], settings: Settings, progress: Progress | None = None
) -> tuple[Vectors, list[Fault]]:
    """Unit vectors of image files, (n, dim), and the errors of files that cannot be encoded (whose vectors are 0).

    Raises:
        EncoderError: the encoder is not available or does not answer.
        DataError: the cache cannot be written.
    """
    keys: list[bytes | None] = []
    faults: list[Fault] = []
    for i, path in enumerate(paths):
        try:
            keys.append(image_key(path))
        except OSError as error:
            keys.append(None)
            reason = InvalidInputError(f"{path} cannot be read ({error.strerror or error}).", "Check the file.")
            faults.append(Fault(i, reason))

    def encode(missing: list[int]) -> tuple[Vectors, list[Fault]]:
        return encode_all(encoder, [paths[i] for i in missing])

    vectors, more = _encode_cached(encoder, keys, encode, settings, "images", progress)
    return vectors, sorted(faults + more, key=lambda fault: fault.position)


def _encode_cached(
    encoder: TextEncoder | ImageEncoder,
    keys: Sequence[bytes | None],
    encode: Callable[[list[int]], tuple[Vectors, list[Fault]]],
    settings: Settings,
    what: str,
    progress: Progress | None,
) -> tuple[Vectors, list[Fault]]:
    """Read cached vectors, then encode and cache the rest in chunks. An interruption loses at most one chunk."""
    report = progress or silent
    cache = VectorCache(vectors_dir(settings, encoder.id), encoder.dim)
    readable = [i for i, key in enumerate(keys) if key is not None]
    vectors = np.zeros((len(keys), encoder.dim), dtype=np.float32)
    vectors[readable], cached = cache.find([key for key in keys if key is not None])
    rows: dict[bytes, list[int]] = {}
    for i, is_cached in zip(readable, cached, strict=True):
        if not is_cached and (key := keys[i]) is not None:
            rows.setdefault(key, []).append(i)
    faults: list[Fault] = []
    missing = list(rows)
    for start in range(0, len(missing), _CHUNK):
        chunk = missing[start : start + _CHUNK]
        encoded, failed = encode([rows[key][0] for key in chunk])
        errors = {fault.position: fault.error for fault in failed}
        encoded = unit(encoded.astype(np.float16).astype(np.float32))
        for i, key in enumerate(chunk):
            vectors[rows[key]] = encoded[i]
            if i in errors:
                faults.extend(Fault(row, errors[i]) for row in rows[key])
        good = [i for i in range(len(chunk)) if i not in errors]
        cache.put([chunk[i] for i in good], encoded[good])
        report(f"Encoding {what}", (start + len(chunk)) / len(missing))
    return vectors, faults
