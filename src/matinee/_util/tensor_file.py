"""Named arrays in one file, in the safetensors format: a header in JSON, then the bytes; nothing in it is executed.

The format is that of https://github.com/huggingface/safetensors, which reads these files too; of its types the three
that tables of text need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES: dict[str, np.dtype[Any]] = {"U8": np.dtype("u1"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8")}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_ALIGNED = 8
_MAX_HEADER = 1 << 20


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write vectors of uint8, int32 or int64."""
    header: dict[str, dict[str, object]] = {}
    end = 0
    # The widest first, so that all are aligned.
    ordered = sorted(arrays.items(), key=lambda pair: (-pair[1].itemsize, pair[0]))
    for name, array in ordered:
        kind = array.dtype.newbyteorder("<") if array.itemsize > 1 else array.dtype
        header[name] = {"dtype": _NAMES[kind], "shape": [len(array)], "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNED)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array, dtype=_TYPES[str(header[_]["dtype"])]).data)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file, read-only memory maps.

    Raises:
        ValueError: not such a file, or cut short.
        OSError: it cannot be read.
    """
    whole = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    start = 8 + int.from_bytes(whole[:8].tobytes(), "little")
    if not 8 < start <= min(len(whole), _MAX_HEADER):
        raise ValueError("it has no header")
    header = json.loads(whole[8:start].tobytes())
    tensors: dict[str, NDArray[Any]] = {}
    try:
        for name, entry in header.items():
            kind, (length,) = _TYPES[entry["dtype"]], entry["shape"]
            first, last = entry["data_offsets"]
            if not 0 <= first <= last <= len(whole) - start or last - first != length * kind.itemsize:
                raise ValueError(f"{name} does not fit into it")
            tensors[name] = whole[start + first : start + last].view(kind)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("its header is not one of vectors") from error
    return tensors
