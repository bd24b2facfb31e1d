"""How many pixels the streams of an AVIF file announce, in files made by hand, box by box and bit by bit."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from image_support import drawn, saved
from matinee.encoders.avif import coded_pixels
from matinee.encoders.decode import decode
from matinee.errors import InvalidInputError


def bits(*fields: tuple[int, int]) -> bytes:
    """(value, width in bits) after one another, filled up to whole bytes."""
    text = "".join(format(value, f"0{width}b") for value, width in fields)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def sequence(width: int, height: int, *, reduced: bool = True, timing: bool = False, points: int = 1) -> bytes:
    """The payload of a sequence header (AV1 5.5.1), as far as the size."""
    size = [(15, 4), (15, 4), (width - 1, 16), (height - 1, 16)]
    if reduced:
        return bits((0, 3), (1, 1), (1, 1), (8, 5), *size)
    head = [(0, 3), (1, 1), (0, 1), (int(timing), 1)]
    if timing:
        # Ticks, an equal interval of 4 in Exp-Golomb code (00101), a decoder model with delays of 6 bits.
        head += [(1000, 32), (25, 32), (1, 1), (0b00101, 5), (1, 1), (5, 5), (9, 32), (3, 5), (4, 5)]
    head += [(1, 1), (points - 1, 5)]  # with initial display delays
    for point in range(points):
        head += [(point, 12), (9, 5), (0, 1)]
        if timing:
            head += [(1, 1), (0, 6), (0, 6), (0, 1)]
        head += [(1, 1), (3, 4)]
    return bits(*head, *size)


def obu(kind: int, payload: bytes, *, extension: bool = False, sized: bool = True) -> bytes:
    header = bytes([kind << 3 | int(extension) << 2 | int(sized) << 1]) + (b"\0" if extension else b"")
    length = bytes([len(payload) & 127 | 128, len(payload) >> 7]) if sized else b""
    return header + length + payload


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind + body


def file_of(streams: Sequence[bytes], *, version: int = 0, in_idat: bool = False, kinds: Sequence[bytes] = ()) -> bytes:
    """An AVIF file with one item per stream, each in two parts."""
    kinds = kinds or [b"av01"] * len(streams)
    wide = "I" if version == 2 else "H"

    def meta(start: int) -> bytes:
        places = struct.pack(">B3xBB", version, 0x44, 0x40 if version == 0 else 0x44)
        places += struct.pack(f">{wide}", len(streams))
        offset = start
        for item, stream in enumerate(streams, 1):
            places += struct.pack(f">{wide}", item)
            places += struct.pack(">H", int(in_idat)) if version else b""
            places += struct.pack(">HIH", 0, offset, 2)
            half = len(stream) // 2
            for at, length in ((0, half), (half, len(stream) - half)):
                places += struct.pack(">I", 1) if version else b""
                places += struct.pack(">II", at, length)
            offset += len(stream)
        entries = [box(b"infe", struct.pack(">B3xHH", 2, item, 0), kind, b"\0") for item, kind in enumerate(kinds, 1)]
        parts = [
            box(b"hdlr", bytes(4), bytes(4), b"pict", bytes(13)),
            box(b"iloc", places),
            box(b"iinf", struct.pack(">IH", 0, len(streams)), *entries),
        ]
        return box(b"meta", bytes(4), *parts, *([box(b"idat", *streams)] if in_idat else []))

    head = box(b"ftyp", b"avif", bytes(4), b"avif", b"mif1")
    start = 0 if in_idat else len(head) + len(meta(0)) + 8
    return head + meta(start) + (b"" if in_idat else box(b"mdat", *streams))


SMALL = obu(2, b"") + obu(1, sequence(64, 96)) + obu(6, b"picture")


@pytest.mark.parametrize(("version", "in_idat"), [(0, False), (1, False), (1, True), (2, False), (2, True)])
def test_places_of_items(version: int, in_idat: bool) -> None:
    assert coded_pixels(file_of([SMALL, SMALL], version=version, in_idat=in_idat)) == 2 * 64 * 96


@pytest.mark.parametrize(
    "options",
    [{}, {"reduced": False}, {"reduced": False, "timing": True}, {"reduced": False, "timing": True, "points": 32}],
    ids=str,
)
def test_forms_of_the_sequence_header(options: dict[str, int]) -> None:
    stream = obu(2, b"") + obu(1, sequence(16_384, 9_000, **options))  # type: ignore[arg-type]
    assert coded_pixels(file_of([stream])) == 16_384 * 9_000


def test_the_largest_header_counts() -> None:
    later = SMALL + obu(1, sequence(5000, 4000), extension=True) + SMALL
    assert coded_pixels(file_of([later])) == 20_000_000
    to_the_end = obu(2, b"") + obu(1, sequence(700, 300), sized=False)
    assert coded_pixels(file_of([to_the_end])) == 210_000


def test_other_items_do_not_count() -> None:
    assert coded_pixels(file_of([SMALL, b"Exif" * 9, b"<xmp/>"], kinds=[b"av01", b"Exif", b"mime"])) == 64 * 96
    assert coded_pixels(file_of([obu(2, b"")])) == 0


def test_large_boxes_and_boxes_to_the_end() -> None:
    data = file_of([SMALL])
    place = data.index(b"mdat") - 4
    assert coded_pixels(data[:place] + b"\0\0\0\0" + data[place + 4 :]) == 64 * 96
    wide = struct.pack(">I4sQ", 1, b"free", 16)
    head = struct.unpack(">I", data[:4])[0]
    assert coded_pixels(data[:head] + wide + data[head:]) in (0, 64 * 96)  # the offsets have moved


@pytest.mark.parametrize(
    "data",
    [
        box(b"ftyp", b"avif", bytes(4)),
        box(b"ftyp", b"avif", bytes(4)) + box(b"meta", bytes(4)),
        box(b"ftyp", b"avif", bytes(4)) + struct.pack(">I4s", 3, b"meta"),
        box(b"ftyp", b"avif", bytes(4)) + box(b"free") * 5000,
        file_of([SMALL])[:100],
        file_of([obu(1, b"")]),
        file_of([obu(1, bits((0, 4), (0, 1), (1, 1), (0, 64), (1, 1), (0, 60)))]),
        file_of([b"\x0a" + b"\xff" * 20]),
        file_of([SMALL] * 513),
    ],
    ids=["no meta", "empty meta", "tiny box", "many boxes", "cut", "no header", "no number", "no length", "many items"],
)
def test_files_without_sense(data: bytes) -> None:
    with pytest.raises(ValueError):
        coded_pixels(data)
    with pytest.raises(InvalidInputError):
        decode(data)


def test_real_files_are_counted_exactly() -> None:
    for mode, streams in (("RGB", 1), ("L", 1), ("RGBA", 2)):
        image = drawn(0, 50, 70).convert(mode)
        if mode == "RGBA":
            image.putalpha(90)  # the encoder leaves out what is opaque
        assert coded_pixels(saved(image, "AVIF")) == 50 * 70 * streams
