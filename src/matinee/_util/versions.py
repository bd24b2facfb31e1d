"""Versions of Python and of the libraries that results depend on."""

from __future__ import annotations

import importlib.metadata
import platform

_LIBRARIES = ("matinee", "numpy", "scipy", "polars", "pydantic")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    result = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            result[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return result
