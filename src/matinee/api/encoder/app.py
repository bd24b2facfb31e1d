"""The encoder service's application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from matinee.api.application import Api, Application
from matinee.api.encoder import routes
from matinee.api.encoder.bodies import EncoderReadyOut
from matinee.api.encoder.loading import Loading
from matinee.api.encoder.service import EncoderService, service_of
from matinee.api.errors import problems
from matinee.api.render import reply
from matinee.api.routes import common
from matinee.encoders.base import ImageEncoder, TextEncoder
from matinee.errors import EncoderError
from matinee.settings import Settings

router = APIRouter(tags=["operation"])
GREETING = "Hello from Embedding Generator"

DESCRIPTION = """
Texts and images as unit vectors.

* Vectors of two encoders must never be compared: keep the `encoder` of an answer beside its vectors.
* What an image's vector is here is raw; the vector service projects it into its space.
* Errors are problem documents (RFC 9457) with a sentence that says what to do; 503 comes with `Retry-After`.
"""


@router.get("/", include_in_schema=False)
async def greeting() -> Response:
    """The classic greeting (docs/classic.md, B5)."""
    return reply(GREETING)


@router.get("/ready", response_model=EncoderReadyOut, responses=problems(503), summary="Ready?")
async def ready(request: Request) -> Response:
    """The encoders that the settings name are loaded; else 503 with what is missing."""
    service = service_of(request)
    missing = [str(one.problem) for one in (service.text, service.image) if not one.ready]
    if missing:
        raise EncoderError(" ".join(missing))
    return reply({"status": "ready"})


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    assert isinstance(app, Api)
    service = app.service
    assert isinstance(service, EncoderService)
    # Loading may fetch weights first: meanwhile the service answers that it is not ready.
    tasks = [asyncio.create_task(one.keep_loading()) for one in (service.text, service.image)]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    service.work_queue.close()


def _load_text(settings: Settings) -> TextEncoder:
    from matinee.encoders.text import load_text_encoder

    return load_text_encoder(settings)


def _load_image(settings: Settings) -> ImageEncoder:
    from matinee.encoders.image import load_image_encoder

    return load_image_encoder(settings)


def create_encoder_app(
    settings: Settings | None = None, text: TextEncoder | None = None, image: ImageEncoder | None = None
) -> Application:
    """The encoder service as an ASGI application; it loads its encoders once it is started.

    Args:
        settings: default: from the environment.
        text, image: encoders that are there already.
    """
    settings = settings or Settings()
    service = EncoderService(
        settings,
        Loading("text", lambda: _load_text(settings), settings.text_encoder == "off", text),
        Loading("image", lambda: _load_image(settings), settings.image_encoder == "off", image),
    )
    routers = (routes.router, router, common.router)
    return Application(
        Api(
            service,
            routers,
            classic=("/generate",),
            title="Matinee encoders",
            description=DESCRIPTION,
            lifespan=_lifespan,
        )
    )
