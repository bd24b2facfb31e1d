"""The recommender service's application."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from matinee.api.application import Api, Application, opened
from matinee.api.errors import problems
from matinee.api.recommender import routes
from matinee.api.recommender.service import RecommenderService, service_of
from matinee.api.render import reply
from matinee.api.routes import common
from matinee.api.schemas.answers import ReadyOut
from matinee.engine import Engine
from matinee.settings import Settings

router = APIRouter(tags=["operation"])
GREETING = "Hello from Recommender"

DESCRIPTION = """
Scores of films for histories.

* `POST /recommend` is the classic form: vectors and ratings in, ids by predicted rating out. It needs no snapshot.
* The routes under `/v1` score with the models of the current snapshot, for the core service
  (`MATINEE_RECOMMENDER_URL`). They follow a promotion, and films added since training, without a restart.
* Errors are problem documents (RFC 9457) with a sentence that says what to do; 503 comes with `Retry-After`.
"""


@router.get("/", include_in_schema=False)
async def greeting() -> Response:
    """The classic greeting (docs/classic.md, B5)."""
    return reply(GREETING)


@router.get("/ready", response_model=ReadyOut, responses=problems(503), summary="Ready?")
async def ready(request: Request) -> Response:
    """A snapshot is open and the store answers; else 503 with what is missing."""
    service = service_of(request)

    def look() -> Response:
        engine = service.open_engine()
        engine.check()
        return reply({"status": "ready", "snapshot": engine.snapshot_id, "warnings": engine.warnings})

    return await run_in_threadpool(look)


def create_recommender_app(settings: Settings | None = None, engine: Engine | None = None) -> Application:
    """The recommender service as an ASGI application.

    Args:
        settings: default: from the environment.
        engine: an open engine, which stays open; default: the current snapshot and store of the settings.
    """
    service = RecommenderService(settings or Settings(), engine)
    routers = (routes.router, routes.scoring, router, common.router)
    return Application(
        Api(
            service,
            routers,
            classic=("/recommend",),
            title="Matinee recommender",
            description=DESCRIPTION,
            lifespan=lambda _: opened(service, service.open_engine, service.close_engine),
        )
    )
