"""The core service's application."""

from __future__ import annotations

from fastapi.routing import APIRoute

from matinee.api.application import Api, Application, opened
from matinee.api.classic import favorites, titles
from matinee.api.classic import recommendations as classic_recommendations
from matinee.api.fast_path import CoreApplication
from matinee.api.routes import (
    common,
    experiments,
    explanations,
    explore,
    history_import,
    imports,
    movies,
    operations,
    poster_search,
    posters,
    recommendations,
    runs,
    states,
    users,
)
from matinee.api.service import CoreService
from matinee.engine import Engine
from matinee.settings import Settings

TITLES = "/classic/titles"
"""Prefix of the classic title search, for clients that know its `/` too."""

DESCRIPTION = """
Films for stored and for unknown people, similar films, search, the catalog, ratings that count at once.

* Ids are strings; numbers are accepted in bodies.
* Errors are problem documents (RFC 9457) with a sentence that says what to do.
* Lists are ordered best first; nothing that a user has rated, seen or is not interested in is recommended to them.
* Unknown query parameters and unknown fields in bodies are refused; classic routes ignore unknown parameters.
* The classic routes are served here and under `/classic`.
"""


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> Application:
    """The core service as an ASGI application.

    Args:
        settings: default: from the environment.
        engine: an open engine, which stays open; default: the current snapshot and store of the settings, opened
            at the start. Where there is none, the service answers 503 until there is one.
    """
    service = CoreService(settings or Settings(), engine)
    classic = (classic_recommendations.router, favorites.router, titles.router)
    own = (
        recommendations,
        users,
        states,
        imports,
        history_import,
        explanations,
        movies,
        explore,
        posters,
        poster_search,
        operations,
        runs,
        experiments,
        common,
    )
    api = Api(
        service,
        [*(module.router for module in own), *classic],
        unlisted="/|/classic/?|/classic/titles/?",
        classic=[
            prefix + route.path
            for router, prefixes in (*((router, ("", "/classic")) for router in classic), (titles.router, (TITLES,)))
            for route in router.routes
            if isinstance(route, APIRoute)
            for prefix in prefixes
        ],
        title="Matinee",
        description=DESCRIPTION,
        lifespan=lambda _: opened(service, service.open_engine, service.close_engine),
    )
    for router in classic:
        api.include_router(router, prefix="/classic", include_in_schema=False)
    api.include_router(titles.router, prefix=TITLES, include_in_schema=False)
    return CoreApplication(api, service)
