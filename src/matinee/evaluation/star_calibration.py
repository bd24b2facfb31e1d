"""Calibration of predicted stars: whether films predicted at four stars get four stars, in every part of the scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

DECILES = 10


class CalibrationBin(BaseModel):
    """A tenth of the predictions, from the lowest to the highest.

    Attributes:
        slope: of the actual on the predicted stars within this tenth (least squares); 0 where all are predicted alike.
        intercept: of the same line.
    """

    model_config = ConfigDict(frozen=True)

    ratings: int
    predicted: float
    actual: float
    slope: float
    intercept: float


class StarCalibration(BaseModel):
    """Calibration over all test ratings of all splits.

    Attributes:
        slope, intercept: of the actual on the predicted stars by least squares; 1 and 0 are ideal, a slope below 1
            says that predictions are too extreme.
        bins: tenths of the predictions in order.
    """

    model_config = ConfigDict(frozen=True)

    slope: float
    intercept: float
    bins: tuple[CalibrationBin, ...]


def star_calibration(predicted: NDArray[Any], actual: NDArray[Any]) -> StarCalibration:
    """Calibration of predicted stars, (n_ratings,), by those given, (n_ratings,)."""
    predicted, actual = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    order = np.argsort(predicted, kind="stable")
    bins = []
    for part in np.array_split(order, min(DECILES, max(len(order), 1))):
        if len(part):
            slope, intercept = _line(predicted[part], actual[part])
            mean, given = float(predicted[part].mean()), float(actual[part].mean())
            bins.append(
                CalibrationBin(ratings=len(part), predicted=mean, actual=given, slope=slope, intercept=intercept)
            )
    slope, intercept = _line(predicted, actual)
    return StarCalibration(slope=slope, intercept=intercept, bins=tuple(bins))


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept of the least squares line; a level one where x does not vary."""
    if not len(x):
        return 0.0, 0.0
    centered = x - x.mean()
    square = float(centered @ centered)
    slope = float(centered @ (y - y.mean())) / square if square > 1e-12 * len(x) else 0.0
    return slope, float(y.mean() - slope * x.mean())
