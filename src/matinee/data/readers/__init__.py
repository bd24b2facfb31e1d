"""Readers of files and frames. `read_source` detects the format of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from matinee.data.readers import generic, published
from matinee.data.readers.tables import RawData
from matinee.errors import DataError

__all__ = ["RawData", "read_source"]


def read_source(path: Path, mapping: Mapping[str, str] | None = None) -> RawData:
    """Read a folder of any supported layout, or a single file of ratings.

    Args:
        mapping: canonical column → column of the files, for folders of plain tables.

    Raises:
        DataError: no such folder, an unknown layout, or a damaged file.
    """
    if path.is_file():
        return generic.read(path, mapping)
    if not path.is_dir():
        raise DataError(f"There is no folder {path}.", "Give a folder, or a name of `matinee data list`.")
    folder = path
    inside = [entry for entry in path.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    if len(inside) == 1 and inside[0].is_dir():
        folder = inside[0]  # an archive unpacked into a folder of its own
    if published.is_100k(folder):
        raw = published.read_100k(folder)
    elif published.is_dat(folder):
        raw = published.read_dat(folder)
    elif published.is_recbole(folder):
        raw = published.read_recbole(folder)
    elif generic.matches(folder):
        raw = generic.read(folder, mapping)
    else:
        names = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "nothing"
        raise DataError(
            f"{folder} is not a data set of a known format; it contains {names}.",
            "Needed: MovieLens files, or ratings.csv (.tsv, .parquet, .ndjson) with user, film and optionally rating.",
        )
    links, overviews = generic.side_tables(folder)
    return replace(raw, links=links, overviews=overviews)
