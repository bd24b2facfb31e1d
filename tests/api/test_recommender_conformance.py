"""Requests made up from the recommender service's own description: no 5xx, nothing answered that is not described."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api_support import requests_only
from matinee.api.recommender.app import create_recommender_app
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from support import random_dataset

EXAMPLES = int(os.environ.get("MATINEE_TEST_EXAMPLES", "15"))
FOLDER = tempfile.TemporaryDirectory(prefix="matinee-conformance-")
# "testserver" is how Schemathesis calls an application in this process.
SETTINGS = Settings(data_dir=Path(FOLDER.name), text_encoder="off", hosts="testserver")
APP = create_recommender_app(SETTINGS)
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", requests_only(APP))


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    """Here, where the tests run: every process of a test run imports this module."""
    train_dataset(SETTINGS, random_dataset())
    yield
    APP.service.close_engine()  # type: ignore[attr-defined]
    FOLDER.cleanup()


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_conformance(case: schemathesis.Case) -> None:
    # What a schema cannot say (lists of equal lengths) is refused all the same.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
