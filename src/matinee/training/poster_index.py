"""Adds posters to the current snapshot without retraining."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee import remote
from matinee._util.progress import Progress, silent
from matinee.data.dataset import Dataset
from matinee.encoders.vector_cache import encode_images_cached
from matinee.errors import SnapshotError
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry, write_snapshot
from matinee.stores import MovieVector, Store, open_store
from matinee.training.vector_spaces import POSTER, finished, poster_paths, poster_space


def index_posters(settings: Settings, progress: Progress | None = None) -> str:
    """Encode the stored posters and promote a snapshot that differs from the current one only in its poster space.

    Vectors of posters that were encoded before come from the cache. Models learn from posters at the next training.

    Returns:
        The id of the new snapshot, or of the current one if nothing changed.

    Raises:
        SnapshotError: there is no snapshot yet, or it cannot be read or written.
        EncoderError: the image encoder cannot be had.
    """
    on_progress = progress or silent
    registry = SnapshotRegistry(settings.snapshots_dir)
    current = registry.current()
    if current is None:
        raise SnapshotError("There is no snapshot to add posters to.", "Make one with `matinee train` first.")
    snapshot = Snapshot.load(registry.root, current, settings.verify_on_load)
    notes: list[str] = []
    space = poster_space(snapshot.dataset, settings, on_progress, notes)
    refresh_store(snapshot.dataset, settings, space.encoder if space is not None else "")
    old = snapshot.spaces.get(POSTER)
    if space is None and old is None:
        return current
    if space is not None and old is not None and _same(old.arrays(), space.arrays()):
        return current
    spaces = {name: other for name, other in snapshot.spaces.items() if name != POSTER}
    if space is not None:
        spaces |= finished({POSTER: space}, settings, on_progress)
    manifest, report = snapshot.manifest, snapshot.dataset.report
    dataset = replace(snapshot.dataset, report=report.model_copy(update={"notes": (*report.notes, *notes)}))
    dataset.__dict__["fingerprint"] = manifest.fingerprint
    on_progress("writing the snapshot", 0.0)
    snapshot_id = write_snapshot(
        settings.snapshots_dir,
        dataset,
        snapshot.models,
        default_model=manifest.default_model,
        spaces=spaces,
        metrics={name: _numbers(values) for name, values in manifest.metrics.items()},
        seconds=manifest.seconds,
        watermark=manifest.watermark,
        mark=manifest.mark,
        left_out=manifest.left_out,
        seed=manifest.seed,
        settings=manifest.settings,
    )
    registry.promote(snapshot_id, verify=False)
    on_progress("writing the snapshot", 1.0)
    return snapshot_id


def _numbers(values: dict[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in values.items()}


def _same(old: dict[str, NDArray[Any]], new: dict[str, NDArray[Any]]) -> bool:
    """Whether two spaces are equal except for their maps."""
    names = (old.keys() | new.keys()) - {"layout"}
    return old.keys() == new.keys() and all(np.array_equal(old[name], new[name]) for name in names)


def refresh_store(dataset: Dataset, settings: Settings, encoder_id: str) -> None:
    """Update the poster vectors in the store from the stored posters.

    Vectors in the store override those of every snapshot. Without this, the vector of a poster that was uploaded over
    HTTP would also override that of a picture that has replaced it.
    """
    if not encoder_id or not settings.store_path(dataset.name).exists():
        return
    store = open_store(settings, dataset.name)
    try:
        _refresh(store, dataset, settings, encoder_id)
    finally:
        store.close()


def _refresh(store: Store, dataset: Dataset, settings: Settings, encoder_id: str) -> None:
    stored = {vector.movie_id: vector for vector in store.vectors() if vector.space == POSTER}
    paths = {movie_id: path for movie_id, path in poster_paths(settings, dataset.name).items() if movie_id in stored}
    if not paths:
        return
    encoder = remote.open_image_encoder(settings)
    raw, faults = encode_images_cached(encoder, list(paths.values()), settings)
    broken = {fault.position for fault in faults}
    fresh = [
        MovieVector(movie_id, POSTER, encoder_id, raw[position])
        for position, movie_id in enumerate(paths)
        if position not in broken
        and not (
            stored[movie_id].encoder == encoder_id and np.allclose(stored[movie_id].values, raw[position], atol=1e-3)
        )
    ]
    if fresh:
        store.put_vectors(fresh)
