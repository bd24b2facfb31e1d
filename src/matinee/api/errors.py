"""Problem documents (RFC 9457) for every error, and the status of every `MatineeError`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from matinee._util.request_context import current
from matinee.api.request_bodies import is_json
from matinee.api.schemas.examples import example
from matinee.data.ids import ENCODED_SLASH
from matinee.errors import (
    ConflictError,
    EncoderError,
    FilterError,
    InvalidInputError,
    KeyFileError,
    MatineeError,
    MediaTypeError,
    NotFoundError,
    OverloadedError,
    RunError,
    ServiceError,
    SnapshotError,
    StoreError,
    TooLargeError,
)
from matinee.settings import Settings

log = logging.getLogger("matinee.api")
MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[Exception], int] = {
    FilterError: 400,
    NotFoundError: 404,
    ConflictError: 409,
    TooLargeError: 413,
    MediaTypeError: 415,
    InvalidInputError: 422,
    EncoderError: 503,
    KeyFileError: 503,
    OverloadedError: 503,
    RunError: 503,
    ServiceError: 503,
    SnapshotError: 503,
    StoreError: 503,
    MatineeError: 500,
}
"""Status by error class; the nearest base class counts."""

ADVICE = {
    400: "The request could not be read; compare it with /docs.",
    401: "An API key is needed; send it as Authorization: Bearer KEY, see `matinee keys create`.",
    403: "This request is not allowed with this key, or from where it comes.",
    404: "Nothing is served at this path; /docs lists what is.",
    405: "This path does not answer this method; use one of those in the Allow header.",
    408: "The body did not arrive in time; send it again.",
    409: "The request contradicts an earlier one; change one of the two.",
    413: "The body is too large; send it in smaller parts.",
    415: "The body has a media type that this path does not read; send application/json.",
    421: "The service does not have this name; use its address, or add the name to MATINEE_HOSTS.",
    422: "The request has values that cannot be accepted; compare it with /docs.",
    429: "There were too many requests; wait as long as Retry-After says.",
    500: "The server failed; try again, and if it fails again, look into its log.",
    503: "The service cannot answer now; try again in a moment, /ready says when.",
}
MAX_ERRORS = 50
NOT_MEDIA = ("missing", "value_error", "too_many")
"""Errors of a whole body that its media type does not explain."""
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Names that RFC 9110 changed; those of Python depend on its version."""


def title(status: int) -> str:
    """The name of a status."""
    return TITLES.get(status) or HTTPStatus(status).phrase


class FieldProblem(BaseModel):
    """One value that was not accepted."""

    where: str = Field(description="Place of the value: query, path, header or body, then its name.")
    detail: str


class Problem(
    BaseModel,
    json_schema_extra=example(
        """{"type": "urn:matinee:problem:unknown-movie", "title": "Not Found", "status": 404,
        "detail": "No film has the id '0'. Find ids with GET /v1/search?q=….", "instance": "/v1/movies/0"}"""
    ),
):
    """Problem document, RFC 9457."""

    type: str = Field(description="about:blank, or urn:matinee:problem:… which names the kind of error.")
    title: str
    status: int
    detail: str = Field(description="What happened, and what to do next.")
    instance: str = Field(description="Path of the request.")
    request_id: str | None = Field(None, description="Id of the request, the answer's X-Request-ID, as in the logs.")
    position: int | None = Field(None, description="Offset of the fault in a filter, in characters from 0.")
    errors: list[FieldProblem] | None = Field(None, description="Each value that was not accepted.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can answer these error statuses, for OpenAPI."""
    return {
        status: {
            "description": title(status),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": {
                        "type": "about:blank",
                        "title": title(status),
                        "status": status,
                        "detail": ADVICE[status],
                        "instance": "/v1/…",
                    },
                }
            },
        }
        for status in statuses
    }


