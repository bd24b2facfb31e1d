"""Requests made up from the vector service's own description: no 5xx, nothing answered that is not described."""

from __future__ import annotations

import os

import numpy as np
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api_support import requests_only
from matinee.api.vectors.app import create_vectors_app
from matinee.api.vectors.space import Film
from matinee.indexes import ExactIndex, UpdatableIndex
from matinee.settings import Settings

EXAMPLES = int(os.environ.get("MATINEE_TEST_EXAMPLES", "15"))
DIM = 3
"""As in the examples of the description."""
VECTORS = np.random.default_rng(0).normal(size=(50, DIM)).astype(np.float32)
APP = create_vectors_app(
    Settings(hosts="testserver"),  # how Schemathesis calls an application in this process
    UpdatableIndex(ExactIndex(np.arange(50), VECTORS)),
    {row: Film(f"m{row}", f"Film {row}", 1990) for row in range(50)},
)
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", requests_only(APP))


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_conformance(case: schemathesis.Case) -> None:
    # What a schema cannot say (vectors of another length) is refused all the same.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
