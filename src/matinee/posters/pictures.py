"""What a picture file is: told by its content, never by its name, before anything is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from matinee._util.extras import need_pillow
from matinee.errors import InvalidInputError, MediaTypeError, TooLargeError

if TYPE_CHECKING:
    from PIL.Image import Image

HEAD = 64
"""Bytes that tell the kind of a picture."""
_SEND = "Send a JPEG, PNG, WebP or AVIF file."
_SMALLER = "Send a smaller one: 342 × 513 pixels are plenty."


@dataclass(frozen=True, slots=True)
class Kind:
    """A format of pictures: its name in Pillow, ending of its files, media type."""

    name: str
    suffix: str
    media_type: str


JPEG = Kind("JPEG", ".jpg", "image/jpeg")
PNG = Kind("PNG", ".png", "image/png")
WEBP = Kind("WEBP", ".webp", "image/webp")
AVIF = Kind("AVIF", ".avif", "image/avif")
KINDS = (JPEG, PNG, WEBP, AVIF)
"""All that are kept and served: none of them can hold a script."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture's head says; width and height in pixels, before any rotation that it asks for."""

    kind: Kind
    width: int
    height: int


def kind_of(head: bytes) -> Kind | None:
    """The format of a file by its first `HEAD` bytes, None: none of `KINDS`."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    # The brands of the first box: the major one, four bytes of version, the compatible ones.
    length = int.from_bytes(head[:4])
    brands = [head[start : start + 4] for start in (8, *range(16, min(length, len(head)), 4))]
    if head[4:8] == b"ftyp" and (b"avif" in brands or b"avis" in brands):
        return AVIF
    return None


def inspect(data: bytes, max_bytes: int, max_pixels: int) -> Picture:
    """Look at the head of a picture, without decoding it.

    Raises:
        TooLargeError: more bytes or pixels than allowed.
        MediaTypeError: none of `KINDS`.
        InvalidInputError: empty, or its head is broken.
        MissingExtraError: Pillow is not installed.
    """
    if len(data) > max_bytes:
        raise TooLargeError(f"The picture has {len(data):,} bytes; {max_bytes:,} are accepted.", _SMALLER)
    if not data:
        raise InvalidInputError("The picture is empty.", _SEND)
    kind = kind_of(data[:HEAD])
    if kind is None:
        raise MediaTypeError("This is not a picture of a kind that is read.", _SEND)
    need_pillow()
    try:
        width, height = _size(kind, data)
    except Exception as error:  # Pillow's plugins raise whatever a broken file leads them to
        raise InvalidInputError(
            f"The {kind.name} picture cannot be read.", "It is damaged or cut short; send another copy."
        ) from error
    if width * height > max_pixels:
        raise TooLargeError(f"The picture has {width} × {height} pixels; {max_pixels:,} in all are accepted.", _SMALLER)
    if width < 1 or height < 1:
        raise InvalidInputError("The picture has no pixels.", "Send another copy.")
    return Picture(kind, width, height)


def _size(kind: Kind, data: bytes) -> tuple[int, int]:
    """Width and height. The plugins are called by themselves: `Image.open` warns of large pictures."""
    from PIL.AvifImagePlugin import AvifImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    plugins: dict[Kind, Callable[[BytesIO], Image]] = {
        JPEG: JpegImageFile,
        PNG: PngImageFile,
        WEBP: WebPImageFile,
        AVIF: AvifImageFile,
    }
    with plugins[kind](BytesIO(data)) as image:
        return image.size
