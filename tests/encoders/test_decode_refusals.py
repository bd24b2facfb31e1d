"""What is refused: too large, of another kind, broken; always by name, never with much memory."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from image_support import drawn, quarters, saved
from matinee.encoders.avif import coded_pixels
from matinee.encoders.decode import Shape, decode, prepare
from matinee.errors import InvalidInputError, MediaTypeError, TooLargeError

KINDS = ["JPEG", "PNG", "WEBP", "AVIF"]
SEEDS = {kind: saved(drawn(1, 40, 60), kind) for kind in KINDS}
SMALL = Shape(16, 24, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, color: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def pixels(n_bytes: int) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(n_bytes), 9))


OTHERS = {
    "svg with script": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "svg after spaces": b"\xef\xbb\xbf \n\t<svg onload='alert(1)'/>",
    "html": b"<!DOCTYPE html><html><img src=x></html>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3",
    "gif": saved(quarters().quantize(8), "GIF"),
    "bmp": saved(quarters(), "BMP"),
    "tiff": saved(quarters(), "TIFF"),
    "ico": saved(quarters(), "ICO"),
    "ppm": saved(quarters(), "PPM"),
    "jpeg 2000": saved(quarters(), "JPEG2000"),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "zip": b"PK\x03\x04" + bytes(60),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60),
    "mp4": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(60),
    "wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(60),
    "text": b"just words",
    "zeros": bytes(1000),
    "numbers": bytes(range(256)),
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS.keys())
def test_other_kinds(data: bytes) -> None:
    with pytest.raises(MediaTypeError, match="JPEG, PNG, WebP or AVIF"):
        decode(data)


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation(kind: str) -> None:
    data = SEEDS[kind]
    for length in {*range(min(len(data), 64)), *range(64, len(data) - 2, 37)}:
        with pytest.raises(InvalidInputError) as caught:
            decode(data[:length])
        # Too little to tell what it is may also be taken for another kind.
        assert length < 32 or not isinstance(caught.value, (MediaTypeError, TooLargeError)), length


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_first_bytes_of_a_known_kind_are_cut_short(kind: str) -> None:
    for length in (1, 2):
        with pytest.raises(InvalidInputError, match=f"The {kind} image is truncated"):
            decode(SEEDS[kind][:length])


def test_empty() -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        decode(b"")


def test_bytes_are_capped(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(1001))
    for data in (bytes(1001), tmp_path / "large"):
        with pytest.raises(TooLargeError, match="more than 1000 bytes"):
            decode(data, max_bytes=1000)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path(os.devnull)):
        with pytest.raises(InvalidInputError, match="no file"):
            decode(path)


def test_pixels_are_capped_by_the_header() -> None:
    for data in (png(30_000, 20_000, pixels(4000)), png(100, 101, pixels(100 * 102))):
        with pytest.raises(TooLargeError, match="at most 10000 are accepted"):
            decode(data, max_pixels=10_000)
    assert decode(png(100, 100, pixels(100 * 101)), max_pixels=10_000).size == (100, 100)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_capped_in_every_format(kind: str) -> None:
    with pytest.raises(TooLargeError):
        decode(saved(quarters(400, 600), kind), max_pixels=100_000)


def test_long_images() -> None:
    with pytest.raises(TooLargeError, match="has a side of"):
        decode(png(70_000, 1, pixels(70_001)))
    assert prepare(decode(png(1, 65_000, pixels(2 * 65_000)), at_least=(16, 24)), SMALL).shape == (3, 24, 16)


def test_avif_that_says_it_is_small() -> None:
    data = bytearray(saved(Image.new("RGB", (1000, 1500), "navy"), "AVIF"))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", 20, 30)
    assert coded_pixels(bytes(data)) == 1_500_000
    with pytest.raises(TooLargeError, match="streams have 1500000 pixels"):
        decode(bytes(data), max_pixels=10_000)


def test_avif_streams_are_all_counted() -> None:
    assert coded_pixels(saved(Image.new("L", (64, 96)), "AVIF")) == 64 * 96
    assert coded_pixels(saved(Image.new("RGBA", (64, 96)), "AVIF")) == 2 * 64 * 96


def test_progressive_jpeg_of_too_many_scans() -> None:
    data = saved(drawn(1, 32, 32), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    with pytest.raises(InvalidInputError, match="too many scans"):
        decode(data[:-2] + data[start:-2] * 100 + data[-2:])


def test_text_that_would_fill_the_memory() -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(4 << 20), 1))
    with pytest.raises(InvalidInputError, match="damaged"):
        decode(png(8, 8, bomb, pixels(72)))


BROKEN_PNG = {
    "no pixels": png(8, 8),
    "too few pixels": png(8, 8, pixels(10)),
    "pixels that are no zlib": png(8, 8, chunk(b"IDAT", b"\xff" * 40)),
    "no width": png(0, 8, pixels(8)),
    "an unknown colour type": png(8, 8, pixels(72), color=5),
    "an unknown depth": png(8, 8, pixels(72), bits=3),
    "a palette that is missing": png(8, 8, pixels(72), color=3)[:-20],
}


@pytest.mark.parametrize("data", BROKEN_PNG.values(), ids=BROKEN_PNG.keys())
def test_broken_images(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="damaged or truncated"):
        decode(data)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_altered_images_give_a_picture_or_a_refusal(kind: str, data: st.DataObject) -> None:
    altered = bytearray(SEEDS[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(altered) - 1))
        altered[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del altered[data.draw(st.integers(0, len(altered) - 1)) :]
    try:
        image = decode(bytes(altered), max_bytes=10_000, max_pixels=250_000, at_least=(16, 24))
    except InvalidInputError:
        return
    assert image.mode == "RGB"
    found = prepare(image, SMALL)
    assert found.shape == (3, 24, 16)
    assert np.isfinite(found).all()


BOMBS = """
import sys
from pathlib import Path
from matinee.encoders.decode import decode
from matinee.errors import InvalidInputError
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        decode(path)
        print(path.name, "was read")
    except InvalidInputError as error:
        print(path.name, error)
