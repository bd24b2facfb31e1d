"""Vectors and masks of request bodies as arrays.

Numbers come as JSON lists, or packed: `{"dim": 256, "float32": "<base64>"}` for vectors, `{"bits": "<base64>"}` for a
mask. A list of 64 × 256 numbers takes 2 ms to parse and check, packed a quarter of it; a mask over 60,000 films is
10 kB instead of 300 kB.
"""

from __future__ import annotations

import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.errors import InvalidInputError, TooLargeError
from matinee.indexes.base import Items, Mask, Vectors

MAX_VECTORS = 1000
"""Vectors in one search, or asked for at a time."""
MAX_PUT = 100_000
"""Vectors put at a time, as far as the body's limit allows."""
MAX_ITEMS = 1_000_000
"""Item numbers in one request."""
MAX_ITEM_NUMBER = 9_999_999
"""Highest item number: masks have a byte for each up to it."""
_NUMBERS = {float, int}


def vectors_of(value: object, widths: tuple[int, ...], max_vectors: int = MAX_VECTORS) -> Vectors:
    """Vectors as float32, (n, width); their values are not checked.

    Args:
        value: a list of lists of numbers, or packed.
        widths: the lengths accepted; all vectors have the same.
        max_vectors: vectors accepted, at most.

    Raises:
        TooLargeError: more vectors.
        InvalidInputError: something else, another length, or lengths that differ.
    """
    if isinstance(value, dict):
        return _unpacked(value, widths, max_vectors)
    if not isinstance(value, list):
        raise InvalidInputError("`vectors` is not a list of vectors.", f"Send lists of {_named(widths)} numbers.")
    _check_count(len(value), max_vectors)
    for position, row in enumerate(value):
        _check_row(row, widths, f"Vector {position}")
        if len(row) != len(value[0]):
            raise InvalidInputError("The vectors differ in length.", "Send vectors of one encoder in one request.")
    vectors = np.array(value, dtype=np.float64).reshape(len(value), len(value[0]) if value else widths[0])
    return _single(vectors)


def vector_of(value: object, widths: tuple[int, ...]) -> Vectors:
    """One vector as float32, (1, width); raises as `vectors_of`."""
    _check_row(value, widths, "The vector")
    return _single(np.array([value], dtype=np.float64))


def mask_of(value: object) -> Mask:
    """Item numbers, or a packed mask, as bools by item number.

    Raises:
        TooLargeError: more than a million item numbers.
        InvalidInputError: something else.
    """
    if isinstance(value, dict):
        bits = np.frombuffer(_bytes(value, "bits"), dtype=np.uint8)
        return np.unpackbits(bits, bitorder="little")[: MAX_ITEM_NUMBER + 1].view(np.bool_)
    items = items_of(value, "allowed")
    items = items[items <= MAX_ITEM_NUMBER]
    mask = np.zeros(int(items.max()) + 1 if len(items) else 0, dtype=np.bool_)
    mask[items] = True
    return mask


def items_of(value: object, name: str = "items") -> Items:
    """Item numbers as int64.

    Raises:
        TooLargeError: more than a million.
        InvalidInputError: anything but whole numbers from 0.
    """
    if not isinstance(value, list):
        raise InvalidInputError(f"`{name}` is not a list of item numbers.", "Send whole numbers from 0.")
    if len(value) > MAX_ITEMS:
        raise TooLargeError(f"`{name}` has {len(value):,} item numbers.", f"Send at most {MAX_ITEMS:,}.")
    if not set(map(type, value)) <= {int} or (value and not 0 <= min(value) <= max(value) < 1 << 62):
        raise InvalidInputError(f"`{name}` holds something that is not an item number.", "Send whole numbers from 0.")
    return np.array(value, dtype=np.int64)


def _check_row(row: object, widths: tuple[int, ...], what: str) -> None:
    if not isinstance(row, list):
        raise InvalidInputError(f"{what} is not a list.", f"Send {_named(widths)} numbers.")
    if len(row) not in widths:  # first: whatever is in it, there may be millions
        raise InvalidInputError(f"{what} has {len(row):,} values.", f"Send {_named(widths)} numbers.")
    if not set(map(type, row)) <= _NUMBERS:
        raise InvalidInputError(f"{what} holds something that is not a number.", f"Send {_named(widths)} numbers.")


def _check_count(count: int, max_vectors: int) -> None:
    if count > max_vectors:
        raise TooLargeError(f"There are {count:,} vectors.", f"Send at most {max_vectors:,} in one request.")


def _single(values: NDArray[np.float64]) -> Vectors:
    with np.errstate(over="ignore"):  # becomes infinity, which is refused with the others
        return values.astype(np.float32)


def _unpacked(value: dict[str, Any], widths: tuple[int, ...], max_vectors: int) -> Vectors:
    dim = value.get("dim")
    if type(dim) is not int or dim not in widths:
        raise InvalidInputError("The vectors' `dim` does not fit.", f"Send vectors of {_named(widths)} values.")
    content = _bytes(value, "float32")
    if len(content) % (4 * dim):
        raise InvalidInputError(f"The packed vectors are not whole vectors of {dim} values.", "Send 4 bytes a value.")
    _check_count(len(content) // (4 * dim), max_vectors)
    return np.frombuffer(content, dtype="<f4").reshape(-1, dim).astype(np.float32)


def _bytes(value: dict[str, Any], name: str) -> bytes:
    text = value.get(name)
    try:
        if isinstance(text, str) and value.keys() <= {"dim", name}:
            return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, or text that is not ASCII
        pass
    raise InvalidInputError(f"`{name}` is not base64.", f'Send an object with "{name}", little-endian bytes in base64.')


def _named(widths: tuple[int, ...]) -> str:
    return " or ".join(str(width) for width in dict.fromkeys(widths))
