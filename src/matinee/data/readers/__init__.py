"""Readers of files and frames. `read_source` detects the format of a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from matinee.data.readers import generic, metadata, netflix, published
from matinee.data.readers.archives import unpacked
from matinee.data.readers.columns import ColumnMapping
from matinee.data.readers.remarks import collecting
from matinee.data.readers.tables import SUFFIXES, RawData, columns_of
from matinee.errors import DataError

__all__ = ["RawData", "read_source"]


def read_source(path: Path, mapping: ColumnMapping | None = None) -> RawData:
    """Read a folder of any supported layout, a single file of ratings, or either packed (zip, gzip, …).

    Args:
        mapping: canonical column, or table.column → column of the files, for folders of plain tables.

    Raises:
        DataError: no such folder, an unknown layout, or a damaged file.
    """
    if not path.exists():
        raise DataError(f"There is no folder {path}.", "Give a folder, or a name of `matinee data list`.")
    with collecting() as remarks, unpacked(path) as place:
        raw = _read(place, mapping)
    lost = {table: dict(reasons) for table, file in raw.files.items() if (reasons := remarks.of(file))}
    return replace(raw, notes=(*raw.notes, *remarks.notes), lost=lost)


def _read(path: Path, mapping: ColumnMapping | None) -> RawData:
    if path.is_file():
        return generic.read(path, mapping)
    folder = path
    inside = [entry for entry in path.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    if len(inside) == 1 and inside[0].is_dir():
        folder = inside[0]  # an archive unpacked into a folder of its own
    for matches, read in _LAYOUTS:
        if matches(folder):
            raw = read(folder)
            break
    else:
        if not generic.matches(folder):
            raise _unknown(folder)
        raw = generic.read(folder, mapping)
    links, overviews = generic.side_tables(folder, mapping)
    return replace(raw, links=links, overviews=overviews)


_LAYOUTS = (
    (published.is_100k, published.read_100k),
    (published.is_hetrec, published.read_hetrec),
    (published.is_dat, published.read_dat),
    (published.is_recbole, published.read_recbole),
    (netflix.matches, netflix.read),
)
"""Layouts of published data sets that are no plain tables, and their readers."""


def _unknown(folder: Path) -> DataError:
    """The error about a folder without ratings: what its tables are, where that can be told."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            try:
                metadata.refuse_other_tables(path, columns_of(path))
            except DataError as error:
                return error
    names = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "nothing"
    return DataError(
        f"{folder} is not a data set of a known format; it contains {names}.",
        "Needed: MovieLens files, or ratings.csv (.tsv, .parquet, .ndjson) with user, film and optionally rating.",
    )
