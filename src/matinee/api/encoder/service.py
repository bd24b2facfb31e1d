"""The application class of the encoder service."""

from __future__ import annotations

from fastapi import Request

from matinee.api import application
from matinee.api.encoder.loading import Loading
from matinee.api.work_queue import WorkQueue
from matinee.encoders.base import ImageEncoder, TextEncoder
from matinee.settings import Settings

SPARE = 64 << 10
"""Bytes of a body besides the images in it."""


class EncoderService(application.Service):
    """The encoder service.

    Args:
        settings: limits and the number of worker processes.
        text, image: the encoders.
    """

    name = "matinee-encoder"

    def __init__(self, settings: Settings, text: Loading[TextEncoder], image: Loading[ImageEncoder]) -> None:
        super().__init__(settings)
        self.text, self.image = text, image
        # An image of the largest size fits into a form.
        self.max_body = settings.max_body + SPARE
        self.work_queue = WorkQueue(settings.workers)


def service_of(request: Request) -> EncoderService:
    """The encoder service, which answers this request."""
    service = application.service_of(request)
    assert isinstance(service, EncoderService)
    return service
