"""A/A tests: how often two equal arms are called different, by test and by how often it is read.

python benchmarks/experiments.py
"""

import numpy as np

from matinee.experiments import Sample, always_valid, fixed_horizon

RATE, STEP, LOOKS = 0.2, 250, 40


def arm(rng: np.random.Generator, simulations: int) -> Sample:
    """Simulations x looks: users and successes up to each look."""
    successes = rng.binomial(STEP, RATE, (simulations, LOOKS)).cumsum(axis=1)
    return Sample.proportion(np.arange(1.0, LOOKS + 1) * STEP, successes)


def main() -> None:
    """Print the table."""
    print("| simulations | test | read once, at the end | read 40 times |\n|---:|---|---:|---:|")
    for simulations in (1_000, 50_000):
        rng = np.random.default_rng(15)
        first, second = arm(rng, simulations), arm(rng, simulations)
        tests = {"fixed horizon": fixed_horizon(first, second), "always valid": always_valid(first, second, 0.02)}
        for name, found in tests.items():
            wrong = np.asarray(found.p) < 0.05
            print(f"| {simulations:,} | {name} | {wrong[:, -1].mean():.2%} | {wrong.any(axis=1).mean():.2%} |")


if __name__ == "__main__":
    main()
