from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from matinee.data.dataset import Dataset
from support import SHARED, random_dataset

# Trainings in tests fetch no weights, in child processes neither; tests of encoders say so themselves.
os.environ.setdefault("MATINEE_TEXT_ENCODER", "off")

# Two loaded cores make single examples slow; that is no fault.
hypothesis.settings.register_profile("matinee", deadline=None)
hypothesis.settings.load_profile("matinee")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The measuring data; tests that need it skip cleanly where it is absent."""
    if not (SHARED / "ml-100k" / "u.data").exists():
        pytest.skip(f"the measuring data is not at {SHARED} (set MATINEE_TEST_DATA)")
    return SHARED


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """60 users × 40 films with two clear tastes."""
    return random_dataset()


@pytest.fixture(autouse=True)
def _no_ambient_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests never see the developer's own folders."""
    monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MATINEE_CONFIG", str(tmp_path / "none.toml"))
