"""Lists for all users of a snapshot, made on Spark: to Parquet, and to Elasticsearch.

Spark sends the snapshot's files to each machine once; its tasks map them, and each makes the lists of some users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matinee._util.topk import top_n
from matinee.databases.elasticsearch import Cluster
from matinee.databases.elasticsearch_documents import Action
from matinee.errors import UnknownModelError
from matinee.models.base import Query
from matinee.snapshots import SnapshotRegistry
from matinee.snapshots.snapshot import Snapshot, folder_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = "user_id string, model string, movie_ids array<string>, scores array<float>"
_BATCH = 64
_USERS = 4096
"""Users of a task, at most."""


@dataclass(frozen=True)
class Lists:
    """What lists are made.

    Attributes:
        snapshot: its id.
        model: that ranks.
        n: movies of a list.
    """

    snapshot: str
    model: str
    n: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The lists of users given as rows `start`, `stop`, as rows of `SCHEMA`."""
        import pyarrow as pa
        from pyspark import SparkFiles

        snapshot = _loaded(SparkFiles.getRootDirectory(), self.snapshot)
        for batch in batches:
            for start, stop in zip(batch.column("start").to_pylist(), batch.column("stop").to_pylist(), strict=True):
                found = list(self._of_users(snapshot, range(start, stop)))
                yield pa.RecordBatch.from_pydict(
                    {
                        "user_id": pa.array([str(snapshot.ratings.user_ids[user]) for user in range(start, stop)]),
                        "model": pa.array([model for model, _, _ in found]),
                        "movie_ids": pa.array(
                            [snapshot.catalog.ids(rows.tolist()) for _, rows, _ in found], pa.list_(pa.string())
                        ),
                        "scores": pa.array([scores.tolist() for _, _, scores in found], pa.list_(pa.float32())),
                    }
                )

    def _of_users(self, snapshot: Snapshot, users: range) -> Iterator[tuple[str, Any, Any]]:
        model, popular = snapshot.models[self.model], snapshot.models.get("popular")
        for start in range(users.start, users.stop, _BATCH):
            queries = [Query.of(snapshot.ratings, user) for user in range(start, min(start + _BATCH, users.stop))]
            for query, scores in zip(queries, model.score(queries), strict=True):
                name, own = self.model, scores
                if np.isnan(own).all() and popular is not None:
                    name, own = "popular", popular.score([query])[0]
                own[query.rows] = np.nan
                rows = top_n(own, self.n)
                yield name, rows, own[rows]


@lru_cache(maxsize=1)
def _loaded(root: str, snapshot_id: str) -> Snapshot:
    return Snapshot.load(Path(root), snapshot_id, verify="size")


def lists_of(
    spark: SparkSession,
    root: Path,
    snapshot_id: str,
    *,
    model: str | None = None,
    n: int = 10,
    users: int | None = None,
) -> DataFrame:
    """The lists of users with ratings in a snapshot: `user_id`, `model`, `movie_ids`, `scores`; best first.

    Movies that a user has rated are left out. `model` is that which made the list: `popular` where the asked one has no
    opinion. Ratings written since the training, states and filters do not count: those are the engine's.

    Args:
        root: the folder of all snapshots.
        model: None: the snapshot's default.
        users: of the first so many; None: of all.

    Raises:
        SnapshotError: there is no such snapshot.
        UnknownModelError: it has no such model.
    """
    manifest = SnapshotRegistry(root).show(snapshot_id)
    name = manifest.default_model if model is None else model
    if name not in manifest.models:
        raise UnknownModelError(name, list(manifest.models))
    context = spark.sparkContext
    context.addFile(str(folder_of(root, snapshot_id).resolve()), recursive=True)
    n_users = manifest.n_users if users is None else min(users, manifest.n_users)
    count = max(-(-n_users // _USERS), min(context.defaultParallelism, n_users), 1)
    spans = list(pairwise(np.linspace(0, n_users, count + 1).astype(int).tolist()))
    rows = spark.createDataFrame(spans, "start long, stop long").repartition(count)
    return rows.mapInArrow(Lists(snapshot_id, name, n), SCHEMA)  # type: ignore[arg-type, unused-ignore]


@dataclass(frozen=True)
class Target:
    """An index of Elasticsearch.

    Attributes:
        url: addresses of nodes, separated by commas.
        timeout: seconds that one request may take.
    """

    url: str
    index: str
    user: str = ""
    password: str = ""
    timeout: float = 60.0

    def cluster(self) -> Cluster:
        """A client of it."""
        return Cluster(self.url, user=self.user, password=self.password, timeout=self.timeout)


def to_elasticsearch(lists: DataFrame, target: Target, snapshot_id: str) -> None:
    """Write lists into an index, one document a user under the user's id; those of users who are gone stay.

    The index is made with a mapping if it is not there: ids are keywords, and scores are stored only.

    Raises:
        StoreError: the cluster cannot be reached, or refuses.
    """
    cluster = target.cluster()
    try:
        keyword = {"type": "keyword"}
        fields = dict.fromkeys(("user_id", "model", "snapshot", "movie_ids"), keyword)
        properties = {**fields, "scores": {"type": "float", "index": False}, "made": {"type": "date"}}
        cluster.call(
            lambda client: (
                client.indices.exists(index=target.index)
                or client.indices.create(index=target.index, mappings={"dynamic": False, "properties": properties})
            )
        )
        made = datetime.now(UTC).isoformat()
        lists.foreachPartition(_writer(target, snapshot_id, made))
        cluster.refresh(target.index)
    finally:
        cluster.close()


def _writer(target: Target, snapshot_id: str, made: str) -> Callable[[Iterable[Any]], None]:
    def write(rows: Iterable[Any]) -> None:
        cluster = target.cluster()
        try:
            cluster.write(
                (
                    Action(target.index, row.user_id, None, {**row.asDict(), "snapshot": snapshot_id, "made": made})
                    for row in rows
                ),
                alias=False,
            )
        finally:
            cluster.close()

    return write
