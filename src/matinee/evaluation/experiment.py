"""Run a protocol: load, split, fit, measure, and add the published figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from matinee._util.progress import Progress, silent
from matinee._util.versions import versions
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.readers import read_source
from matinee.data.readers.memory import reading_within
from matinee.data.sources import get_dataset_files, list_datasets
from matinee.data.split import random_per_user, some_users, users_of, validation_users
from matinee.errors import DataError, InvalidInputError
from matinee.evaluation.bootstrap import RESAMPLES
from matinee.evaluation.environment import Environment
from matinee.evaluation.figures import UserFigures
from matinee.evaluation.groups import UserGroups, popularity_deciles
from matinee.evaluation.measure import (
    fit_models,
    measure_ranking,
    measure_stars,
    predict_stars,
    rank_questions,
    rank_users,
    users_to_test,
)
from matinee.evaluation.protocols import EvaluationSource, Protocol, Split, check_tasks, get_protocol, without_user_tags
from matinee.evaluation.report import EvaluationReport
from matinee.evaluation.summary import Examined, Measured, summarize
from matinee.evaluation.user_traits import Traits, read_user_traits
from matinee.models import MODELS, create, default_lineup
from matinee.models.base import Model
from matinee.models.lineup import Lineup, lineup_for
from matinee.settings import Settings

MEASURED_RATINGS = 5_000_000
"""Figures for a snapshot's manifest are of models fitted on so many ratings at most."""


@dataclass(frozen=True)
class Evaluation:
    """A report and all that it was made of.

    Attributes:
        figures: model → figures by user, of each split; those of groups as well.
        lineups: the unfitted models of each split, parts too: name → kind and configuration.
        asked: names of the models that were asked for; None: all.
        data: folder or name of the data; None: they were given as a data set.
    """

    report: EvaluationReport
    figures: Mapping[str, Sequence[UserFigures]]
    lineups: tuple[dict[str, dict[str, Any]], ...]
    asked: tuple[str, ...] | None
    data: str | None


