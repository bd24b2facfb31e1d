"""PROVISIONAL, by the lead: the text engineer replaces this whole file."""

from __future__ import annotations

from matinee.encoders.base import TextEncoder
from matinee.errors import EncoderError
from matinee.progress import Progress
from matinee.settings import Settings


def load_text_encoder(settings: Settings, progress: Progress | None = None) -> TextEncoder:
    """Not there yet."""
    raise EncoderError("The text encoder is not written yet.", "Wait for it.")
