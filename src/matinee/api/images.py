"""Pictures as answers: how long a browser may cache them, and conditional requests."""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime

from fastapi import Request
from starlette.responses import Response

from matinee.engine.poster_images import PosterImage

CACHE_CONTROL = "public, max-age=60, stale-while-revalidate=86400"
"""Pictures are shown at once from a browser's cache, and requested again (mostly 304) when a minute old."""


def image_response(request: Request, image: PosterImage) -> Response | None:
    """The picture, or 304 where the client has it; None where it cannot be read."""
    headers = {
        "etag": f'"{image.tag}"',
        "cache-control": CACHE_CONTROL,
        "x-matinee-poster": image.kind,
        "x-content-type-options": "nosniff",
    }
    if image.modified is not None:
        headers["last-modified"] = formatdate(image.modified, usegmt=True)
    if is_cached(request, headers["etag"], image.modified):
        return Response(status_code=304, headers=headers)
    content = image.read()
    return None if content is None else Response(content[0], headers=headers, media_type=content[1])


def is_cached(request: Request, etag: str, modified: int | None = None) -> bool:
    """Whether the client has this picture already (RFC 9110, 13.1): the tag decides, where the client names one.

    Args:
        modified: when it was put there, seconds since 1970.
    """
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in tags.split(","))
    since = request.headers.get("if-modified-since")
    if since is None or modified is None:
        return False
    try:
        return modified <= parsedate_to_datetime(since).timestamp()
    except (ValueError, OverflowError):
        return False
