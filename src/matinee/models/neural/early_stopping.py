"""Early stopping: the best round of a training by a figure that is measured after each."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Remembers the best round, and says when the following ones have been worse for too long.

    Attributes:
        patience: rounds without a better figure after which it is enough.
        best: the lowest figure so far.
        best_round: its round, counted from 1; 0 where there is none yet.
    """

    patience: int
    best: float = math.inf
    best_round: int = 0
    rounds: int = 0

    def improved(self, loss: float) -> bool:
        """Take the figure of a further round, lower is better; whether it is the best so far."""
        self.rounds += 1
        if not loss < self.best:  # NaN is no improvement
            return False
        self.best, self.best_round = loss, self.rounds
        return True

    @property
    def enough(self) -> bool:
        """Whether to stop."""
        return self.rounds - self.best_round >= self.patience
