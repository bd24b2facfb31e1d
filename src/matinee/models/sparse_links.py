"""What models whose weights between movies are sparse share: scores, reasons and state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.models.base import Model, ModelConfig, Query, Scores, State
from matinee.models.preference import Feedback, StarScale
from matinee.models.sparse import sparse_rows, sparse_state
from matinee.models.warm_items import WarmItems, Weighting

BLOCK_CELLS = 1 << 20
"""Weights are computed for blocks of movies of about this many cells (movies × movies)."""
