"""Requests made up from the recommender service's own description: no 5xx, nothing answered that is not described."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

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
SETTINGS = Settings(data_dir=Path(FOLDER.name), text_encoder="off")
train_dataset(SETTINGS, random_dataset())
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", requests_only(create_recommender_app(SETTINGS)))


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_conformance(case: schemathesis.Case) -> None:
    # What a schema cannot say (lists of equal lengths) is refused all the same.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