# Of this program alone: ru_maxrss also knows the process that started it.
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_hostile_images_take_little_memory(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), (i % 256, i // 256, 0)) for i in range(1000)]
    text = chunk(b"zTXt", b"C\0\0" + zlib.compress(bytes(1 << 20), 9))
    webp = bytearray(saved(Image.new("RGBA", (64, 64)), "WEBP", exif=b"Exif\0\0"))
    webp[24:30] = (16382).to_bytes(3, "little") * 2  # the canvas of 16,383 × 16,383
    bombs = {
        "png-600-megapixel": png(30_000, 20_000, pixels(1 << 20)),
        "png-text": png(8, 8, text * 200, pixels(72)),
        "png-profile": png(8, 8, chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(100 << 20), 1)), pixels(72)),
        "webp-animated": saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, method=0),
        "webp-canvas": bytes(webp),
        "jpeg-65500": SEEDS["JPEG"].replace(struct.pack(">HH", 60, 40), struct.pack(">HH", 65_500, 65_500), 1),
    }
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BOMBS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    *told, most = done.stdout.splitlines()
    assert [line.split(" ", 1)[0] for line in told] == sorted(bombs)
    assert [line for line in told if line.endswith("was read")] == ["webp-animated was read"]
    assert int(most) < 250, done.stdout
    assert not done.stderr


def test_no_warning_reaches_anybody(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(InvalidInputError, match="damaged"):
        decode(png(12_000, 9_000, pixels(1000)), max_pixels=1 << 30)  # of this size Pillow alone would warn
    assert not recwarn.list


def test_plugins_of_other_kinds_are_never_asked() -> None:
    disguised = io.BytesIO()
    quarters().save(disguised, "BMP")
    for kind in KINDS:
        with pytest.raises(InvalidInputError):
            decode(SEEDS[kind][:16] + disguised.getvalue())
