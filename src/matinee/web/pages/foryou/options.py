"""The options of the recommendations and the user's name, as they come from the page, an address or a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matinee.errors import InvalidInputError
from matinee.web.inputs import number

MAX_NAME, MAX_FILTER = 64, 2000
"""Maximum lengths of texts."""
MIN_N, MAX_N = 5, 50
DEFAULT_N = 10
DEFAULT_ADVENTUROUS = 0.5
"""The core's default."""


@dataclass(frozen=True)
class Options:
    """Options of the recommendations.

    Attributes:
        filter: in the filter language.
        diversity: 0 … 1.
        n: number of movies, 5 … 50.
        adventurous: 0 (well known) … 1 (the long tail).
    """

    filter: str = ""
    diversity: float = 0.0
    n: int = DEFAULT_N
    adventurous: float = DEFAULT_ADVENTUROUS

    @classmethod
    def of(cls, filter: Any = "", diversity: Any = None, n: Any = None, adventurous: Any = None) -> Options:
        """The options as sent by the page or a program: invalid numbers become the default, others are clamped."""
        return cls(
            filter.strip() if isinstance(filter, str) else "",
            round(number(diversity, 0.0, 0.0, 1.0), 2),
            int(number(n, DEFAULT_N, MIN_N, MAX_N)),
            round(number(adventurous, DEFAULT_ADVENTUROUS, 0.0, 1.0), 2),
        )

    def check(self) -> None:
        """Raise InvalidInputError if the filter is too long."""
        if len(self.filter) > MAX_FILTER:
            raise InvalidInputError(
                f"The filter has {len(self.filter):,} characters, more than the {MAX_FILTER:,} allowed.", "Shorten it."
            )

    @property
    def adventurous_or_none(self) -> float | None:
        """`adventurous`; None if it is the default."""
        return self.adventurous if self.adventurous != DEFAULT_ADVENTUROUS else None

    def params(self, user: str, surprise: bool) -> dict[str, object]:
        """Parameters of the page's address."""
        return {
            "user": user,
            "filter": self.filter,
            "diversity": self.diversity or None,
            "n": self.n if self.n != DEFAULT_N else None,
            "adventurous": self.adventurous_or_none,
            "surprise": 1 if surprise else None,
        }


def user_name(value: Any) -> str:
    """Validate a user's name.

    Raises:
        InvalidInputError: empty, too long, or with characters that are not allowed in ids.
    """
    name = str(value if value is not None else "").strip()
    if not name:
        raise InvalidInputError("Who are you?", "Choose a user or a new name at the top of the page.")
    if len(name) > MAX_NAME:
        raise InvalidInputError(
            f"This user name has {len(name):,} characters; at most {MAX_NAME} are allowed.", "Choose a shorter one."
        )
    if "/" in name or any(ord(char) < 32 for char in name):
        raise InvalidInputError("A user name cannot hold a slash or a line break.", "Choose another one.")
    return name
