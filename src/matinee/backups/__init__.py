"""Backups of a data folder in one file: made while services run, verified, put back whole."""

from __future__ import annotations

from matinee.backups.restore import Restored, read_backup, restore
from matinee.backups.write import Manifest, write_backup

__all__ = ["Manifest", "Restored", "read_backup", "restore", "write_backup"]
