"""The encoders of the service: loaded in the background, tried again where they cannot be had."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from matinee.encoders.base import ImageEncoder, TextEncoder
from matinee.errors import EncoderError, MatineeError

log = logging.getLogger("matinee.api")
RETRY = 30.0
"""Seconds between two attempts to load an encoder."""
E = TypeVar("E", bound=TextEncoder | ImageEncoder)


class Loading(Generic[E]):
    """An encoder that is being loaded, is there, or cannot be had.

    Args:
        what: "text" or "image", for messages.
        load: loads it; it may fetch weights, which takes minutes.
        off: the settings want none.
        encoder: it is there already.
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
        """Whether it can encode, or is not wanted."""
        return self.off or self._encoder is not None

    def get(self) -> E:
        """The encoder.

        Raises:
            EncoderError: it is not there (yet).
        """
        if self._encoder is None:
            assert self.problem is not None
            raise EncoderError(self.problem.message, self.problem.hint)
        return self._encoder

    def describe(self) -> dict[str, Any]:
        """What it is, as JSON has it."""
        encoder = self._encoder
        return {
            "kind": self.what,
            "id": None if encoder is None else encoder.id,
            "dim": None if encoder is None else encoder.dim,
            "problem": None if self.problem is None else str(self.problem),
        }

    async def keep_loading(self) -> None:
        """Load it, however often that needs to be tried."""
        while not self.ready:
            try:
                self._encoder, self.problem = await run_in_threadpool(self._load), None
            except MatineeError as error:
                self.problem = error
                log.warning("The %s encoder cannot be loaded: %s It is tried again.", self.what, error)
                await asyncio.sleep(RETRY)
            except Exception as error:  # a fault of ours: the service goes on with what it has
                self.problem = EncoderError(f"The {self.what} encoder cannot be loaded.", "Look into the log.")
                log.exception("The %s encoder cannot be loaded.", self.what, exc_info=error)
                return
