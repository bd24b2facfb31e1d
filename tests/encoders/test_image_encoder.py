"""Image encoders: a file of one's own, the built-in ones, and what they do with bad images and settings."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from image_support import drawn, saved, waves
from matinee.data.assets import asset_dir
from matinee.encoders.builders.efficientnet import ASSETS, CLASSIFIER_FILE
from matinee.encoders.image import POSTER_DIM, POSTER_POWER, OnnxImageEncoder, encode_all, load_image_encoder
from matinee.encoders.projection import Projection
from matinee.errors import EncoderError, InvalidInputError, MatineeError, MediaTypeError, TooLargeError
from matinee.settings import Settings
from tiny_models import IMAGE_DIM, image_model


@pytest.fixture
def tiny(tmp_path: Path) -> OnnxImageEncoder:
    return load_image_encoder(Settings(image_encoder=str(image_model(tmp_path / "tiny.onnx"))))


@pytest.fixture(params=["lite0", "lite2"])
def built_in(request: pytest.FixtureRequest) -> OnnxImageEncoder:
    try:
        return load_image_encoder(Settings(image_encoder=request.param))
    except MatineeError as error:
        pytest.skip(str(error))


def own_model(
    path: Path, *, sides: tuple[object, object] = (18, 12), kind: int = TensorProto.FLOAT, **notes: str
) -> Path:
    """A model that gives the mean of each channel."""
    image = helper.make_tensor_value_info("x", kind, ["n", 3, *sides])
    output = helper.make_tensor_value_info("y", kind, ["n", 3])
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["m"]), helper.make_node("Flatten", ["m"], ["y"])]
    graph = helper.make_graph(nodes, "means", [image], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, notes)
    onnx.save(model, str(path))
    return path


def test_vectors_are_unit_and_each_of_its_own_image(tiny: OnnxImageEncoder, tmp_path: Path) -> None:
    images = [saved(drawn(i), kind) for i, kind in enumerate(["JPEG", "PNG", "WEBP", "AVIF", "JPEG"])]
    (tmp_path / "poster").write_bytes(images[2])
    told: list[float] = []
    together = tiny.encode([*images[:2], tmp_path / "poster", *images[3:]], lambda _, share: told.append(share))
    assert together.shape == (5, IMAGE_DIM)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for image, vector in zip(images, together, strict=True):
        np.testing.assert_array_equal(tiny.encode([image])[0], vector)
    assert told == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert tiny.encode([]).shape == (0, IMAGE_DIM)


def test_ids_name_weights(tmp_path: Path) -> None:
    found = [
        load_image_encoder(Settings(image_encoder=str(image_model(tmp_path / name, seed)))).id
        for name, seed in (("a.onnx", 0), ("b.onnx", 0), ("c.onnx", 1))
    ]
    assert found[0] == found[1] != found[2]


def test_threads_share_an_encoder(tiny: OnnxImageEncoder) -> None:
    images = [saved(drawn(i), "JPEG") for i in range(12)]
    alone = [tiny.encode([image])[0] for image in images]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda image: tiny.encode([image])[0], images))
    np.testing.assert_array_equal(found, alone)


def test_scale_of_ones_own_model(tmp_path: Path) -> None:
    red = [saved(drawn(0).convert("RGB").point(lambda _: 255), "PNG")]
    plain = own_model(tmp_path / "plain.onnx")
    found = load_image_encoder(Settings(image_encoder=str(plain))).encode(red)[0]
    wanted = (255 - np.array([123.675, 116.28, 103.53])) / [58.395, 57.12, 57.375]
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted), atol=1e-5)
    noted = own_model(tmp_path / "noted.onnx", image_mean="255, 0, 128", image_std="1, 255, 127")
    found = load_image_encoder(Settings(image_encoder=str(noted))).encode(red)[0]
    np.testing.assert_allclose(found, np.array([0, 1, 1]) / np.sqrt(2), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"sides": ("h", "w")},
        {"sides": (18, 5000)},
        {"kind": TensorProto.DOUBLE},
        {"image_mean": "1,2"},
        {"image_mean": "a,b,c"},
        {"image_std": "1,0,1"},
        {"image_std": "1,nan,1"},
    ],
    ids=str,
)
def test_models_of_another_shape(options: dict[str, object], tmp_path: Path) -> None:
    path = own_model(tmp_path / "own.onnx", **options)  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match=r"own\.onnx"):
        load_image_encoder(Settings(image_encoder=str(path)))


def test_models_that_give_no_vectors(tmp_path: Path) -> None:
    def model(name: str, node: onnx.NodeProto, shape: list[object]) -> Path:
        image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 4])
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
        made = helper.make_model(
            helper.make_graph([node], "g", [image], [output]),
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=8,
        )
        onnx.save(made, str(tmp_path / name))
        return tmp_path / name

    for path in (
        model("maps.onnx", helper.make_node("Relu", ["x"], ["y"]), ["n", 3, 6, 4]),
        model("nan.onnx", helper.make_node("Div", ["x", "x"], ["y"]), ["n", 3, 6, 4]),
    ):
        with pytest.raises(EncoderError, match="not valid"):
            load_image_encoder(Settings(image_encoder=str(path)))


@pytest.mark.parametrize(
    ("name", "told"), [("off", "is off"), ("lite3", "no image encoder 'lite3'"), ("none.onnx", "no model file none")]
)
def test_settings_that_name_nothing(name: str, told: str) -> None:
    with pytest.raises(EncoderError, match=told) as caught:
        load_image_encoder(Settings(image_encoder=name))
    assert caught.value.hint


def test_weights_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"not available.*offline") as caught:
        load_image_encoder(Settings(cache_dir=tmp_path, offline=True))
    assert "MATINEE_OFFLINE" in caught.value.hint


def test_bad_images_are_told_apart(tmp_path: Path) -> None:
    model = str(image_model(tmp_path / "tiny.onnx"))
    small = load_image_encoder(Settings(image_encoder=model, max_pixels=100_000, max_body=200_000))
    good = saved(drawn(0), "JPEG")
    for bad, kind in [
        (b"", InvalidInputError),
        (good[: len(good) // 2], InvalidInputError),
        (b"<svg/>", MediaTypeError),
        (bytes(200_001), TooLargeError),
        (saved(drawn(0, 400, 600), "PNG"), TooLargeError),
        (tmp_path / "none.jpg", InvalidInputError),
    ]:
        for images in ([bad], [good, bad, good]):
            with pytest.raises(kind):
                small.encode(images)
    assert small.encode([good]).shape == (1, IMAGE_DIM)


def test_many_with_broken_ones_go_on(tiny: OnnxImageEncoder) -> None:
    images: list[bytes | Path] = [saved(drawn(i), "JPEG") for i in range(150)]
    bad = [0, 63, 64, 65, 149]
    for position in bad:
        images[position] = b"not an image"
    told: list[float] = []
    found, faults = encode_all(tiny, images, lambda _, share: told.append(share))
    assert [fault.position for fault in faults] == bad
    assert all(isinstance(fault.error, MediaTypeError) for fault in faults)
    assert np.flatnonzero(~found.any(axis=1)).tolist() == bad
    np.testing.assert_array_equal(found[100], tiny.encode([images[100]])[0])
    assert told[-1] == 1.0


def test_encoders_that_fail_are_not_a_fault_of_an_image(
    tiny: OnnxImageEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(images: object, progress: object = None) -> None:
        raise EncoderError("Gone.")

    monkeypatch.setattr(tiny, "encode", fail)
    with pytest.raises(EncoderError, match="Gone"):
        encode_all(tiny, [saved(drawn(0), "JPEG")])


def test_own_models_have_no_classes(tiny: OnnxImageEncoder) -> None:
    with pytest.raises(EncoderError, match="no classifier"):
        tiny.class_probabilities(np.ones((1, IMAGE_DIM), dtype=np.float32))


@pytest.mark.network
def test_built_in_encoders(built_in: OnnxImageEncoder) -> None:
    images = [saved(drawn(i), "PNG") for i in range(3)]
    found = built_in.encode(images)
    assert found.shape == (3, built_in.dim)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    mirrored = built_in.encode([saved(drawn(0).transpose(0), "PNG")])[0]  # type: ignore[arg-type]
    assert mirrored @ found[0] > max(found[0] @ found[1], found[0] @ found[2])
    probabilities = built_in.class_probabilities(found)
    assert probabilities.shape == (3, 1000)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)


@pytest.mark.network
def test_golden_vector_of_a_drawn_poster(built_in: OnnxImageEncoder) -> None:
    """Figures of weights, graph and preprocessing together; ONNX Runtime's kernels differ between machines a little."""
    found = built_in.encode([saved(waves(), "PNG")])[0]
    lite = "lite0" if "lite0" in built_in.id else "lite2"
    np.testing.assert_allclose(found[[0, 500, 1279, 1280, 1500, -1]], GOLDEN[lite], atol=2e-3)


