"""The image encoder: a small convolutional network in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.atomic_files import file_hash
from matinee._util.extras import need
from matinee._util.literals import one_literal
from matinee._util.processors import processor_count
from matinee._util.progress import Progress, silent
from matinee.data.assets import ensure, is_cached
from matinee.encoders.base import Image, ImageEncoder, Vectors
from matinee.encoders.builders.efficientnet import (
    ASSETS,
    CLASSIFIER_FILE,
    MODEL_FILE,
    VARIANTS,
    Variant,
    class_probabilities,
)
from matinee.encoders.decode import PREPARATION, Shape, decode, prepare
from matinee.encoders.projection import unit
from matinee.encoders.session import open_session
from matinee.errors import DataError, EncoderError, FetchError, InvalidInputError, MatineeError
from matinee.settings import Settings

if TYPE_CHECKING:
    import onnxruntime

POSTER_DIM = 256
"""Dimensions of the `poster` space."""
POSTER_POWER = 0.6
"""Whitening power of the `poster` space; see `Projection.fit`."""

_THREADS = min(processor_count(), 8)
_CHUNK = 64
_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""Mean and deviation of ImageNet, used by most published models. A model's metadata may override them."""


@dataclass(frozen=True)
class Fault:
    """An image that could not be encoded: its index in the input, and the error."""

    position: int
    error: MatineeError


def load_image_encoder(settings: Settings, progress: Progress | None = None) -> OnnxImageEncoder:
    """The encoder of `settings.image_encoder`. Downloads and builds it if it is not in the cache.

    A custom model maps an input `image`, float32 (n, 3, height, width), to (n, dim). Its metadata may have `image_mean`
    and `image_std`, three numbers each on the scale 0..255; the default is ImageNet's.

    Raises:
        EncoderError: it is off, not available, or not a valid model.
    """
    name = settings.image_encoder
    if name == "off":
        raise EncoderError("The image encoder is off.", "Set MATINEE_IMAGE_ENCODER to lite2, lite0 or an ONNX file.")
    if name in ASSETS:
        need("onnxruntime", "Encoding pictures", "encoders")
        if not is_cached(ASSETS[name], settings):
            need("onnx", "Building the image encoder", "train")
        try:
            folder = ensure(ASSETS[name], settings, progress)
        except (FetchError, DataError) as error:
            raise EncoderError(f"The image encoder {name} is not available: {error.message}", error.hint) from error
        return OnnxImageEncoder(folder / MODEL_FILE, settings, ASSETS[name].name, VARIANTS[name])
    path = Path(name)
    if path.suffix != ".onnx":
        raise EncoderError(f"There is no image encoder {name!r}.", "Choose lite2, lite0, off, or a file `….onnx`.")
    return OnnxImageEncoder(path, settings)


