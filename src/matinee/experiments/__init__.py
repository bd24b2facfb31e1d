"""Experiments: who sees which list, what may be drawn at random, and what the answers to it prove."""

from matinee.experiments.assignment import assign
from matinee.experiments.exploration import explore
from matinee.experiments.interleaving import preference, team_draft
from matinee.experiments.off_policy import Estimate, doubly_robust, ips, snips
from matinee.experiments.significance import Difference, Sample, always_valid, fixed_horizon

__all__ = [
    "Difference",
    "Estimate",
    "Sample",
    "always_valid",
    "assign",
    "doubly_robust",
    "explore",
    "fixed_horizon",
    "ips",
    "preference",
    "snips",
    "team_draft",
]
