"""Weights of 8 bits: a small model before and after, and what the wheel's files become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from matinee.encoders.builders.minilm import MODEL_FILE, TOKENIZER_FILE, _prepare, quantize
from matinee.encoders.session import open_session

WORDS, WIDTH = 1200, 32


def small_model(seed: int = 0) -> onnx.ModelProto:
    """A table of words, two products of one input, a third of their sum."""
    rng = np.random.default_rng(seed)
    weights = {
        "table": rng.normal(size=(WORDS, WIDTH)),
        "left": rng.normal(size=(WIDTH, WIDTH)) * rng.uniform(0.1, 3, WIDTH),
        "right": rng.normal(size=(WIDTH, WIDTH)),
        "last": rng.normal(size=(WIDTH, 8)),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("MatMul", ["words", "left"], ["a"]),
        helper.make_node("MatMul", ["words", "right"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["kept"]),
        helper.make_node("MatMul", ["kept", "last"], ["last_hidden_state"]),
    ]
    given = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "length"])]
    out = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", "length", 8])]
    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small", given, out, stored)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(model: onnx.ModelProto, path: Path, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    onnx.save(model, path)
    found: NDArray[np.float32] = open_session(path).run(None, {"input_ids": ids})[0]
    return found


@pytest.fixture
def ids() -> NDArray[np.int64]:
    return np.random.default_rng(1).integers(0, WORDS, (5, 12))


def test_products_stay_nearly_the_same(tmp_path: Path, ids: NDArray[np.int64]) -> None:
    wanted = run(small_model(), tmp_path / "plain.onnx", ids)
    found = run(quantize(small_model()), tmp_path / "small.onnx", ids)
    cosines = (wanted * found).sum(-1) / np.linalg.norm(wanted, axis=-1) / np.linalg.norm(found, axis=-1)
    assert cosines.mean() > 0.999
    assert cosines.min() > 0.99


def test_a_token_owes_nothing_to_the_others(tmp_path: Path, ids: NDArray[np.int64]) -> None:
    model = quantize(small_model())
    together = run(model, tmp_path / "small.onnx", ids)
    np.testing.assert_array_equal(run(model, tmp_path / "small.onnx", ids[3:4, 2:7]), together[3:4, 2:7])


def test_no_weight_is_so_large_that_sums_of_two_products_overflow(ids: NDArray[np.int64]) -> None:
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantize(small_model()).graph.initializer}
    assert {"left", "right", "last", "table"}.isdisjoint(stored)
    for name in ("left", "right", "last"):
        steps = stored[f"{name}/int8"]
        assert steps.dtype == np.int8
        assert 2 * 255 * int(np.abs(steps.astype(int)).max()) < 2**15
    assert stored["table/int8"].dtype == np.int8


def test_texts_without_any_signal_do_not_divide_by_nothing(tmp_path: Path) -> None:
    model = small_model()
    zeros = numpy_helper.from_array(np.zeros((WORDS, WIDTH), dtype=np.float32), "table")
    model.graph.initializer[0].CopyFrom(zeros)
    found = run(quantize(model), tmp_path / "small.onnx", np.zeros((1, 3), dtype=np.int64))
    np.testing.assert_array_equal(found, np.zeros((1, 3, 8)))


def test_what_is_kept_of_the_wheel(tmp_path: Path, ids: NDArray[np.int64]) -> None:
    onnx.save(small_model(), tmp_path / MODEL_FILE, save_as_external_data=True, location=f"{MODEL_FILE}_data")
    (tmp_path / TOKENIZER_FILE).write_text("{}")
    assert (tmp_path / f"{MODEL_FILE}_data").exists()
    _prepare(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MODEL_FILE, TOKENIZER_FILE]
    assert open_session(tmp_path / MODEL_FILE).run(None, {"input_ids": ids})[0].shape == (5, 12, 8)
