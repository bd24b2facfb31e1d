"""The encoders of the service: loaded in the background, again after a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from matinee.api.encoder.bodies import EncoderState
from matinee.encoders.base import ImageEncoder, TextEncoder
from matinee.errors import EncoderError, MatineeError

log = logging.getLogger("matinee.api")
RETRY = 30.0
"""Seconds between two attempts to load an encoder."""
E = TypeVar("E", bound=TextEncoder | ImageEncoder)


class Loading(Generic[E]):
    """An encoder that is being loaded, is loaded, or could not be.

    Args:
        what: "text" or "image", for messages.
        load: loads it; it may fetch weights, which takes minutes.
        off: it is switched off by the settings.
        encoder: an encoder that is loaded already.
    """

    def __init__(self, what: str, load: Callable[[], E], off: bool = False, encoder: E | None = None) -> None:
        self.what, self.off = what, off
        self._load = load
        self._encoder = encoder
        self.problem: MatineeError | None = EncoderError(
            f"The {what} encoder is being loaded.", "Try again in a moment; /ready says when."
        )
        if encoder is not None:
            self.problem = None
        elif off:
            setting = f"MATINEE_{what.upper()}_ENCODER"
            self.problem = EncoderError(
                f"The {what} encoder is switched off here.", f"Start the service with {setting}."
            )

    @property
    def ready(self) -> bool:
        """Whether it can encode, or is switched off."""
        return self.off or self._encoder is not None

    def get(self) -> E:
        """The encoder.

        Raises:
            EncoderError: it is not loaded (yet).
        """
        if self._encoder is None:
            assert self.problem is not None
            raise EncoderError(self.problem.message, self.problem.hint)
        return self._encoder

    def describe(self) -> EncoderState:
        """Its record in answers."""
        encoder = self._encoder
        return {
            "kind": self.what,
            "id": None if encoder is None else encoder.id,
            "dim": None if encoder is None else encoder.dim,
            "problem": None if self.problem is None else str(self.problem),
        }

    async def keep_loading(self) -> None:
        """Load it, with attempts until it is loaded."""
        while not self.ready:
            try:
                self._encoder, self.problem = await run_in_threadpool(self._load), None
            except MatineeError as error:
                self.problem = error
                log.warning("The %s encoder cannot be loaded: %s It is tried again.", self.what, error)
                await asyncio.sleep(RETRY)
            except Exception as error:  # a bug: the service goes on without this encoder
                self.problem = EncoderError(f"The {self.what} encoder cannot be loaded.", "Look into the log.")
                log.exception("The %s encoder cannot be loaded.", self.what, exc_info=error)
                return
