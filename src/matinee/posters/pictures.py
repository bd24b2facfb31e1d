"""Detection of picture formats by content, before anything is decoded."""

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
"""Number of leading bytes needed to detect the format."""
_SEND = "Send a JPEG, PNG, WebP or AVIF file."
_SMALLER = "Send a smaller one: 342 × 513 pixels are plenty."


@dataclass(frozen=True, slots=True)
class Kind:
    """A picture format: Pillow's name, file suffix, media type."""

    name: str
    suffix: str
    media_type: str


JPEG = Kind("JPEG", ".jpg", "image/jpeg")
PNG = Kind("PNG", ".png", "image/png")
WEBP = Kind("WEBP", ".webp", "image/webp")
AVIF = Kind("AVIF", ".avif", "image/avif")
KINDS = (JPEG, PNG, WEBP, AVIF)
"""The accepted formats. None of them can contain scripts."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's header: format, and width and height in pixels before EXIF rotation."""

    kind: Kind
    width: int
    height: int


def kind_of(head: bytes) -> Kind | None:
    """The format of a file by its first `HEAD` bytes; None if it is not one of `KINDS`."""
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
        raise MediaTypeError("This is not a picture of a supported format.", _SEND)
    need_pillow()
    try:
        with open_header(kind, data) as image:
            width, height = image.size
    except Exception as error:  # Pillow's plugins raise various errors for damaged files
        raise InvalidInputError(
            f"The {kind.name} picture cannot be read.", "It is damaged or truncated. Send another copy."
        ) from error
    if width * height > max_pixels:
        raise TooLargeError(f"The picture has {width} × {height} pixels; {max_pixels:,} in all are accepted.", _SMALLER)
    if width < 1 or height < 1:
        raise InvalidInputError("The picture has no pixels.", "Send another copy.")
    return Picture(kind, width, height)


def open_header(kind: Kind, data: bytes) -> Image:
    """The picture, not decoded yet. Calls the plugins directly, because `Image.open` warns about large pictures."""
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
    return plugins[kind](BytesIO(data))
