"""Requests made up from the interface's own description: no 5xx, and nothing answered that is not described.

`MATINEE_TEST_EXAMPLES` sets the number of examples for each route (default 15).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api_support import requests_only
from matinee.api import create_app
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from support import random_dataset

EXAMPLES = int(os.environ.get("MATINEE_TEST_EXAMPLES", "15"))
FOLDER = tempfile.TemporaryDirectory(prefix="matinee-conformance-")
# "testserver" is how Schemathesis calls an application in this process.
APP = create_app(Settings(data_dir=Path(FOLDER.name) / "data", hosts="testserver"))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", requests_only(APP))


@schemathesis.serializer("application/x-ndjson", "image/avif")  # type: ignore[arg-type]
def lines(context: object, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    train_dataset(Settings(data_dir=Path(FOLDER.name) / "data"), random_dataset())
    yield
    APP.service.close_engine()  # type: ignore[attr-defined]
    FOLDER.cleanup()


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_conformance(case: schemathesis.Case) -> None:
    # What a schema cannot say (stars off the data set's scale, lists of unequal lengths) is refused all the same.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
