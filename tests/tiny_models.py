"""Encoders small enough to be made by a test: a text model with its tokenizer, and a network of images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_PROSE = """a film about androids who dream of electric sheep the lighthouse keeper storm love war space ship robot
detective night city ghost house music dance king queen road train heist bank escape prison island sea"""
WORDS = _PROSE.split()
TEXT_DIM, IMAGE_DIM = 16, 24
SIDES = (12, 18)
"""Width and height that the network of images takes."""


def text_folder(folder: Path, seed: int = 0) -> Path:
    """A folder with `model.onnx` and `tokenizer.json`: an embedding of words, no attention."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789"]
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys([*special, *WORDS, *letters]))}
    vocabulary |= {f"##{letter}": len(vocabulary) + place for place, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(seed).normal(size=(len(vocabulary), TEXT_DIM)).astype(np.float32)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", "length", TEXT_DIM])
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    graph = helper.make_graph(nodes, "words", inputs, [output], [numpy_helper.from_array(table, "table")])
    _save(graph, folder / "model.onnx")
    return folder


def image_model(path: Path, seed: int = 0) -> Path:
    """A file `….onnx`: one convolution and a mean over each of four fields."""
    width, height = SIDES
    kernels = np.random.default_rng(seed).normal(size=(IMAGE_DIM // 4, 3, 3, 3)).astype(np.float32)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, height, width])
    output = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", IMAGE_DIM])
    nodes = [
        helper.make_node("Conv", ["image", "kernels"], ["maps"], strides=[1, 1], pads=[1, 1, 1, 1]),
        helper.make_node("AveragePool", ["maps"], ["fields"], kernel_shape=[9, 6], strides=[9, 6]),
        helper.make_node("Flatten", ["fields"], ["features"]),
    ]
    graph = helper.make_graph(nodes, "fields", [image], [output], [numpy_helper.from_array(kernels, "kernels")])
    _save(graph, path)
    return path


def _save(graph: onnx.GraphProto, path: Path) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def picture(seed: int = 0, kind: str = "JPEG", sides: tuple[int, int] = (60, 90)) -> bytes:
    """An encoded picture of coloured noise in blocks; `sides` is (width, height)."""
    from PIL import Image

    blocks: NDArray[np.uint8] = np.random.default_rng(seed).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize(sides, Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()
