from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.errors import InvalidInputError, MediaTypeError, StoreError, TooLargeError
from matinee.posters.pictures import AVIF, JPEG, KINDS, PNG, WEBP, inspect, kind_of
from matinee.posters.store import PosterStore, read_file, stem_of
from matinee.settings import Settings
from poster_support import film, picture


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_picture_is_kept_as_what_it_is(shelf: PosterStore, kind: object) -> None:
    data = picture(kind.name)  # type: ignore[attr-defined]
    assert shelf.find("1") is None
    assert shelf.path("1") is None
    assert shelf.ids() == set()
    assert shelf.put("1", data) == "added"
    path = shelf.path("1")
    assert path is not None
    assert path.name == f"1{kind.suffix}"  # type: ignore[attr-defined]
    assert path.read_bytes() == data
    assert shelf.ids() == {"1"}
    stored = shelf.find("1")
    assert stored is not None
    assert shelf.read(stored) == (kind, data)


def test_one_picture_a_film(shelf: PosterStore) -> None:
    first, second = picture("JPEG"), picture("WEBP")
    assert shelf.put("1", first) == "added"
    assert shelf.put("1", first) == "unchanged"
    assert shelf.put("1", second) == "replaced"
    assert [p.name for p in shelf.folder.iterdir() if not p.name.startswith(".")] == ["1.webp"]
    assert shelf.put("1", picture("WEBP", color=(0, 0, 9))) == "replaced"
    assert shelf.remove("1")
    assert not shelf.remove("1")
    assert shelf.find("1") is None


def test_what_two_processes_left_is_resolved(shelf: PosterStore) -> None:
    shelf.put("1", picture("JPEG"))
    (shelf.folder / "1.png").write_bytes(picture("PNG"))  # as a process that was killed between its two steps leaves it
    os.utime(shelf.folder / "1.jpg", ns=(1, 1))
    assert shelf.path("1") == shelf.folder / "1.png"
    assert shelf.ids() == {"1"}
    shelf.put("1", picture("AVIF"))
    assert [p.name for p in shelf.folder.glob("1.*")] == ["1.avif"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", InvalidInputError),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", MediaTypeError),
        (b"GIF89a" + bytes(50), MediaTypeError),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42", MediaTypeError),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", MediaTypeError),
        (picture("JPEG")[:200], InvalidInputError),
        (picture("PNG")[:40], InvalidInputError),
        (picture("WEBP")[:14], InvalidInputError),
        (picture("AVIF")[:80], InvalidInputError),
        (picture("PNG")[:16] + b"\x00\x00\x7f\xff\x00\x00\x7f\xff" + picture("PNG")[24:], InvalidInputError),
        (picture() + bytes(3 << 20), TooLargeError),
        (picture("PNG", (1100, 1000)), TooLargeError),
    ],
)
def test_what_is_no_picture_is_not_kept(tmp_path: Path, shelf: PosterStore, data: bytes, error: type) -> None:
    small = PosterStore(tmp_path / "small", max_bytes=2 << 20, max_pixels=1_000_000, check=shelf._check)
    with pytest.raises(error):
        small.put("1", data)
    assert small.ids() == set()
    assert list(tmp_path.glob("small/.*.part")) == []


def test_pixels_are_counted_before_decoding() -> None:
    bomb = bytearray(picture("PNG"))
    bomb[16:24] = (30_000).to_bytes(4) + (20_000).to_bytes(4)
    import zlib

    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4)
    with pytest.raises(TooLargeError, match="30000 × 20000 pixels"):
        inspect(bytes(bomb), 1 << 20, 50_000_000)


def test_kinds_are_told_by_content() -> None:
    assert [kind_of(picture(kind.name)[:64]) for kind in KINDS] == [JPEG, PNG, WEBP, AVIF]
    assert kind_of(b"") is None
    assert inspect(picture("PNG", (3, 4)), 10_000, 100).width == 3


