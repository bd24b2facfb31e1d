"""State dicts of the old PyTorch format, written here opcode by opcode, whole, altered and hostile."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from matinee.encoders.builders.torch_file import MAGIC, VERSION, read_state_dict
from matinee.errors import DataError

PROTO, STOP = b"\x80\x02", b"."
NAMES = {"float32": "FloatStorage", "int64": "LongStorage", "float16": "HalfStorage", "float64": "DoubleStorage"}


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    packed = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(packed)]) + packed


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def global_(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def numbers(values: Sequence[int]) -> bytes:
    """A tuple, in the shortest way there is for its length."""
    parts = b"".join(number(value) for value in values)
    if not values:
        return b")"
    return parts + bytes([0x84 + len(values)]) if len(values) <= 3 else b"(" + parts + b"t"


def ordered_dict() -> bytes:
    return global_("collections", "OrderedDict") + b")R"


def storage(key: str, kind: str, count: int) -> bytes:
    return b"(" + text("storage") + global_("torch", kind) + text(key) + text("cpu") + number(count) + b"NtQ"


def tensor(where: bytes, offset: int, shape: Sequence[int], strides: Sequence[int]) -> bytes:
    inner = where + number(offset) + numbers(shape) + numbers(strides) + b"\x89" + ordered_dict()
    return global_("torch._utils", "_rebuild_tensor_v2") + b"(" + inner + b"tR"


def system(little: bytes = b"\x88") -> bytes:
    sizes = b"}(" + text("short") + number(2) + b"u"
    return PROTO + b"}(" + text("little_endian") + little + text("type_sizes") + sizes + b"u" + STOP


def write(
    entries: dict[str, bytes],
    storages: dict[str, NDArray[np.generic]],
    *,
    head: bytes | None = None,
    listed: list[str] | None = None,
    tail: bytes = b"",
) -> bytes:
    """A whole file of named tensors (as opcodes) and their storages."""
    body = ordered_dict() + b"q\x01" + b"(" + b"".join(text(name) + value for name, value in entries.items()) + b"u"
    body += b"}" + text("_metadata") + ordered_dict() + b"s" + b"b"  # the modules' versions, as torch writes them
    keys = list(storages) if listed is None else listed
    parts = [
        head or PROTO + number(MAGIC) + STOP + PROTO + b"M" + struct.pack("<H", VERSION) + STOP + system(),
        PROTO + body + STOP,
        PROTO + b"](" + b"".join(text(key) for key in keys) + b"e" + STOP,
        *(struct.pack("<q", array.size) + array.tobytes() for array in storages.values()),
        tail,
    ]
    return b"".join(parts)


VALUES = np.arange(24, dtype=np.float32)


def simple(shape: Sequence[int] = (4, 6), strides: Sequence[int] = (6, 1), offset: int = 0, count: int = 24) -> bytes:
    return write({"weight": tensor(storage("0", "FloatStorage", count), offset, shape, strides)}, {"0": VALUES})


def read(data: bytes, tmp_path: Path) -> dict[str, NDArray[np.generic]]:
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return read_state_dict(path)


@pytest.mark.parametrize("dtype", list(NAMES))
def test_values_come_back(dtype: str, tmp_path: Path) -> None:
    array = np.arange(24).astype(dtype)
    found = read(write({"w": tensor(storage("7", NAMES[dtype], 24), 0, (2, 3, 4), (12, 4, 1))}, {"7": array}), tmp_path)
    assert list(found) == ["w"]
    assert found["w"].dtype == array.dtype
    np.testing.assert_array_equal(found["w"], array.reshape(2, 3, 4))


def test_views_of_one_storage(tmp_path: Path) -> None:
    shared = storage("0", "FloatStorage", 24)
    entries = {
        "all": tensor(shared, 0, (24,), (1,)),
        "turned": tensor(shared, 0, (6, 4), (1, 6)),
        "part": tensor(shared, 20, (2, 2), (2, 1)),
        "one": tensor(shared, 5, (), ()),
        "none": tensor(shared, 0, (0,), (1,)),
        "five": tensor(shared, 0, (1, 2, 3, 2, 2), (24, 12, 4, 2, 1)),
    }
    found = read(write(entries, {"0": VALUES}), tmp_path)
    np.testing.assert_array_equal(found["turned"], VALUES.reshape(4, 6).T)
    np.testing.assert_array_equal(found["part"], [[20, 21], [22, 23]])
    assert found["one"].shape == ()
    assert found["one"] == 5
    assert found["none"].shape == (0,)
    assert found["five"].shape == (1, 2, 3, 2, 2)
    assert not found["all"].flags.writeable


def test_several_storages_in_the_order_of_their_list(tmp_path: Path) -> None:
    counts = np.arange(3, dtype=np.int64)
    entries = {
        "w": tensor(storage("b", "FloatStorage", 24), 0, (24,), (1,)),
        "n": tensor(storage("a", "LongStorage", 3), 0, (3,), (1,)),
    }
    found = read(write(entries, {"a": counts, "b": VALUES}), tmp_path)
    np.testing.assert_array_equal(found["w"], VALUES)
    np.testing.assert_array_equal(found["n"], counts)


WHERE = storage("0", "FloatStorage", 24)
HOSTILE = {
    "nothing": b"",
    "text": b"not a state dict",
    "zip (the format since 1.6)": b"PK\x03\x04" + bytes(100),
    "another magic number": write({}, {}, head=PROTO + number(MAGIC + 1) + STOP),
    "big-endian": write(
        {}, {}, head=PROTO + number(MAGIC) + STOP + PROTO + b"M" + struct.pack("<H", VERSION) + STOP + system(b"\x89")
    ),
    "a call of os.system": write({"w": global_("os", "system") + text("true") + b"\x85R"}, {}),
    "a call of eval": write({"w": global_("builtins", "eval") + text("1") + b"\x85R"}, {}),
    "a global of four parts": write({"w": b"\x8c\x02os\x8c\x06system\x93"}, {}),
    "an instance": write({"w": b"(ios\nsystem\n"}, {}),
    "a new object": write({"w": global_("collections", "OrderedDict") + b")\x81"}, {}),
    "an extension": write({"w": b"\x82\x01"}, {}),
    "a storage called": write({"w": global_("torch", "FloatStorage") + number(1 << 30) + b"\x85R"}, {}),
    "a dict with items called": write({"w": global_("collections", "OrderedDict") + b"]\x85R"}, {}),
    "no tensor": write({"w": number(1)}, {}),
    "a key that is no name": write({}, {}).replace(b"(u", b"(K\x01K\x02u", 1),
    "a foreign persistent id": write({"w": text("elsewhere") + b"Q"}, {}),
    "an unknown storage": write({"w": tensor(WHERE.replace(b"FloatStorage", b"CudaFStorage"), 0, (1,), (1,))}, {}),
    "more than the storage": simple(shape=(5, 6)),
    "beyond its end": simple(offset=1),
    "strides beyond its end": simple(strides=(7, 1)),
    "a negative stride": simple(strides=(-6, 1)),
    "a negative offset": simple(offset=-4),
    "a stride of 0 that would fill the memory": simple(shape=(1 << 30,), strides=(0,)),
    "a size that no memory has": simple(shape=(1 << 39, 1 << 39), strides=(0, 0)),
    "a size beyond all bounds": simple(shape=(1 << 200,), strides=(1,)),
    "shape without strides": simple(shape=(4, 6), strides=(1,)),
    "too many dimensions": simple(shape=(1,) * 40, strides=(1,) * 40),
    "another count": simple(count=23),
    "a storage too many": write({"w": tensor(WHERE, 0, (24,), (1,))}, {"0": VALUES, "1": VALUES}),
    "a storage that is not listed": write({"w": tensor(WHERE, 0, (24,), (1,))}, {"0": VALUES}, listed=[]),
    "a storage listed twice": write({"w": tensor(WHERE, 0, (24,), (1,))}, {"0": VALUES}, listed=["0", "0"]),
    "a storage described in two ways": write(
        {"w": tensor(WHERE, 0, (24,), (1,)), "v": tensor(storage("0", "LongStorage", 12), 0, (12,), (1,))},
        {"0": VALUES},
    ),
    "something behind the end": write({"w": tensor(WHERE, 0, (24,), (1,))}, {"0": VALUES}, tail=b"\0"),
    "a memo never filled": write({"w": b"h\x63"}, {}),
    "more taken than there is": write({"w": b"\x87"}, {}),
    "a mark that is missing": PROTO + b"t" + STOP,
    "a text longer than the file": PROTO + b"X\xff\xff\xff\x7fabc" + STOP,
    "a number longer than the file": PROTO + b"\x8b\xff\xff\xff\x7f\x01" + STOP,
    "a frame": b"\x80\x04\x95" + b"\xff" * 8 + STOP,
    "nested without end": PROTO + b"(" * 100_000 + STOP,
    "a memo index of many digits": PROTO + b"p" + b"9" * 10_000 + b"\n" + STOP,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_anything_else_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"weights\.pth cannot be read as a PyTorch state dict"):
        read(data, tmp_path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = simple()
    assert read(whole, tmp_path)
    for length in range(len(whole)):
        with pytest.raises(DataError):
            read(whole[:length], tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_altered_bytes_give_values_or_a_data_error(tmp_path: Path, data: st.DataObject) -> None:
    altered = bytearray(simple())
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(altered), tmp_path)
    except DataError:
        return
    assert all(array.size <= 24 for array in found.values())


def test_large_files_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.truncate(1 << 34)  # sparse
    with pytest.raises(DataError, match="are accepted"):
        read_state_dict(path)


def test_too_many_opcodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.encoders.builders.torch_file.MAX_OPCODES", 20)
    with pytest.raises(DataError, match="too many opcodes"):
        read(simple(), tmp_path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_state_dict(tmp_path / "none.pth")