class OnnxImageEncoder:
    """A local `ImageEncoder`. Each thread runs one image at a time; lists of images run on all cores.

    Args:
        path: the network.
        settings: limits of bytes (`max_body`) and pixels (`max_pixels`) of an image.
        name: name of the weights for the encoder's id; default: the file's hash.
        variant: the built-in network of the file, whose classifier is in the same folder; None for custom models.

    Raises:
        EncoderError: the file is not a model of images.
    """

    def __init__(self, path: Path, settings: Settings, name: str = "", variant: Variant | None = None) -> None:
        self._session = open_session(path)
        self._max_bytes, self._max_pixels = settings.max_body, settings.max_pixels
        self._input, self._shape = _shape(self._session, path)
        self._output: str = self._session.get_outputs()[0].name
        self._variant, self._classifier_file = variant, path.with_name(CLASSIFIER_FILE)
        self.id = f"{name or 'onnx-' + file_hash(path)[:16]}-p{PREPARATION}"
        width, height = self._shape.width, self._shape.height
        self.dim = len(self._run(np.zeros((1, 3, height, width), dtype=np.float32)))

    def encode(self, images: Sequence[Image], progress: Progress | None = None) -> Vectors:
        """See `ImageEncoder.encode`."""
        report = progress or silent
        vectors = np.empty((len(images), self.dim), dtype=np.float32)
        if len(images) == 1:
            vectors[0] = self._encode(images[0])
        elif images:
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="matinee-encode") as pool:
                try:
                    for i, vector in enumerate(pool.map(self._encode, images)):
                        vectors[i] = vector
                        report("Encoding images", (i + 1) / len(images))
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        return unit(vectors)

    def _encode(self, image: Image) -> NDArray[np.float32]:
        shape = self._shape
        decoded = decode(
            image, max_bytes=self._max_bytes, max_pixels=self._max_pixels, at_least=(shape.width, shape.height)
        )
        return self._run(prepare(decoded, shape)[None])

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vector, (dim,), of a batch of one image."""
        try:
            result = self._session.run([self._output], {self._input: batch})[0]
        except Exception as error:
            raise EncoderError(
                "The image encoder's model failed.", "Name another ONNX file in the settings."
            ) from error
        vector = np.asarray(result, dtype=np.float32)
        if vector.ndim != 2 or len(vector) != 1 or not np.isfinite(vector).all():
            raise EncoderError(
                "The output of the image encoder's model is not valid.", "Name another ONNX file in the settings."
            )
        return np.asarray(vector[0])

    @cached_property
    def _classifier(self) -> NDArray[Any]:
        try:
            with one_literal:
                return np.asarray(np.load(self._classifier_file, allow_pickle=False), dtype=np.float32)
        except (OSError, ValueError) as error:
            raise EncoderError(
                f"{self._classifier_file} cannot be read.", "Delete its folder; it will be built again."
            ) from error

    def class_probabilities(self, vectors: Vectors) -> NDArray[np.float32]:
        """Probabilities of the 1000 ImageNet classes (in the order of their WordNet ids), (n, 1000), of raw vectors.

        Raises:
            EncoderError: a custom model, which has no classifier.
        """
        if self._variant is None:
            raise EncoderError("This image encoder has no classifier.", "Use lite2 or lite0, or switch ConSE off.")
        return class_probabilities(vectors, self._variant, self._classifier)


def encode_all(
    encoder: ImageEncoder, images: Sequence[Image], progress: Progress | None = None
) -> tuple[Vectors, list[Fault]]:
    """Vectors of images, and the errors of those that cannot be encoded (whose vectors are 0).

    Raises:
        EncoderError: the encoder does not answer.
    """
    report = progress or silent
    vectors = np.zeros((len(images), encoder.dim), dtype=np.float32)
    faults: list[Fault] = []

    def fill(start: int, stop: int) -> None:
        try:
            vectors[start:stop] = encoder.encode(images[start:stop])
        except InvalidInputError as error:
            if stop - start == 1:
                faults.append(Fault(start, error))
                return
            middle = (start + stop) // 2
            fill(start, middle)
            fill(middle, stop)

    for start in range(0, len(images), _CHUNK):
        fill(start, min(start + _CHUNK, len(images)))
        report("Encoding images", min(start + _CHUNK, len(images)) / len(images))
    return vectors, faults


def _shape(session: onnxruntime.InferenceSession, path: Path) -> tuple[str, Shape]:
    """Name and shape of the model's input."""
    hint = "Name an ONNX file with one input of float32, (n, 3, height, width)."
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise EncoderError(f"{path} is not a model of images.", hint)
    _, channels, height, width = inputs[0].shape
    if channels != 3 or not all(isinstance(side, int) and 0 < side <= 4096 for side in (height, width)):
        raise EncoderError(f"{path} does not take RGB images of a fixed size.", hint)
    metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
    try:
        mean, deviation = (
            tuple(float(value) for value in metadata[key].split(",")) if key in metadata else default
            for key, default in zip(("image_mean", "image_std"), _IMAGENET, strict=True)
        )
        (r, g, b), (dr, dg, db) = mean, deviation
        if not np.isfinite([r, g, b, dr, dg, db]).all() or min(dr, dg, db) <= 0:
            raise ValueError("not a scale")
    except ValueError as error:
        raise EncoderError(f"The mean and deviation in the metadata of {path} are not valid.", hint) from error
    return inputs[0].name, Shape(width, height, (r, g, b), (dr, dg, db))
