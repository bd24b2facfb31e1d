"""Reader of state dicts in the file format of PyTorch before 1.6, without PyTorch and without executing anything.

Such a file has five pickles (a magic number, the format version, the byte order, the dict of tensors that refer to
storages, the storages' names), followed by the length and raw values of each storage. The pickles are interpreted
opcode by opcode (`pickletools.genops`, which only parses) by a machine that supports only the opcodes and globals of a
state dict. Anything else in the file is an error.

Format: `torch/serialization.py`, `_legacy_save`.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.errors import DataError

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
MAX_BYTES = 256 << 20
MAX_OPCODES = 1_000_000

_HINT = "Only files that `torch.save` of a state dict wrote, before PyTorch 1.6, can be read."
_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
}
_GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {name}" for name in _STORAGES),
}
_MAX_DIMENSIONS = 16


@dataclass(frozen=True)
class _Global:
    """A global named in a pickle. It is never resolved."""

    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, in values (not bytes)."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, NDArray[Any]]:
    """The tensors of a state dict by name, as read-only views of the file's bytes.

    Raises:
        DataError: not a valid state dict, truncated, altered, or larger than `max_bytes`.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise DataError(f"{path} has {size} bytes; at most {max_bytes} are accepted.", _HINT)
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).", "Check the path.") from error
    try:
        return _parse(data)
    except DataError as error:
        raise DataError(f"{path} cannot be read as a PyTorch state dict: {error.message}", _HINT) from error
    except Exception as error:  # malicious files can cause various errors in pickletools and NumPy
        raise DataError(f"{path} cannot be read as a PyTorch state dict ({error}).", _HINT) from error


