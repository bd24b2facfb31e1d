"""What models whose weights between movies are sparse share: scores, reasons and state."""

from __future__ import annotations

BLOCK_CELLS = 1 << 20
"""Weights are computed for blocks of movies of about this many cells (movies × movies)."""
