"""Interactive documentation that loads nothing from outside."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse

ASSETS = "/static-docs"
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'"
)
"""The browser itself refuses whatever these pages might try to load from elsewhere (Redoc's logo does)."""


def add_documentation(app: FastAPI) -> None:
    """Serve `/docs` and `/redoc` with the assets of the package fastapi-offline."""
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="static-docs")

    def page(html: HTMLResponse) -> HTMLResponse:
        html.headers["content-security-policy"] = POLICY
        return html

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return page(
            get_swagger_ui_html(
                openapi_url="openapi.json",
                title=app.title,
                swagger_js_url=f"{ASSETS[1:]}/swagger-ui-bundle.js",
                swagger_css_url=f"{ASSETS[1:]}/swagger-ui.css",
                swagger_favicon_url=f"{ASSETS[1:]}/favicon.png",
                swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
            )
        )

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        return page(
            get_redoc_html(
                openapi_url="openapi.json",
                title=app.title,
                redoc_js_url=f"{ASSETS[1:]}/redoc.standalone.js",
                redoc_favicon_url=f"{ASSETS[1:]}/favicon.png",
                with_google_fonts=False,
            )
        )
