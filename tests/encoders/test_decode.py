"""Images that are read: every format and mode comes out as the RGB picture that a person would see."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from image_support import BLUE, GREEN, GREY, RED, corners, drawn, quarters, saved, waves
from matinee.encoders.decode import Shape, decode, prepare

KINDS = ["JPEG", "PNG", "WEBP", "AVIF"]
LOSSLESS = {
    "PNG": {},
    "WEBP": {"lossless": True},
}
SHAPE = Shape(208, 312, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))


def near(found: list[tuple[int, int, int]], wanted: list[tuple[int, int, int]], tolerance: int = 24) -> bool:
    return bool((np.abs(np.array(found) - np.array(wanted)) <= tolerance).all())


@pytest.mark.parametrize("kind", KINDS)
def test_every_format(kind: str) -> None:
    image = decode(saved(quarters(), kind))
    assert image.mode == "RGB"
    assert image.size == (64, 96)
    assert near(corners(image), [RED, GREEN, BLUE, GREY])


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_bytes_give_the_same(kind: str, tmp_path: Path) -> None:
    data = saved(drawn(), kind)
    (tmp_path / "poster.any").write_bytes(data)  # the name says nothing
    assert decode(tmp_path / "poster.any").tobytes() == decode(data).tobytes()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_lose_nothing(kind: str) -> None:
    assert decode(saved(drawn(3), kind, **LOSSLESS[kind])).tobytes() == drawn(3).tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_the_picture(kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    image = decode(saved(quarters(), kind, exif=exif))
    wanted = {
        1: [RED, GREEN, BLUE, GREY],
        2: [GREEN, RED, GREY, BLUE],
        3: [GREY, BLUE, GREEN, RED],
        4: [BLUE, GREY, RED, GREEN],
        5: [RED, BLUE, GREEN, GREY],
        6: [BLUE, RED, GREY, GREEN],
        7: [GREY, GREEN, BLUE, RED],
        8: [GREEN, GREY, RED, BLUE],
    }[turn]
    assert image.size == ((64, 96) if turn < 5 else (96, 64))
    assert near(corners(image), wanted)


@pytest.mark.parametrize(
    "exif",
    [b"", b"garbage", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 40],
    ids=["none", "garbage", "bare", "far offset", "absurd count"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_turns_nothing(kind: str, exif: bytes) -> None:
    assert near(corners(decode(saved(quarters(), kind, exif=exif))), [RED, GREEN, BLUE, GREY])


@pytest.mark.parametrize("kind", KINDS)
def test_broken_color_profiles_do_no_harm(kind: str) -> None:
    assert decode(saved(quarters(), kind, icc_profile=b"\xff" * 3000)).size == (64, 96)


@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("L", "PNG"), ("L", "WEBP"), ("L", "AVIF"), ("1", "PNG")])
def test_grayscale(mode: str, kind: str) -> None:
    image = Image.new("L", (40, 60), 0)
    image.paste(255, (0, 0, 40, 30))
    found = decode(saved(image.convert(mode), kind))
    assert found.mode == "RGB"
    assert near(corners(found), [(255, 255, 255)] * 2 + [(0, 0, 0)] * 2)


def test_sixteen_bit_grayscale_is_scaled_not_cut() -> None:
    values = np.repeat(np.array([0, 20_000, 40_000, 65_535], dtype=np.uint16), 10 * 40).reshape(40, 40)
    found = np.asarray(decode(saved(Image.fromarray(values), "PNG")))
    assert [int(v) for v in found[5::10, 0, 0]] == [0, 78, 156, 255]
    assert found.shape == (40, 40, 3)


def test_cmyk() -> None:
    found = decode(saved(quarters().convert("CMYK"), "JPEG", quality=95))
    assert near(corners(found), [RED, GREEN, BLUE, GREY])


def test_palette() -> None:
    assert near(corners(decode(saved(quarters().quantize(8), "PNG"))), [RED, GREEN, BLUE, GREY])


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_transparency_lies_over_white(kind: str) -> None:
    image = quarters().convert("RGBA")
    image.putalpha(0)
    image.paste((*BLUE, 255), (0, 48, 32, 96))
    image.paste((0, 0, 0, 128), (32, 48, 64, 96))
    white = (255, 255, 255)
    assert near(corners(decode(saved(image, kind))), [white, white, BLUE, (127, 127, 127)])


def test_transparency_of_grayscale_palette_and_one_color() -> None:
    white = (255, 255, 255)
    grey = Image.new("LA", (40, 60), (0, 0))
    assert set(corners(decode(saved(grey, "PNG")))) == {white}
    indexed = Image.new("P", (40, 60), 1)
    indexed.putpalette([9, 9, 9, 200, 0, 0])
    indexed.paste(0, (0, 0, 40, 30))
    found = corners(decode(saved(indexed, "PNG", transparency=b"\x00\xff")))
    assert found == [white, white, (200, 0, 0), (200, 0, 0)]
    assert corners(decode(saved(indexed, "PNG", transparency=1)))[2:] == [white, white]
    rgb = Image.new("RGB", (40, 60), (1, 2, 3))
    assert set(corners(decode(saved(rgb, "PNG", transparency=(1, 2, 3))))) == {white}


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_animations_give_their_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (32, 48), color) for color in (RED, GREEN, BLUE)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    with Image.open(io.BytesIO(data)) as opened:
        assert getattr(opened, "n_frames", 1) == 3
    assert near(corners(decode(data)), [RED] * 4)


def test_several_pictures_in_one_jpeg_give_the_first() -> None:
    data = saved(quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 96), "white")])
    assert near(corners(decode(data)), [RED, GREEN, BLUE, GREY])


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in KINDS for mode in ("RGB", "L", "RGBA") if kind != "JPEG" or mode != "RGBA"]
    + [("PNG", "P")],
)
def test_large_images_may_come_smaller(kind: str, mode: str) -> None:
    image = quarters(800, 1200).convert(mode)
    found = decode(saved(image, kind), at_least=(80, 120))
    assert 160 <= found.width < 800
    assert 240 <= found.height < 1200
    assert found.width / found.height == pytest.approx(2 / 3, rel=0.01)
    wanted = [RED, GREEN, BLUE, GREY] if mode != "L" else corners(quarters().convert("L").convert("RGB"))
    assert near(corners(found), wanted)
    assert decode(saved(image, kind), at_least=(800, 1200)).size == (800, 1200)


def test_smaller_ones_stay_smaller() -> None:
    assert decode(saved(quarters(), "JPEG"), at_least=(208, 312)).size == (64, 96)


def test_text_beside_the_picture_is_no_matter() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Title", "A film", zip=True)
    notes.add_itxt("Author", "Someone" * 100, zip=True)
    assert decode(saved(quarters(), "PNG", pnginfo=notes)).size == (64, 96)


def test_many_threads_at_once() -> None:
    data = [saved(drawn(i), KINDS[i % 4]) for i in range(16)]
    alone = [decode(d).tobytes() for d in data]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda d: decode(d).tobytes(), data)) == alone


def test_prepared_images_have_one_shape_and_scale() -> None:
    for size in [(1, 1), (160, 240), (3, 900), (900, 3), (1000, 1500)]:
        found = prepare(Image.new("RGB", size, (255, 127, 0)), SHAPE)
        assert found.shape == (3, 312, 208)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_allclose(found[:, 100, 100], [1.0, 0.0, -127 / 128])


def test_golden_preprocessing() -> None:
    """Another resampling, scale or order of channels would change every stored vector."""
    found = prepare(waves(), SHAPE)
    thumbnail = found.reshape(3, 3, 104, 2, 104).mean(axis=(2, 4))
    np.testing.assert_allclose(thumbnail, GOLDEN, atol=0.003)
    assert hashlib.sha256(np.round(found * 128 + 127).astype(np.uint8).tobytes()).hexdigest()[:16] == GOLDEN_HASH


GOLDEN = [
    [[-0.531, 0.094], [-0.218, 0.407], [0.094, 0.713]],
    [[-0.691, -0.152], [-0.152, -0.049], [-0.144, 0.029]],
    [[-0.962, -0.763], [-0.763, -0.962], [-0.163, -0.763]],
]
GOLDEN_HASH = "c0c4e9fd27af3ddb"