def _parse(data: bytes) -> dict[str, NDArray[Any]]:
    file = io.BytesIO(data)
    if _unpickle(file) != MAGIC or _unpickle(file) != VERSION:
        raise DataError("its header is not valid.")
    system = _unpickle(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise DataError("its byte order is not little-endian.")
    tensors, keys = _unpickle(file), _unpickle(file)
    if not isinstance(tensors, dict) or not isinstance(keys, list):
        raise DataError("it has no dict of tensors.")
    if not all(isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in tensors.items()):
        raise DataError("it has values that are not tensors.")
    declared: dict[str, _Storage] = {}
    for tensor in tensors.values():
        if declared.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise DataError("a storage has conflicting descriptions.")
    starts = _storages(data, file.tell(), keys, declared)
    return {name: _view(data, tensor, starts[tensor.storage.key]) for name, tensor in tensors.items()}


def _storages(data: bytes, position: int, keys: list[Any], declared: dict[str, _Storage]) -> dict[str, int]:
    """Offset of each storage's values. Every byte of the file must belong to a storage."""
    if len(set(keys)) != len(keys) or set(keys) != set(declared):
        raise DataError("its list of storages does not match its tensors.")
    starts = {}
    for key in keys:
        storage = declared[key]
        count = int.from_bytes(data[position : position + 8], "little", signed=True)
        if count != storage.count:
            raise DataError("a storage is missing or has an unexpected length.")
        starts[key] = position + 8
        position += 8 + count * np.dtype(storage.dtype).itemsize
    if position != len(data):
        raise DataError("it is truncated." if position > len(data) else "it has trailing data.")
    return starts


def _view(data: bytes, tensor: _Tensor, start: int) -> NDArray[Any]:
    """The tensor's values. NumPy checks that shape and strides stay within the buffer."""
    dtype = np.dtype(tensor.storage.dtype)
    # With a stride of 0, a small file could declare a huge tensor.
    if math.prod(tensor.shape) > tensor.storage.count:
        raise DataError("a tensor is larger than its storage.")
    storage = memoryview(data)[start : start + tensor.storage.count * dtype.itemsize]
    return np.ndarray(
        tensor.shape,
        dtype,
        buffer=storage,
        offset=tensor.offset * dtype.itemsize,
        strides=tuple(stride * dtype.itemsize for stride in tensor.strides),
    )


def _unpickle(file: io.BytesIO) -> Any:
    """Read the pickle at the current position of the file."""
    machine = _Machine()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > MAX_OPCODES:
            raise DataError("it has too many opcodes.")
        if opcode.name == "STOP":
            return machine.result()
        machine.step(opcode.name, argument)
    raise DataError("a pickle is not terminated.")  # pragma: no cover - genops raises first


class _Machine:
    """A pickle machine for plain values and tensors only."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self._stack) != 1 or self._outer:
            raise DataError("a pickle does not end with a single value.")
        return self._stack[0]

    def step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _ARGUMENTS:
            self._stack.append(argument)
        elif name in _SHORT_TUPLES:
            self.short_tuple(_SHORT_TUPLES[name])
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name != "PROTO":
            raise DataError(f"unexpected opcode {name}.")

    def _pop_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._outer.pop()
        return items

    def mark(self, _: Any) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def dict_(self, _: Any) -> None:
        self._stack.append({})

    def list_(self, _: Any) -> None:
        self._stack.append([])

    def put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def tuple_(self, _: Any) -> None:
        items = tuple(self._pop_mark())
        self._stack.append(items)

    def short_tuple(self, n: int) -> None:
        if len(self._stack) < n:
            raise DataError("the stack has too few values.")
        self._stack[-n:] = [tuple(self._stack[-n:])]

    def set_items(self, _: Any) -> None:
        items = self._pop_mark()
        self._set(items[::2], items[1::2])

    def set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key], [value])

    def _set(self, keys: list[Any], values: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or not all(isinstance(key, str) for key in keys):
            raise DataError("it sets items of something that is not a dict with text keys.")
        target.update(zip(keys, values, strict=True))

    def append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self._pop_mark())

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list) or not all(isinstance(value, str) for value in values):
            raise DataError("it appends to something that is not a list of texts.")
        self._stack[-1].extend(values)

    def global_(self, name: str) -> None:
        if name not in _GLOBALS:
            raise DataError(f"unexpected global {name[:80]!r}.")
        self._stack.append(_Global(name))

    def persistent(self, _: Any) -> None:
        kind, storage, key, _location, count, view = self._stack.pop()
        if kind != "storage" or not isinstance(storage, _Global) or not isinstance(key, str) or view is not None:
            raise DataError("a storage has an unsupported description.")
        dtype = _STORAGES[storage.name.removeprefix("torch ")]
        self._stack.append(_Storage(key, dtype, _whole([count])[0]))

    def reduce(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if function == _Global("collections OrderedDict") and arguments == ():
            self._stack.append({})
        elif function == _Global("torch._utils _rebuild_tensor_v2"):
            storage, offset, shape, strides, _gradient, _hooks = arguments
            if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
                raise DataError("a tensor has an unsupported description.")
            self._stack.append(_Tensor(storage, _whole([offset])[0], _whole(shape), _whole(strides)))
        else:
            raise DataError("unexpected function call.")

    def build(self, _: Any) -> None:
        # Attributes of an ordered dict are the modules' versions, which are not needed.
        self._stack.pop()
        if not isinstance(self._stack[-1], dict):
            raise DataError("it sets attributes of something that is not a dict.")


def _whole(values: Any) -> tuple[int, ...]:
    """Validate sizes: integers ≥ 0 of a plausible magnitude."""
    sizes = tuple(values)
    if not all(type(value) is int and 0 <= value <= 1 << 40 for value in sizes):
        raise DataError("a size is not plausible.")
    return sizes


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_ARGUMENTS = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "EMPTY_DICT": _Machine.dict_,
    "EMPTY_LIST": _Machine.list_,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "TUPLE": _Machine.tuple_,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "GLOBAL": _Machine.global_,
    "BINPERSID": _Machine.persistent,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
