"""Incremental training: the snapshot in service, and what has changed since it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee._util.versions import versions
from matinee.data.dataset import Dataset
from matinee.errors import SnapshotError
from matinee.models.base import Model, Progress
from matinee.models.blend.model import Blend
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.snapshots.spaces import Space

MAX_CHANGED = 0.2
"""Share of the ratings or of the movies that may have changed since the last whole training."""
_WHOLE = "Train whole: `matinee train`, without --incremental."


@dataclass(frozen=True)
class Changes:
    """What has changed between two states of the data, in numbers."""

    ratings_added: int
    ratings_changed: int
    ratings_removed: int
    users_added: int
    users_removed: int
    movies_added: int
    movies_removed: int

    def share(self, dataset: Dataset) -> float:
        """The larger of the changed shares of the ratings and of the movies."""
        ratings = self.ratings_added + self.ratings_changed + self.ratings_removed
        movies = self.movies_added + self.movies_removed
        return max(ratings / max(len(dataset.ratings), 1), movies / max(len(dataset.catalog), 1))


class Base:
    """The snapshot that an incremental training begins with.

    Args:
        snapshot: a loaded one.
        dataset: what is trained on now.

    Raises:
        SnapshotError: it cannot be the beginning; the message says why, the hint what to do.
    """

    def __init__(self, snapshot: Snapshot, dataset: Dataset) -> None:
        manifest = snapshot.manifest
        _check(snapshot, dataset)
        self.snapshot, self._dataset = snapshot, dataset
        self.rows = places(snapshot.catalog.frame["movie_id"], dataset.catalog.frame["movie_id"])
        before: Mapping[str, Any] = manifest.settings.get("incremental") or {}
        self._whole: str = before.get("whole", snapshot.id)
        self.changes = compared(snapshot.dataset, dataset)
        self.share = float(before.get("share", 0.0)) + self.changes.share(dataset)
        """Share that has changed since the last whole training."""
        if self.share > MAX_CHANGED:
            raise SnapshotError(
                f"{self.share:.0%} of the ratings or films have changed since snapshot {self._whole}, the last of a "
                f"whole training; an incremental one takes {MAX_CHANGED:.0%} at most.",
                _WHOLE,
            )

    @classmethod
    def in_service(cls, settings: Settings, dataset: Dataset) -> Base:
        """The one in service. Raises SnapshotError where there is none, see also `Base`."""
        snapshot_id = SnapshotRegistry(settings.snapshots_dir).current()
        if snapshot_id is None:
            raise SnapshotError("No snapshot is in service yet, so there is none to begin with.", _WHOLE)
        return cls(Snapshot.load(settings.snapshots_dir, snapshot_id, settings.verify_on_load), dataset)

    def described(self) -> dict[str, Any]:
        """What the manifest says: the snapshot it was made from, the last of a whole training, and the changes."""
        return {
            "base": self.snapshot.id,
            "whole": self._whole,
            "share": round(self.share, 6),
            "changes": asdict(self.changes),
        }

    def check_settings(self, lineup: Mapping[str, Model[Any]]) -> None:
        """Refuse models whose settings are others, of those that the snapshot has.

        Raises:
            SnapshotError: naming the model.
        """
        for name, model in lineup.items():
            earlier = self.snapshot.models.get(name)
            if earlier is not None and type(earlier) is type(model) and _settings(earlier) != _settings(model):
                raise SnapshotError(
                    f"The settings of {name} are not those of snapshot {self.snapshot.id} any more.", _WHOLE
                )

    def fit(
        self, name: str, model: Model[Any], dataset: Dataset, *, memory_limit: int | None, progress: Progress
    ) -> Model[Any]:
        """`Model.refit` from the snapshot's model of this name; `Model.fit` where it has none of this kind."""
        earlier = self.snapshot.models.get(name)
        if type(earlier) is not type(model):
            return model.fit(dataset, memory_limit=memory_limit, progress=progress)
        return model.refit(dataset, earlier, self.rows, memory_limit=memory_limit, progress=progress)

    def map_points(self, space: Space, method: str) -> NDArray[np.float32] | None:
        """Where the snapshot's map of a space has these movies, (n, 2), NaN for those that it lacks; None: no map."""
        earlier = self.snapshot.spaces.get(space.name)
        if earlier is None or earlier.layout_method != method or not len(earlier.movies):
            return None
        points = np.full((len(self._dataset.catalog), 2), np.nan, dtype=np.float32)
        moved = self.rows[earlier.rows]
        points[moved[moved >= 0]] = earlier.layout[moved >= 0]
        points = points[space.rows]
        return None if bool(np.isnan(points).all()) else points


def places(ids: pl.Series, among: pl.Series) -> NDArray[np.int64]:
    """Where each id stands in another series of distinct ids, int64, (len(ids),); −1 where it does not."""
    numbered = pl.DataFrame({"id": among.cast(pl.String), "place": np.arange(len(among), dtype=np.int64)})
    wanted = pl.DataFrame({"id": ids.cast(pl.String)})
    joined = wanted.join(numbered, on="id", how="left", maintain_order="left")
    return joined["place"].fill_null(-1).to_numpy().copy()


def _check(snapshot: Snapshot, dataset: Dataset) -> None:
    manifest = snapshot.manifest
    reasons = {
        f"Snapshot {snapshot.id} is of {manifest.dataset}, not of {dataset.name}": manifest.dataset != dataset.name,
        f"Snapshot {snapshot.id} is of a quick training": bool(manifest.settings.get("quick")),
        f"The stars of snapshot {snapshot.id} have another scale": manifest.scale != dataset.scale,
        f"Snapshot {snapshot.id} was trained by another version of Matinee": (
            manifest.versions.get("matinee") != versions().get("matinee")
        ),
    }
    for reason, holds in reasons.items():
        if holds:
            raise SnapshotError(f"{reason}.", _WHOLE)


def _settings(model: Model[Any]) -> dict[str, Any]:
    """All but what a blend learned."""
    settings: dict[str, Any] = model.config.model_dump(
        exclude={"curves", "weights"} if isinstance(model, Blend) else None
    )
    return settings


def compared(before: Dataset, after: Dataset) -> Changes:
    """What has changed from one state of a data set to another."""
    old, new = before.ratings, after.ratings
    rows = places(before.catalog.frame["movie_id"], after.catalog.frame["movie_id"])
    users = places(pl.Series(old.user_ids.to_list()), pl.Series(new.user_ids.to_list()))
    owners, movies = np.repeat(users, np.diff(old.indptr)), rows[old.indices]
    kept = (owners >= 0) & (movies >= 0)
    # One more than the stars, which may be 0: sparse matrices hold no zeros.
    earlier = sp.csr_matrix((old.values[kept] + 1, (owners[kept], movies[kept])), shape=(new.n_users, new.n_items))
    later = sp.csr_matrix((new.values + 1, new.indices, new.indptr), shape=earlier.shape)
    both = int(earlier.astype(np.bool_).multiply(later.astype(np.bool_)).nnz)
    added = later.nnz - both
    return Changes(
        ratings_added=added,
        ratings_changed=int((later - earlier).count_nonzero()) - added - (earlier.nnz - both),
        ratings_removed=len(old) - both,
        users_added=new.n_users - int((users >= 0).sum()),
        users_removed=int((users < 0).sum()),
        movies_added=len(after.catalog) - int((rows >= 0).sum()),
        movies_removed=int((rows < 0).sum()),
    )
