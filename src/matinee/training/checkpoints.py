"""Checkpoints of a training: what it has finished, kept so that one that was killed goes on from there."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from matinee._util.atomic_files import replacing, sync_file
from matinee._util.private_files import private_folder
from matinee._util.versions import versions
from matinee.data.dataset import Dataset
from matinee.errors import SnapshotError
from matinee.models.base import Model
from matinee.snapshots.manifest import ModelEntry
from matinee.snapshots.snapshot import read_model
from matinee.snapshots.write import write_model

MIN_SECONDS = 5.0
"""What took less is done again sooner than it is written and read."""
MAX_AGE = 7 * 86_400.0
"""Seconds after which checkpoints of another training are deleted: nobody has gone on with it."""
_ENTRY = "entry.json"


class Checkpoints:
    """Finished steps of one training, found again by what they were made of: data, models and settings.

    Each is written beside its place and renamed, so that it is whole or absent. One that cannot be written or read is
    made again: a full disk ends no training here.

    Args:
        root: folder of all trainings' checkpoints, made when first needed.
        dataset: what is trained on.
        lineup: the unfitted models.
        settings: whatever else decides the result (JSON values).
    """

    def __init__(
        self, root: Path, dataset: Dataset, lineup: Mapping[str, Model[Any]], settings: Mapping[str, Any]
    ) -> None:
        digest = hashlib.sha256(dataset.fingerprint.encode())
        for name, movies in sorted(dataset.vectors.items()):
            digest.update(name.encode())
            for array in (movies.rows, movies.vectors):
                digest.update(np.ascontiguousarray(array).data)
        models = {name: [model.name, model.config.model_dump(mode="json")] for name, model in lineup.items()}
        made_of = [models, dict(settings), versions(), dataset.scale, dataset.name]
        digest.update(json.dumps(made_of, sort_keys=True, default=str).encode())
        self._root, self.folder = root, root / digest.hexdigest()[:32]
        self._dataset = dataset
        _clean(root, self.folder)

    def fitted(self, name: str, model: Model[Any], fit: Callable[[], Model[Any]]) -> tuple[Model[Any], float]:
        """A model as it was fitted before, or else by `fit`; and the seconds that fitting took.

        Args:
            model: unfitted; one of other settings than the one that was kept is fitted.
        """
        key = hashlib.sha256(f"{name} {model.name} {model.config.model_dump_json()}".encode()).hexdigest()[:16]
        folder = self.folder / f"{name}-{key}"
        with suppress(OSError, ValueError, SnapshotError):
            entry = ModelEntry.model_validate_json((folder / _ENTRY).read_bytes())
            return read_model(folder, name, entry, self._dataset), entry.seconds or 0.0
        start = time.perf_counter()
        result = fit()
        seconds = time.perf_counter() - start
        if seconds >= MIN_SECONDS:
            with suppress(OSError, ValueError, SnapshotError):
                self._keep(folder, name, result, seconds)
        return result, seconds

    def _keep(self, folder: Path, name: str, model: Model[Any], seconds: float) -> None:
        private_folder(self.folder)
        draft = self.folder / f".{os.getpid()}-{secrets.token_hex(4)}"
        try:
            draft.mkdir()
            entry = write_model(draft, name, model, {}, seconds)
            for path in (draft / "models" / name).iterdir():
                sync_file(path)
            (draft / _ENTRY).write_text(entry.model_dump_json(), encoding="utf-8")
            sync_file(draft / _ENTRY)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def values(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A JSON object as it was made before, or else by `make`."""
        path = self.folder / f"{name}.json"
        with suppress(OSError, ValueError):
            kept = json.loads(path.read_bytes())
            if isinstance(kept, dict):
                return kept
        start = time.perf_counter()
        made = make()
        if time.perf_counter() - start >= MIN_SECONDS:
            with suppress(OSError):
                private_folder(self.folder)
                with replacing(path) as draft:
                    draft.write_text(json.dumps(made), encoding="utf-8")
        return made

    def remove(self) -> None:
        """Delete them: the training is over."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _clean(root: Path, own: Path) -> None:
    """Delete what other trainings left behind long ago."""
    for folder in root.glob("*"):
        with suppress(OSError):
            if folder != own and time.time() - folder.stat().st_mtime > MAX_AGE:
                shutil.rmtree(folder, ignore_errors=True)
