"""PROVISIONAL, by the lead: the text engineer replaces this whole file."""

from __future__ import annotations

from typing import Any

from matinee.errors import EncoderError
from matinee.settings import Settings


def class_names(settings: Settings, progress: Any = None) -> list[str]:
    """Not there yet."""
    raise EncoderError("ConSE is not written yet.", "Wait for it.")


def conse_vectors(probabilities: Any, class_vectors: Any, top: int = 10) -> Any:
    """Not there yet."""
    raise EncoderError("ConSE is not written yet.", "Wait for it.")
