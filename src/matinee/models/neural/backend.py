"""The packages that training needs, imported when a network is fitted and never when one answers."""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType
from typing import Any

from matinee._util.extras import need
from matinee.errors import MatineeError

_EXTRA = "neural"


def import_jax(what: str) -> ModuleType:
    """JAX.

    Args:
        what: what needs it: "Training RecVAE".

    Raises:
        MissingExtraError: it is not installed.
    """
    need("jax", what, _EXTRA)
    import jax

    return jax


def import_keras(what: str) -> ModuleType:
    """Keras 3 with JAX as its backend.

    Raises:
        MissingExtraError: Keras or JAX is not installed.
        MatineeError: this process runs Keras on another backend already.
    """
    import_jax(what)
    need("keras", what, _EXTRA)
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    backend = keras.config.backend()
    if backend != "jax":
        raise MatineeError(
            f"{what} needs Keras on JAX, and this process runs it on {backend}.",
            "Set KERAS_BACKEND=jax before Keras is imported.",
        )
    module: ModuleType = keras
    return module


@cache
def padded(size: int, step: int) -> int:
    """The next multiple of `step`: arrays of like sizes share one compiled program."""
    return max(-(-size // step), 1) * step


def to_numpy(tree: Any) -> Any:
    """Arrays of JAX, in lists and dictionaries, as float32 arrays of NumPy that own their memory."""
    import jax
    import numpy as np

    return jax.tree.map(lambda leaf: np.array(leaf, dtype=np.float32), tree)
