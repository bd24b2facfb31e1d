"""Writing a snapshot: into a temporary folder, which is synced and then renamed, so that it is complete or absent."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from matinee import models as model_package
from matinee._util.atomic_files import file_hash, sync_file, sync_folder
from matinee._util.private_files import FOLDER, private_folder
from matinee._util.tensor_file import write_tensors
from matinee._util.versions import versions
from matinee.data.dataset import Dataset
from matinee.data.ratings import NO_TIME
from matinee.errors import SnapshotError, UnknownModelError
from matinee.models.base import Model
from matinee.models.preference import StarScale
from matinee.snapshots.folder import NAME, process_alive
from matinee.snapshots.manifest import MANIFEST, FileEntry, Manifest, ModelEntry
from matinee.snapshots.snapshot import CATALOG_FILE, DERIVED_ARRAYS, RATING_ARRAYS, SCALE_FILE, USERS_FILE
from matinee.snapshots.spaces import Space

TEMPORARY = ".tmp-"
OLD_SECONDS = 600.0
"""A temporary folder of a dead process is deleted when it has not changed for this long."""


def write_snapshot(
    root: Path,
    dataset: Dataset,
    models: Mapping[str, Model[Any]],
    *,
    default_model: str,
    spaces: Mapping[str, Space] | None = None,
    metrics: Mapping[str, Mapping[str, float]] | None = None,
    seconds: Mapping[str, float] | None = None,
    watermark: int = 0,
    mark: str = "",
    left_out: Sequence[str] = (),
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Write a snapshot and return its id. It is not served until it is promoted.

    Args:
        root: the folder of all snapshots; created if missing.
        models: fitted models by the name they are served under; their classes are in `matinee.models.MODELS`.
        default_model: the model used when a request names none.
        spaces: vector spaces over the catalog, by name, with their approximate indexes.
        metrics: by model, then by metric.
        seconds: fitting time, by model or step.
        watermark: the store's sequence number up to which the training data includes its ratings.
        mark, left_out: see `Manifest`.
        settings: the settings used in training (JSON values).

    Raises:
        SnapshotError: it cannot be written, for example because the disk is full. Nothing is left behind.
    """
    if default_model not in models:
        raise SnapshotError(f"The default model {default_model!r} is not among the models of the snapshot.")
    try:
        private_folder(root)
        clean_temporary(root)
        folder = root / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir(FOLDER)
    except OSError as error:
        raise _unwritable(root, error) from error
    try:
        _write_dataset(folder, dataset)
        entries = {
            name: write_model(folder, name, model, dict((metrics or {}).get(name, {})), (seconds or {}).get(name))
            for name, model in models.items()
        }
        for name, space in (spaces or {}).items():
            _write_space(folder, name, space)
        files = _seal_files(folder)
        draft = Manifest(
            id="00000000T000000Z-00000000",
            created=datetime.now(UTC),
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            scale=dataset.scale,
            n_users=dataset.ratings.n_users,
            n_items=len(dataset.catalog),
            n_ratings=len(dataset.ratings),
            watermark=watermark,
            mark=mark,
            left_out=tuple(left_out),
            newest=_newest(dataset),
            seed=seed,
            default_model=default_model,
            models=entries,
            spaces={name: space.entry() for name, space in (spaces or {}).items()},
            metrics={name: _finite(values) for name, values in (metrics or {}).items()},
            seconds=dict(seconds or {}),
            settings=json.loads(json.dumps(dict(settings or {}), default=str)),
            versions=versions(),
            report=dataset.report,
            files=files,
        )
        return _publish(root, folder, draft)
    except (OSError, ValueError) as error:
        raise _unwritable(root, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _newest(dataset: Dataset) -> int | None:
    times = dataset.ratings.times
    newest = int(times.max()) if len(times) else NO_TIME
    return None if newest == NO_TIME else newest


def _unwritable(root: Path, error: Exception) -> SnapshotError:
    return SnapshotError(
        f"The snapshot could not be written below {root}: {error}.",
        "Make room or choose another MATINEE_DATA_DIR. The snapshot in service is unchanged.",
    )


def _write_dataset(folder: Path, dataset: Dataset) -> None:
    dataset.catalog.save(folder / CATALOG_FILE)
    users = dataset.ratings.user_ids
    write_tensors(folder / USERS_FILE, {"user_id": users.buffer, "user_id.cuts": users.cuts})
    (folder / "ratings").mkdir()
    for name in (*RATING_ARRAYS, *DERIVED_ARRAYS):
        np.save(folder / "ratings" / f"{name}.npy", getattr(dataset.ratings, name), allow_pickle=False)
    np.save(folder / SCALE_FILE, StarScale.of(dataset).state()["star_scale"], allow_pickle=False)


def write_model(
    folder: Path, name: str, model: Model[Any], metrics: dict[str, float], seconds: float | None
) -> ModelEntry:
    """Write a model below `folder/models`; what describes it is returned, and no file is synced.

    Raises:
        SnapshotError: it could not be loaded again.
    """
    kind = model.name
    try:
        registered = model_package.model_class(kind) is type(model)
    except UnknownModelError:
        registered = False
    if not registered:
        raise SnapshotError(
            f"The model {name!r} is a {type(model).__name__}, which `matinee.models.MODELS` does not list.",
            f"Register it there, or as an entry point of {model_package.PLUGINS!r}, so that it can be loaded again.",
        )
    state = model.state()
    names = [name, *state]
    # casefold, because some file systems are case-insensitive.
    if not all(NAME.fullmatch(text) for text in names) or len({text.casefold() for text in state}) != len(state):
        raise SnapshotError(f"The name of the model {name!r} or of an array of its state is not a valid file name.")
    target = folder / "models" / name
    target.mkdir(parents=True)
    for key, values in state.items():
        np.save(target / f"{key}.npy", values, allow_pickle=False)
    return ModelEntry(
        kind=kind,
        config=model.config.model_dump(mode="json"),
        arrays=tuple(state),
        metrics=_finite(metrics),
        seconds=seconds,
        bytes=sum(path.stat().st_size for path in target.iterdir()),
    )


def _write_space(folder: Path, name: str, space: Space) -> None:
    if not all(NAME.fullmatch(text) for text in (name, *space.arrays(), *space.indexes)):
        raise SnapshotError(f"The name of the space {name!r} or of a part of it is not a valid file name.")
    target = folder / "spaces" / name
    target.mkdir(parents=True)
    for key, values in space.arrays().items():
        np.save(target / f"{key}.npy", values, allow_pickle=False)
    for kind, source in space.stored.items():
        shutil.copytree(source, target / kind)
    for kind, index in space.indexes.items():
        (target / kind).mkdir()
        index.save(target / kind)


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}


