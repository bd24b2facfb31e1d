"""State dicts in the file format of PyTorch before 1.6, read without PyTorch and without executing anything.

Such a file is five pickles (a magic number, the format's version, the writer's byte order, the dict with tensors that
point into storages, the storages' names) and then each storage: its length and its raw values. The pickles are walked
opcode by opcode (`pickletools.genops`, which only reads) by an interpreter that knows the opcodes and the few globals
that a state dict is written with. Whatever else is in the file makes it unreadable.

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
    """A global that is named in a pickle; it is never looked up."""

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
    """The tensors of a state dict by name, as read-only arrays that look into the file's bytes.

    Raises:
        DataError: not such a file, cut short, altered, or above `max_bytes`.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise DataError(f"{path} has {size} bytes; {max_bytes} are read at most.", _HINT)
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).", "Check the path.") from error
    try:
        return _parse(data)
    except DataError as error:
        raise DataError(f"{path} cannot be read as a PyTorch state dict: {error.message}", _HINT) from error
    except Exception as error:  # a hostile file can provoke any of a dozen kinds in pickletools and NumPy
        raise DataError(f"{path} cannot be read as a PyTorch state dict ({error}).", _HINT) from error


def _parse(data: bytes) -> dict[str, NDArray[Any]]:
    file = io.BytesIO(data)
    if _unpickle(file) != MAGIC or _unpickle(file) != VERSION:
        raise DataError("it does not begin as one.")
    system = _unpickle(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise DataError("its byte order is not little-endian.")
    tensors, keys = _unpickle(file), _unpickle(file)
    if not isinstance(tensors, dict) or not isinstance(keys, list):
        raise DataError("it holds no dict of tensors.")
    if not all(isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in tensors.items()):
        raise DataError("it holds something that is no tensor.")
    declared: dict[str, _Storage] = {}
    for tensor in tensors.values():
        if declared.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise DataError("one storage is described twice, in two ways.")
    starts = _storages(data, file.tell(), keys, declared)
    return {name: _view(data, tensor, starts[tensor.storage.key]) for name, tensor in tensors.items()}


def _storages(data: bytes, position: int, keys: list[Any], declared: dict[str, _Storage]) -> dict[str, int]:
    """Where each storage's values begin; every byte of the file is accounted for."""
    if len(set(keys)) != len(keys) or set(keys) != set(declared):
        raise DataError("its list of storages is not that of its tensors.")
    starts = {}
    for key in keys:
        storage = declared[key]
        count = int.from_bytes(data[position : position + 8], "little", signed=True)
        if count != storage.count:
            raise DataError("a storage has another length than its tensors say, or is missing.")
        starts[key] = position + 8
        position += 8 + count * np.dtype(storage.dtype).itemsize
    if position != len(data):
        raise DataError("it is cut short." if position > len(data) else "something follows its end.")
    return starts


def _view(data: bytes, tensor: _Tensor, start: int) -> NDArray[Any]:
    """The tensor's values; NumPy itself checks that shape and strides stay inside the bytes given."""
    dtype = np.dtype(tensor.storage.dtype)
    # A stride of 0 could announce more values than there are, at no cost to the file.
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
    """The value of the pickle that begins here; the file stands behind it afterwards."""
    machine = _Machine()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > MAX_OPCODES:
            raise DataError("it has too many parts.")
        if opcode.name == "STOP":
            return machine.result()
        machine.step(opcode.name, argument)
    raise DataError("a part has no end.")  # pragma: no cover - genops raises first


class _Machine:
    """A pickle machine for plain values, tensors and nothing else."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self._stack) != 1 or self._outer:
            raise DataError("a part does not end with one value.")
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
            raise DataError(f"it uses {name}, which no state dict needs.")

    def _pop_mark(self) -> list[Any]:
        found, self._stack = self._stack, self._outer.pop()
        return found

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
            raise DataError("a part takes more than it has.")
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
            raise DataError("it fills something that is no dict of names.")
        target.update(zip(keys, values, strict=True))

    def append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self._pop_mark())

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list) or not all(isinstance(value, str) for value in values):
            raise DataError("it fills something that is no list of names.")
        self._stack[-1].extend(values)

    def global_(self, name: str) -> None:
        if name not in _GLOBALS:
            raise DataError(f"it names {name[:80]!r}, which no state dict needs.")
        self._stack.append(_Global(name))

    def persistent(self, _: Any) -> None:
        kind, storage, key, _location, count, view = self._stack.pop()
        if kind != "storage" or not isinstance(storage, _Global) or not isinstance(key, str) or view is not None:
            raise DataError("it describes a storage in a way that is not known.")
        dtype = _STORAGES[storage.name.removeprefix("torch ")]
        self._stack.append(_Storage(key, dtype, _whole([count])[0]))

    def reduce(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if function == _Global("collections OrderedDict") and arguments == ():
            self._stack.append({})
        elif function == _Global("torch._utils _rebuild_tensor_v2"):
            storage, offset, shape, strides, _gradient, _hooks = arguments
            if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
                raise DataError("it describes a tensor in a way that is not known.")
            self._stack.append(_Tensor(storage, _whole([offset])[0], _whole(shape), _whole(strides)))
        else:
            raise DataError("it calls something that no state dict needs.")

    def build(self, _: Any) -> None:
        # An ordered dict's attributes: the modules' versions, which the tensors do not depend on.
        self._stack.pop()
        if not isinstance(self._stack[-1], dict):
            raise DataError("it sets attributes of something that is no dict.")


def _whole(values: Any) -> tuple[int, ...]:
    """The values, where all are whole numbers from 0 that a file could hold."""
    found = tuple(values)
    if not all(type(value) is int and 0 <= value <= 1 << 40 for value in found):
        raise DataError("a size is not a number that could be meant.")
    return found


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
