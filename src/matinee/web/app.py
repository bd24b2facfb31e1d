"""The ASGI application of the web app: posters proxied from the core, assets, and Gradio at `/`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from matinee._util.security_headers import SecurityHeaders, security_headers
from matinee._util.trusted_hosts import TrustedHosts
from matinee.access.sign_in import SharedPassword, session_key
from matinee.client import calls, core_url
from matinee.errors import ServiceError
from matinee.settings import Settings
from matinee.web.blocks import build_blocks
from matinee.web.core import AWAY, Core
from matinee.web.guard import MAX_FILE, Guard
from matinee.web.maps import MapFiles
from matinee.web.page_head import PageHead
from matinee.web.request_ids import RequestIds
from matinee.web.sessions import Sessions
from matinee.web.sign_in import RequireSession, routes
from matinee.web.theme import theme
from matinee.web.uploads import UploadQuota
from matinee.web.visitor import visitor_routes

ASSETS = Path(__file__).parent / "assets"
HEAD = """<meta name="color-scheme" content="light dark">
<script>
window.matinee = { args: {} };
// If the app was stopped or started while this page loaded, a part is missing: reload it once the app answers.
matinee.again = async () => {
  const times = Number(history.state?.again ?? 0);
  if (matinee.coming || times >= 3) return;
  matinee.coming = true;
  const isUp = () => fetch("health").then((answer) => answer.ok, () => false);
  while (!(await isUp())) await new Promise((go) => setTimeout(go, 1500));
  history.replaceState({ again: times + 1 }, "");
  location.reload();
};
</script>
<script type="module" src="matinee/matinee.js" onerror="matinee.again()"></script>"""
SIGNED_IN = "\n<script>window.matinee.signedIn = true;</script>"
PROXIED_HEADERS = (
    "content-type",
    "cache-control",
    "etag",
    "last-modified",
    "x-matinee-poster",
    "content-security-policy",
)
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "manifest-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; frame-ancestors "
)
"""Content policy of the app, without who may frame it. Gradio writes its configuration into scripts of the page, and
makes functions of texts (`js=`); nothing is loaded from, or sent to, another site."""
MAX_ID = 300
"""Maximum length of an id or a name in a path."""


class _Assets(StaticFiles):
    """Static files that browsers revalidate every time (304 if unchanged), so that upgrades take effect immediately."""

    def file_response(self, *args: object, **options: object) -> Response:
        response = super().file_response(*args, **options)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


class _CompressedPage(GZipMiddleware):
    """Compresses the page at `/` to a tenth. Everything else is compressed already, or is a picture or a stream."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and scope["path"] == "/"
        await (super().__call__ if page else self.app)(scope, receive, send)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The web app over the core service of the settings (`core_url`)."""
    settings = settings or Settings()
    core = Core(core_url(settings))
    map_files = MapFiles(core)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await core.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(PageHead, core=core, root=settings.web_root)
    app.add_middleware(_CompressedPage)
    app.add_middleware(UploadQuota, limit=settings.uploads_limit)
    if settings.web_password:
        sessions = Sessions(session_key(settings), settings.session_lifetime, settings.web_root)
        app.include_router(routes(SharedPassword(settings.web_password), sessions, settings.web_root))
        app.add_middleware(RequireSession, sessions=sessions, root=settings.web_root)
    app.add_middleware(Guard, trusted=TrustedHosts(settings.host, settings.hosts, settings.origins))
    policy = POLICY + (settings.framed_by or "'none'")
    headers = security_headers(policy, framed_by=settings.framed_by, page=True)
    app.add_middleware(SecurityHeaders, headers=headers)
    app.add_middleware(RequestIds)
    app.include_router(visitor_routes(core))
    app.mount("/matinee", _Assets(directory=ASSETS), name="matinee")  # /assets is Gradio's own

    @app.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/plotly.min.js")
    async def plot_script(request: Request) -> Response:
        """The script that draws the map."""
        return await map_files.plot_script(request)

    @app.get("/media/posters/{movie_id:path}")
    async def poster(request: Request, movie_id: str, size: str = "") -> Response:
        """A movie's picture from the core; 304 if the browser has it."""
        try:
            answer = await core.response(calls.poster(movie_id[:MAX_ID], small=size == "small"))
        except ServiceError:
            return Response(AWAY, 503, media_type="text/plain")
        headers = {name: answer.headers[name] for name in PROXIED_HEADERS if name in answer.headers}
        if answer.status_code == 200 and headers.get("etag") == request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(answer.content, answer.status_code, headers)

    @app.get("/media/map/{space}")
    async def film_map(request: Request, space: str) -> Response:
        """Map coordinates of all movies of a space."""
        return await map_files.coordinates(request, space[:MAX_ID])

    gr.mount_gradio_app(
        app,
        build_blocks(core),
        path="/",
        root_path=settings.web_root or None,
        theme=theme(),
        css_paths=sorted(ASSETS.glob("*.css")),
        head=HEAD + (SIGNED_IN if settings.web_password else ""),
        favicon_path=ASSETS / "icon.svg",
        footer_links=["api"],
        run_history=False,
        max_file_size=MAX_FILE,
        show_error=False,
    )
    return app
