"""Stored runs: a folder each, with `run.json`, the values of every user (`values.npz`), and a report for people.

Reading them needs neither data frames nor the models.
"""

from __future__ import annotations

import re
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matinee._util.atomic_files import file_hash, sync_file, sync_folder
from matinee._util.private_files import private_folder
from matinee.errors import RunError

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
RECORD, VALUES, REPORT = "run.json", "values.npz", "report.html"
_PART = ".part-"

Arrays = dict[str, NDArray[Any]]
Kind = Literal["evaluate", "compare", "tune"]


class Request(BaseModel):
    """What was asked for: the same again gives the same run.

    Attributes:
        models: names; None: all that can do what the protocol asks.
        data: folder or name; None: the data were given as an object, so that the run cannot be repeated by itself.
        search: settings of a search, for the kind "tune".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str
    models: tuple[str, ...] | None
    data: str | None
    validation: bool
    baseline: str | None = None
    resamples: int = 0
    seed: int = 0
    memory_limit: int
    search: dict[str, Any] | None = None


class StoredFigures(BaseModel):
    """Where the values of one model on one split are: arrays `KEY.users`, `KEY.numerators`, `KEY.denominators`.

    Attributes:
        names: of the figures, the columns of the arrays.
        roots: those that are square roots.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    names: tuple[str, ...]
    roots: tuple[str, ...]


class RunRecord(BaseModel):
    """The content of `run.json`.

    Attributes:
        report: an `EvaluationReport` as JSON.
        lineups: unfitted models by name, kind and configuration; one, or one for each split where they differ.
        figures: model → where its values are, of each split.
        trials: of a search, in order.
        values_sha256: hash of `values.npz`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    id: str = Field(pattern=rf"^{RUN_ID.pattern}$")
    created: datetime
    kind: Kind
    request: Request
    report: dict[str, Any]
    lineups: tuple[dict[str, dict[str, Any]], ...]
    figures: dict[str, tuple[StoredFigures, ...]] = Field(default_factory=dict)
    trials: tuple[dict[str, Any], ...] = ()
    values_sha256: str = ""


def summary(record: RunRecord) -> dict[str, Any]:
    """What a list shows of a run: what it was of, and the main figure of the reference model."""
    report = record.report
    reference = next(entry for entry in report["results"] if entry["name"] == report["reference"])
    metric = next(iter(reference["metrics"]))
    return {
        "id": record.id,
        "created": record.created.isoformat(timespec="seconds"),
        "kind": record.kind,
        "protocol": report["protocol"],
        "dataset": report["dataset"],
        "validation": report["validation"],
        "models": [entry["name"] for entry in report["results"]],
        "reference": report["reference"],
        "metric": metric,
        "value": reference["metrics"][metric],
    }


def new_run_id() -> str:
    """An id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


class RunStore:
    """All runs in one folder. A run appears whole or not at all.

    Args:
        root: the folder; it need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def ids(self) -> list[str]:
        """Ids of all runs, newest first."""
        if not self.root.is_dir():
            return []
        return sorted((path.name for path in self.root.iterdir() if RUN_ID.fullmatch(path.name)), reverse=True)

    def folder(self, run_id: str) -> Path:
        """The folder of a run.

        Args:
            run_id: or the beginning or end of one, where only one run has it; "last" is the newest.

        Raises:
            RunError: no such run, or several.
        """
        ids = self.ids()
        found = ids[:1] if run_id == "last" else [name for name in ids if name == run_id]
        if not found and re.fullmatch(r"[0-9a-fTZ-]{4,}", run_id):
            found = [name for name in ids if name.startswith(run_id) or name.endswith(run_id)]
        if len(found) > 1:
            raise RunError(f"Several runs are called {run_id}: {', '.join(found)}.", "Give more of the id.")
        if not found:
            raise RunError(f"There is no run {run_id!r}.", "`matinee runs list` has all of them.")
        return self.root / found[0]

    def show(self, run_id: str) -> RunRecord:
        """The record of one run.

        Raises:
            RunError: no such run, or it cannot be read.
        """
        path = self.folder(run_id) / RECORD
        try:
            record = RunRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise RunError(f"{path} cannot be read ({_first_line(error)}).", "Delete its folder.") from error
        if record.id != path.parent.name:
            raise RunError(f"{path} is that of another run, {record.id}.", "Give the folder its name back.")
        return record

    def list(self) -> tuple[list[RunRecord], dict[str, str]]:
        """Records of all runs, newest first; of those that cannot be read, id → problem."""
        records, damaged = [], {}
        for run_id in self.ids():
            try:
                records.append(self.show(run_id))
            except RunError as error:
                damaged[run_id] = error.message
        return records, damaged

    def values(self, record: RunRecord) -> Arrays:
        """The arrays of a run.

        Raises:
            RunError: they are missing or damaged.
        """
        path = self.root / record.id / VALUES
        try:
            if file_hash(path) != record.values_sha256:
                raise RunError(f"{path} is damaged: it is not what {RECORD} says.", "Repeat it with `matinee rerun`.")
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise RunError(
                f"{path} cannot be read ({_first_line(error)}).", "Repeat the run with `matinee rerun`."
            ) from error

    def save(self, record: RunRecord, arrays: Mapping[str, NDArray[Any]], report: str) -> Path:
        """Write a run and return its folder.

        Args:
            arrays: what `record.figures` says; no objects.
            report: HTML.

        Raises:
            RunError: it cannot be written.
        """
        hidden, final = self.root / f"{_PART}{record.id}", self.root / record.id
        try:
            private_folder(self.root)
            self._sweep()
            hidden.mkdir()
            np.savez_compressed(hidden / VALUES, allow_pickle=False, **dict(arrays))
            sealed = record.model_copy(update={"values_sha256": file_hash(hidden / VALUES)})
            (hidden / RECORD).write_text(sealed.model_dump_json(indent=1), encoding="utf-8")
            (hidden / REPORT).write_text(report, encoding="utf-8")
            for name in (VALUES, RECORD, REPORT):
                sync_file(hidden / name)
            hidden.rename(final)
            sync_folder(self.root)
        except OSError as error:
            shutil.rmtree(hidden, ignore_errors=True)
            raise RunError(
                f"The run cannot be written: {error}.", "Make room on the disk, or add --no-save."
            ) from error
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        return final

    def delete(self, run_id: str) -> str:
        """Delete a run and return its whole id."""
        folder = self.folder(run_id)
        hidden = self.root / f"{_PART}{folder.name}"
        folder.rename(hidden)
        shutil.rmtree(hidden)
        return folder.name

    def _sweep(self) -> None:
        """Remove what processes that were killed left behind, a day and more ago."""
        day = datetime.now(UTC).timestamp() - 86_400
        for path in self.root.glob(f"{_PART}*"):
            if path.stat().st_mtime < day:
                shutil.rmtree(path, ignore_errors=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
