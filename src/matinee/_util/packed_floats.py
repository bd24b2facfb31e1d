"""Single-precision numbers in JSON: `{"dim": 256, "float32": "<base64>"}`, rows of `dim` values, little-endian."""

from __future__ import annotations

import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(values: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """An array of shape (n, dim) for JSON; NaN stays NaN."""
    content = np.ascontiguousarray(values, dtype="<f4").tobytes()
    return {"dim": int(values.shape[1]), "float32": binascii.b2a_base64(content, newline=False).decode()}


def unpacked(value: object) -> NDArray[np.float32]:
    """The array of a packed value, (n, dim), read-only.

    Raises:
        ValueError: it is not such a value.
    """
    if not isinstance(value, dict) or type(value.get("dim")) is not int or not isinstance(value.get("float32"), str):
        raise ValueError("it is not packed as dim and float32")
    dim = value["dim"]
    flat = np.frombuffer(binascii.a2b_base64(value["float32"], strict_mode=True), dtype="<f4").astype(np.float32)
    if dim < 1 or len(flat) % dim:
        raise ValueError(f"{len(flat)} values cannot be rows of {dim}")
    return flat.reshape(-1, dim)
