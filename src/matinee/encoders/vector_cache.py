"""Raw vectors kept between trainings, by encoder and by the sha256 of what was encoded.

A cache is a folder of shards. A shard is a `.npy` file of (key, vector) records, named by the hash of its own bytes, so
that a damaged one is noticed, taken away, and made anew by encoding again. Shards are written beside and renamed:
processes share a folder without ever seeing half of one.
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
from matinee._util.progress import Progress, silent
from matinee.encoders.base import ImageEncoder, TextEncoder, Vectors
from matinee.encoders.image import Fault, encode_all
from matinee.encoders.projection import unit
from matinee.errors import DataError, InvalidInputError
from matinee.settings import Settings

MAX_BYTES = 512 << 20
"""Of one encoder's vectors: 200,000 of 1280 values. When there are more, the older half goes."""
MAX_SHARDS = 32
"""More are merged into one."""
_CHUNK = 512
_KEY_BYTES = 32
_LOCK_LIMIT = 60.0

Found = NDArray[np.bool_]


def text_key(text: str) -> bytes:
    """sha256 of a text's UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def image_key(path: Path) -> bytes:
    """sha256 of a file's bytes. Raises OSError where it cannot be read."""
    return bytes.fromhex(file_hash(path))


class VectorCache:
    """Vectors of one encoder, in half precision. Safe between threads and processes.

    Args:
        folder: made at the first `put`.
        dim: values in a vector; shards of another width are left alone.
        most_bytes: of all shards together.
    """

    def __init__(self, folder: Path, dim: int, most_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._dim = dim
        self._most_bytes = most_bytes
        self._record = np.dtype([("key", "u1", (_KEY_BYTES,)), ("vector", "<f2", (dim,))])
        self._shards: dict[str, NDArray[np.void]] = {}
        self._places: dict[bytes, tuple[str, int]] = {}
        self._lock = threading.RLock()

    def find(self, keys: Sequence[bytes]) -> tuple[Vectors, Found]:
        """Unit vectors, (n, dim) float32, of the keys that are known; 0 where `found`, (n,), is false."""
        vectors = np.zeros((len(keys), self._dim), dtype=np.float32)
        found = np.zeros(len(keys), dtype=np.bool_)
        with self._lock:
            self._refresh()
            for i, key in enumerate(keys):
                if (place := self._places.get(key)) is not None:
                    vectors[i] = self._shards[place[0]]["vector"][place[1]]
                    found[i] = True
        return unit(vectors), found

    def put(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors, (n, dim), under their keys, (n,) of 32 bytes.

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
            if len(self._shards) > MAX_SHARDS or sizes > self._most_bytes:
                self._merge(full=sizes > self._most_bytes)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Alone among processes, and OSErrors as DataErrors."""
        busy = DataError(f"Another process has held {self._folder} for {_LOCK_LIMIT:.0f} s.", "End it and repeat.")
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
        """Read the shards that are new, forget those that are gone."""
        names = {path.name for path in self._folder.glob("*.npy")} if self._folder.is_dir() else set()
        if gone := self._shards.keys() - names:
            for name in gone:
                del self._shards[name]
            self._places = {key: place for key, place in self._places.items() if place[0] not in gone}
        for name in sorted(names - self._shards.keys()):
            if (shard := self._read(self._folder / name)) is None:
                continue
            self._shards[name] = shard
            self._places.update((key.tobytes(), (name, i)) for i, key in enumerate(shard["key"]))

    def _read(self, path: Path) -> NDArray[np.void] | None:
        """A shard's records, mapped; None where it is damaged, of another width, or just merged away."""
        try:
            if file_hash(path) == path.stem:
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
        for left in self._folder.glob(".*.part"):  # by processes that were killed: the lock is held here
            left.unlink(missing_ok=True)
        with replacing(self._folder / name) as file:
            file.write_bytes(buffer.getbuffer())
        return name

    def _merge(self, *, full: bool) -> None:
        """All shards as one, each key once, its newest vector; where it is full only the newer half."""
        names = sorted(self._shards, key=lambda name: (self._folder / name).stat().st_mtime_ns, reverse=True)
        records = np.concatenate([self._shards[name][::-1] for name in names])
        _, first = np.unique(records["key"], axis=0, return_index=True)
        newest = np.sort(first)
        if full:
            newest = newest[: self._most_bytes // 2 // self._record.itemsize]
        kept = self._write(records[newest][::-1])
        for name in names:
            if name != kept:
                (self._folder / name).unlink(missing_ok=True)
        self._refresh()


def vectors_dir(settings: Settings, encoder_id: str) -> Path:
    """Where the raw vectors of one encoder are kept."""
    return settings.cache_dir / "vectors" / re.sub(r"[^A-Za-z0-9._-]", "_", encoder_id)


def encode_cached(
    encoder: TextEncoder, texts: Sequence[str], settings: Settings, progress: Progress | None = None
) -> Vectors:
    """Unit vectors of texts, (n, dim), each text encoded at most once per encoder.

    They have the precision of the cache, also the first time, so that a second training sees the same.

    Raises:
        InvalidInputError, EncoderError: as `TextEncoder.encode`.
        DataError: the cache cannot be written.
    """

    def encode(places: list[int]) -> tuple[Vectors, list[Fault]]:
        return encoder.encode([texts[i] for i in places]), []

    vectors, _ = _through(encoder, [text_key(text) for text in texts], encode, settings, "texts", progress)
    return vectors


def encode_images_cached(
    encoder: ImageEncoder, paths: Sequence[Path], settings: Settings, progress: Progress | None = None
) -> tuple[Vectors, list[Fault]]:
    """Unit vectors of image files, (n, dim), and what is wrong with those that have none (0).

    Raises:
        EncoderError: the encoder cannot be had or does not answer.
        DataError: the cache cannot be written.
    """
    keys: list[bytes | None] = []
    faults: list[Fault] = []
    for i, path in enumerate(paths):
        try:
            keys.append(image_key(path))
        except OSError as error:
            keys.append(None)
            why = InvalidInputError(f"{path} cannot be read ({error.strerror or error}).", "Check the file.")
            faults.append(Fault(i, why))

    def encode(places: list[int]) -> tuple[Vectors, list[Fault]]:
        return encode_all(encoder, [paths[i] for i in places])

    vectors, more = _through(encoder, keys, encode, settings, "images", progress)
    return vectors, sorted(faults + more, key=lambda fault: fault.place)


def _through(
    encoder: TextEncoder | ImageEncoder,
    keys: Sequence[bytes | None],
    encode: Callable[[list[int]], tuple[Vectors, list[Fault]]],
    settings: Settings,
    what: str,
    progress: Progress | None,
) -> tuple[Vectors, list[Fault]]:
    """What the cache holds from there, the rest encoded and kept chunk by chunk: nothing is lost by an interruption."""
    tell = progress or silent
    cache = VectorCache(vectors_dir(settings, encoder.id), encoder.dim)
    known = [i for i, key in enumerate(keys) if key is not None]
    vectors = np.zeros((len(keys), encoder.dim), dtype=np.float32)
    vectors[known], found = cache.find([key for key in keys if key is not None])
    places: dict[bytes, list[int]] = {}
    for i, had in zip(known, found, strict=True):
        if not had and (key := keys[i]) is not None:
            places.setdefault(key, []).append(i)
    faults: list[Fault] = []
    missing = list(places)
    for start in range(0, len(missing), _CHUNK):
        chunk = missing[start : start + _CHUNK]
        made, broken = encode([places[key][0] for key in chunk])
        bad = {fault.place: fault for fault in broken}
        made = unit(made.astype(np.float16).astype(np.float32))
        for i, key in enumerate(chunk):
            vectors[places[key]] = made[i]
            if i in bad:
                faults.extend(Fault(place, bad[i].error) for place in places[key])
        good = [i for i in range(len(chunk)) if i not in bad]
        cache.put([chunk[i] for i in good], made[good])
        tell(f"Encoding {what}", (start + len(chunk)) / len(missing))
    return vectors, faults
