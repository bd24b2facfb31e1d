"""The cache of raw vectors: what goes in comes out, across processes, damage, merging and pruning."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from image_support import drawn, saved
from matinee._util.progress import Progress
from matinee.encoders import vector_cache
from matinee.encoders.image import load_image_encoder
from matinee.encoders.projection import unit
from matinee.encoders.vector_cache import (
    VectorCache,
    encode_cached,
    encode_images_cached,
    image_key,
    text_key,
    vectors_dir,
)
from matinee.errors import DataError, InvalidInputError
from matinee.settings import Settings
from tiny_models import image_model

DIM = 16


def keys(names: Sequence[object]) -> list[bytes]:
    return [text_key(str(name)) for name in names]


def vectors(n: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32))


class Letters:
    """A text encoder that counts letters, and how many texts it was asked."""

    id, dim = "letters/1", 26

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        if "" in texts:
            raise InvalidInputError("An empty text.")
        self.asked += texts
        counts = [[text.count(chr(97 + i)) + 0.01 for i in range(26)] for text in texts]
        return unit(np.array(counts, dtype=np.float32).reshape(len(texts), 26))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npy"))


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    store, known = VectorCache(tmp_path / "a", DIM), vectors(5)
    store.put(keys("abcde"), known)
    found, had = store.find(keys("xbd"))
    assert had.tolist() == [False, True, True]
    np.testing.assert_allclose(found[1:], known[[1, 3]], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found[1:], axis=1), 1, atol=1e-6)
    assert not found[0].any()
    assert found.dtype == np.float32
    again, had = VectorCache(tmp_path / "a", DIM).find(keys("xbd"))
    np.testing.assert_array_equal(again, found)


def test_nothing_there_yet(tmp_path: Path) -> None:
    store = VectorCache(tmp_path / "none", DIM)
    store.put([], vectors(0))
    found, had = store.find(keys("ab"))
    assert found.shape == (2, DIM)
    assert not had.any()
    assert store.find([])[0].shape == (0, DIM)
    assert not (tmp_path / "none").exists()


def test_another_object_sees_what_was_put_since(tmp_path: Path) -> None:
    one, other = VectorCache(tmp_path, DIM), VectorCache(tmp_path, DIM)
    assert not one.find(keys("a"))[1].any()
    other.put(keys("a"), vectors(1))
    assert one.find(keys("a"))[1].all()


@pytest.mark.parametrize("damage", ["truncated", "altered", "emptied", "foreign", "pickle"])
def test_damaged_shards_are_taken_away(tmp_path: Path, damage: str) -> None:
    store = VectorCache(tmp_path, DIM)
    store.put(keys("ab"), vectors(2))
    store.put(keys("cd"), vectors(2, 1))
    hurt = next(path for path in files(tmp_path) if VectorCache._read(store, path)["key"][0].tobytes() == keys("a")[0])
    content = hurt.read_bytes()
    if damage == "truncated":
        hurt.write_bytes(content[:-7])
    elif damage == "altered":
        hurt.write_bytes(content[:-7] + b"\x55" + content[-6:])
    elif damage == "emptied":
        hurt.write_bytes(b"")
    elif damage == "foreign":
        hurt.write_bytes(b"something else")
    else:
        np.save(hurt, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    fresh = VectorCache(tmp_path, DIM)
    assert fresh.find(keys("abcd"))[1].tolist() == [False, False, True, True]
    assert not hurt.exists()
    fresh.put(keys("ab"), vectors(2))
    assert VectorCache(tmp_path, DIM).find(keys("abcd"))[1].all()


def test_shards_of_another_width_are_left_alone(tmp_path: Path) -> None:
    VectorCache(tmp_path, DIM).put(keys("a"), vectors(1))
    wide = VectorCache(tmp_path, DIM + 1)
    assert not wide.find(keys("a"))[1].any()
    assert VectorCache(tmp_path, DIM).find(keys("a"))[1].all()


def test_half_written_shards_are_never_seen(tmp_path: Path) -> None:
    store = VectorCache(tmp_path, DIM)
    store.put(keys("a"), vectors(1))
    left = tmp_path / ".1.part"
    left.write_bytes(b"half")  # by a process that was killed
    store.put(keys("b"), vectors(1))
    assert VectorCache(tmp_path, DIM).find(keys("ab"))[1].all()
    assert len(files(tmp_path)) == 2
    assert not left.exists()


def test_many_shards_become_one(tmp_path: Path) -> None:
    store = VectorCache(tmp_path, DIM)
    known = vectors(100)
    reader = VectorCache(tmp_path, DIM)
    for i in range(100):
        store.put(keys([i]), known[i : i + 1])
        assert reader.find(keys([0, i]))[1].all()
    assert len(files(tmp_path)) <= vector_cache.MAX_SHARDS
    found, had = VectorCache(tmp_path, DIM).find(keys(range(100)))
    assert had.all()
    np.testing.assert_allclose(found, known, atol=1e-3)


def test_the_newest_vector_of_a_key_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_cache, "MAX_SHARDS", 1)
    store = VectorCache(tmp_path, DIM)
    for seed in range(3):
        store.put(keys("ab"), vectors(2, seed))
        for position, path in enumerate(files(tmp_path)):
            os.utime(path, (seed * 10 + position, seed * 10 + position))
    assert len(files(tmp_path)) == 1
    np.testing.assert_allclose(VectorCache(tmp_path, DIM).find(keys("ab"))[0], vectors(2, 2), atol=1e-3)


def test_size_is_bounded_and_the_oldest_go(tmp_path: Path) -> None:
    store = VectorCache(tmp_path, DIM, max_bytes=64 * 40)  # a record has 32 + 2 · 16 bytes
    for i in range(20):
        store.put(keys(range(10 * i, 10 * i + 10)), vectors(10, i))
        assert sum(path.stat().st_size for path in files(tmp_path)) < 64 * 40 + 5 * 200
        assert store.find(keys(range(10 * i, 10 * i + 10)))[1].all()
    assert not store.find(keys(range(10)))[1].any()


def test_threads(tmp_path: Path) -> None:
    store, known = VectorCache(tmp_path, DIM), vectors(60)

    def work(i: int) -> bool:
        store.put(keys([i]), known[i : i + 1])
        return bool(store.find(keys([i]))[1].all())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(60)))
    assert VectorCache(tmp_path, DIM).find(keys(range(60)))[1].all()


WRITER = """
import sys
from pathlib import Path
import numpy as np
from matinee.encoders.vector_cache import VectorCache, text_key
store, me = VectorCache(Path(sys.argv[1]), 16), int(sys.argv[2])
for i in range(10):
    store.put([text_key(f"{me}-{i}")], np.full((1, 16), 0.25, dtype=np.float32))
    assert store.find([text_key(f"{me}-{i}")])[1].all()
