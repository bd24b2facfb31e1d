"""Writing and loading: equal after the way through the disk, refused where anything is amiss."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matinee import models as model_package
from matinee._util.atomic_files import file_hash
from matinee.data.dataset import Dataset
from matinee.errors import SnapshotError
from matinee.models.base import Model, Query
from matinee.models.preference import StarScale
from matinee.snapshots import Manifest, Snapshot, SnapshotRegistry, write, write_snapshot
from matinee.snapshots.manifest import read_manifest
from matinee.snapshots.snapshot import read_array


def test_a_snapshot_comes_back_as_it_was(
    root: Path, dataset: Dataset, models: dict[str, Model[Any]], snapshot_id: str
) -> None:
    for verify in ("full", "size"):
        snapshot = Snapshot.load(root, snapshot_id, verify)  # type: ignore[arg-type]
        assert snapshot.id == snapshot_id
        assert snapshot.catalog.frame.equals(dataset.catalog.frame)
        assert snapshot.ratings.user_ids.to_list() == dataset.ratings.user_ids.to_list()
        for name in ("indptr", "indices", "values", "times"):
            ours, theirs = getattr(snapshot.ratings, name), getattr(dataset.ratings, name)
            np.testing.assert_array_equal(ours, theirs, strict=True)
            assert type(ours) is np.ndarray
            assert not ours.flags.writeable
        assert snapshot.dataset.fingerprint == dataset.fingerprint
        assert Dataset("again", snapshot.catalog, snapshot.ratings, dataset.report).fingerprint == dataset.fingerprint
        assert snapshot.dataset.report == dataset.report
        assert list(snapshot.models) == list(models)
        popular = models["popular"]
        loaded = snapshot.models["popular"]
        assert loaded.config == popular.config
        for name, values in popular.state().items():
            np.testing.assert_array_equal(loaded.state()[name], values, strict=True)
        scores = snapshot.models["four"].score([Query()])
        np.testing.assert_array_equal(scores, 4 * popular.score([Query()]))


DERIVED = ("ratings/counts.npy", "ratings/sums.npy", "ratings/star_scale.npy")


def test_what_is_derived_of_all_ratings_is_stored(root: Path, dataset: Dataset, snapshot_id: str) -> None:
    def check(stored: bool) -> None:
        snapshot = Snapshot.load(root, snapshot_id)
        assert ("counts" in snapshot.ratings.__dict__) == ("star_scale" in snapshot.__dict__) == stored
        np.testing.assert_array_equal(snapshot.ratings.counts, dataset.ratings.counts, strict=True)
        np.testing.assert_array_equal(snapshot.ratings.sums, dataset.ratings.sums, strict=True)
        assert snapshot.star_scale == StarScale.of(dataset)
        assert snapshot.newest == dataset.ratings.times.max()

    check(stored=True)
    for name in DERIVED:  # a snapshot of an older version
        (root / snapshot_id / name).unlink()
    reseal(root / snapshot_id, lambda body: [body["files"].pop(name) for name in DERIVED] + [body.pop("newest")])
    check(stored=False)


@pytest.mark.parametrize("name", DERIVED)
def test_derived_arrays_that_do_not_fit_are_refused(root: Path, snapshot_id: str, name: str) -> None:
    with_file(root / snapshot_id, name, npy(np.zeros(3)))
    with pytest.raises(SnapshotError, match="is damaged"):
        Snapshot.load(root, snapshot_id)


def test_the_manifest_says_what_it_is(root: Path, dataset: Dataset, snapshot_id: str) -> None:
    manifest = SnapshotRegistry(root).show(snapshot_id)
    assert (manifest.id, manifest.format, manifest.dataset) == (snapshot_id, 5, "random")
    assert (manifest.watermark, manifest.seed, manifest.default_model) == (17, 3, "two")
    assert manifest.fingerprint == dataset.fingerprint
    assert (manifest.n_users, manifest.n_items, manifest.n_ratings) == (60, 40, len(dataset.ratings))
    assert manifest.metrics == {"popular": {"ndcg": 0.25, "rmse": None}}
    assert manifest.seconds == {"popular": 0.5, "total": 2.0}
    assert manifest.settings["data"] == "x"
    entry = manifest.models["popular"]
    assert (entry.kind, entry.seconds, entry.metrics["ndcg"]) == ("count", 0.5, 0.25)
    assert entry.config == {"power": 0.5, "words": ["x", "ü"]}
    assert set(manifest.versions) == {"python", "matinee", "numpy", "scipy", "polars", "pydantic"}
    assert manifest.bytes == sum(entry.bytes for entry in manifest.files.values()) > entry.bytes > 0
    on_disk = {p.relative_to(root / snapshot_id).as_posix() for p in (root / snapshot_id).rglob("*") if p.is_file()}
    assert on_disk == {*manifest.files, "manifest.json"}
    assert f"{manifest.created:%Y%m%dT%H%M%SZ}" == snapshot_id.split("-")[0]


def test_ids_differ_within_a_second(root: Path, dataset: Dataset, models: dict[str, Model[Any]]) -> None:
    ids = [write_snapshot(root, dataset, models, default_model="two") for _ in range(4)]
    assert len(set(ids)) == 4
    assert [manifest.id for manifest in SnapshotRegistry(root).list()] == ids[::-1]
    assert SnapshotRegistry(root).current() is None, "writing does not promote"
    assert not list(root.glob(".tmp-*"))


def test_a_free_name_is_found_when_another_writer_takes_it(
    root: Path, dataset: Dataset, models: dict[str, Model[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, taken = Path.rename, []

    def race(self: Path, target: Path) -> Path:
        if not taken:
            taken.append(target)
            target.mkdir()
            (target / "theirs").touch()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", race)
    snapshot_id = write_snapshot(root, dataset, models, default_model="two")
    assert snapshot_id != taken[0].name
    assert (taken[0] / "theirs").exists()
    assert Snapshot.load(root, snapshot_id)


# --- writing that fails -----------------------------------------------------------------------------------------


def folder_content(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.8, 0.95, 1.0])
def test_a_full_disk_leaves_no_trace(
    root: Path,
    dataset: Dataset,
    models: dict[str, Model[Any]],
    snapshot_id: str,
    monkeypatch: pytest.MonkeyPatch,
    share: float,
) -> None:
    """The disk is full at any step, from the first file to the very last."""
    calls, limit = [0], [10**6]

    def failing(handle: int) -> None:
        calls[0] += 1
        if calls[0] > limit[0]:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    write_snapshot(root, dataset, models, default_model="two")
    last = calls[0] - 1
    SnapshotRegistry(root).promote(snapshot_id)
    before = folder_content(root)
    calls[0], limit[0] = 0, round(share * last)
    with pytest.raises(SnapshotError, match=r"No space left.*Make room"):
        write_snapshot(root, dataset, models, default_model="two")
    assert folder_content(root) == before
    assert SnapshotRegistry(root).current() == snapshot_id


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support import random_dataset
from matinee.errors import SnapshotError
from matinee.models import Popularity
from matinee.snapshots import write_snapshot
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
data = random_dataset()
model = Popularity().fit(data)
for limit in (100, 3000, 6000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write_snapshot(Path(sys.argv[1]), data, {"popularity": model}, default_model="popularity")
        sys.exit("written?")
    except SnapshotError as error:
        pass
    assert not list(Path(sys.argv[1]).iterdir()), list(Path(sys.argv[1]).rglob("*"))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write_snapshot(Path(sys.argv[1]), data, {"popularity": model}, default_model="popularity")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
def test_files_that_cannot_grow_leave_no_trace(root: Path) -> None:
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(root), tests], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_that_cannot_be_made_is_an_error(
    tmp_path: Path, dataset: Dataset, models: dict[str, Model[Any]]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SnapshotError, match="could not be written"):
        write_snapshot(tmp_path / "file", dataset, models, default_model="two")


def test_what_could_not_be_read_back_is_not_written(
    root: Path, dataset: Dataset, models: dict[str, Model[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SnapshotError, match="default model 'none'"):
        write_snapshot(root, dataset, models, default_model="none")
    popular = models["popular"]
    for name in ("../popular", "a/b", ".hidden", "", "x" * 101):
        with pytest.raises(SnapshotError, match="not a valid file name"):
            write_snapshot(root, dataset, {name: popular}, default_model=name)
    for extra in ({"a": np.zeros(1), "A": np.zeros(1)}, {"..": np.zeros(1)}):
        popular.extra = extra  # type: ignore[attr-defined]
        with pytest.raises(SnapshotError, match="not a valid file name"):
            write_snapshot(root, dataset, models, default_model="two")
    popular.extra = {"objects": np.array([object()])}  # type: ignore[attr-defined]
    with pytest.raises(SnapshotError, match="could not be written"):
        write_snapshot(root, dataset, models, default_model="two")
    monkeypatch.delitem(model_package.MODELS, "count")
    with pytest.raises(SnapshotError, match=r"does not list.*Register"):
        write_snapshot(root, dataset, models, default_model="two")
    assert list(root.iterdir()) == []


def test_the_leftovers_of_killed_writers_are_cleaned_up(
    root: Path, dataset: Dataset, models: dict[str, Model[Any]]
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old, very_old = time.time() - write.OLD_SECONDS - 5, time.time() - 90_000
    cases = {
        f".tmp-{dead.pid}-aa": old,
        f".tmp-{dead.pid}-bb": time.time(),
        f".tmp-{os.getpid()}-cc": old,
        f".tmp-{os.getpid()}-dd": very_old,
        ".tmp-odd": old,
    }
    for name, age in cases.items():
        (root / name / "models").mkdir(parents=True)
        (root / name / "models" / "x.npy").touch()
        for path in (root / name / "models" / "x.npy", root / name / "models", root / name):
            os.utime(path, (age, age))
    write_snapshot(root, dataset, models, default_model="two")
    left = {path.name for path in root.glob(".tmp-*")}
    assert left == {f".tmp-{dead.pid}-bb", f".tmp-{os.getpid()}-cc", ".tmp-odd"}


# --- loading what is damaged ------------------------------------------------------------------------------------


def reseal(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and make its checksum fit again, as a malicious or faulty writer would."""
    body = json.loads((folder / "manifest.json").read_text())
    change(body)
    body["checksum"] = ""
    (folder / "manifest.json").write_text(Manifest.model_validate(body).sealed().model_dump_json())


