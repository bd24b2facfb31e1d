"""Files that commands write: never over one that is there, unless asked to, and whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matinee._util.atomic_files import replacing
from matinee.errors import InvalidInputError


def check_new(file: Path, force: bool) -> None:
    """Raise InvalidInputError where the file exists and may not be replaced."""
    if file.exists() and not force:
        raise InvalidInputError(f"{file} exists already.", "Choose another name, or add --force.")


@contextmanager
def new_file(file: Path) -> Iterator[Path]:
    """A hidden file to write to, which takes the file's place at the end.

    Raises:
        InvalidInputError: it cannot be written.
    """
    try:
        with replacing(file) as hidden:
            yield hidden
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be written: {error}.", "Check the folder and the space left."
        ) from error