@given(st.binary(max_size=80))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP", b"\x00\x00\x00\x20ftypavif"):
        with pytest.raises(InvalidInputError):
            inspect(start + data, 10_000, 1_000_000)


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=20))
def test_names_are_harmless_and_tell_ids_apart(ids: list[str]) -> None:
    stems = [stem_of(movie_id) for movie_id in ids]
    assert len({stem.lower() for stem in stems}) == len(ids)
    assert all(set(stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-%") for stem in stems)


@pytest.mark.parametrize(
    "movie_id", ["../../etc/passwd", "..", ".", ".lock", "a/b", "A", "a", "C:\\x", "con", "é", "映画"]
)
def test_ids_name_no_other_place(shelf: PosterStore, movie_id: str) -> None:
    shelf.put(movie_id, picture())
    assert shelf.ids() == {movie_id}
    path = shelf.path(movie_id)
    assert path is not None
    assert path.parent == shelf.folder
    assert sorted(p.name for p in shelf.folder.parent.iterdir()) == ["shelf"]
    assert shelf.find("other") is None
    assert shelf.find("") is None


def test_an_id_too_long_for_a_file_has_no_picture(shelf: PosterStore) -> None:
    with pytest.raises(InvalidInputError, match="too long"):
        shelf.put("映" * 64, picture())
    assert shelf.find("映" * 64) is None
    assert shelf.put("9" * 64, picture()) == "added"


def test_links_and_strangers_are_not_pictures(shelf: PosterStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture())
    shelf.put("1", picture())
    (shelf.folder / "2.jpg").symlink_to(secret)
    (shelf.folder / "3.jpg").mkdir()
    (shelf.folder / "4.jpg").touch()
    (shelf.folder / "5.jpg").write_text("<script>")
    (shelf.folder / "6.gif").write_bytes(b"GIF89a")
    (shelf.folder / "UP.jpg").write_bytes(picture())  # not a name of the shelf's
    assert [shelf.find(i) for i in "2346"] == [None] * 4
    assert {"1"} <= shelf.ids() <= {"1", "4", "5"}
    stored = shelf.find("5")
    assert stored is not None
    assert shelf.read(stored) is None
    shelf.put("2", picture("JPEG", color=(1, 2, 3)))  # replaces the link, and leaves alone what it named
    assert secret.read_bytes() == picture()
    assert not (shelf.folder / "2.jpg").is_symlink()


def test_files_are_read_with_care(shelf: PosterStore, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture())
    assert shelf.put("1", read_file(path, shelf.max_bytes)) == "added"
    (tmp_path / "link.jpg").symlink_to(path)
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("link.jpg", "pipe.jpg", "shelf"):
        with pytest.raises(MediaTypeError):
            shelf.put("2", read_file(tmp_path / name, shelf.max_bytes))
    with pytest.raises(InvalidInputError):
        shelf.put("2", read_file(tmp_path / "absent.jpg", shelf.max_bytes))
    with pytest.raises(TooLargeError):
        read_file(path, 10)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = PosterStore(tmp_path / "file" / "shelf")
    with pytest.raises(StoreError, match="cannot be written"):
        blocked.put("1", picture())
    assert blocked.ids() == set()
    assert blocked.find("1") is None


def test_what_stands_for_a_film(shelf: PosterStore) -> None:
    assert shelf.shown(film("1")) == "card"
    assert shelf.shown(film("1", poster="/etc/passwd")) == "card"
    assert shelf.shown(film("1", poster="https://example.org/1.jpg")) == "link"
    shelf.put("1", picture())
    assert shelf.shown(film("1", poster="https://example.org/1.jpg")) == "file"


def test_unfinished_files_of_the_dead_are_removed(shelf: PosterStore) -> None:
    shelf.put("1", picture())
    old, young = shelf.folder / ".a.part", shelf.folder / ".b.part"
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    shelf.tidy()
    assert (old.exists(), young.exists()) == (False, True)


def test_the_limits_are_the_settings(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, max_body=123_456, max_pixels=99)
    shelf = PosterStore.of(settings, "ml/odd name")
    assert (shelf.max_bytes, shelf.max_pixels) == (123_456, 99)
    assert shelf.folder == tmp_path / "posters" / "ml_odd_name"


PUTTER = """
import sys
from pathlib import Path
from matinee.posters.store import PosterStore
shelf, data = PosterStore(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes()
for turn in range(60):
    shelf.put("1", data, durable=False)
"""


def test_processes_that_put_at_a_time_leave_one_whole_picture(shelf: PosterStore, tmp_path: Path) -> None:
    names = []
    for kind in KINDS[:3]:
        names.append(tmp_path / f"in{kind.suffix}")
        names[-1].write_bytes(picture(kind.name, (200, 300)))
    whole = {path.read_bytes() for path in names}
    shelf.put("1", next(iter(whole)))
    others = [subprocess.Popen([sys.executable, "-c", PUTTER, str(shelf.folder), str(path)]) for path in names]

    def look() -> int:
        looks = 0
        while any(process.poll() is None for process in others) and looks < 100_000:
            stored = shelf.find("1")
            found = shelf.read(stored) if stored is not None else None
            assert found is None or found[1] in whole  # it may have been replaced since it was found
            looks += 1
        return looks

    with ThreadPoolExecutor(2) as pool:
        looks = [pool.submit(look) for _ in range(2)]
        assert [process.wait(60) for process in others] == [0, 0, 0]
        assert all(done.result() > 0 for done in looks)
    left = [p for p in shelf.folder.iterdir() if not p.name.startswith(".")]
    assert len(left) == 1
    assert left[0].read_bytes() in whole
