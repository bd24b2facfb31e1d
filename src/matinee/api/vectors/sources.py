"""Where the spaces in service come from (see also `snapshot_spaces`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from matinee.api.vectors.space import ServedSpace
from matinee.errors import ConflictError, NotFoundError


@dataclass(frozen=True)
class OpenedSpaces:
    """Spaces in service; the first is the default."""

    spaces: Mapping[str, ServedSpace]
    snapshot: str = ""

    def space(self, name: str | None, snapshot: str | None = None) -> ServedSpace:
        """A space by name.

        Raises:
            NotFoundError: none of this name is in service.
            ConflictError: the caller counts on another snapshot, whose item numbers mean other films.
        """
        if snapshot is not None and snapshot != self.snapshot:
            raise ConflictError(
                f"The snapshot in service is {self.snapshot or 'none'}, not {snapshot}.",
                "Ask again when both services have followed the promotion.",
            )
        if name is None:
            return next(iter(self.spaces.values()))
        space = self.spaces.get(name)
        if space is None:
            raise NotFoundError(f"There is no space {name!r} in service.", f"Choose one of: {', '.join(self.spaces)}.")
        return space


class SpaceSource(Protocol):
    """Gives the spaces in service. For any thread."""

    def look(self) -> OpenedSpaces | None:
        """The current spaces, in microseconds; None: call `open`."""
        ...

    def open(self) -> OpenedSpaces:
        """The spaces, opened if needed; may take seconds.

        Raises:
            MatineeError: they cannot be opened.
        """
        ...

    def warnings(self) -> list[str]:
        """Problems that did not stop the service."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


class FixedSpaces:
    """A `SpaceSource` of given spaces."""

    def __init__(self, spaces: Mapping[str, ServedSpace]) -> None:
        self._opened = OpenedSpaces(spaces)

    def look(self) -> OpenedSpaces:
        """See `SpaceSource`."""
        return self._opened

    open = look

    def warnings(self) -> list[str]:
        """See `SpaceSource`."""
        return []

    def close(self) -> None:
        """See `SpaceSource`."""
