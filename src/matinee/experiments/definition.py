"""What an experiment is, and the file `experiments.json` of the data folder that has those there are."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from matinee._util.atomic_files import like_its_folder, locked, replace_private
from matinee.errors import ConflictError, InvalidInputError, NotFoundError, StoreError
from matinee.experiments.assignment import assign

log = logging.getLogger("matinee.experiments")
FILE = "experiments.json"
NAME = r"^[A-Za-z0-9_-]+$"
MAX_ARMS = 20
PATIENCE = 10.0
"""Seconds to wait for another process that writes the file."""
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=NAME)]
Share = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]


class Arm(BaseModel):
    """One way of making lists. What is None is as without an experiment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    share: Annotated[float, Field(gt=0, le=1, strict=True, allow_inf_nan=False, description="Of the users.")]
    model: Name | None = Field(None, description="That ranks; null: the default model.")
    against: Name | None = Field(None, description="Model whose ranking is interleaved with that one, by team draft.")
    diversity: Share | None = None
    adventurous: Share | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """Models that it names."""
        return tuple(name for name in (self.model, self.against) if name is not None)


class Plan(BaseModel):
    """An experiment as it is asked for. The first arm is the one that others are compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    arms: Annotated[tuple[Arm, ...], Field(min_length=1, max_length=MAX_ARMS)]
    exploration: Share = Field(
        0.0, description="Share of the places that are drawn at random, in arms that do not interleave."
    )
    window_days: Annotated[float, Field(gt=0, le=365, strict=True, allow_inf_nan=False)] = Field(
        7.0, description="Days after a list in which what its user does counts as its outcome."
    )
    effect: Annotated[float, Field(gt=0, le=1000, strict=True, allow_inf_nan=False)] = Field(
        0.1, description="About the difference that is looked for, in films a user; set before the data are seen."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("arms must have different names")
        assign(self.name, "", [arm.share for arm in self.arms])
        return self


class Experiment(Plan):
    """An experiment that was started; it never changes but by its end."""

    started: datetime
    stopped: datetime | None = None

    def arm_of(self, user_id: str) -> Arm:
        """The user's arm."""
        return self.arms[assign(self.name, user_id, [arm.share for arm in self.arms])]

    def arm(self, name: str) -> Arm:
        """An arm by its name.

        Raises:
            NotFoundError: there is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise NotFoundError(
            f"The experiment {self.name!r} has no arm {name!r}.", f"It has {', '.join(arm.name for arm in self.arms)}."
        )


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    experiments: list[Experiment]


class ExperimentFile:
    """The experiments of a data folder, as its file has them now or had them `every` seconds ago.

    At most one runs at a time, so that no list is under two of them.

    Args:
        every: seconds between two questions to the file system whether it has changed.
    """

    def __init__(self, folder: Path, every: float = 0.0) -> None:
        self.path, self._every = folder / FILE, every
        self._next_look = float("-inf")
        self._seen: tuple[int, int, int] | None = None
        self._all: dict[str, Experiment] = {}
        self._running: Experiment | None = None

    def running(self) -> Experiment | None:
        """The experiment that runs; None: none does, or the file cannot be read, which is logged. For servers."""
        if monotonic() >= self._next_look:
            try:
                self.all()
            except StoreError as error:
                if self._running is not None or self._next_look == float("-inf"):
                    log.error("%s %s", error.message, error.hint)
                self._running = self._seen = None  # so that it is read again when it can be
            self._next_look = monotonic() + self._every
        return self._running

    def all(self) -> Mapping[str, Experiment]:
        """All experiments by name, in the order of their starts.

        Raises:
            StoreError: the file cannot be read, or is damaged.
        """
        try:
            stat = os.stat(self.path)  # noqa: PTH116 - half as long as Path.stat takes
        except FileNotFoundError:
            self._seen, self._all, self._running = None, {}, None
            return self._all
        except OSError as error:
            raise self._unreadable(error) from error
        seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
        if seen != self._seen:
            self._all = self._read()
            self._running = next((one for one in self._all.values() if one.stopped is None), None)
            self._seen = seen
        return self._all

    def get(self, name: str) -> Experiment:
        """An experiment by name.

        Raises:
            NotFoundError: there is none.
            StoreError: as `all`.
        """
        found = self.all().get(name)
        if found is None:
            raise NotFoundError(f"There is no experiment {name!r}.", "`matinee experiment list` shows those there are.")
        return found

    def start(self, plan: Plan) -> Experiment:
        """Start an experiment: running services follow within a second.

        Raises:
            ConflictError: another one runs, or one of this name did.
            StoreError: the file cannot be read or written.
        """
        started = Experiment(**plan.model_dump(), started=_now())

        def change(known: dict[str, Experiment]) -> None:
            if plan.name in known:
                raise ConflictError(f"There was an experiment {plan.name!r} before.", "Choose another name.")
            running = next((one.name for one in known.values() if one.stopped is None), None)
            if running is not None:
                raise ConflictError(
                    f"The experiment {running!r} runs.", f"Stop it first: matinee experiment stop {running}."
                )
            known[plan.name] = started

        self._change(change)
        return started

    def stop(self, name: str) -> Experiment:
        """Stop an experiment for good. Returns it.

        Raises:
            NotFoundError: there is none of this name.
            ConflictError: it was stopped before.
            StoreError: the file cannot be read or written.
        """
        self.get(name)

        def change(known: dict[str, Experiment]) -> None:
            if known[name].stopped is not None:
                raise ConflictError(f"The experiment {name!r} was stopped before.", "Nothing has to be done.")
            known[name] = known[name].model_copy(update={"stopped": _now()})

        self._change(change)
        return self.get(name)

    def _change(self, change: Callable[[dict[str, Experiment]], None]) -> None:
        busy = StoreError(f"Another process writes {self.path}.", "Try again when it is done.")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(f".{FILE}.lock")
            with locked(lock, PATIENCE, busy):
                like_its_folder(lock)
                known = self._read() if self.path.exists() else {}
                change(known)
                document = _Document(format=1, experiments=list(known.values())).model_dump(mode="json")
                replace_private(self.path, json.dumps(document, indent=1).encode() + b"\n")
        except OSError as error:
            raise StoreError(
                f"The file of experiments {self.path} cannot be written: {error.strerror or error}.",
                "Run the command as the user of the services.",
            ) from error

    def _read(self) -> dict[str, Experiment]:
        try:
            document = _Document.model_validate_json(self.path.read_bytes())
        except OSError as error:
            raise self._unreadable(error) from error
        except ValidationError as error:
            raise StoreError(
                f"The file of experiments {self.path} is damaged: {error.errors()[0]['msg']}.",
                "Take it from a backup of the data folder, or delete it, which ends the experiments.",
            ) from error
        return {one.name: one for one in document.experiments}

    def _unreadable(self, error: OSError) -> StoreError:
        return StoreError(
            f"The file of experiments {self.path} cannot be read: {error.strerror or error}.",
            "Make it readable for the user of this service.",
        )


def plan_of(values: Mapping[str, object]) -> Plan:
    """A plan from plain values.

    Raises:
        InvalidInputError: what is wrong with them.
    """
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInputError(
            f"The experiment cannot be started: {where + ': ' if where else ''}{first['msg']}.",
            "See `matinee experiment start --help`.",
        ) from error


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
