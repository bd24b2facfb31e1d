"""The contract of every encoder: texts or images in, unit vectors out.

Encoders in this process (`matinee.encoders`) and those behind HTTP (`matinee.remote`) pass the same suite
(`tests/contracts/test_encoders.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matinee._util.progress import Progress

Vectors = NDArray[np.float32]

Image = bytes | Path
"""An encoded image (JPEG, PNG, WebP, AVIF), in memory or in a file."""


class TextEncoder(Protocol):
    """Texts → float32 unit vectors, (n, dim). Thread-safe.

    Attributes:
        id: names the weights and the preprocessing; vectors of different ids must never be compared.
        dim: values in a vector.
    """

    @property
    def id(self) -> str:
        """Names the weights and the preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Values in a vector."""
        ...

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit vectors of texts, in order; the result does not depend on what else is in the batch.

        Long texts are cut where the model ends. An empty list gives (0, dim).

        Raises:
            InvalidInputError: an empty or blank text, naming its place.
            EncoderError: the encoder cannot be had or does not answer.
        """
        ...


class ImageEncoder(Protocol):
    """Images → float32 unit vectors, (n, dim). Thread-safe; attributes as in `TextEncoder`.

    Raw vectors: what a snapshot stores and searches is their projection (`encoders.projection`).
    """

    @property
    def id(self) -> str:
        """Names the weights and the preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Values in a vector."""
        ...

    def encode(self, images: Sequence[Image], progress: Progress | None = None) -> Vectors:
        """Unit vectors of images, in order.

        Raises:
            TooLargeError: more bytes or pixels than the limits (413), before anything is decoded.
            MediaTypeError: not an image of a kind that is read (415).
            InvalidInputError: an image that is broken, empty or cut short (422).
            EncoderError: the encoder cannot be had or does not answer.
        """
        ...
