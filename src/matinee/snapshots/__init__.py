"""Snapshots: immutable folders of data and fitted models, verified, memory-mapped, promoted and rolled back."""

from matinee.snapshots.manifest import FileEntry, Manifest, ModelEntry
from matinee.snapshots.registry import SnapshotRegistry
from matinee.snapshots.snapshot import Snapshot
from matinee.snapshots.write import write_snapshot

__all__ = ["FileEntry", "Manifest", "ModelEntry", "Snapshot", "SnapshotRegistry", "write_snapshot"]
