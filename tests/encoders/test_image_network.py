"""The ONNX graph of EfficientNet-lite against a slow reference, on small networks with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from matinee.encoders.builders.efficientnet import LITE0, LITE2, Variant, build, class_probabilities
from matinee.encoders.session import open_session
from matinee.errors import DataError, EncoderError

Array = NDArray[np.float64]
TINY = Variant("tiny", (1, 2, 1, 2, 1, 2, 1), 50, 70, 4.0)
"""Sides that do not halve evenly, so that the padding matters."""
CHANNELS = (8, 4, 6, 6, 8, 8, 10, 12)
KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
HEAD = 1280


def random_state(variant: Variant = TINY, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Weights under the names of the published files."""
    rng = np.random.default_rng(seed)
    state: dict[str, NDArray[np.float32]] = {}

    def conv(name: str, n_out: int, n_in: int, size: int, norm: str) -> None:
        state[f"{name}.weight"] = (rng.normal(size=(n_out, n_in, size, size)) / np.sqrt(n_in * size * size)).astype(
            "f4"
        )
        state[f"{norm}.weight"] = rng.uniform(0.5, 2, n_out).astype("f4")
        state[f"{norm}.bias"] = rng.normal(0.5, 0.3, n_out).astype("f4")
        state[f"{norm}.running_mean"] = rng.normal(0, 0.3, n_out).astype("f4")
        state[f"{norm}.running_var"] = rng.uniform(0.5, 2, n_out).astype("f4")

    conv("_conv_stem", CHANNELS[0], 3, 3, "_bn0")
    block, n_in = 0, CHANNELS[0]
    for stage, repeats in enumerate(variant.repeats):
        for _ in range(repeats):
            name, wide = f"_blocks.{block}", n_in * (1 if stage == 0 else 3)
            if stage:
                conv(f"{name}._expand_conv", wide, n_in, 1, f"{name}._bn0")
            conv(f"{name}._depthwise_conv", wide, 1, KERNELS[stage], f"{name}._bn1")
            conv(f"{name}._project_conv", CHANNELS[stage + 1], wide, 1, f"{name}._bn2")
            block, n_in = block + 1, CHANNELS[stage + 1]
    conv("_conv_head", HEAD, n_in, 1, "_bn1")
    return state


def slow_conv(x: Array, state: dict[str, NDArray[np.float32]], name: str, norm: str, stride: int = 1) -> Array:
    """A convolution padded as TensorFlow does, then batch norm, written out."""
    weight = state[f"{name}.weight"].astype(np.float64)
    size = weight.shape[2]
    pads = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[1:]]
    x = np.pad(x, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    equation = "chwij,cij->chw" if "depthwise" in name else "chwij,ocij->ohw"
    y = np.einsum(equation, windows, weight[:, 0] if "depthwise" in name else weight)
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    scaled = (y - mean[:, None, None]) / np.sqrt(variance + 1e-3)[:, None, None]
    return np.asarray(scaled * state[f"{norm}.weight"][:, None, None] + state[f"{norm}.bias"][:, None, None])


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def slow(image: Array, state: dict[str, NDArray[np.float32]], variant: Variant = TINY) -> Array:
    """The whole network, image (3, height, width) → the two parts of its vector."""
    x = relu6(slow_conv(image, state, "_conv_stem", "_bn0", 2))
    block, layout = 0, x
    for stage, repeats in enumerate(variant.repeats):
        for repeat in range(repeats):
            name, y = f"_blocks.{block}", x
            if stage:
                y = relu6(slow_conv(y, state, f"{name}._expand_conv", f"{name}._bn0"))
            y = relu6(
                slow_conv(y, state, f"{name}._depthwise_conv", f"{name}._bn1", STRIDES[stage] if not repeat else 1)
            )
            y = slow_conv(y, state, f"{name}._project_conv", f"{name}._bn2")
            x = x + y if repeat else y
            layout = x if stage == 5 and not repeat else layout
            block += 1
    pooled = relu6(slow_conv(x, state, "_conv_head", "_bn1")).mean(axis=(1, 2))
    third = layout.shape[1] // 3
    parts = [layout[:, at : at + third].mean(axis=(1, 2)) for at in (0, third, 2 * third)]
    rows = np.stack(parts, axis=1).ravel()
    return np.concatenate([pooled / np.linalg.norm(pooled), 2 * rows / np.linalg.norm(rows)])


@pytest.mark.parametrize("seed", [0, 1])
def test_graph_does_what_the_reference_does(seed: int, tmp_path: Path) -> None:
    variant = Variant("tiny", TINY.repeats, 50, 320, 4.0)  # 10 rows in the layout's maps: one is left over
    state = random_state(variant, seed)
    path = tmp_path / "tiny.onnx"
    path.write_bytes(build(state, variant).SerializeToString())
    session = open_session(path)
    images = np.random.default_rng(seed).normal(size=(2, 3, 320, 50)).astype(np.float32)
    (found,) = session.run(None, {"image": images})
    wanted = np.stack([slow(image.astype(np.float64), state, variant) for image in images])
    assert found.shape == wanted.shape == (2, HEAD + 3 * CHANNELS[6])
    # Weights of half precision: 11 bits, through thirty layers.
    np.testing.assert_allclose(found, wanted, atol=4e-3 * np.abs(wanted).max())
    assert (np.abs(found - wanted).mean(axis=1) < 1e-2 * np.abs(wanted).mean(axis=1)).all()


def test_shapes_and_notes_of_the_model() -> None:
    model = build(random_state(), TINY)
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "image_mean": "127,127,127",
        "image_std": "128,128,128",
    }
    sides = [dimension.dim_value for dimension in model.graph.input[0].type.tensor_type.shape.dim]
    assert sides[1:] == [3, 70, 50]


def test_variants_are_of_a_posters_shape() -> None:
    for variant in (LITE0, LITE2):
        assert variant.width * 3 == variant.height * 2
        assert len(variant.repeats) == 7


@pytest.mark.parametrize("name", ["_conv_stem.weight", "_bn1.running_var", "_blocks.3._project_conv.weight"])
def test_weights_of_another_network(name: str) -> None:
    state = random_state()
    del state[name]
    with pytest.raises(DataError, match="another network"):
        build(state, TINY)


def test_weights_that_do_not_fit_together() -> None:
    state = random_state()
    state["_bn0.weight"] = state["_bn0.weight"][:-1]
    with pytest.raises(DataError, match="do not match"):
        build(state, TINY)
    state = random_state()
    state["_blocks.1._depthwise_conv.weight"] = state["_blocks.1._depthwise_conv.weight"][:, :, :, :0]
    with pytest.raises(DataError):
        build(state, TINY)


def test_class_probabilities_by_hand() -> None:
    classifier = np.zeros((1000, 1281), dtype=np.float16)
    classifier[7, 0], classifier[9, 1], classifier[3, 1280] = 1, 2, 0.5
    vectors = np.zeros((2, 1290), dtype=np.float32)
    vectors[0, 0], vectors[1, 1] = 0.2, 0.4
    vectors[:, 1285] = 0.9  # the second part does not count
    found = class_probabilities(vectors, TINY, classifier)
    odds = np.ones((2, 1000))
    odds[:, 3], odds[0, 7], odds[1, 9] = np.exp(0.5), np.exp(4), np.exp(8)
    np.testing.assert_allclose(found, odds / odds.sum(axis=1, keepdims=True), rtol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize("content", [None, b"", b"no model", b"\x08\x07" * 50])
def test_files_that_are_no_model(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EncoderError, match=r"model\.onnx") as caught:
        open_session(path)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_folders_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no model file"):
        open_session(tmp_path)
