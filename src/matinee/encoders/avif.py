"""The number of pixels that an AVIF file makes its decoder decode, read from the AV1 streams.

The width and height in the container (`ispe`) may be 64 × 64 while the stream has 16,384 × 16,384: the decoder would
allocate the large picture and scale it down. So the sequence header of every stream is read first.

Formats: ISO/IEC 14496-12 (boxes), 23008-12 (items), AV1 Bitstream Specification 5.3 and 5.5 (OBUs, sequence header).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_SEQUENCE_HEADER = 1
_MAX_ITEMS = 512
_MAX_BOXES = 4096


def coded_pixels(content: bytes) -> int:
    """Total pixels of all AV1 images in a file: the picture, its alpha channel, tiles and thumbnails.

    Raises:
        ValueError: the file structure is not valid.
    """
    meta = next((body for kind, body in _boxes(content) if kind == b"meta"), None)
    if meta is None:
        raise ValueError("no meta box")
    inside = dict(_boxes(meta[4:]))
    if b"iloc" not in inside or b"iinf" not in inside:
        raise ValueError("no items")
    images = _av1_items(inside[b"iinf"])
    if len(images) > _MAX_ITEMS:
        raise ValueError("too many items")
    idat = inside.get(b"idat", b"")
    return sum(
        _stream_pixels(
            b"".join(_part(idat if in_idat else content, offset, length) for in_idat, offset, length in parts)
        )
        for item, parts in _locations(inside[b"iloc"])
        if item in images
    )


class _Reader:
    """Reads integers from bytes. Raises ValueError at the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, n_bytes: int) -> int:
        chunk = self._data[self._at : self._at + n_bytes]
        if len(chunk) != n_bytes:
            raise ValueError("truncated")
        self._at += n_bytes
        return int.from_bytes(chunk, "big")

    def rest(self) -> bytes:
        return self._data[self._at :]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of consecutive boxes, up to the first truncated one."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data):
            return
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        kind = data[at + 4 : at + 8]
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(data) - at
        if size < header:
            raise ValueError("a box smaller than its header")
        yield kind, data[at + header : at + size]
        at += size
    raise ValueError("too many boxes")


def _av1_items(iinf: bytes) -> set[int]:
    """Numbers of the items that are AV1 images."""
    count_bytes = 2 if iinf[:1] == b"\0" else 4
    items = set()
    for kind, body in _boxes(iinf[4 + count_bytes :]):
        if kind == b"infe":
            reader = _Reader(body)
            version = reader.take(4) >> 24
            item = reader.take(2 if version < 3 else 4)
            reader.take(2)  # protection
            if reader.take(4) == int.from_bytes(b"av01", "big"):
                items.add(item)
    return items


def _locations(iloc: bytes) -> Iterator[tuple[int, list[tuple[bool, int, int]]]]:
    """(item, parts) of each item. A part is (whether it is in the `idat` box, offset, length)."""
    reader = _Reader(iloc)
    version = reader.take(4) >> 24
    sizes = reader.take(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = version == 2
    n_items = reader.take(4 if wide else 2)
    if n_items > _MAX_ITEMS:
        raise ValueError("too many items")
    for _ in range(n_items):
        item = reader.take(4 if wide else 2)
        method = reader.take(2) & 15 if version else 0
        reader.take(2)  # data reference: always this file
        base = reader.take(base_size)
        n_parts = reader.take(2)
        if method > 1 or n_parts > _MAX_ITEMS:
            raise ValueError("an unsupported construction method of an item")
        parts = []
        for _ in range(n_parts):
            if version:
                reader.take(index_size)
            offset = base + reader.take(offset_size)
            parts.append((method == 1, offset, reader.take(length_size)))
        yield item, parts


def _part(data: bytes, offset: int, length: int) -> bytes:
    return data[offset : offset + length] if length else data[offset:]


def _stream_pixels(stream: bytes) -> int:
    """The maximum number of pixels in the stream's sequence headers."""
    largest, at = 0, 0
    while at < len(stream):
        header = stream[at]
        at += 2 if header & 4 else 1
        size = len(stream) - at
        if header & 2:
            size, used = _leb128(stream[at : at + 8])
            at += used
        if header >> 3 & 15 == _SEQUENCE_HEADER:
            largest = max(largest, _sequence_pixels(stream[at : at + size]))
        at += size
    return largest


def _leb128(data: bytes) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(data):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, i + 1
    raise ValueError("an unterminated length")


@dataclass
class _Bits:
    """Reads bits. Raises ValueError at the end."""

    value: int
    left: int

    def take(self, n: int) -> int:
        if n > self.left:
            raise ValueError("truncated")
        self.left -= n
        return self.value >> self.left & ((1 << n) - 1)


def _sequence_pixels(payload: bytes) -> int:
    """max_frame_width × max_frame_height of a sequence header."""
    head = payload[:512]  # enough even with 32 operating points
    bits = _Bits(int.from_bytes(head, "big"), 8 * len(head))
    bits.take(4)  # profile, still picture
    if bits.take(1):  # reduced header
        bits.take(5)
    else:
        _operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return (bits.take(width_bits) + 1) * (bits.take(height_bits) + 1)


def _operating_points(bits: _Bits) -> None:
    """Skip timing, decoder model and operating points (AV1 5.5.1)."""
    delay_bits = 0
    if bits.take(1):  # timing info
        bits.take(32), bits.take(32)
        if bits.take(1):  # equal picture interval: an Exp-Golomb code
            zeros = 0
            while not bits.take(1):
                zeros += 1
            bits.take(zeros if zeros < 32 else 0)
        if bits.take(1):  # decoder model info
            delay_bits = bits.take(5) + 1
            bits.take(32), bits.take(5), bits.take(5)
    display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if display_delay and bits.take(1):
            bits.take(4)
