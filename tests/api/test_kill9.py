"""SIGKILL of a real server in the middle of a stream of rating writes; `benchmarks/crash.py` does it 50 times."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROUNDS = int(os.environ.get("MATINEE_TEST_KILLS", "4"))


def crash_module() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "crash.py"
    spec = importlib.util.spec_from_file_location("matinee_crash", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_kill_9_of_the_server_loses_no_acknowledged_rating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):  # who is killed tells of no coverage
        monkeypatch.delenv(name, raising=False)
    totals = crash_module().run(ROUNDS, tmp_path / "run", seed=1)
    assert totals.faults == []
    assert totals.rounds == ROUNDS
    assert totals.singles + totals.batches >= ROUNDS
