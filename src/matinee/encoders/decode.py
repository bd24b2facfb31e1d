"""Decoding of uploads and files to RGB images. Limits of bytes and pixels are checked before decoding.

The format is detected by the first bytes, and only the Pillow plugin of that format is used. All other formats (SVG,
PDF, GIF, HTML …) are rejected without being parsed.
"""

from __future__ import annotations

import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matinee._util.extras import need_pillow
from matinee.encoders.avif import coded_pixels
from matinee.errors import InvalidInputError, MatineeError, MediaTypeError, TooLargeError
from matinee.posters.pictures import AVIF, JPEG, WEBP, Kind, kind_of, open_header

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 8 << 20
MAX_PIXELS = 50_000_000
PREPARATION = 1
"""Version of the preprocessing in `decode` and `prepare`. Part of every image encoder's id."""

_SEND = "Send a JPEG, PNG, WebP or AVIF image."
_SIGNATURES = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n"}
_UNSUPPORTED = {
    b"GIF8": "a GIF file",
    b"%PDF": "a PDF file",
    b"BM": "a BMP file",
    b"II*\0": "a TIFF file",
    b"MM\0*": "a TIFF file",
    b"PK\x03\x04": "a ZIP file",
}
_BIG = 12_000_000
"""Images of more pixels are decoded one at a time, to limit memory."""
_one_big = threading.Lock()
_MAX_SIDE = 65_535
"""Maximum width and height, the limit of JPEG. Every row of an image needs additional memory."""
_SCAN = b"\xff\xda"
_MAX_SCANS = 64
"""Progressive JPEGs have about ten scans. A malicious file could add expensive scans with few bytes each."""
_ORIENTATION = 0x0112
_QUIET = ("ignore", None, UserWarning, re.compile(r"PIL\."), 0)
"""A warning filter, because damaged EXIF data in uploads are irrelevant. (`warnings.catch_warnings` is not
thread-safe.)"""


def decode(
    data: bytes | Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    at_least: tuple[int, int] | None = None,
) -> Image.Image:
    """An encoded image as RGB, turned as its EXIF says, its transparent parts over white, the first of its frames.

    Args:
        data: a JPEG, PNG, WebP or AVIF image, or the file that holds one.
        max_bytes: maximum size of the encoded image.
        max_pixels: maximum number of pixels (width × height) in its header.
        at_least: (width, height) that are enough: a much larger image may come back smaller, of the same shape,
            and is decoded with less time and memory. None: as it is.

    Raises:
        TooLargeError: more bytes or pixels.
        MediaTypeError: of another kind.
        InvalidInputError: empty, cut short or broken; a file that cannot be read.
        MissingExtraError: Pillow is not installed.
    """
    content = _read(data, max_bytes)
    kind = _kind(content)
    need_pillow()
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    try:
        image = _open(kind, content, max_pixels)
        if image.width * image.height <= _BIG:
            return _load(image, at_least)
        with _one_big:
            return _load(image, at_least)
    except MatineeError:
        raise
    except Exception as error:  # Pillow's plugins raise various errors for damaged files
        raise _refusal(kind.name, error) from error


@dataclass(frozen=True)
class Shape:
    """Input of an image encoder: width and height in pixels; RGB values are scaled to (value − mean) / deviation."""

    width: int
    height: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


