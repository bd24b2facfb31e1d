"""The core service's application."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from matinee.api.classic import favorites, titles
from matinee.api.classic import recommendations as classic_recommendations
from matinee.api.documentation import add_documentation
from matinee.api.routes import (
    common,
    explanations,
    explore,
    movies,
    operations,
    poster_search,
    posters,
    recommendations,
    users,
)
from matinee.api.service import Service
from matinee.engine import Engine
from matinee.errors import MatineeError
from matinee.settings import Settings

log = logging.getLogger("matinee.api")

DESCRIPTION = """
Films for stored and for unknown people, similar films, search, the catalogue, ratings that count at once.

* Ids are strings; numbers are accepted in bodies.
* Errors are problem documents (RFC 9457) with a sentence that says what to do.
* Lists are ordered best first; nothing that a user has rated is recommended to them.
* Unknown query parameters are ignored, unknown fields in bodies are refused.
* The classic routes are served here and under `/classic`.
"""


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    assert isinstance(app, Service)
    try:
        await run_in_threadpool(app.open_engine)
    except MatineeError as error:
        log.warning("Not ready: %s The service starts all the same and looks again at each request.", error)
    # The catalogue is hundreds of thousands of objects that live as long as the process: walking through them in
    # search of rubbish would hold up requests by a tenth of a second each time.
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    await run_in_threadpool(app.close_engine)


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> FastAPI:
    """The core service as an ASGI application.

    Args:
        settings: default: from the environment.
        engine: an open engine, which stays open; default: the current snapshot and store of the settings, opened
            at the start. Where there is none, the service answers 503 until there is one.
    """
    app = Service(
        settings or Settings(),
        engine,
        title="Matinee",
        description=DESCRIPTION,
        lifespan=_lifespan,
    )
    classic = (classic_recommendations, favorites, titles)
    own = (recommendations, users, explanations, movies, explore, posters, poster_search, operations, common)
    for module in (*own, *classic):
        app.include_router(module.router)
    for module in classic:
        app.include_router(module.router, prefix="/classic", include_in_schema=False)
    app.include_router(titles.router, prefix="/classic/titles", include_in_schema=False)
    add_documentation(app)
    return app
