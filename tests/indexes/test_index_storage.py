from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index_support import make_index, random_vectors
from matinee.errors import IndexFileError, InvalidInputError, MatineeError
from matinee.indexes import UpdatableIndex, build_index, load_index
from matinee.indexes.storage import Description, read_description

N, DIM = 400, 12
ITEMS = 2 * np.arange(N, dtype=np.int64)
VECTORS = random_vectors(N, DIM, clusters=8)
QUERIES = random_vectors(20, DIM, seed=1, clusters=8)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "exact": ("exact", {}),
    "faiss-flat": ("faiss", {"variant": "flat"}),
    "faiss-hnsw": ("faiss", {"variant": "hnsw"}),
    "faiss-ivf": ("faiss", {"variant": "ivf"}),
    "faiss-ivf-half": ("faiss", {"codes": "float16"}),
    "annoy": ("annoy", {"trees": 5}),
    "hnsw": ("hnsw", {}),
}
APPROXIMATE = [name for name in KINDS if name != "exact"]
WRITTEN = [name for name in APPROXIMATE if name != "faiss-flat"]  # which is made anew when it is opened


def build(name: str, items: Any = ITEMS, vectors: Any = VECTORS) -> UpdatableIndex:
    kind, config = KINDS[name]
    return make_index(kind, items, vectors, **config)


def answers(index: UpdatableIndex) -> list[Any]:
    found = index.search(QUERIES, 9)
    return [found.items.tolist(), found.similarities.tolist()]