def prepare(image: Image.Image, shape: Shape) -> NDArray[np.float32]:
    """Resize and scale an RGB image for an encoder: float32, (3, height, width). The same for index and queries.

    Posters have one aspect ratio (2:3), so stretching a query to it reverses distortions by cropping or scanning.
    """
    from PIL.Image import Resampling

    # reducing_gap averages large images in blocks first, which is faster and limits the kernel size.
    small = image.resize((shape.width, shape.height), Resampling.BICUBIC, reducing_gap=3.0)
    values = np.asarray(small, dtype=np.float32)
    scaled = (values - np.array(shape.mean, np.float32)) / np.array(shape.deviation, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def _read(data: bytes | Path, max_bytes: int) -> bytes:
    if isinstance(data, Path):
        try:
            if not data.is_file():
                raise InvalidInputError(f"There is no file {data}.", "Check the path.")
            with data.open("rb") as file:
                content = file.read(max_bytes + 1)
        except OSError as error:
            raise InvalidInputError(f"{data} cannot be read ({error.strerror or error}).", "Check the file.") from error
    else:
        content = data
    if len(content) > max_bytes:
        raise TooLargeError(f"The image has more than {max_bytes} bytes.", "Make it smaller, or compress it more.")
    if not content:
        raise InvalidInputError("The image is empty.", _SEND)
    return content


def _kind(content: bytes) -> Kind:
    """The format by the first bytes, or an error that names the format that is not supported."""
    kind = kind_of(content[:256])
    if kind is not None:
        return kind
    for name, signature in _SIGNATURES.items():
        if signature.startswith(content):
            raise InvalidInputError(f"The {name} image is truncated.", "Send the whole file.")
    if content[4:8] == b"ftyp":
        raise MediaTypeError("Videos and HEIC images are not supported.", _SEND)
    for start, name in _UNSUPPORTED.items():
        if content.startswith(start):
            raise MediaTypeError(f"This is {name}, which is not supported.", _SEND)
    if content[:256].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise MediaTypeError("This is SVG, HTML or XML, which is not supported.", _SEND)
    raise MediaTypeError("This is not an image of a supported format.", _SEND)


def _open(kind: Kind, content: bytes, max_pixels: int) -> Image.Image:
    """Read the header and check the size, without decoding."""
    if kind == JPEG and content.count(_SCAN) > _MAX_SCANS:
        raise InvalidInputError("The JPEG image has too many scans.", "Save it again as an ordinary JPEG.")
    if kind == WEBP:
        max_pixels //= 2  # its decoder needs four copies of the picture
    if kind == AVIF:
        # Twice, because picture and alpha channel are separate streams.
        _check_pixels("The image's streams have {} pixels", coded_pixels(content), 2 * max_pixels)
        # Decode it as a still picture, because sequences use another part of the file, which is not checked.
        content = content[:8] + b"avif" + content[12:]
    image = open_header(kind, content)
    _check_pixels(f"The image has {image.width} × {image.height} pixels", image.width * image.height, max_pixels)
    if max(image.size) > _MAX_SIDE:
        raise TooLargeError(
            f"The image has a side of {max(image.size)} pixels; {_MAX_SIDE} are allowed.", "Make it smaller."
        )
    return image


def _check_pixels(what: str, pixels: int, max_pixels: int) -> None:
    if pixels > max_pixels:
        raise TooLargeError(f"{what.format(pixels)}; at most {max_pixels} are accepted.", "Make it smaller.")


def _load(image: Image.Image, at_least: tuple[int, int] | None) -> Image.Image:
    """Decode, shrink, flatten, turn."""
    if at_least is not None:
        side = 2 * max(at_least)  # the EXIF may turn it later
        image.draft(None, (side, side))
    image.load()
    orientation = _orientation(image)
    image = _usual_mode(image)
    if at_least is not None and (factor := min(image.size) // (2 * max(at_least))) > 1:
        image = image.reduce(factor)
    image = _over_white(image)
    return image if orientation is None else image.transpose(orientation)


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """How to turn it, as its EXIF says; EXIF that cannot be read says nothing."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        return turns.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return None


def _usual_mode(image: Image.Image) -> Image.Image:
    """As L, LA, RGB, RGBA or CMYK, of 8 bits a channel."""
    from PIL import Image

    if image.mode.startswith("I"):  # Pillow would clip 16-bit values at 255 instead of scaling them
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return image if image.mode in {"LA", "RGBA"} else image.convert("RGBA")
    if image.mode in {"L", "RGB", "CMYK"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _over_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode not in {"LA", "RGBA"}:
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return white


def _refusal(kind: str, error: Exception) -> InvalidInputError:
    from PIL.Image import DecompressionBombError

    if isinstance(error, (DecompressionBombError, MemoryError)):
        return TooLargeError(f"The {kind} image has too many pixels.", "Make it smaller.")
    return InvalidInputError(f"The {kind} image is damaged or truncated.", "Save it again, or send another image.")
