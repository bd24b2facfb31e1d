"""A standalone cluster of real processes: a master and two workers, of which an executor dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from matinee.snapshots import SnapshotRegistry
from small_folder import write_folder
from spark_support import SETTINGS, SOURCES, cluster, need_spark

LIMIT = 900.0


@pytest.mark.extended
def test_training_survives_the_death_of_an_executor(tmp_path: Path) -> None:
    need_spark()
    source = write_folder(tmp_path / "small")
    home = tmp_path / "home"
    with cluster(tmp_path) as spark:
        words = ["train", "--engine", "spark", "--master", spark.url, "--data", str(source), "--json"]
        settings = {**SETTINGS, "spark.executor.cores": "1", "spark.cores.max": "2"}
        for name, value in settings.items():
            words += ["--spark-conf", f"{name}={value}"]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(SOURCES / "src"), os.environ.get("PYTHONPATH", "")]),
            "MATINEE_DATA_DIR": str(home),
            "MATINEE_OFFLINE": "1",
            "MATINEE_TEXT_ENCODER": "off",
        }
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            command = subprocess.Popen(
                [sys.executable, "-m", "matinee", *words], env=environment, stdout=out, stderr=err
            )
        try:
            until = time.monotonic() + LIMIT
            while not (executors := spark.executors()):
                assert command.poll() is None, (tmp_path / "err").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            os.kill(executors[0], signal.SIGKILL)
            assert command.wait(LIMIT) == 0, (tmp_path / "err").read_text()
        finally:
            if command.poll() is None:
                command.kill()
                command.wait(90)
    # Two were there, and a third took the place of the one that died.
    assert len({place.name for place in tmp_path.glob("worker-*/app-*/*")}) == 3
    snapshot_id = json.loads((tmp_path / "out").read_text())["snapshot"]
    registry = SnapshotRegistry(home / "snapshots")
    assert registry.current() == snapshot_id
    assert not registry.verify(snapshot_id)
    manifest = registry.show(snapshot_id)
    assert {"ials", "ease", "itemknn", "popular"} <= set(manifest.models)
    assert {"ials", "ease", "itemknn", "popular"} <= set(manifest.metrics)  # so few ratings are measured by the driver