def evaluate(
    protocol: str,
    models: Sequence[str] | None = None,
    *,
    data: Dataset | Path | str | None = None,
    settings: Settings | None = None,
    validation: bool = False,
    lineup: Lineup | None = None,
    baseline: str | None = None,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Measure models by a fixed protocol.

    Args:
        protocol: a name of `PROTOCOLS`.
        models: names of the line-up or of `matinee.models.MODELS`; None: those of the line-up that can do what the
            protocol asks.
        data: a data set, a folder, or a name of `list_datasets`; None: the data set of the protocol, or that of the
            settings. A published split that depends on the order of the data file is exact only for files.
        settings: cache folder, memory limit, seed of the intervals; None: from the environment.
        validation: for choosing settings: ask the validation users alone, for nothing that a printed split tests (see
            `Protocol.splits`).
        lineup: makes the unfitted models for a training part; None: those that the settings ask for.
        baseline: the model that all others are compared with; None: the best by the first figure.
        resamples: of the bootstrap; 0: no intervals and no tests.
        progress: called with what is being done and the share done (0..1).

    Raises:
        NotFoundError: no such protocol, model or data set.
        InvalidInputError: no model can do what is asked, or the data leave nothing to ask.
        DataError, FetchError: the data cannot be had or read.
        MemoryLimitError: a model does not fit into the limit.
    """
    return evaluate_in_detail(
        protocol,
        models,
        data=data,
        settings=settings,
        validation=validation,
        lineup=lineup,
        baseline=baseline,
        resamples=resamples,
        progress=progress,
    ).report


def evaluate_in_detail(
    protocol: str,
    models: Sequence[str] | None = None,
    *,
    data: Dataset | Path | str | None = None,
    settings: Settings | None = None,
    validation: bool = False,
    lineup: Lineup | None = None,
    baseline: str | None = None,
    resamples: int = RESAMPLES,
    fingerprint: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """`evaluate`, with the figures of every user and the configuration of every model.

    Args:
        fingerprint: of the data, where they must be the same as before; another is an `InvalidInputError`.
    """
    chosen = get_protocol(protocol)
    settings = settings or Settings()
    lineup = lineup or lineup_for(settings)
    on_progress = progress or silent
    loaded = load_source(chosen, data, settings, progress, validation=validation, fingerprint=fingerprint)
    source = loaded.source
    measured: dict[str, Measured] = {}
    names: list[str] = []
    lineups: list[dict[str, dict[str, Any]]] = []
    groups: UserGroups | None = None
    known = chosen.data(source)
    for split in chosen.splits(source, validation=validation):
        check_tasks(chosen, split)
        names.append(split.name)
        dataset = known.with_ratings(split.train)
        candidates = _with_kinds(lineup(dataset), models)
        lineups.append({name: _described(model) for name, model in candidates.items()})
        references = chosen.references()
        selected = list(dict.fromkeys([*_select(candidates, models, chosen), *references]))
        candidates = candidates | references
        if baseline is not None and baseline not in selected:
            raise InvalidInputError(
                f"The baseline {baseline!r} is not among the models measured.", f"Choose one of: {', '.join(selected)}."
            )
        if groups is None:
            groups = UserGroups.of(split.history, users_to_test(split), loaded.traits)
        deciles = popularity_deciles(split.train.counts)

        def part(what: str, share: float, name: str = split.name) -> None:
            on_progress(f"{name}: {what}", share)

        fitted = fit_models(candidates, selected, dataset, memory_limit=settings.memory_limit, progress=part)
        for name in selected:
            if name not in fitted:
                if models is not None:
                    why = candidates[name].unsuited(dataset) or "It is nothing without a part that is left out."
                    raise InvalidInputError(f"{name} cannot be fitted on this data. {why}", "Name other models.")
                continue
            model = fitted[name].model
            part(f"measuring {name}", 1.0)
            start = time.perf_counter()
            examined = examine(model, split, known, chosen)
            took = time.perf_counter() - start
            own = sum(fitted[needed].seconds for needed in {name, *model.parts})
            measured.setdefault(name, Measured()).add(model, examined, groups, deciles, chosen.k, (own, took))
    measured = {name: entry for name, entry in measured.items() if len(entry.figures) == len(names)}
    if not measured:
        raise InvalidInputError(f"No model can do what {protocol} asks.", "Name models that predict stars.")
    on_progress("intervals", 0.0)
    report = EvaluationReport(
        protocol=chosen.name,
        description=chosen.description,
        dataset=source.dataset.name,
        fingerprint=source.dataset.fingerprint,
        films=len(source.dataset.catalog),
        users=source.dataset.ratings.n_users,
        ratings=len(source.dataset.ratings),
        scale=known.scale,
        validation=validation,
        splits=tuple(names),
        peers=() if validation else chosen.peers,
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=loaded.notes,
        group_notes=groups.notes if groups is not None else (),
        environment=Environment.here(),
        **summarize(measured, baseline=baseline, resamples=resamples, seed=settings.seed),
    )
    on_progress("intervals", 1.0)
    return Evaluation(
        report,
        {name: tuple(entry.figures) for name, entry in measured.items()},
        tuple(lineups),
        None if models is None else tuple(dict.fromkeys(models)),
        loaded.place,
    )


def _described(model: Model[Any]) -> dict[str, Any]:
    return {"kind": model.name, "config": model.config.model_dump(mode="json")}


def _with_kinds(lineup: Mapping[str, Model[Any]], names: Sequence[str] | None) -> dict[str, Model[Any]]:
    """The line-up, and of the names that it lacks those of kinds of models, with their usual settings."""
    return {**lineup, **{name: create(name) for name in names or () if name not in lineup and name in MODELS}}


def _select(lineup: Mapping[str, Model[Any]], names: Sequence[str] | None, protocol: Protocol) -> list[str]:
    """The models to measure; those that cannot do what is asked are left out, or refused where they are named."""
    able = [name for name, model in lineup.items() if "ranking" in protocol.tasks or model.predicts_stars]
    if names is None:
        return able
    for name in names:
        if name in lineup and name not in able:
            raise InvalidInputError(f"{name} does not predict stars.", f"Choose one of: {', '.join(able)}.")
    return list(dict.fromkeys(names))


def examine(model: Model[Any], split: Split, dataset: Dataset, protocol: Protocol) -> Examined:
    """Ask a fitted model what a protocol asks of one split."""
    metrics: dict[str, float] = {}
    figures: list[UserFigures] = []
    ranked = predicted = None
    if split.questions:
        metrics, of_questions = rank_questions(model, split, dataset.catalog, k=protocol.k)
        figures.append(of_questions)
    elif "ranking" in protocol.tasks:
        ranked = rank_users(
            model, split, dataset.catalog, k=protocol.k, relevant=protocol.relevant, scale=dataset.scale
        )
        metrics |= ranked.metrics
        figures.append(ranked.figures)
    if "stars" in protocol.tasks and model.predicts_stars:
        predicted = predict_stars(model, split, dataset.scale)
        metrics |= predicted.metrics
        figures.append(predicted.figures)
    return Examined(metrics, UserFigures.joined(figures), ranked, predicted)


@dataclass(frozen=True)
class Loaded:
    """The data and, where the splits depend on it, the order of the file; what to say about them.

    Attributes:
        traits: of the users, where the data have any.
        place: folder or name that it can be read from again.
    """

    source: EvaluationSource
    notes: tuple[str, ...]
    traits: Traits
    place: str | None


def load_source(
    protocol: Protocol,
    data: Dataset | Path | str | None,
    settings: Settings,
    progress: Progress | None,
    *,
    validation: bool,
    fingerprint: str | None = None,
) -> Loaded:
    """The data of a protocol, and the order of their file where its splits depend on it.

    Raises:
        InvalidInputError: the data have another fingerprint than the one given.
    """
    traits: Traits = {}
    place: str | None = None
    if isinstance(data, Dataset):
        source = EvaluationSource(data)
    else:
        name_or_folder: str | Path = data if data is not None else protocol.dataset or settings.data
        folder = Path(name_or_folder).expanduser()
        is_registered = isinstance(name_or_folder, str) and any(
            info.name == name_or_folder for info in list_datasets(settings)
        )
        is_named = is_registered or not folder.exists()
        if is_named:
            name_or_folder = str(
                name_or_folder
            )  # a name, also where it was typed as a path; `load_dataset` says what is wrong with it
        dataset = load_dataset(name_or_folder, settings, progress)
        place = str(name_or_folder) if is_named else str(folder.resolve())
        if is_registered and name_or_folder != "auto":
            folder = get_dataset_files(str(name_or_folder), settings, progress)
        rows = None
        if protocol.needs_file(dataset.name, validation=validation):
            if is_named and not is_registered:
                folder = get_dataset_files(str(name_or_folder), settings, progress)
            with reading_within(settings.memory_limit):
                rows = read_source(folder).ratings
        if folder.is_dir():
            traits = read_user_traits(folder)
        source = EvaluationSource(dataset, rows)
    if fingerprint not in (None, source.dataset.fingerprint):
        raise InvalidInputError(
            f"The data have changed: {source.dataset.fingerprint[:12]} is not {str(fingerprint)[:12]}.",
            "Give the data as they were: --data FOLDER.",
        )
    notes = list(source.dataset.report.notes)
    if source.rows is None and protocol.needs_order:
        notes.append("The order of the file is not known, so the split is not that of the file.")
    elif source.rows is None and protocol.needs_file(source.dataset.name, validation=validation):
        notes.append("The order of the file is not known, so that published test ratings may be asked for here.")
    if protocol.dataset is not None and source.dataset.name != protocol.dataset:
        notes.append(f"The protocol is made for {protocol.dataset}; figures for other data cannot be compared.")
    return Loaded(source, tuple(notes), traits, place)


def training_metrics(
    dataset: Dataset,
    lineup_factory: Lineup = default_lineup,
    seed: int = 0,
    *,
    max_users: int = 2000,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    keep: dict[str, Model[Any]] | None = None,
) -> dict[str, dict[str, float]]:
    """Honest figures for a snapshot's manifest: models refitted without a fifth of a sample of users' ratings.

    At most `max_users` users (a random sample, without those that are kept for validation) have their ratings split
    80:20 at random; the other users stay whole in training. All movies are ranked, seen ones removed; no movie has
    tags. Of more than `MEASURED_RATINGS` ratings the models are refitted on those of a random sample of users.

    Args:
        keep: the models that were fitted are put in.

    Returns:
        Model → `ndcg@10`, `recall@10`, `coverage`, and for star models `rmse`; empty where the data are too few.
    """
    dataset = without_user_tags(dataset)
    ratings = some_users(dataset.ratings, MEASURED_RATINGS, seed)
    users = users_of(ratings)
    train = random_per_user(users, 0.8, seed)
    others = ~train & ~validation_users(ratings.user_ids)[users]
    split = Split("holdout", ratings, ratings, ratings.select(others if others.any() else ~train))
    tested = users_to_test(split, max_users, seed)
    train |= ~np.isin(users, tested)
    split = Split("holdout", ratings.select(train), ratings.select(train), ratings.select(~train))
    try:
        if len(split.train) == 0 or len(split.test) == 0:
            raise DataError("Too few ratings to hold any out.")
        part = dataset.with_ratings(split.train)
        lineup = lineup_factory(part)
        fitted = fit_models(lineup, list(lineup), part, memory_limit=memory_limit, progress=progress)
    except DataError:
        return {}
    if keep is not None:
        keep.update({name: entry.model for name, entry in fitted.items()})
    result: dict[str, dict[str, float]] = {}
    for name, entry in fitted.items():
        ranking = measure_ranking(entry.model, split, dataset.catalog)
        result[name] = {key: round(ranking[key], 5) for key in ("ndcg@10", "recall@10", "coverage")}
        if entry.model.predicts_stars:
            result[name]["rmse"] = round(measure_stars(entry.model, split, dataset.scale)["rmse"], 5)
    return result