def with_file(folder: Path, name: str, content: bytes) -> None:
    """Put other content into a file, and make size and hash in the manifest fit it."""
    (folder / name).write_bytes(content)
    entry = {"bytes": len(content), "sha256": file_hash(folder / name)}
    reseal(folder, lambda body: body["files"].update({name: entry}))


def npy(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


FILES = [
    "catalog.safetensors",
    "users.safetensors",
    "ratings/indptr.npy",
    "ratings/times.npy",
    "models/popular/counts.npy",
]


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("damage", ["truncate", "empty", "flip", "grow", "missing", "folder", "link"])
def test_every_damaged_file_is_named(root: Path, tmp_path: Path, snapshot_id: str, name: str, damage: str) -> None:
    path = root / snapshot_id / name
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    elif damage != "missing":
        middle = len(content) // 2
        changed = {
            "truncate": content[:-10],
            "empty": b"",
            "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "grow": content + b"\0",
        }
        path.write_bytes(changed[damage])
    with pytest.raises(SnapshotError) as raised:
        Snapshot.load(root, snapshot_id)
    assert path.name in str(raised.value)
    assert "rollback" in str(raised.value)
    assert SnapshotRegistry(root).verify(snapshot_id)


def test_all_damage_is_counted(root: Path, snapshot_id: str) -> None:
    for name in FILES[:3]:
        (root / snapshot_id / name).unlink()
    with pytest.raises(SnapshotError, match="2 more problems"):
        Snapshot.load(root, snapshot_id)
    assert len(SnapshotRegistry(root).verify(snapshot_id)) == 3


def test_size_alone_does_not_see_a_flipped_bit_and_full_does(root: Path, snapshot_id: str) -> None:
    path = root / snapshot_id / "models/popular/counts.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert Snapshot.load(root, snapshot_id, "size")
    with pytest.raises(SnapshotError, match="hash differs"):
        Snapshot.load(root, snapshot_id, "full")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was loaded",))


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("counts.npy", npy(np.zeros(40, dtype=np.float32)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("models/popular/counts.npy", pickle.dumps(Bomb())),
        ("models/popular/counts.npy", npy(np.array([Bomb()], dtype=object), allow_pickle=True)),
        ("models/popular/counts.npy", archive()),
        ("models/popular/counts.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': bad!!}"),
        ("models/popular/counts.npy", npy(np.zeros(4000))[:200]),
        ("models/popular/counts.npy", npy(np.zeros(39, dtype=np.float32))),
        ("models/popular/counts.npy", npy(np.array(1.0))),
        ("ratings/values.npy", npy(np.zeros(3, dtype=np.float32))),
        ("ratings/values.npy", npy(np.zeros(3))),
        ("ratings/indptr.npy", npy(np.zeros((2, 2), dtype=np.int64))),
        ("ratings/indptr.npy", npy(np.zeros(0, dtype=np.int64))),
        ("ratings/indptr.npy", npy(np.arange(61, dtype=np.int64)[::-1])),
        ("catalog.safetensors", b""),
        ("catalog.safetensors", b"ARROW1\0\0" + b"\xff" * 500 + b"ARROW1"),
        ("users.safetensors", b"not a table at all"),
    ],
)
def test_wrong_content_behind_a_right_hash_is_refused(
    root: Path, snapshot_id: str, name: str, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with_file(root / snapshot_id, name, content)
    with pytest.raises(SnapshotError, match="train"):
        Snapshot.load(root, snapshot_id)
    capfd.readouterr()


def test_a_table_of_users_without_the_column_is_refused(root: Path, snapshot_id: str) -> None:
    folder = root / snapshot_id
    with_file(folder, "users.safetensors", (folder / "catalog.safetensors").read_bytes())
    with pytest.raises(SnapshotError, match="users"):
        Snapshot.load(root, snapshot_id)


def rename_file(body: dict[str, Any], old: str, new: str) -> None:
    body["files"][new] = body["files"].pop(old)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b["files"].pop("catalog.safetensors"), r"does not list catalog\.safetensors"),
        (lambda b: b["files"].pop("models/popular/counts.npy"), "does not list models/popular/counts"),
        (lambda b: rename_file(b, "users.safetensors", "../users.safetensors"), "not allowed"),
        (lambda b: rename_file(b, "users.safetensors", "/etc/hosts"), "not allowed"),
        (lambda b: rename_file(b, "users.safetensors", "ratings//x"), "not allowed"),
        (lambda b: rename_file(b, "users.safetensors", "ratings\\x"), "not allowed"),
        (lambda b: rename_file(b, "users.safetensors", ""), "not allowed"),
        (lambda b: rename_file(b, "users.safetensors", "./users.safetensors"), "not allowed"),
        (lambda b: b["models"]["popular"].update(kind="os.system"), "no model of the kind"),
        (lambda b: b["models"]["popular"].update(config={"power": "much"}), "cannot be loaded"),
        (lambda b: b["models"]["popular"].update(config={"unknown": 1}), "cannot be loaded"),
        (lambda b: b["models"]["popular"].update(arrays=[]), "cannot be loaded"),
        (lambda b: b["models"]["popular"].update(arrays=["../../../catalog"]), "does not list"),
        (lambda b: b["models"]["two"]["config"].update(of="nobody"), "part of 'two', is missing"),
        (lambda b: b["models"]["two"]["config"].update(of="four"), "made of itself"),
        (lambda b: b.update(default_model="nobody"), "default model of snapshot .* is missing"),
        (lambda b: b.update(n_users=61), "does not match the manifest"),
        (lambda b: b.update(id="20200101T000000Z-00000000"), "belongs to the snapshot 2020"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    root: Path, snapshot_id: str, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    reseal(root / snapshot_id, change)
    with pytest.raises(SnapshotError, match=message):
        Snapshot.load(root, snapshot_id)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ("nonsense", "damaged"),
        ("[" * 100_000, "damaged"),
        ('{"format": 1}', "format 1; this Matinee reads format 5"),
        ('{"format": "1"}', "damaged"),
        ("\xff\xfe", "damaged"),
    ],
)
def test_a_manifest_that_is_none_is_refused(root: Path, snapshot_id: str, text: str, message: str) -> None:
    (root / snapshot_id / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(SnapshotError, match=message):
        Snapshot.load(root, snapshot_id)


def test_a_manifest_altered_by_hand_is_refused(root: Path, snapshot_id: str) -> None:
    path = root / snapshot_id / "manifest.json"
    path.write_text(path.read_text().replace('"watermark": 17', '"watermark": 18'))
    with pytest.raises(SnapshotError, match="altered"):
        Snapshot.load(root, snapshot_id)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "20261123T010203Z-0000000g", "20261123T010203Z-00000000"])
