"""Which movie somebody means: ids of other sites, titles with years."""

from __future__ import annotations

from matinee.matching.outside_ids import OutsideId, OutsideIds, outside_id
from matinee.matching.title_match import Match, TitleMatcher

__all__ = ["Match", "OutsideId", "OutsideIds", "TitleMatcher", "outside_id"]
