"""The lettering of a picture as text: RapidOCR, whose networks come with its package (PP-OCR, Apache 2.0)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matinee._util.extras import need
from matinee.encoders.base import Image
from matinee.encoders.decode import decode
from matinee.errors import InvalidInputError, MissingExtraError
from matinee.settings import Settings

if TYPE_CHECKING:
    from rapidocr import RapidOCR

EXTRA, PACKAGE = "ocr", "rapidocr"
SIDE = 736
"""Longest side of what is read, in pixels: larger pictures are reduced, which bounds the time of a picture."""
MAX_LINES = 24
"""Lines kept, the tallest ones: a title is not in the small print."""
CONFIDENT = 0.8
"""Least confidence (0..1) of a line: shapes of a picture that are read as letters have less."""
WAIT = 2.0
"""Seconds to wait for another picture that is being read."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of lettering.

    Attributes:
        text: as read.
        height: of its letters, as a share of the picture's height.
    """

    text: str
    height: float


class TitleReader:
    """Reads pictures, one at a time, with one thread; the networks are loaded at the first one.

    Args:
        settings: limits of bytes (`max_body`) and pixels (`max_pixels`) of an image.

    Raises:
        MissingExtraError: RapidOCR is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        need(PACKAGE, "Reading titles off pictures", EXTRA)
        need("onnxruntime", "Reading titles off pictures", EXTRA)
        self._limits = {"max_bytes": settings.max_body, "max_pixels": settings.max_pixels}
        self._lock = threading.Lock()
        self._networks: RapidOCR | None = None

    def read(self, image: Image) -> tuple[Line, ...] | None:
        """Lines of lettering, from top to bottom; None where another picture took too long.

        Raises:
            InvalidInputError, TooLargeError, MediaTypeError: as `encoders.decode.decode`.
        """
        picture = decode(image, **self._limits, at_least=(SIDE, SIDE)).convert("RGB")
        picture.thumbnail((SIDE, SIDE))
        if min(picture.size) < 8:
            raise InvalidInputError("The picture is too narrow to be read.", "Send another one.")
        pixels = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
        if not self._lock.acquire(timeout=WAIT):
            return None
        try:
            found = self._opened()(pixels)
        finally:
            self._lock.release()
        if found.boxes is None or found.txts is None or found.scores is None:
            return ()
        lines = []
        for box, text, confidence in zip(found.boxes, found.txts, found.scores, strict=True):
            if confidence < CONFIDENT:
                continue
            corners = np.asarray(box, dtype=np.float64)
            height = float(np.linalg.norm(corners[3] - corners[0])) / picture.height
            lines.append((float(corners[:, 1].mean()), Line(str(text), height)))
        tallest = sorted(lines, key=lambda placed: -placed[1].height)[:MAX_LINES]
        return tuple(line for _, line in sorted(tallest, key=lambda placed: placed[0]))

    def _opened(self) -> RapidOCR:
        if self._networks is None:
            import cv2
            from rapidocr import RapidOCR

            cv2.setNumThreads(1)
            self._networks = RapidOCR(
                params={
                    "Global.log_level": "critical",
                    "Global.use_cls": False,  # lettering upside down is not read
                    "Global.max_side_len": SIDE,
                    "Det.limit_type": "max",  # pictures are not enlarged
                    "Det.limit_side_len": SIDE,
                    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                }
            )
        return self._networks


def title_reader(settings: Settings) -> TitleReader | None:
    """The reader that `settings.ocr` asks for; None where it is off, or not installed and not demanded.

    Raises:
        MissingExtraError: it is demanded ("on") and not installed.
    """
    if settings.ocr == "off":
        return None
    try:
        return TitleReader(settings)
    except MissingExtraError:
        if settings.ocr == "on":
            raise
        return None