@pytest.fixture
def saved(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    build(request.param).save(tmp_path / "index")
    return tmp_path / "index"


@pytest.mark.parametrize("name", KINDS)
def test_a_loaded_index_answers_as_the_saved_one(name: str, tmp_path: Path) -> None:
    index = build(name)
    index.save(tmp_path / "a")
    loaded = load_index(tmp_path / "a", items=ITEMS, vectors=VECTORS, kind=index.kind)
    assert (loaded.kind, loaded.dim, len(loaded)) == (index.kind, DIM, N)
    assert answers(loaded) == answers(index)
    loaded.save(tmp_path / "b")  # also what was loaded, and saved before
    index.save(tmp_path / "c")
    for other in ("b", "c"):
        assert {path.name: path.read_bytes() for path in (tmp_path / other).iterdir()} == {
            path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()
        }
    assert answers(load_index(tmp_path / "b", items=ITEMS, vectors=VECTORS)) == answers(index)


@pytest.mark.parametrize("name", KINDS)
def test_changes_are_saved(name: str, tmp_path: Path) -> None:
    index = build(name)
    index.delete(ITEMS[:50])
    index.add(np.array([1, 100, 5000]), QUERIES[:3])
    index.save(tmp_path / "index")
    items, vectors = index.items(), index.vectors(index.items())
    loaded = load_index(tmp_path / "index", items=items, vectors=vectors)
    assert loaded.items().tolist() == items.tolist()
    assert loaded.search(QUERIES[:3], 1).items.ravel().tolist() == [1, 100, 5000]
    with pytest.raises(IndexFileError, match="352 items"):
        load_index(tmp_path / "index", items=ITEMS, vectors=VECTORS)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_small_indexes_are_saved_and_loaded(name: str, n: int, tmp_path: Path) -> None:
    index = build(name, ITEMS[:n], VECTORS[:n])
    index.save(tmp_path / "index")
    loaded = load_index(tmp_path / "index", items=ITEMS[:n], vectors=VECTORS[:n])
    assert loaded.kind == index.kind
    assert answers(loaded) == answers(index)
    loaded.add(ITEMS, VECTORS)
    assert len(loaded) == N
    loaded.save(tmp_path / "grown")
    grown = load_index(tmp_path / "grown", items=ITEMS, vectors=VECTORS)
    assert (grown.approximate is None) == (name == "exact")


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        build(name).save(tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("saved", ["exact"], indirect=True)
def test_a_used_folder_is_refused(saved: Path) -> None:
    before = (saved / "index.json").read_bytes()
    with pytest.raises(IndexFileError, match="not empty"):
        build("exact").save(saved)
    assert (saved / "index.json").read_bytes() == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(IndexFileError, match="could not be written"):
        build("exact").save(tmp_path / "file" / "index")


# --- damage -----------------------------------------------------------------------------------------------------
def refused(folder: Path, match: str, items: Any = ITEMS, vectors: Any = VECTORS, kind: str | None = None) -> None:
    with pytest.raises(IndexFileError, match=match) as caught:
        load_index(folder, items=items, vectors=vectors, kind=kind)
    assert caught.value.hint


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "0 bytes instead of"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes instead of"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "bytes instead of"),
    "first byte": (lambda path: flip(path, 0), "hash differs"),
    "last byte": (lambda path: flip(path, -1), "hash differs"),
    "zeros": (lambda path: path.write_bytes(bytes(path.stat().st_size)), "hash differs"),
    "gone": (lambda path: path.unlink(), "cannot be read"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "not a regular file"),
}


@pytest.mark.parametrize("saved", WRITTEN, indirect=True)
@pytest.mark.parametrize(("damage", "match"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_structure_never_reaches_its_library(
    saved: Path, damage: Callable[[Path], object], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(saved / "index.bin")
    for library in ("faiss", "annoy", "usearch.index"):
        monkeypatch.setitem(sys.modules, library, None)  # its import would fail in another way
    refused(saved, match)


def rewrite(path: Path, sealed: bool, **changes: Any) -> None:
    content = json.loads(path.read_text()) | changes
    if sealed:
        content = Description.model_validate(content).sealed().model_dump(mode="json")
    path.write_text(json.dumps(content))


DESCRIPTIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (lambda path: path.unlink(), "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:100]), "damaged"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe" * 50), "damaged"),
    "a list": (lambda path: path.write_text("[]"), "damaged"),
    "another format": (lambda path: rewrite(path, False, format=2), "another version"),
    "too long": (lambda path: path.write_bytes(b" " * (1 << 17)), "too large"),
    "kind altered": (lambda path: rewrite(path, False, kind="annoy"), "seal"),
    "count altered": (lambda path: rewrite(path, False, count=N + 1), "seal"),
    "effort altered": (lambda path: rewrite(path, False, effort=10**12), "seal"),
    "seal altered": (lambda path: rewrite(path, False, seal="0" * 64), "seal"),
    "more fields": (lambda path: rewrite(path, False, more=1), "damaged"),
}


@pytest.mark.parametrize("saved", ["exact", "faiss-ivf"], indirect=True)
@pytest.mark.parametrize(("damage", "match"), DESCRIPTIONS.values(), ids=DESCRIPTIONS.keys())
def test_a_damaged_description(saved: Path, damage: Callable[[Path], object], match: str) -> None:
    damage(saved / "index.json")
    refused(saved, match)


@pytest.mark.parametrize("saved", ["annoy"], indirect=True)
@pytest.mark.parametrize("file", ["index.json", "index.bin"])
def test_any_flipped_byte_is_noticed_or_means_nothing(saved: Path, file: str) -> None:
    path = saved / file
    whole = path.read_bytes()
    want = answers(load_index(saved, items=ITEMS, vectors=VECTORS))
    for place in np.random.default_rng(0).integers(0, len(whole), 60).tolist():
        flip(path, place)
        try:
            found = load_index(saved, items=ITEMS, vectors=VECTORS)
        except IndexFileError:
            found = None
        assert found is None or answers(found) == want  # a space between words may be a line break as well
        path.write_bytes(whole)


@pytest.mark.parametrize("saved", KINDS, indirect=True)
def test_an_index_of_another_catalog(saved: Path) -> None:
    refused(saved, f"{N} items; the catalog has {N - 1}", ITEMS[1:], VECTORS[1:])
    refused(saved, "other items", ITEMS + 1)
    refused(saved, "other vectors", vectors=random_vectors(N, DIM, seed=3))
    refused(saved, "other vectors", vectors=VECTORS[::-1])
    wider = random_vectors(N, DIM + 1)
    refused(saved, f"vectors of {DIM} values; the catalog's have {DIM + 1}", vectors=wider)
    kind = read_description(saved).kind
    other = "annoy" if kind == "faiss" else "faiss"
    refused(saved, f"of the kind {kind}, not {other}", kind=other)
    with pytest.raises(InvalidInputError, match="no index of the kind 'nonsense'"):
        load_index(saved, items=ITEMS, vectors=VECTORS, kind="nonsense")


@pytest.mark.parametrize("saved", WRITTEN, indirect=True)
def test_structures_of_two_indexes_swapped(saved: Path, tmp_path: Path) -> None:
    name = "annoy" if read_description(saved).kind == "faiss" else "faiss-hnsw"
    build(name, vectors=random_vectors(N, DIM, seed=3)).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "index.bin", saved / "index.bin")
    refused(saved, "bytes instead of|hash differs")


@pytest.mark.parametrize("name", ["faiss-hnsw", "faiss-ivf", "hnsw", "annoy"])
def test_a_structure_that_fits_its_hash_but_not_its_description(name: str, tmp_path: Path) -> None:
    """What a careless tool could write: sound files of the library, wrongly described."""
    saved, fewer = tmp_path / "index", tmp_path / "fewer"
    build(name).save(saved)
    build(name, ITEMS[1:], VECTORS[1:]).save(fewer)
    shutil.copy(fewer / "index.bin", saved / "index.bin")
    rewrite(saved / "index.json", True, structure=json.loads((fewer / "index.json").read_text())["structure"])
    refused(saved, "hold")


@pytest.mark.parametrize("saved", ["faiss-flat", "faiss-ivf", "faiss-hnsw"], indirect=True)
@pytest.mark.parametrize("variant", ["flat", "ivf", "hnsw"])
def test_a_structure_of_another_variant(saved: Path, variant: str) -> None:
    config = json.loads((saved / "index.json").read_text())["config"]
    rewrite(saved / "index.json", True, config=config | {"variant": variant})
    if config["variant"] == variant:
        assert len(load_index(saved, items=ITEMS, vectors=VECTORS)) == N
    else:
        refused(saved, f"as {variant}|lacks its search structure")


def test_the_digests_do_not_depend_on_how_the_arrays_lie(tmp_path: Path) -> None:
    build("exact").save(tmp_path / "index")
    np.save(tmp_path / "v.npy", VECTORS)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    for items, vectors in (
        (ITEMS.astype(np.int32), np.asfortranarray(VECTORS)),
        (ITEMS, VECTORS.astype(np.float64)),
        (ITEMS, mapped),
        (ITEMS, VECTORS.astype(">f4")),
    ):
        assert len(load_index(tmp_path / "index", items=items, vectors=vectors)) == N


@pytest.mark.parametrize("saved", APPROXIMATE, indirect=True)
def test_a_missing_library_says_how_to_get_it(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("faiss", "annoy", "usearch.index"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MatineeError, match=r"pip install 'matinee\[ann\]'"):
        load_index(saved, items=ITEMS, vectors=VECTORS)
    with pytest.raises(MatineeError, match=r"pip install 'matinee\[ann\]'"):
        build_index(read_description(saved).kind, ITEMS, VECTORS)
