"""The manifest of a snapshot: its content, its origin, and size and hash of each file."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matinee.data.dataset import CleaningReport
from matinee.errors import SnapshotError
from matinee.snapshots.spaces import SpaceEntry

FORMAT = 5
"""Raised where an older Matinee's snapshots can no longer be read: 2 added the vector spaces, 3 lifted ones, 5 keeps
tables as arrays, which serving reads without data frames."""
MANIFEST = "manifest.json"
SNAPSHOT_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
ELSEWHERE = "Serve another one with `matinee snapshots rollback`, or make a new one with `matinee train`."
"""Hint of errors about a snapshot that cannot be served."""


class FileEntry(BaseModel):
    """Size in bytes and hex sha256 of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ModelEntry(BaseModel):
    """One fitted model. `kind` is its key in `matinee.models.MODELS`, `arrays` are the names of its state arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    config: dict[str, Any] = Field(default_factory=dict)
    arrays: tuple[str, ...] = ()
    metrics: dict[str, float | None] = Field(default_factory=dict)
    seconds: float | None = None
    bytes: int = 0


class Manifest(BaseModel):
    """The description of a snapshot. It can be read without opening the arrays.

    Attributes:
        dataset: name of the data set; `fingerprint` is the hash of its content.
        scale: lowest and highest number of stars.
        watermark: the store's sequence number up to which its ratings are part of the training data.
        mark: the token by which the store knows that moment (`Store.mark`): the snapshot's ratings are exactly those
            of data and store then, but for `left_out`, so that a server reads only what came after. Empty where that
            is not sure, and in snapshots of earlier versions: a server reads all that is stored.
        left_out: ids of movies that the snapshot lacks, though the store had ratings of them.
        newest: time of the newest rating, in seconds since 1970; None if no time is known.
        metrics: by model (or other subject), then by metric; None if a value is not finite.
        seconds: by model or step.
        settings: the settings used in training.
        versions: versions of the libraries used in training.
        files: every file except the manifest, by path relative to the snapshot's folder.
        checksum: sha256 of the manifest without this field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[5] = 5
    id: str = Field(pattern=rf"^{SNAPSHOT_ID.pattern}$")
    created: datetime
    dataset: str
    fingerprint: str
    scale: tuple[float, float]
    n_users: int = Field(ge=0)
    n_items: int = Field(ge=0)
    n_ratings: int = Field(ge=0)
    watermark: int = 0
    mark: str = ""
    left_out: tuple[str, ...] = ()
    newest: int | None = None
    seed: int = 0
    default_model: str
    models: dict[str, ModelEntry]
    spaces: dict[str, SpaceEntry] = Field(default_factory=dict)
    metrics: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    report: CleaningReport
    files: dict[str, FileEntry]
    checksum: str = ""

    @property
    def bytes(self) -> int:
        """Total size of all files except the manifest."""
        return sum(entry.bytes for entry in self.files.values())

    @property
    def newest_rating(self) -> dict[str, int | None]:
        """Which ratings the models have learned from: `timestamp` of the newest one, and the store's `sequence`."""
        return {"timestamp": self.newest, "sequence": self.watermark}

    def sealed(self) -> Manifest:
        """This manifest as it will be read back, with its checksum."""
        read_back = Manifest.model_validate_json(self.model_dump_json())
        return read_back.model_copy(update={"checksum": read_back._digest()})

    def is_intact(self) -> bool:
        """Whether the checksum matches the content."""
        return self.checksum == self._digest()

    def _digest(self) -> str:
        # Without fields that the file lacks: a manifest written before they were added is intact too.
        body = self.model_dump(mode="json", exclude={"checksum"}, exclude_unset=True)
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a snapshot's folder.

    Raises:
        SnapshotError: missing, damaged, altered, of another format, or of another snapshot.
    """
    path = folder / MANIFEST
    if path.is_symlink():
        raise SnapshotError(f"{path} is a symbolic link, which a snapshot must not contain.", ELSEWHERE)
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise SnapshotError(f"There is no snapshot {folder.name}: {path} is missing.", ELSEWHERE) from error
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read: {error}.", ELSEWHERE) from error
    try:
        body = json.loads(raw)
        file_format = body.get("format") if isinstance(body, dict) else None
        if isinstance(file_format, int) and file_format != FORMAT:
            raise SnapshotError(
                f"Snapshot {folder.name} has format {file_format}; this Matinee reads format {FORMAT}.",
                f"Use the version of Matinee that wrote it. {ELSEWHERE}",
            )
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise SnapshotError(f"{path} is damaged: {where or 'text'}: {fault['msg']}.", ELSEWHERE) from error
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{path} is damaged: {error}.", ELSEWHERE) from error
    if not manifest.is_intact():
        raise SnapshotError(f"{path} was altered after it was written.", ELSEWHERE)
    if manifest.id != folder.name:
        raise SnapshotError(f"{path} belongs to the snapshot {manifest.id}.", ELSEWHERE)
    return manifest
