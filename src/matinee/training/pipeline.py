"""Training: data → cleaning → changes in the store → models → metrics → snapshot."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matinee._util.progress import Progress, silent
from matinee.accelerator.device import current_device, on_device
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.readers.columns import ColumnMapping
from matinee.data.sources import list_datasets
from matinee.errors import DataError, InvalidInputError, MemoryLimitError, SnapshotError
from matinee.models import ForestStars
from matinee.models.base import Model
from matinee.models.blend.model import Blend
from matinee.models.lineup import lineup_for
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry, write_snapshot
from matinee.training.checkpoints import Checkpoints
from matinee.training.incremental import Base
from matinee.training.memory_plan import check_memory
from matinee.training.stored_changes import NOTHING, with_stored
from matinee.training.vector_spaces import encoded_spaces, finished, model_spaces, with_spaces

PREFERRED = ("blend", "edlae", "ease", "ials", "itemknn", "popular")
"""The default model, in order of preference, if the one of the settings was not fitted."""

QUICK = ("popular", "edlae", "content")
"""Models of a quick training: a chart, a list for a history, and one for films that nobody has rated."""

Fit = Callable[[Model[Any], Dataset, Progress], Model[Any]]
"""Fits a model, with its parts bound, elsewhere than in this process; may raise MemoryLimitError to leave it out."""

MIN_SHOWN_BYTES = 16 << 20
"""Progress shows the memory that a model needs from this size on."""


def train(
    settings: Settings | None = None,
    source: str | Dataset | None = None,
    *,
    promote: bool = True,
    include_store: bool = True,
    measure: bool = True,
    quick: bool = False,
    incremental: bool = False,
    mapping: ColumnMapping | None = None,
    scale: tuple[float, float] | None = None,
    values: Mapping[str, float] | None = None,
    unrated: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> str:
    """Fit all models on a data set and write a snapshot; returns its id.

    Args:
        settings: folders, limits, seed; None: those of the environment.
        source: a name of `matinee data list`, a folder, or "auto"; a data set that is loaded already; None:
            `settings.data`.
        promote: serve the snapshot at once.
        include_store: also learn from ratings and movies written through the API.
        measure: put metrics on held-out ratings into the manifest (fits twice).
        quick: fit the models of `QUICK` alone, without metrics, vectors of texts and posters, and approximate indexes:
            something to serve within seconds, while a whole training goes on.
        incremental: begin with the models of the snapshot in service, without metrics (see `training.incremental`).
        mapping: canonical column → column of the files, for plain tables.
        scale, values, unrated: what the ratings mean (see `load_dataset`).
        progress: called with the current step.

    Raises:
        DataError: unreadable data, or none.
        MemoryLimitError: no model fits into `settings.memory_limit`, or all together not into `settings.memory_budget`.
        SnapshotError: the snapshot cannot be written, or the one in service cannot be begun with.
        InvalidInputError: quick and incremental at once.

    Examples:
        >>> snapshot_id = matinee.train(settings, dataset, measure=False)
        >>> snapshot_id in matinee.Engine.open(settings).snapshot_ids()
        True
    """
    settings = settings or Settings()
    if isinstance(source, Dataset):
        dataset, source = source, source.name
    else:
        source = source or settings.data
        dataset = load_dataset(source, settings, progress, mapping=mapping, scale=scale, values=values, unrated=unrated)
    return train_dataset(
        settings,
        dataset,
        source=source_identity(source),
        promote=promote,
        include_store=include_store,
        measure=measure,
        quick=quick,
        incremental=incremental,
        progress=progress,
    )


@on_device
def train_dataset(
    settings: Settings,
    dataset: Dataset,
    *,
    source: str | None = None,
    promote: bool = True,
    include_store: bool = True,
    measure: bool = False,
    quick: bool = False,
    incremental: bool = False,
    progress: Progress | None = None,
    fit: Fit | None = None,
) -> str:
    """`train` for data that are loaded already; `source` identifies where they came from, `fit` fits each model."""
    on_progress = progress or silent
    if quick and incremental:
        raise InvalidInputError("A training is quick or incremental, not both.", "Leave one of them out.")
    lineup_of = lineup_for(settings)
    dataset, learned = with_stored(dataset, settings) if include_store else (dataset, NOTHING)
    if not len(dataset.ratings):
        raise DataError(f"There are no ratings in {dataset.name}.", "See `matinee data inspect` for what was dropped.")
    base = Base.in_service(settings, dataset) if incremental else None
    start = time.perf_counter()
    encoded, notes = ({}, []) if quick else encoded_spaces(dataset, settings, on_progress)
    dataset = with_notes(with_spaces(dataset, encoded), notes)
    seconds = {"encoding": time.perf_counter() - start}
    lineup = lineup_of(dataset)
    if settings.classic_model == ForestStars.name:
        lineup[ForestStars.name] = ForestStars()
    if quick:
        lineup = {name: lineup[name] for name in QUICK}
    made_with: dict[str, Any] = {"seed": settings.seed, "memory_limit": settings.memory_limit, "own": fit is None}
    if base is not None:
        base.check_settings(_fitting(lineup, base.snapshot.models))
        made_with["base"] = base.snapshot.id
    measure = measure and not quick and base is None
    if fit is None or measure:  # `fit` refuses by itself what does not fit
        affordable = _fitting(lineup, _affordable(lineup, dataset, settings.memory_limit))
        check_memory(dataset, affordable, measure=measure, budget=settings.memory_budget)
    checkpoints = Checkpoints(settings.checkpoints_dir, dataset, lineup, made_with | {"measure": measure})
    metrics: Mapping[str, Mapping[str, float]] = {}
    if measure:
        start = time.perf_counter()
        metrics, lineup = _measured(dataset, lineup, settings, on_progress, checkpoints)
        seconds["measuring"] = time.perf_counter() - start
    fitted, fit_seconds, skipped = fit_lineup(lineup, dataset, settings, on_progress, checkpoints, fit, base)
    metrics = {name: figures for name, figures in metrics.items() if name in fitted}
    seconds |= fit_seconds
    start = time.perf_counter()
    spaces = encoded | model_spaces(dataset, fitted, settings.seed)
    spaces = finished(spaces, settings, on_progress, approximate=not quick, base=base)
    seconds["spaces"] = time.perf_counter() - start
    default = next((name for name in (settings.default_model, *PREFERRED) if name in fitted), next(iter(fitted)))
    on_progress("writing the snapshot", 0.0)
    snapshot_id = write_snapshot(
        settings.snapshots_dir,
        dataset,
        fitted,
        default_model=default,
        spaces=spaces,
        metrics=metrics,
        seconds=seconds,
        watermark=learned.seq,
        mark=learned.mark,
        left_out=learned.left_out,
        seed=settings.seed,
        settings={
            "source": source,
            "skipped": skipped,
            "include_store": include_store,
            "quick": quick,
            **({"incremental": base.described()} if base is not None else {}),
            **({"device": device.device_kind} if (device := current_device()) else {}),
        },
    )
    if promote:
        SnapshotRegistry(settings.snapshots_dir).promote(snapshot_id, verify=False)
    checkpoints.remove()
    on_progress("writing the snapshot", 1.0)
    return snapshot_id


def with_notes(dataset: Dataset, notes: Sequence[str]) -> Dataset:
    """The data set with more notes in its report."""
    return replace(dataset, report=dataset.report.model_copy(update={"notes": (*dataset.report.notes, *notes)}))


def fit_lineup(
    lineup: Mapping[str, Model[Any]],
    dataset: Dataset,
    settings: Settings,
    on_progress: Progress,
    checkpoints: Checkpoints | None = None,
    fit: Fit | None = None,
    base: Base | None = None,
) -> tuple[dict[str, Model[Any]], dict[str, float], dict[str, str]]:
    """Fit models in order.

    A model over the memory limit, or one that has nothing to learn here (`Model.unsuited`), is skipped. Models that it
    is a part of are fitted without it if possible.

    Args:
        checkpoints: where models that take long are kept, and found again.
        fit: fits each model; None: its own `fit`.
        base: whose models are begun with.

    Returns:
        The models, the seconds that each took, and the reason for each that was skipped.

    Raises:
        MemoryLimitError: no model fits.
    """
    fitted: dict[str, Model[Any]] = {}
    seconds: dict[str, float] = {}
    skipped: dict[str, str] = {}
    for name, model in lineup.items():
        smaller, missing = _reduced(model, fitted)
        if missing:
            skipped[f"{name}, in part" if smaller is not None else name] = f"needs {', '.join(missing)}"
        if smaller is None:
            continue
        reason = smaller.unsuited(dataset)
        if reason is not None:
            skipped[name] = reason
            continue
        need = smaller.memory_needed(dataset)
        what = f"fitting {name}" + (f" (up to {need / 2**20:,.0f} MiB)" if need >= MIN_SHOWN_BYTES else "")

        def part(_what: str, share: float, what: str = what) -> None:
            on_progress(what, min(share, 1.0))

        on_progress(what, 0.0)

        def fit_one(name: str = name, smaller: Model[Any] = smaller, part: Progress = part) -> Model[Any]:
            bound = smaller.bind(fitted) if smaller.parts else smaller
            if fit is not None:
                return fit(bound, dataset, part)
            if base is not None:
                return base.fit(name, bound, dataset, memory_limit=settings.memory_limit, progress=part)
            return bound.fit(dataset, memory_limit=settings.memory_limit, progress=part)

        start = time.perf_counter()
        try:
            if checkpoints is None:
                fitted[name], seconds[name] = fit_one(), time.perf_counter() - start
            else:
                model, seconds[name] = checkpoints.fitted(name, smaller, fit_one)
                fitted[name] = model.bind(fitted) if model.parts else model
        except MemoryLimitError as error:
            skipped[name] = str(error)
            continue
        on_progress(what, 1.0)
    if not fitted:
        raise MemoryLimitError("No model fits into the memory limit.", " ".join(skipped.values()))
    return fitted, seconds, skipped


def _measured(
    dataset: Dataset,
    lineup: dict[str, Model[Any]],
    settings: Settings,
    on_progress: Progress,
    checkpoints: Checkpoints,
) -> tuple[Mapping[str, Mapping[str, float]], dict[str, Model[Any]]]:
    """Metrics on held-out ratings, and the line-up with the weights that its blends learned for these.

    So no blend learns its weights twice, and the weights were learned without the held-out ratings.
    """
    made = checkpoints.values("measured", lambda: _measure(dataset, lineup, settings, on_progress))
    learned = dict(lineup)
    for name, curves in made["curves"].items():
        own = learned[name]
        if isinstance(own, Blend):
            config = own.config.model_copy(update={"curves": {part: tuple(curve) for part, curve in curves.items()}})
            learned[name] = Blend(config)
    return made["metrics"], learned


def _measure(
    dataset: Dataset, lineup: dict[str, Model[Any]], settings: Settings, on_progress: Progress
) -> dict[str, Any]:
    """`metrics` by model, and `curves`: the learned weights by blend."""
    from matinee.evaluation import training_metrics

    on_progress("measuring on held-out ratings", 0.0)
    names = _affordable(lineup, dataset, settings.memory_limit)
    lineup_of = lineup_for(settings)
    measured: dict[str, Model[Any]] = {}
    metrics = training_metrics(
        dataset,
        lambda part: _fitting(lineup_of(part), names),
        settings.seed,
        memory_limit=settings.memory_limit,
        progress=lambda _what, share: on_progress("measuring on held-out ratings", min(share, 1.0)),
        keep=measured,
    )
    on_progress("measuring on held-out ratings", 1.0)
    curves = {
        name: model.config.curves
        for name, model in measured.items()
        if isinstance(model, Blend) and model.config.curves is not None
    }
    return {"metrics": metrics, "curves": curves}


def _affordable(lineup: Mapping[str, Model[Any]], dataset: Dataset, memory_limit: int) -> set[str]:
    """Names of the models that the data suit and that fit into the memory limit."""
    names: set[str] = set()
    for name, model in lineup.items():
        smaller, _ = _reduced(model, names)
        if smaller is not None and not smaller.unsuited(dataset) and smaller.memory_needed(dataset) <= memory_limit:
            names.add(name)
    return names


def _fitting(lineup: Mapping[str, Model[Any]], fitted: Container[str]) -> dict[str, Model[Any]]:
    """The models of a line-up that were fitted, without parts that were not."""
    reduced = {name: _reduced(model, fitted)[0] for name, model in lineup.items() if name in fitted}
    return {name: model for name, model in reduced.items() if model is not None}


def _reduced(model: Model[Any], fitted: Container[str]) -> tuple[Model[Any] | None, list[str]]:
    """A model without the parts that were not fitted (None if it needs them), and the names of these parts."""
    missing = [part for part in model.parts if part not in fitted]
    return (model.without(missing) if missing else model), missing


def source_identity(source: str) -> str:
    """Identity of a source, to recognize it at the next start: a name itself, files and folders by sizes and times."""
    path = Path(source).expanduser()
    if source == "auto" or any(info.name == source for info in list_datasets()) or not path.exists():
        return source
    # Tables are at most two folders deep (see `data.readers`); deeper files are not read, to spare a large disk.
    files = [path] if path.is_file() else [file for depth in ("*", "*/*", "*/*/*") for file in path.glob(depth)]
    digest = hashlib.sha256()
    for file in sorted(file for file in files if file.is_file()):
        status = file.stat()
        digest.update(f"{file.relative_to(path).as_posix()}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return f"{'folder' if path.is_dir() else 'file'} {path.resolve().name} {digest.hexdigest()[:16]}"


def snapshot_of(settings: Settings, source: str | None = None) -> str | None:
    """Id of the snapshot to serve for a source (None: `settings.data`); None where it must be trained first.

    It is the one in service, or else the newest of those served before it, which is promoted: going back and forth
    between data sets trains each once. A snapshot that was rolled back is never taken up again.
    """
    registry = SnapshotRegistry(settings.snapshots_dir)
    identity = source_identity(source or settings.data)
    try:
        current = registry.current()
        served = [] if current is None else [current, *reversed(registry.previous())]
    except SnapshotError:
        return None
    for snapshot_id in served:
        try:
            if registry.show(snapshot_id).settings.get("source") != identity or registry.verify(snapshot_id):
                continue
        except SnapshotError:
            continue
        return snapshot_id if snapshot_id == current else registry.promote(snapshot_id, verify=False)
    return None
