"""The protocols of encoders: texts or images in, unit vectors out.

Local encoders (`matinee.encoders`) and those behind HTTP (`matinee.remote`) pass the same test suite
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
        id: identifies weights and preprocessing; vectors of different ids must never be compared.
        dim: number of values in a vector.
    """

    @property
    def id(self) -> str:
        """Identifies weights and preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Number of values in a vector."""
        ...

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit vectors of texts, in order. A text's vector does not depend on the rest of the batch.

        Long texts are truncated at the model's limit. An empty list gives (0, dim).

        Raises:
            InvalidInputError: an empty or blank text; the message gives its position.
            EncoderError: the encoder is not available or does not answer.
        """
        ...


class ImageEncoder(Protocol):
    """Images → float32 unit vectors, (n, dim). Thread-safe; attributes as in `TextEncoder`.

    These are raw vectors. A snapshot stores and searches their projection (`encoders.projection`).
    """

    @property
    def id(self) -> str:
        """Identifies weights and preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Number of values in a vector."""
        ...

    def encode(self, images: Sequence[Image], progress: Progress | None = None) -> Vectors:
        """Unit vectors of images, in order.

        Raises:
            TooLargeError: more bytes or pixels than allowed (413); raised before decoding.
            MediaTypeError: not an image of a supported format (415).
            InvalidInputError: a damaged, empty or truncated image (422).
            EncoderError: the encoder is not available or does not answer.
        """
        ...
