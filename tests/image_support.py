"""Drawn pictures for the tests of images: nothing here is anybody's poster."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

RED, GREEN, BLUE, GREY = (220, 40, 40), (40, 180, 60), (40, 60, 200), (128, 128, 128)


def drawn(seed: int = 0, width: int = 160, height: int = 240) -> Image.Image:
    """A poster-like picture: a graded ground, shapes, bars like lines of text; another for each seed."""
    rng = np.random.default_rng(seed)
    top, bottom = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    share = np.linspace(0, 1, height)[:, None, None]
    ground = np.broadcast_to(top * (1 - share) + bottom * share, (height, width, 3))
    image = Image.fromarray(ground.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 10))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        w, h = rng.uniform(10, width / 2), rng.uniform(10, height / 3)
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw((x, y, x + w, y + h), fill=colour)
    for line in range(int(rng.integers(1, 4))):
        y = height * 0.75 + 12 * line
        pen.rectangle((width * 0.15, y, width * rng.uniform(0.5, 0.85), y + 6), fill=(250, 250, 240))
    return image


def quarters(width: int = 64, height: int = 96) -> Image.Image:
    """Red and green above, blue and grey below: tells how it is turned."""
    image = Image.new("RGB", (width, height), GREY)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill=RED)
    pen.rectangle((width // 2, 0, width - 1, height // 2 - 1), fill=GREEN)
    pen.rectangle((0, height // 2, width // 2 - 1, height - 1), fill=BLUE)
    return image


def waves() -> Image.Image:
    """A picture in whole numbers, the same wherever it is made."""
    y, x = np.mgrid[0:240, 0:160]
    channels = [x + y // 2, (x * y // 40) % 256, (x - y) ** 2 // 250]
    return Image.fromarray(np.stack(channels, axis=2).clip(0, 255).astype(np.uint8))


def corners(image: Image.Image) -> list[tuple[int, int, int]]:
    """Colours in the middle of the four quarters, row by row."""
    w, h = image.size
    found = [image.getpixel((x, y)) for y in (h // 4, 3 * h // 4) for x in (w // 4, 3 * w // 4)]
    return [tuple(int(c) for c in pixel) for pixel in found if isinstance(pixel, tuple)]  # type: ignore[misc]


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encoded as JPEG, PNG, WEBP, AVIF, GIF, …; AVIF quickly."""
    if kind == "AVIF":
        options = {"speed": 10, **options}
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
