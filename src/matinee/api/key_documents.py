"""What the OpenAPI document says of API keys."""

from __future__ import annotations

from typing import Any

from matinee.api.errors import problems
from matinee.api.permissions import ADMIN, NEEDS, Need, plain

SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `matinee keys create`, where the service demands keys.",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same key."},
}
_USERS = {
    "none": "",
    "own": " A key of one user opens what is that user's.",
    "all": " A key of one user does, too.",
}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}}


def describe_keys(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document which key each operation needs, and the answers without one."""
    document["components"]["securitySchemes"] = SCHEMES
    refusals = {str(status): answer for status, answer in problems(401, 403, 429).items()}
    refusals["401"]["headers"], refusals["429"]["headers"] = _CHALLENGE, _RETRY
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            need = NEEDS.get(f"{method.upper()} {plain(path)}", ADMIN)
            # {}: where the service demands no keys, none is sent.
            operation["security"] = [] if need.role is None else [{"bearer": []}, {"key": []}, {}]
            if need.role is not None:
                operation["description"] = f"{operation.get('description', '')}\n\n{_sentence(need)}".strip()
                operation["responses"] = {**operation["responses"], **refusals}


def _sentence(need: Need) -> str:
    where = ", unless it is asked from its own machine" if need.from_here else ""
    return f"Where keys are demanded{where}: role `{need.role}`.{_USERS[need.of_user]}"
