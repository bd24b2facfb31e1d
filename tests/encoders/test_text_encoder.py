"""Sentence encoders of folders: how outputs become vectors, what is refused; paragraphs; MiniLM's own figures.

What holds for every encoder, here and behind HTTP, is in `tests/contracts/test_encoders.py`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from matinee.encoders.base import TextEncoder
from matinee.encoders.projection import unit
from matinee.encoders.text import OnnxTextEncoder, load_text_encoder
from matinee.errors import EncoderError, MatineeError
from matinee.settings import Settings
from tiny_models import TEXT_DIM, text_folder

GOLDEN = {
    "A film about androids who dream": (-0.0724, 0.0218, 0.0319, 0.0175, 0.1232, 0.0368),
    "pirates\nsea, ship, treasure": (-0.0565, 0.0948, -0.0199, 0.1052, 0.0542, 0.0639),
}
PRECISE = ((-0.0714, 0.0219, 0.0273, 0.0206, 0.1285, 0.0358), (-0.0571, 0.0902, -0.0244, 0.1180, 0.0545, 0.0616))
"""Values 0, 1, 2, 100, 200 and 383 of the vectors; and those of the same model in single precision."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return text_folder(tmp_path / "words")


@pytest.fixture
def tiny(folder: Path) -> OnnxTextEncoder:
    return OnnxTextEncoder(folder)


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    try:
        return load_text_encoder(Settings(text_encoder="minilm"))
    except MatineeError as error:
        pytest.skip(str(error))


def own_model(folder: Path, outputs: dict[str, int], inputs: tuple[str, ...] = ("input_ids",), kind: int = 0) -> None:
    """Put a model in the folder whose outputs have 2 axes (the first token's) or 3 (all tokens')."""
    table = np.random.default_rng(1).normal(size=(200, 4)).astype(np.float32)
    kind = kind or TensorProto.INT64
    weights = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array(0), "first")]
    nodes, given = [helper.make_node("Gather", ["table", "input_ids"], ["all"])], []
    for name, axes in outputs.items():
        if axes == 3:
            nodes.append(helper.make_node("Identity", ["all"], [name]))
        else:
            nodes.append(helper.make_node("Gather", ["all", "first"], [name], axis=1))
        given.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "length", 4] if axes == 3 else ["n", 4])
        )
    takes = [helper.make_tensor_value_info(name, kind, ["n", "length"]) for name in inputs]
    graph = helper.make_graph(nodes, "own", takes, given, weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )


def table_of(folder: Path) -> np.ndarray:
    (tensor,) = onnx.load(folder / "model.onnx").graph.initializer
    return numpy_helper.to_array(tensor)