"""


def test_processes(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(i)]) for i in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert VectorCache(tmp_path, DIM).find(keys(f"{me}-{i}" for me in range(3) for i in range(10)))[1].all()


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="MATINEE_CACHE_DIR"):
        VectorCache(tmp_path / "file" / "vectors", DIM).put(keys("a"), vectors(1))


@hypothesis_settings(max_examples=20, deadline=None)
@given(puts=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True), max_size=12))
def test_it_is_a_dictionary(tmp_path_factory: pytest.TempPathFactory, puts: list[list[int]]) -> None:
    folder = tmp_path_factory.mktemp("cache")
    store, wanted = VectorCache(folder, DIM), {}
    for turn, names in enumerate(puts):
        # One vector per key, as an encoder gives it: what is put again is the same.
        made = np.concatenate([vectors(1, name) for name in names])
        store.put(keys(names), made)
        wanted |= dict(zip(names, made, strict=True))
        if turn % 3 == 2:
            store = VectorCache(folder, DIM)
    found, had = store.find(keys(range(31)))
    assert had.tolist() == [name in wanted for name in range(31)]
    for name, vector in wanted.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-3)


def test_texts_are_encoded_once(tmp_path: Path) -> None:
    chosen, encoder = Settings(cache_dir=tmp_path), Letters()
    told: list[float] = []
    first = encode_cached(encoder, ["ab", "cd", "ab"], chosen, lambda _, share: told.append(share))
    assert encoder.asked == ["ab", "cd"]
    assert told[-1] == 1.0
    second = encode_cached(encoder, ["cd", "ef", "ab"], chosen)
    assert encoder.asked == ["ab", "cd", "ef"]
    np.testing.assert_array_equal(first[[1, 0]], second[[0, 2]])  # the same digits, encoded or remembered
    assert encode_cached(encoder, [], chosen).shape == (0, 26)
    assert vectors_dir(chosen, encoder.id) == tmp_path / "vectors" / "letters_1"


def test_interrupted_work_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_cache, "_CHUNK", 2)
    chosen, encoder = Settings(cache_dir=tmp_path), Letters()
    with pytest.raises(InvalidInputError):
        encode_cached(encoder, ["a", "b", "c", "", "d"], chosen)
    assert encoder.asked == ["a", "b"]
    encode_cached(encoder, ["a", "b", "c"], chosen)
    assert encoder.asked == ["a", "b", "c"]


def test_images_are_encoded_once_and_faults_told(tmp_path: Path) -> None:
    chosen = Settings(cache_dir=tmp_path / "cache", image_encoder=str(image_model(tmp_path / "tiny.onnx")))
    encoder = load_image_encoder(chosen)
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i in (0, 1, 3):
        paths[i].write_bytes(saved(drawn(i), "PNG"))
    paths[2].write_bytes(paths[1].read_bytes())  # one poster of two films
    paths[4].write_bytes(b"no image")  # and the last is not there
    first, faults = encode_images_cached(encoder, paths, chosen)
    assert [fault.position for fault in faults] == [4, 5]
    assert isinstance(faults[0].error, InvalidInputError)
    assert "5.png" in str(faults[1].error)
    np.testing.assert_array_equal(first[1], first[2])
    np.testing.assert_allclose(first[:4], encoder.encode(paths[:4]), atol=2e-3)
    assert not first[4:].any()
    folder = vectors_dir(chosen, encoder.id)
    assert VectorCache(folder, encoder.dim).find([image_key(path) for path in paths[:5]])[1].tolist() == [True] * 4 + [
        False
    ]
    second, faults = encode_images_cached(encoder, paths, chosen)
    np.testing.assert_array_equal(first, second)
    assert [fault.position for fault in faults] == [4, 5]