def problem(
    status: int,
    detail: str = "",
    *,
    instance: str,
    type: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Response:
    """A problem document as a response."""
    document = {
        "type": type,
        "title": title(status),
        "status": status,
        "detail": detail or ADVICE.get(status, HTTPStatus(status).description),
        "instance": instance.replace(ENCODED_SLASH, "/"),
        **extra,
    }
    context = current.get()
    if context is not None:
        document["request_id"] = context.request_id
    try:
        body = orjson.dumps(document)
    except TypeError:  # text that is not Unicode, echoed from the request
        body = json.dumps(document).encode()
    headers = dict(headers or {})
    if status == 503:
        headers.setdefault("retry-after", "1")
    return Response(body, status, headers, MEDIA_TYPE)


def kind_of(error: MatineeError) -> str:
    """The type of an error's problem document: `urn:matinee:problem:unknown-movie`."""
    name = type(error).__name__.removesuffix("Error")
    return "urn:matinee:problem:" + "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-")


def status_of(error: Exception) -> int:
    """The HTTP status of an expected error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


async def on_matinee_error(request: Request, error: Exception) -> Response:
    """Expected errors, which say what to do."""
    assert isinstance(error, MatineeError)
    extra: dict[str, Any] = {"position": error.position} if isinstance(error, FilterError) else {}
    status, detail = status_of(error), str(error)
    if status >= 500:
        told = without_folders(detail, request.app.service.settings)
        if told != detail:
            log.warning("%s", detail)
        detail = told
    return problem(status, detail, instance=request.url.path, type=kind_of(error), **extra)


def without_folders(text: str, settings: Settings) -> str:
    """A text with the names of settings in place of the folders: where these lie is no client's business."""
    for name in ("data_dir", "cache_dir"):
        text = text.replace(str(getattr(settings, name)), f"MATINEE_{name.upper()}")
    return text


async def on_http_error(request: Request, error: Exception) -> Response:
    """Errors of the framework: unknown path or method, unreadable body."""
    assert isinstance(error, HTTPException)
    detail = error.detail if error.detail not in (HTTPStatus(error.status_code).phrase, "Content Too Large") else ""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405:
        headers["allow"] = ", ".join(allowed_methods(request))
    if error.status_code == 400 and not detail.endswith("."):
        detail = ""
    return problem(error.status_code, detail, instance=request.url.path, headers=headers)


def allowed_methods(request: Request) -> list[str]:
    """Methods that the requested path answers, over all routes (the framework names those of one route only)."""
    path = request.scope["path"]
    methods = {m for pattern, names in request.app.methods_by_path if pattern.match(path) for m in names}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Values of the wrong type or out of range: 422; unreadable JSON: 400; not JSON at all: 415."""
    assert isinstance(error, RequestValidationError)
    return invalid(request, error.errors())


def invalid(request: Request, errors: Iterable[Mapping[str, Any]]) -> Response:
    """The problem document of pydantic's list of errors."""
    errors, path = list(errors), request.url.path
    for error in errors:
        if error["type"] == "json_invalid":
            position = error["loc"][-1]
            reason = f"{error['ctx']['error']} at character {position}"
            return problem(400, f"The body is not JSON ({reason}). Correct it and send again.", instance=path)
        if tuple(error["loc"]) == ("body",) and error["type"] not in NOT_MEDIA and not is_json(request):
            return problem(415, instance=path)
    listed = [{"where": ".".join(map(str, error["loc"])), "detail": error["msg"]} for error in errors[:MAX_ERRORS]]
    first = "; ".join(f"{one['where']}: {one['detail']}" for one in listed[:3])
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    detail = f"Not acceptable: {first}{more}. Correct this and send again; /docs says what is accepted."
    return problem(422, detail, instance=path, errors=listed)


async def on_failure(request: Request, error: Exception) -> Response:
    """A bug in the service. The framework logs it with its traceback; the client learns no details."""
    del error
    return problem(500, instance=request.url.path)