def test_a_vector_is_the_mean_of_all_tokens(tiny: OnnxTextEncoder, folder: Path) -> None:
    table, tokenizer = table_of(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "the lighthouse keeper"
    wanted = unit(table[tokenizer.encode(text).ids].mean(axis=0)[None])
    np.testing.assert_allclose(tiny.encode([text]), wanted, atol=1e-6)


def test_paragraphs_are_encoded_apart_and_averaged(tiny: OnnxTextEncoder) -> None:
    alone = tiny.encode(["the lighthouse keeper", "storm"])
    together = tiny.encode(["the lighthouse keeper\n\n  storm  \r\n"])
    np.testing.assert_allclose(together, unit(alone.mean(axis=0)[None]), atol=1e-6)


def test_paragraphs_beyond_the_sixteenth_are_one(tiny: OnnxTextEncoder) -> None:
    lines = [f"storm {place}" for place in range(40)]
    joined = "\n".join([*lines[:15], " ".join(lines[15:])])
    np.testing.assert_allclose(tiny.encode(["\n".join(lines)]), tiny.encode([joined]), atol=1e-6)


def test_text_after_much_white_space_is_read(tiny: OnnxTextEncoder) -> None:
    np.testing.assert_array_equal(tiny.encode([" " * 100_000 + "storm"]), tiny.encode(["storm"]))


@pytest.mark.parametrize(
    ("outputs", "pooled"),
    [
        ({"last_hidden_state": 3, "pooler_output": 2}, False),
        ({"token_embeddings": 3, "sentence_embedding": 2}, True),
        ({"vector": 2}, True),
    ],
)
def test_which_output_is_taken(folder: Path, outputs: dict[str, int], pooled: bool) -> None:
    own_model(folder, outputs)
    encoder = OnnxTextEncoder(folder)
    assert encoder.dim == 4
    same_start = encoder.encode(["storm", "storm night"])
    assert np.allclose(*same_start) == pooled  # the first token alone, or the mean of all


def test_a_model_may_take_fewer_inputs_of_another_type(folder: Path) -> None:
    own_model(folder, {"last_hidden_state": 3}, kind=TensorProto.INT32)
    assert OnnxTextEncoder(folder).encode(["storm"]).shape == (1, 4)


def test_id_names_weights_and_tokenizer(folder: Path, tmp_path: Path) -> None:
    first = OnnxTextEncoder(folder).id
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert OnnxTextEncoder(copy).id == first
    assert OnnxTextEncoder(text_folder(tmp_path / "other", seed=1)).id != first
    assert OnnxTextEncoder(folder, max_tokens=9).id != first
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    tokenizer.enable_truncation(5)
    tokenizer.save(str(copy / "tokenizer.json"))
    cut = OnnxTextEncoder(copy)
    assert cut.id != first
    np.testing.assert_array_equal(*cut.encode(["storm night city ghost", "storm night city music"]))


def test_the_tokenizers_padding_is_switched_off(folder: Path) -> None:
    plain = OnnxTextEncoder(folder).encode(["storm"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(folder / "tokenizer.json"))
    np.testing.assert_array_equal(OnnxTextEncoder(folder).encode(["storm"]), plain)


def test_off_and_missing_files() -> None:
    with pytest.raises(EncoderError, match="switched off"):
        load_text_encoder(Settings(text_encoder="off"))
    with pytest.raises(EncoderError, match=r"has no model\.onnx"):
        load_text_encoder(Settings(text_encoder="no/such/folder"))


def test_offline_without_weights(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="not available"):
        load_text_encoder(Settings(text_encoder="minilm", cache_dir=tmp_path, offline=True))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_broken_files(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"{}")
    with pytest.raises(EncoderError, match="cannot be"):
        load_text_encoder(Settings(text_encoder=str(folder)))


def test_models_of_something_else(folder: Path) -> None:
    own_model(folder, {"last_hidden_state": 3}, inputs=("input_ids", "pixels"))
    with pytest.raises(EncoderError, match="sentence encoder"):
        OnnxTextEncoder(folder)


def test_a_model_that_does_not_know_all_tokens_says_so(folder: Path) -> None:
    own_model(folder, {"last_hidden_state": 3})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([f"strange{place}" for place in range(200)])
    tokenizer.save(str(folder / "tokenizer.json"))
    encoder = OnnxTextEncoder(folder)
    with pytest.raises(EncoderError, match="failed"):
        encoder.encode(["strange199"])


def test_a_model_that_gives_nan_says_so(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    broken = np.full_like(table_of(folder), np.nan)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(broken, "table"))
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(EncoderError, match="NaN"):
        OnnxTextEncoder(folder)


def test_tiny_model_is_as_wide_as_it_says(tiny: OnnxTextEncoder) -> None:
    assert tiny.dim == TEXT_DIM


@pytest.mark.network
def test_minilm_gives_its_figures_on_every_machine(minilm: TextEncoder) -> None:
    vectors = minilm.encode(list(GOLDEN))
    assert vectors.shape == (2, 384)
    some = vectors[:, [0, 1, 2, 100, 200, 383]]
    # Integers are exact; a last bit of the rest may round an activation the other way.
    np.testing.assert_allclose(some, list(GOLDEN.values()), atol=4e-3)
    np.testing.assert_allclose(some, PRECISE, atol=0.02)


@pytest.mark.network
def test_minilm_knows_what_texts_are_about(minilm: TextEncoder) -> None:
    about, same, other = minilm.encode(
        [
            "A film about androids who dream",
            "Robots begin to wonder whether they have feelings of their own",
            "A baker in Paris falls in love",
        ]
    )
    assert about @ same > about @ other + 0.1


@pytest.mark.network
def test_minilm_gives_one_vector_for_a_text_wherever_it_stands(minilm: TextEncoder) -> None:
    texts = [f"{'a storm at sea ' * (place % 7)}{place}" for place in range(100)]
    together = minilm.encode(texts)
    for place in (0, 50, 99):
        np.testing.assert_array_equal(minilm.encode([texts[place]])[0], together[place])
