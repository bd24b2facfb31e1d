"""The limits of requests, written into the OpenAPI document as the settings have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matinee.api.body_reader import BODY_SECONDS
from matinee.api.protocol import HEAD_SECONDS, MAX_HEAD

if TYPE_CHECKING:
    from matinee.api.application import Service

EXTENSION = "x-limits"
"""Of an operation and of the document's `info`: limits that the schema language has no word for."""


def add_limits(schema: dict[str, Any], service: Service) -> None:
    """Add sizes of bodies, numbers of items and lengths of filters."""
    settings = service.settings
    schema["info"][EXTENSION] = {"head_bytes": MAX_HEAD, "head_seconds": HEAD_SECONDS}
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "filter":
                    parameter["schema"]["maxLength"] = settings.max_filter
            if "requestBody" in operation and path != service.streamed:
                operation[EXTENSION] = {"body_bytes": service.max_body, "body_seconds": BODY_SECONDS}
                too_large = operation["responses"].get("413")
                if too_large is not None:
                    too_large["description"] = f"Content Too Large: more than {service.max_body:,} bytes"
    ratings = schema["paths"].get("/v1/ratings", {}).get("post")
    if ratings is not None:
        ratings["requestBody"]["content"]["application/json"]["schema"]["maxItems"] = settings.max_batch
    ad_hoc = schema["components"]["schemas"].get("AdHocRequest")
    if ad_hoc is not None:
        ad_hoc["properties"]["ratings"]["maxItems"] = settings.max_history
        ad_hoc["properties"]["filter"]["maxLength"] = settings.max_filter
