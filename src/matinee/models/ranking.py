"""The best of many scores; it lives in `matinee.ranking`, where the vector indexes reach it too."""

from __future__ import annotations

from matinee.ranking import top_n

__all__ = ["top_n"]
