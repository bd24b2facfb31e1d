"""Posters from a folder of the user's: each file is matched to its films by its name, checked, and copied."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from matinee._util.progress import Progress, silent
from matinee.data.catalog import Movie
from matinee.errors import DataError, InvalidInputError, TooLargeError
from matinee.posters.names import INDEX, By, Films, Row, is_number, number_kind, read_index, resolve
from matinee.posters.store import PosterStore, read_file

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif"})
"""Endings of files that are looked at, in any case; what they hold is told by their content."""
_EXAMPLES = 5
_STEP = 50
"""Files between two reports of progress."""


@dataclass(frozen=True)
class FolderReport:
    """What became of the files of a folder.

    Attributes:
        files: looked at.
        added, replaced, unchanged: films (one file serves both of two entries for one film); unchanged: the shelf had
            the same bytes.
        unknown: files whose name means no film of the catalog.
        not_pictures: files of another kind, damaged ones, links.
        too_large: files of more bytes or pixels than the settings allow.
        ambiguous: files of a film that another file had been taken for; the first by name is taken.
        numbers: what bare numbers were read as, None where there were none.
        examples: some file names for each of the reasons why a file was not taken.
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
        """Films that have another picture than before."""
        return self.added + self.replaced


def add_folder(
    folder: Path,
    movies: Iterable[Movie],
    shelf: PosterStore,
    *,
    by: By | None = None,
    progress: Progress | None = None,
) -> FolderReport:
    """Put the pictures of a folder, and of the folders in it, on the shelf.

    Args:
        by: what file names are; None: found out, see `posters.names`.

    Raises:
        DataError: no such folder, or an index.csv in it that cannot be read.
        StoreError: the shelf cannot be written; what was put before stays.
    """
    tell = progress or silent
    what = "Adding posters"
    tell(what, 0.0)
    shelf.tidy()
    files = _files(folder)
    films = Films(movies)
    index = {} if by else {place: read_index(place, [path.stem for path in some]) for place, some in files.items()}
    numbers = [
        path.stem
        for place, some in files.items()
        for path in some
        if is_number(path.stem) and path.stem.casefold() not in index.get(place, {})
    ]
    kind = by or number_kind(films, numbers)
    counts: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    taken: set[str] = set()
    total = sum(map(len, files.values()))
    for place, some in files.items():
        rows = index.get(place, {})
        for path in some:
            reason = _add(path, _films_of(films, path, by, kind, rows), shelf, taken, counts)
            if reason:
                counts[reason] += 1
                if len(examples[reason]) < _EXAMPLES:
                    examples[reason].append(path.relative_to(folder).as_posix())
            counts["files"] += 1
            if counts["files"] % _STEP == 0:
                tell(what, counts["files"] / total)
    tell(what, 1.0)
    names = ("files", "added", "replaced", "unchanged", "unknown", "not_pictures", "too_large", "ambiguous")
    figures = {name: counts[name] for name in names}
    return FolderReport(**figures, numbers=kind if numbers else None, examples=dict(examples))


def _films_of(films: Films, path: Path, by: By | None, numbers: By, rows: dict[str, Row]) -> list[str]:
    return [] if path.suffix.lower() not in SUFFIXES else list(resolve(films, path.stem, by, numbers, rows))


def _add(path: Path, movie_ids: list[str], shelf: PosterStore, taken: set[str], counts: Counter[str]) -> str:
    """Put one file; the reason why it was not taken, "" where it was."""
    if path.suffix.lower() not in SUFFIXES:
        return "not_pictures"
    if not movie_ids:
        return "unknown"
    if taken.issuperset(movie_ids):
        return "ambiguous"
    try:
        data = read_file(path, shelf.max_bytes)
        for movie_id in movie_ids:
            if movie_id not in taken:
                counts[shelf.put(movie_id, data, durable=False)] += 1  # the folder still has it after a power cut
    except TooLargeError:
        return "too_large"
    except InvalidInputError:
        return "not_pictures"
    taken.update(movie_ids)
    return ""


def _files(folder: Path) -> dict[Path, list[Path]]:
    """The files of a folder and of the folders in it, by folder, in order of their names; hidden ones left out."""
    try:
        places = [folder, *sorted(Path(e.path) for e in os.scandir(folder) if e.is_dir(follow_symlinks=False))]
        found = {}
        for place in places:
            if place != folder and place.name.startswith("."):
                continue
            with os.scandir(place) as entries:
                # What is no regular file is kept, to be counted as such.
                names = [e.name for e in entries if not e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
            found[place] = [place / name for name in sorted(names) if name.casefold() != INDEX]
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be read: {error.strerror or error}.", "Name a folder of pictures."
        ) from error
    return found
