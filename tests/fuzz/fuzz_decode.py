"""Fuzzes the decoding of uploads with atheris: a picture or a refusal, in bounded time and memory, nothing else.

Seeds are drawn by Pillow in every format and mode that is read. atheris is not among the requirements; make it an
environment of its own:

    python -m venv FOLDER && FOLDER/bin/pip install atheris pillow numpy
    PYTHONPATH=src FOLDER/bin/python tests/fuzz/fuzz_decode.py -max_total_time=300 [-seed=N] [corpus folders]

What ends a run: an exception that is no InvalidInputError, a picture of a wrong shape, more than 5 s or 1 GB for one
input of at most 64 KiB and 2 million pixels, or a crash in a decoder.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["matinee", "PIL"]):
    import numpy as np
    from PIL import Image

    from matinee.encoders.decode import Shape, decode, prepare
    from matinee.errors import InvalidInputError

MAX_BYTES = 1 << 16
MAX_PIXELS = 2_000_000
SHAPE = Shape(32, 48, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
SECONDS, MEGABYTES = 5, 1024


def one_input(data: bytes) -> None:
    """Decode and prepare one upload; the first byte chooses whether a smaller picture will do."""
    try:
        image = decode(
            data[1:],
            max_bytes=MAX_BYTES,
            max_pixels=MAX_PIXELS,
            at_least=(SHAPE.width, SHAPE.height) if data[:1] > b"\x7f" else None,
        )
    except InvalidInputError as error:
        if not error.message or not error.hint:
            raise RuntimeError("a refusal that does not say what to do") from error
        return
    if image.mode != "RGB" or image.width * image.height > MAX_PIXELS:
        raise RuntimeError(f"{image.mode} of {image.size}")
    values = prepare(image, SHAPE)
    if values.shape != (3, SHAPE.height, SHAPE.width) or not np.isfinite(values).all():
        raise RuntimeError("prepared wrongly")


def seeds() -> list[bytes]:
    """Small pictures of every kind, with EXIF, profiles, transparency, frames."""
    y, x = np.mgrid[0:24, 0:16]
    picture = Image.fromarray(np.stack([x * 16, y * 10, (x * y) % 256], axis=2).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = picture.convert("RGBA")
    alpha.putalpha(90)
    frames = {"save_all": True, "append_images": [picture.rotate(90)], "duration": 50}
    sixteen = Image.fromarray((x * 4000).astype(np.uint16))
    kinds: list[tuple[Image.Image, str, dict[str, object]]] = [
        (picture, "JPEG", {"exif": exif, "icc_profile": b"profile" * 9}),
        (picture, "JPEG", {"progressive": True, "quality": 20}),
        (picture.convert("L"), "JPEG", {}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "MPO", {"save_all": True, "append_images": [picture]}),
        (picture, "PNG", {"exif": exif}),
        (alpha, "PNG", {}),
        (picture.quantize(8), "PNG", {"transparency": 2}),
        (picture.convert("1"), "PNG", {}),
        (alpha.convert("LA"), "PNG", {}),
        (sixteen, "PNG", {}),
        (picture, "PNG", frames),
        (picture, "WEBP", {"exif": exif, "icc_profile": b"profile" * 9}),
        (alpha, "WEBP", {"lossless": True}),
        (picture, "WEBP", frames),
        (picture, "AVIF", {"speed": 10, "exif": exif}),
        (alpha, "AVIF", {"speed": 10}),
        (picture, "AVIF", {"speed": 10, **frames}),
        (picture.quantize(8), "GIF", {}),
    ]
    found = []
    for image, kind, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        found += [b"\x00" + buffer.getvalue(), b"\xff" + buffer.getvalue()]
    return [*found, b"\x00<svg><script>alert(1)</script></svg>", b"\x00%PDF-1.7"]


def main() -> None:
    """Run libFuzzer over the seeds and what it learns from them."""
    with tempfile.TemporaryDirectory(prefix="fuzz-decode-") as folder:
        for i, seed in enumerate(seeds()):
            (Path(folder) / f"seed-{i:02}").write_bytes(seed)
        limits = [f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={MAX_BYTES}"]
        atheris.Setup([sys.argv[0], *limits, *sys.argv[1:], folder], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
