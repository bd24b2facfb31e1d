"""Runs: evaluations and searches that are kept with all that repeats them, and what MLflow is told of them."""