def test_what_is_no_snapshot_is_not_opened(root: Path, snapshot_id: str, name: str) -> None:
    with pytest.raises(SnapshotError, match=r"no snapshot .*snapshots list"):
        Snapshot.load(root, name)


def test_a_snapshot_may_not_be_a_link(root: Path, tmp_path: Path, snapshot_id: str) -> None:
    shutil.move(root / snapshot_id, tmp_path / "elsewhere")
    (root / snapshot_id).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SnapshotError, match="symbolic link"):
        Snapshot.load(root, snapshot_id)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_altered_byte_of_the_manifest_is_an_error_or_harmless(
    root: Path, snapshot_id: str, data: st.DataObject
) -> None:
    path = root / snapshot_id / "manifest.json"
    good = path.read_bytes()
    sound = read_manifest(root / snapshot_id)
    place = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.integers(0, 255))
    try:
        path.write_bytes(good[:place] + bytes([byte]) + good[place + 1 :])
        with suppress(SnapshotError):
            assert read_manifest(root / snapshot_id) == sound, "white space may change"
    finally:
        path.write_bytes(good)


def test_headers_of_arrays_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11 counts the depth of what literals are made of for all threads together (see `one_literal`)."""
    np.save(tmp_path / "a.npy", np.arange(3))
    read, inside, most, tick = np.lib.format.open_memmap, [0], [0], threading.Event()

    def watched(*args: Any, **options: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        tick.wait(0.01)  # another thread would come in
        array = read(*args, **options)
        inside[0] -= 1
        return array

    monkeypatch.setattr(np.lib.format, "open_memmap", watched)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: read_array(tmp_path, "a.npy").tolist(), range(12)))
    assert found == [[0, 1, 2]] * 12
    assert most == [1]
