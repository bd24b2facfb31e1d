"""What a layout is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from matinee.histories.entries import HistoryEntry, Scale
from matinee.histories.files import Part
from matinee.histories.scales import TEN


class Layout(ABC):
    """How one site writes a person's history.

    Attributes:
        name: for `--layout`.
        label: the site's name.
    """

    name: ClassVar[str]
    label: ClassVar[str]

    @abstractmethod
    def fits(self, part: Part) -> bool:
        """Whether a file, by its name and what it holds, is one of this site's."""

    @abstractmethod
    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:
        """The entries of a file.

        Args:
            skipped: is counted up by what is left out.
            notes: gets what the person should know.
        """

    def rank(self, part: Part) -> int:  # noqa: ARG002
        """What of an archive counts more about the same film; higher comes later."""
        return 0

    def stated(self, part: Part) -> Scale | None:  # noqa: ARG002
        """The scale that a file itself states."""
        return None

    def scale(self, stars: Sequence[float]) -> Scale | None:  # noqa: ARG002
        """The scale of the site's stars; None: the file tells."""
        return TEN


def listed(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list and their places, from 1."""
    if isinstance(value, list):
        yield from ((i, item) for i, item in enumerate(value, 1) if isinstance(item, dict))


def inner(item: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within an object; {} where there is none."""
    value = item.get(name)
    return value if isinstance(value, dict) else {}
