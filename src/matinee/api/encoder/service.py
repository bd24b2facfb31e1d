"""The application class of the encoder service."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from matinee.api.application import BaseService
from matinee.api.encoder.loading import Loading
from matinee.api.work_queue import Workshop
from matinee.encoders.base import ImageEncoder, TextEncoder
from matinee.settings import Settings

SPARE = 64 << 10
"""Bytes of a body besides the images in it."""


class EncoderService(BaseService):
    """The encoder service.

    Args:
        settings: limits and the number of worker processes.
        text, image: the encoders.
    """

    def __init__(
        self, settings: Settings, text: Loading[TextEncoder], image: Loading[ImageEncoder], **options: Any
    ) -> None:
        self.text, self.image = text, image
        super().__init__(settings, **options)
        # An image of the largest size fits into a form.
        self.most_body = settings.max_body + SPARE
        self.workshop = Workshop(settings.workers, self.most_body)


def service_of(request: Request) -> EncoderService:
    """The application that answers this request."""
    service = request.app
    assert isinstance(service, EncoderService)
    return service
