"""What servers that are forked share: the current snapshot, loaded once in the process that they are forked from.

`hold` loads it there, with what lists are made of; `take` hands it over to the engine that opens it in a forked
process. What is immutable stays in memory once. Nothing of the store is opened before a fork.
"""

from __future__ import annotations

import gc
import logging
from contextlib import suppress
from typing import NamedTuple, cast

from matinee._util.allocator import trim
from matinee._util.atomic_files import file_stamp
from matinee._util.early_hashes import finish
from matinee.engine.catalog_cache import Rerankers
from matinee.engine.recommend import recommend_stored
from matinee.engine.runtime import Runtime
from matinee.engine.types import Request
from matinee.errors import MatineeError
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.snapshots.manifest import MANIFEST
from matinee.stores.base import Changes, Store

log = logging.getLogger("matinee.engine")
HISTORY = 20
"""Ratings of the user for whom a list is made, at least, where one of the first thousand has as many."""


class Prepared(NamedTuple):
    """A loaded snapshot and what was made of it; all of it independent of the store.

    Attributes:
        snapshot: verified; its models hold what they make at their first list.
        rerankers: with the one of the snapshot's catalog, see `Runtime`.
    """

    snapshot: Snapshot
    rerankers: Rerankers


class _Held(NamedTuple):
    registry: SnapshotRegistry
    stamps: tuple[object, ...]
    prepared: Prepared


_held: _Held | None = None


class _Empty:
    """A store that holds nothing, as far as a list for a user of the snapshot asks for one."""

    def seq(self) -> int:
        return 0

    def changes(self, since: int) -> Changes:
        del since
        return Changes(0)

    def since_mark(self, token: str) -> None:
        del token


def hold(settings: Settings, *, lists: bool = True) -> None:
    """Load the current snapshot for processes that are forked later. No thread of it is left running.

    Where there is none, or it cannot be loaded, nothing is held: whoever opens an engine says why.

    Args:
        lists: make also what lists are made of, by its own models.
    """
    global _held
    _held = None
    registry = SnapshotRegistry(settings.snapshots_dir)
    try:
        current = registry.current()
        if current is not None:
            stamps = _stamps(registry, current)  # before the files are verified
            snapshot = Snapshot.load(registry.root, current, settings.verify_on_load)
            _held = _Held(registry, stamps, _prepared(snapshot, settings, lists))
    except Exception as error:
        log.info("The current snapshot is not loaded before the workers are started: %s", error)
    finish()
    gc.collect()
    trim()
    gc.freeze()  # collections in forked processes would write to every object, and so copy it


def held() -> tuple[SnapshotRegistry, str] | None:
    """The snapshots that there are, and the id of the one that is held; None: none is."""
    return None if _held is None else (_held.registry, _held.prepared.snapshot.id)


def take(registry: SnapshotRegistry, snapshot_id: str) -> Prepared | None:
    """What is held, where it is this snapshot and its files are those that were verified; it is not held any more."""
    global _held
    found, _held = _held, None
    if found is None or (found.registry.root, found.prepared.snapshot.id) != (registry.root, snapshot_id):
        return None
    with suppress(MatineeError, OSError):
        if _stamps(registry, snapshot_id) == found.stamps:
            return found.prepared
    return None


def drop() -> None:
    """Hold nothing any more, and hand the memory back: for the process that others are forked from."""
    global _held
    _held = None
    gc.unfreeze()
    gc.collect()
    trim()
    gc.freeze()


def _stamps(registry: SnapshotRegistry, snapshot_id: str) -> tuple[object, ...]:
    """One for the manifest and each file of a snapshot, which changes with the file.

    Raises:
        SnapshotError, OSError: there is no such snapshot, or a file cannot be looked at.
    """
    folder, files = registry.root / snapshot_id, registry.show(snapshot_id).files
    return tuple(file_stamp(folder / name) for name in (MANIFEST, *files))


def _prepared(snapshot: Snapshot, settings: Settings, lists: bool) -> Prepared:
    """A snapshot; after a list was made of it where that is asked for, which makes what all lists read."""
    alone = settings.model_copy(update={"recommender_url": ""})
    runtime = Runtime(snapshot, cast(Store, _Empty()), alone)
    ratings = snapshot.ratings
    if lists and ratings.n_users:
        lengths = ratings.indptr[1:1001] - ratings.indptr[: min(1000, ratings.n_users)]
        user = int((lengths >= HISTORY).argmax())
        recommend_stored(runtime.view, str(ratings.user_ids[user]), Request())
    return Prepared(snapshot, runtime.view.rerankers)
