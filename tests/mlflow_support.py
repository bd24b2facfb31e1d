"""MLflow for tests: a real server, and commands of Matinee in the environment that has MLflow (`make mlflow`).

MLflow holds other packages back (cachetools, pyarrow), so that it is not in the environment of the other tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from service_support import free_port

SOURCES = Path(__file__).parents[1]
PYTHON = "MATINEE_TEST_MLFLOW"
"""A Python that has MLflow and what Matinee needs to train."""
START = 120.0


def mlflow_python() -> str | None:
    """A Python with MLflow; None: there is none."""
    named = os.environ.get(PYTHON)
    if named:
        return named
    own = SOURCES / ".venv-mlflow" / "bin" / "python"
    if own.exists():
        return str(own)
    return sys.executable if find_spec("mlflow") is not None else None


def need_mlflow() -> str:
    """A Python with MLflow, or else the test is skipped."""
    python = mlflow_python()
    if python is None:
        pytest.skip(f"there is no MLflow: make mlflow, or name a Python that has it in {PYTHON}")
    return python


@dataclass
class Command:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def matinee(*words: str, home: Path, **settings: str) -> Command:
    """A command of Matinee in the environment that has MLflow."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MATINEE_", "MLFLOW_"))}
    environment |= {
        "PYTHONPATH": str(SOURCES / "src"),
        "MATINEE_DATA_DIR": str(home),
        "MATINEE_CACHE_DIR": str(home / "cache"),
        "MATINEE_CONFIG": str(home / "none.toml"),
        "MATINEE_OFFLINE": "1",
        "MATINEE_TEXT_ENCODER": "off",
        "MATINEE_IMAGE_ENCODER": "off",
        **{f"MATINEE_{name.upper()}": value for name, value in settings.items()},
    }
    done = subprocess.run(
        [need_mlflow(), "-m", "matinee", *words], env=environment, capture_output=True, text=True, timeout=300
    )
    return Command(done.returncode, done.stdout, done.stderr)


@dataclass
class Server:
    """An MLflow server, asked by its REST interface."""

    url: str
    artifacts: Path

    def post(self, route: str, body: Mapping[str, Any]) -> Any:
        answer = httpx.post(f"{self.url}/api/2.0/mlflow/{route}", json=dict(body), timeout=90)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, route: str, **query: str) -> Any:
        answer = httpx.get(f"{self.url}/api/2.0/mlflow/{route}", params=query, timeout=90)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def experiment(self, name: str) -> str:
        return str(self.get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"])

    def runs(self, experiment: str, filter: str = "") -> list[dict[str, Any]]:
        found = self.post("runs/search", {"experiment_ids": [self.experiment(experiment)], "filter": filter})
        return list(found.get("runs", []))

    def artifact(self, run_id: str, path: str) -> bytes:
        answer = httpx.get(f"{self.url}/get-artifact", params={"run_uuid": run_id, "path": path}, timeout=90)
        assert answer.status_code == 200, answer.text
        return answer.content


@contextmanager
def serving(store: str, folder: Path) -> Iterator[Server]:
    """A server over a store, with artifacts in a folder; it is ended behind."""
    port, log = free_port(), folder / "mlflow.log"
    artifacts = folder / "artifacts"
    words = ["-m", "mlflow", "server", "--backend-store-uri", store, "--artifacts-destination", str(artifacts)]
    words += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [need_mlflow(), *words], stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + START
        while True:
            try:
                if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield Server(url, artifacts)
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(90)


def params_of(run: Mapping[str, Any]) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in run["data"].get("params", [])}


def metrics_of(run: Mapping[str, Any]) -> dict[str, float]:
    return {entry["key"]: entry["value"] for entry in run["data"].get("metrics", [])}


def tags_of(run: Mapping[str, Any]) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in run["data"].get("tags", [])}