@pytest.mark.network
def test_damaged_classifier(built_in: OnnxImageEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(built_in, "_classifier_file", tmp_path / CLASSIFIER_FILE)
    with pytest.raises(EncoderError, match="built again"):
        built_in.class_probabilities(np.ones((1, built_in.dim), dtype=np.float32))


@pytest.mark.network
def test_weights_are_built_once_and_small(built_in: OnnxImageEncoder) -> None:
    lite = "lite0" if "lite0" in built_in.id else "lite2"
    folder = asset_dir(ASSETS[lite], Settings())
    assert {path.name for path in folder.iterdir()} == {"model.onnx", CLASSIFIER_FILE, "manifest.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 13 << 20


@pytest.mark.network
def test_posters_are_found_again(shared_data: Path) -> None:
    """A small part of `benchmarks/posters.py`: 100 posters indexed, 12 of them blurred, cut and mirrored."""
    try:
        encoder = load_image_encoder(Settings(image_encoder="lite0"))
    except EncoderError as error:
        pytest.skip(str(error))
    from PIL import Image, ImageFilter, ImageOps

    with (shared_data / "posters" / "index.csv").open(encoding="utf-8", newline="") as file:
        names = [row["imdb_id"] for row in csv.DictReader(file)][:100]
    paths = [shared_data / "posters" / f"{name}.jpg" for name in names]
    raw = encoder.encode(paths)
    projection = Projection.fit(raw, POSTER_DIM, POSTER_POWER)
    index = projection.apply(raw)
    own = index @ index.T
    assert (own.argmax(axis=1) == np.arange(100)).all()
    edited = []
    for path in paths[:12]:
        with Image.open(path) as image:
            width, height = image.size
            cut = image.crop((width // 10, height // 10, width - width // 10, height - height // 10))
            edited += [image.filter(ImageFilter.GaussianBlur(3)), cut, ImageOps.mirror(image)]
    found = projection.apply(encoder.encode([saved(image.convert("RGB"), "PNG") for image in edited])) @ index.T
    first_five = np.argsort(-found, axis=1)[:, :5]
    assert np.mean([i // 3 in row for i, row in enumerate(first_five)]) >= 0.97


GOLDEN = {
    "lite0": [0.0, 0.0, 0.0133, -0.0328, 0.0036, 0.0328],
    "lite2": [0.0, 0.0199, 0.0, -0.0686, 0.0539, -0.0358],
}
