"""Requests made up from the encoder service's own description: no 5xx, nothing answered that is not described."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from matinee.api.encoder.app import create_encoder_app
from matinee.encoders.image import load_image_encoder
from matinee.encoders.text import load_text_encoder
from matinee.settings import Settings
from tiny_models import image_model, text_folder

EXAMPLES = int(os.environ.get("MATINEE_TEST_EXAMPLES", "15"))
with tempfile.TemporaryDirectory(prefix="matinee-conformance-") as folder:
    SETTINGS = Settings(
        text_encoder=str(text_folder(Path(folder) / "words")),
        image_encoder=str(image_model(Path(folder) / "fields.onnx")),
        hosts="testserver",  # how Schemathesis calls an application in this process
    )
    APP = create_encoder_app(SETTINGS, load_text_encoder(SETTINGS), load_image_encoder(SETTINGS))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)
# Too many images are refused with 413.
SCHEMA.config.checks.negative_data_rejection.expected_statuses.append("413")


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_conformance(case: schemathesis.Case) -> None:
    # What a schema cannot say (which strings are images in base64) is refused all the same.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
