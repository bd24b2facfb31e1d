"""What charts and scales of stars need, as sums over all ratings on Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matinee.data.ratings import NO_TIME
from matinee.models.charts import TREND_RATINGS, decayed_counts, half_life_of
from matinee.models.preference import StarScale
from matinee.spark.blocks import Block, summed

if TYPE_CHECKING:
    from pyspark import RDD


@dataclass(frozen=True)
class Totals:
    """Sums over all ratings.

    Attributes:
        n_users: number of users.
        counts: ratings of each movie, int64, (n_items,).
        sums: sum of the stars of each movie, float64, (n_items,).
        star_scale: mean and deviation of all stars, with the lowest and the highest.
    """

    n_users: int
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    star_scale: StarScale

    @classmethod
    def of(cls, blocks: RDD[Block], n_items: int, scale: tuple[float, float]) -> Totals:
        """One pass over the ratings."""

        def sums_of(block: Block) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
            counts = np.bincount(block.indices, minlength=n_items).astype(np.int64)
            sums = np.bincount(block.indices, weights=block.values, minlength=n_items).astype(np.float64)
            wide = block.values.astype(np.float64)
            # Deviations from the middle of the scale, so that little is lost when the square of the mean is subtracted.
            moments = np.array([block.n_users, (wide - scale[0]).sum(), np.square(wide - scale[0]).sum()])
            return counts, sums, moments

        counts, sums, moments = summed(blocks, sums_of)
        n = max(int(counts.sum()), 1)
        mean = float(moments[1]) / n
        deviation = float(np.sqrt(max(float(moments[2]) / n - mean * mean, 0.0)))
        return cls(int(moments[0]), counts, sums, StarScale(*scale, scale[0] + mean, deviation))


def lately(blocks: RDD[Block], n_items: int, half_life: float | None) -> NDArray[np.float64]:
    """Ratings of each movie, (n_items,), decayed (`models.charts.decayed_counts`).

    Args:
        blocks: with times.
        half_life: days; None: `models.charts.half_life_of`.
    """

    def newest_of(block: Block) -> NDArray[np.int64]:
        dated = block.times[block.times != NO_TIME]
        position = max(len(dated) - TREND_RATINGS, 0)
        return np.partition(dated, position)[position:] if len(dated) else dated

    found = blocks.map(newest_of).treeReduce(lambda one, two: np.sort(np.concatenate([one, two]))[-TREND_RATINGS:])
    days = half_life_of(found) if half_life is None else half_life
    newest = int(found.max(initial=NO_TIME))
    return summed(blocks, lambda block: (decayed_counts(block.indices, block.times, n_items, newest, days),))[0]
