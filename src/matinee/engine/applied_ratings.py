"""What the store has said of ratings, as far as it is folded in, so that an erasure can be taken back user by user."""

from __future__ import annotations

UNKNOWN = object()


class AppliedRatings:
    """By user and catalog row: stars, or None for a rating that was taken back. Not thread-safe."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, float | None]] = {}

    def put(self, user_id: str, row: int, stars: float | None) -> float | object | None:
        """Note a rating; returns what was there before, `UNKNOWN` where the store had said nothing."""
        held = self._of.setdefault(user_id, {})
        before = held.get(row, UNKNOWN)
        held[row] = stars
        return before

    def forget(self, user_id: str) -> dict[int, float | None]:
        """Forget a user, and return what was noted."""
        return self._of.pop(user_id, {})
