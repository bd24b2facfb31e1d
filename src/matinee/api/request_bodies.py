"""Request bodies as values: JSON by orjson, files of forms. `body_reader` has received them whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from matinee.errors import InvalidInputError, TooLargeError

T = TypeVar("T")
_NO_NUMBERS = ("NaN", "nan", "Infinity", "inf", "Inf")


def media_type(request: Request) -> str:
    """The body's media type, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    """Whether the body is announced as JSON."""
    kind = media_type(request)
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def read_json(request: Request) -> Any:
    """The body's JSON value.

    Raises:
        HTTPException: another media type (415), not JSON (400).
        InvalidInputError: it contains NaN, infinity, or a number too large for a float.
    """
    if not is_json(request):
        raise HTTPException(415)
    return parse_json(await request.body())


def parse_json(body: bytes) -> Any:
    """A JSON value; raises as `read_json`."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        rest = error.doc[error.pos : error.pos + 8] if isinstance(error.doc, str) else ""
        if "infinity" in error.msg or rest.startswith(_NO_NUMBERS):
            raise InvalidInputError("The body holds NaN or infinity.", "Send finite numbers.") from error
        detail = f"The body is not JSON ({error.msg} at character {error.pos}). Correct it and send again."
        raise HTTPException(400, detail) from error


async def read_files(request: Request, names: tuple[str, ...], max_files: int) -> list[bytes]:
    """The files of a form's fields of these names, `max_files` at most, in order.

    Raises:
        HTTPException: an incomplete form (400).
        TooLargeError: more files, where there may be several.
        InvalidInputError: no file.
    """
    body = await request.body()
    boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary", b"")
    if body and b"--%b--" % boundary not in body:
        # The parser accepts a truncated form and drops its last file.
        raise HTTPException(400, "The form is cut short, or its boundary is not the announced one; send it whole.")

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, stream(), max_files=max_files, max_fields=10).parse()
    except MultiPartException as error:
        if max_files > 1 and error.message.startswith("Too many files"):
            raise TooLargeError("There are too many files in the form.", f"Send {max_files} at most.") from error
        raise HTTPException(400, f"The form cannot be read: {error.message.rstrip('.')}.") from error
    fields = [field for name in names for field in form.getlist(name)]
    contents = [await field.read() for field in fields if isinstance(field, UploadFile)]
    await form.close()
    if not contents:
        raise InvalidInputError(f"The form has no file in its field `{names[0]}`.", "Send an image file there.")
    return contents


def validated(model: type[BaseModel] | TypeAdapter[Any], value: object) -> Any:
    """A value as a model.

    Raises:
        RequestValidationError: it is not valid; each error names its location in the body.
    """
    try:
        return model.validate_python(value) if isinstance(model, TypeAdapter) else model.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in errors]) from error


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route whose JSON body is read here: the body's schema and its examples."""
    schema = model.model_json_schema()
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": schema["examples"][0]}},
        }
    }
