"""Import of posters from a folder: each file is matched to movies by its name, checked, and copied."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from matinee._util.progress import Progress, silent
from matinee.data.catalog import Movie
from matinee.errors import DataError, InvalidInputError, TooLargeError
from matinee.posters.names import INDEX, By, MovieIndex, is_number, number_kind, read_index, resolve
from matinee.posters.store import PosterStore, read_file

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif"})
"""Suffixes of accepted files, case-insensitive. The format is detected by content."""
_EXAMPLES = 5
_STEP = 50
"""Files between two progress reports."""


@dataclass(frozen=True)
class FolderReport:
    """The result of importing a folder.

    Attributes:
        files: number of files.
        added, replaced, unchanged: movies (a file may match two entries of one movie); unchanged: the same bytes were
            stored already.
        unknown: files whose name does not match a movie of the catalog.
        not_pictures: files of another format, damaged files, and links.
        too_large: files that exceed the limits of bytes or pixels.
        ambiguous: files of a movie that already got another file; the first by name wins.
        numbers: kind of id that numeric names were taken for; None if there were none.
        examples: some file names for each reason why a file was not imported.
    """

    files: int
    added: int
    replaced: int
    unchanged: int
    unknown: int
    not_pictures: int
    too_large: int
    ambiguous: int
    numbers: By | None = None
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """Number of movies whose picture has changed."""
        return self.added + self.replaced


def add_folder(
    folder: Path,
    movies: Iterable[Movie],
    store: PosterStore,
    *,
    by: By | None = None,
    progress: Progress | None = None,
) -> FolderReport:
    """Import the pictures of a folder and its direct subfolders.

    Args:
        store: where the pictures are stored.
        by: kind of id of the file names; None: detected, see `posters.names`.

    Raises:
        DataError: no such folder, or its index.csv cannot be read.
        StoreError: the store cannot be written. Pictures imported before stay.
    """
    report = progress or silent
    what = "Adding posters"
    report(what, 0.0)
    store.tidy()
    files = _files(folder)
    movie_index = MovieIndex(movies)
    index = {} if by else {parent: read_index(parent, [path.stem for path in paths]) for parent, paths in files.items()}
    numbers = [
        path.stem
        for parent, paths in files.items()
        for path in paths
        if is_number(path.stem) and path.stem.casefold() not in index.get(parent, {})
    ]
    kind = by or number_kind(movie_index, numbers)
    counts: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    taken: set[str] = set()
    total = sum(map(len, files.values()))
    for parent, paths in files.items():
        rows = index.get(parent, {})
        for path in paths:
            is_picture = path.suffix.lower() in SUFFIXES
            movie_ids = list(resolve(movie_index, path.stem, by, kind, rows)) if is_picture else []
            reason = _add(path, movie_ids, store, taken, counts)
            if reason:
                counts[reason] += 1
                if len(examples[reason]) < _EXAMPLES:
                    examples[reason].append(path.relative_to(folder).as_posix())
            counts["files"] += 1
            if counts["files"] % _STEP == 0:
                report(what, counts["files"] / total)
    report(what, 1.0)
    names = ("files", "added", "replaced", "unchanged", "unknown", "not_pictures", "too_large", "ambiguous")
    figures = {name: counts[name] for name in names}
    return FolderReport(**figures, numbers=kind if numbers else None, examples=dict(examples))


def _add(path: Path, movie_ids: list[str], store: PosterStore, taken: set[str], counts: Counter[str]) -> str:
    """Store one file. Returns the reason why it was rejected, or ""."""
    if path.suffix.lower() not in SUFFIXES:
        return "not_pictures"
    if not movie_ids:
        return "unknown"
    if taken.issuperset(movie_ids):
        return "ambiguous"
    try:
        data = read_file(path, store.max_bytes)
        for movie_id in movie_ids:
            if movie_id not in taken:
                # Not durable, because the folder still has the file after a power cut.
                counts[store.put(movie_id, data, durable=False)] += 1
    except TooLargeError:
        return "too_large"
    except InvalidInputError:
        return "not_pictures"
    taken.update(movie_ids)
    return ""


def _files(folder: Path) -> dict[Path, list[Path]]:
    """The files of a folder and its subfolders, by folder, sorted by name, without hidden ones."""
    try:
        parents = [folder, *sorted(Path(e.path) for e in os.scandir(folder) if e.is_dir(follow_symlinks=False))]
        files = {}
        for parent in parents:
            if parent != folder and parent.name.startswith("."):
                continue
            with os.scandir(parent) as entries:
                # Files that are not regular are included, so that the report counts them.
                names = [e.name for e in entries if not e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
            files[parent] = [parent / name for name in sorted(names) if name.casefold() != INDEX]
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be read: {error.strerror or error}.", "Name a folder of pictures."
        ) from error
    return files