def _seal_files(folder: Path) -> dict[str, FileEntry]:
    """Fsync all files and folders, and describe every file."""
    files: dict[str, FileEntry] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        sync_file(path)
        name = path.relative_to(folder).as_posix()
        files[name] = FileEntry(bytes=path.stat().st_size, sha256=file_hash(path))
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
    return files


def _publish(root: Path, folder: Path, draft: Manifest) -> str:
    """Choose the id, write the manifest, and rename the folder to its final name."""
    content = draft.model_dump_json(include={"files", "models", "default_model", "watermark", "scale"})
    for attempt in range(1000):
        digest = hashlib.sha256(f"{content}{attempt or ''}".encode()).hexdigest()
        snapshot_id = f"{draft.created:%Y%m%dT%H%M%SZ}-{digest[:8]}"
        if (root / snapshot_id).exists():
            continue  # the same content within the same second
        manifest = draft.model_copy(update={"id": snapshot_id}).sealed()
        path = folder / MANIFEST
        path.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        sync_file(path)
        sync_folder(folder)
        try:
            folder.rename(root / snapshot_id)
        except OSError:
            if (root / snapshot_id).exists():
                continue
            raise
        try:
            sync_folder(root)
        except OSError:
            # It may not be durable, so delete it now rather than lose it in the next power cut.
            shutil.rmtree(root / snapshot_id, ignore_errors=True)
            raise
        return snapshot_id
    raise SnapshotError(f"There is no free snapshot name below {root}.", "Try again in a second.")


def clean_temporary(root: Path) -> None:
    """Delete temporary folders of killed writers: those of dead processes after ten minutes, any after a day."""
    for path in root.glob(f"{TEMPORARY}*"):
        try:
            newest = max(item.stat().st_mtime for item in [path, *path.rglob("*")])
        except OSError:
            continue  # another process is deleting or renaming it
        age = time.time() - newest
        pid = path.name.removeprefix(TEMPORARY).split("-")[0]
        dead = pid.isdecimal() and not process_alive(int(pid))
        if age > 86_400 or (age > OLD_SECONDS and dead):
            shutil.rmtree(path, ignore_errors=True)
