"""A training that is killed goes on from the models that it has finished, and ends with the same result."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matinee.data.dataset import Dataset
from matinee.models import Popularity
from matinee.settings import Settings
from matinee.snapshots import Snapshot
from matinee.training import checkpoints
from matinee.training.pipeline import train_dataset
from support import random_dataset

CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support import random_dataset
from matinee.settings import Settings
from matinee.training import checkpoints
from matinee.training.pipeline import train_dataset
checkpoints.MIN_SECONDS = 0.0
settings = Settings(data_dir=Path(sys.argv[2]))
train_dataset(settings, random_dataset(), measure=True, progress=lambda what, _: print(what, flush=True))
"""


def killed_at(home: Path, step: str) -> None:
    """Train in another process and kill it when a step begins."""
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parents[1]), str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        seen = [line.strip() for line in iter(child.stdout.readline, "") if not (line.startswith(step) and kill(child))]
    assert child.returncode == -signal.SIGKILL, seen


def kill(child: subprocess.Popen[str]) -> bool:
    child.send_signal(signal.SIGKILL)
    return True


def kept(home: Path) -> set[str]:
    return {path.name.rpartition("-")[0] or path.stem for path in (home / "checkpoints").glob("*/[!.]*")}


def snapshot_of(home: Path, dataset: Dataset, snapshot_id: str) -> Snapshot:
    snapshot = Snapshot.load(home / "snapshots", snapshot_id)
    assert snapshot.manifest.fingerprint == dataset.fingerprint
    return snapshot


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")
def test_a_killed_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MIN_SECONDS", 0.0)
    dataset, home = random_dataset(), tmp_path / "killed"
    whole = snapshot_of(tmp_path, dataset, train_dataset(Settings(data_dir=tmp_path), dataset, measure=True))
    assert not kept(tmp_path)  # they are deleted when the snapshot is there

    killed_at(home, "fitting ease")
    assert {"measured", "popular", "itemknn"} <= kept(home)
    assert "ease" not in kept(home)
    killed_at(home, "fitting blend")
    assert {"measured", "ease", "ials"} <= kept(home)
    assert not list((home / "snapshots").glob("*-*"))

    steps: list[str] = []
    settings = Settings(data_dir=home)
    snapshot_id = train_dataset(settings, dataset, measure=True, progress=lambda what, _: steps.append(what))
    assert "measuring on held-out ratings" not in steps
    assert not kept(home)
    resumed = snapshot_of(home, dataset, snapshot_id)
    assert resumed.manifest.metrics == whole.manifest.metrics
    assert list(resumed.models) == list(whole.models)
    for name, model in whole.models.items():
        assert resumed.models[name].config == model.config
        for key, values in model.state().items():
            np.testing.assert_array_equal(resumed.models[name].state()[key], values, err_msg=f"{name} {key}")


def test_damaged_and_foreign_checkpoints_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MIN_SECONDS", 0.0)
    dataset = random_dataset()
    unfitted = Popularity()
    own = checkpoints.Checkpoints(tmp_path, dataset, {"popular": unfitted}, {"seed": 1})
    fits: list[int] = []

    def fit() -> Popularity:
        fits.append(1)
        return Popularity().fit(dataset)

    for _ in range(2):
        own.fitted("popular", unfitted, fit)
    assert len(fits) == 1
    other = checkpoints.Checkpoints(tmp_path, random_dataset(seed=1), {"popular": unfitted}, {"seed": 1})
    other.fitted("popular", unfitted, fit)
    own.fitted("popular", Popularity(by="top_rated"), fit)
    assert len(fits) == 3
    array = next(own.folder.glob("popular-*/models/popular/*.npy"))
    array.write_bytes(array.read_bytes()[:40])
    own.fitted("popular", unfitted, fit)
    assert len(fits) == 4
    own.remove()
    assert other.folder.exists()
    assert not own.folder.exists()
