"""The vector service's application."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from matinee.api.application import Api, Application, opened
from matinee.api.errors import problems
from matinee.api.render import reply
from matinee.api.routes import common
from matinee.api.vectors import items, search
from matinee.api.vectors.bodies import SpacesOut, VectorsReadyOut
from matinee.api.vectors.service import VectorService, service_of
from matinee.api.vectors.sources import FixedSpaces, SpaceSource
from matinee.api.vectors.space import Film, ServedSpace
from matinee.indexes.base import VectorIndex
from matinee.settings import Settings

router = APIRouter(tags=["operation"])

DESCRIPTION = """
Films by vectors: send a vector, get the nearest items of a space (by default: posters), nearest first.

* An item is a number: the row of its film in the catalog of the snapshot in service. It means another film in another
  snapshot; send `snapshot` along where you keep numbers.
* Vectors may have any length but zero. Those of the encoder (`raw_dim` values) are projected into the space here.
* Errors are problem documents (RFC 9457) with a sentence that says what to do.
* What is added or deleted here lasts until the next snapshot or restart, and needs a service of one worker.
"""


@router.get("/", include_in_schema=False)
async def greeting(request: Request) -> Response:
    """What this is."""
    version = request.app.version
    return reply({"service": "matinee-vectors", "version": version, "docs": "/docs", "openapi": "/openapi.json"})


@router.get("/ready", response_model=VectorsReadyOut, responses=problems(503), summary="Ready?")
async def ready(request: Request) -> Response:
    """The spaces are open; else 503 with what is missing."""
    service = service_of(request)
    opened = await service.opened()
    return reply({"status": "ready", "snapshot": opened.snapshot or None, "warnings": service.source.warnings()})


@router.get("/spaces", response_model=SpacesOut, responses=problems(503), summary="Spaces in service")
async def spaces(request: Request) -> Response:
    """Each space with the size and the encoder of its vectors; the first is the one meant where none is named."""
    opened = await service_of(request).opened()
    return reply({"items": [served.describe() for served in opened.spaces.values()]})


def create_vectors_app(
    settings: Settings | None = None,
    index: VectorIndex | None = None,
    films: Mapping[int, Film] | None = None,
    served: Mapping[str, ServedSpace] | None = None,
) -> Application:
    """The vector service as an ASGI application.

    Args:
        settings: default: from the environment.
        index: served as it is, under the name `settings.vectors_space`; default: the current snapshot's spaces.
        films: the films of its items.
        served: spaces by name, served as they are; instead of `index`.
    """
    settings = settings or Settings()
    if index is not None:
        name = settings.vectors_space.partition(",")[0]
        served = {name: ServedSpace(name, index, (films or {}).get)}
    source: SpaceSource
    if served is not None:
        source = FixedSpaces(served)
    else:
        from matinee.api.vectors.snapshot_spaces import Snapshots

        source = Snapshots(settings)
    routers = (search.router, items.router, router, common.router)
    service = VectorService(settings, source)
    return Application(
        Api(
            service,
            routers,
            classic=("/reco",),
            title="Matinee vectors",
            description=DESCRIPTION,
            lifespan=lambda _: opened(service, service.source.open, service.source.close),
        )
    )
