"""What a search tries next: at random, or by Optuna's tree-structured Parzen estimator; and when it gives a try up."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np

from matinee._util.extras import need
from matinee.evaluation.search_space import Choice, Space

SamplerName = Literal["optuna", "random"]
STARTUP = 5
"""Complete trials before any is given up, and before Optuna stops drawing at random."""


class Sampler(Protocol):
    """Proposes settings; asked for one trial after the other."""

    def ask(self) -> dict[str, Any]:
        """The settings of the next trial."""

    def should_stop(self, step: int, value: float) -> bool:
        """Whether to give the present trial up, by its value so far at a step: a split, or an epoch of training."""

    def tell(self, value: float | None) -> None:
        """The result of the present trial; None: it was given up, or failed."""


def sampler_name(wanted: SamplerName | None) -> SamplerName:
    """The sampler to use: that wanted, or else Optuna where it is installed.

    Raises:
        MissingExtraError: Optuna is wanted and not installed.
    """
    if wanted == "optuna":
        need("optuna", "The search by Optuna", "tune")
    return wanted or ("optuna" if find_spec("optuna") else "random")


def make_sampler(name: SamplerName, space: Space, default: dict[str, Any], *, maximize: bool, seed: int) -> Sampler:
    """A sampler whose first trial is the default; equal seeds give equal proposals for equal results."""
    kind = OptunaSampler if name == "optuna" else RandomSampler
    return kind(space, default, maximize=maximize, seed=seed)


class RandomSampler:
    """Random search (Bergstra & Bengio 2012); gives up what is worse than the median at the same split."""

    def __init__(self, space: Space, default: dict[str, Any], *, maximize: bool, seed: int) -> None:
        self._space, self._default, self._sign = space, default, 1.0 if maximize else -1.0
        self._rng = np.random.default_rng(seed)
        self._first = True
        self._steps: list[dict[int, float]] = []
        self._own: dict[int, float] = {}

    def ask(self) -> dict[str, Any]:
        """The default, then random settings."""
        self._own = {}
        drawn = {name: entry.draw(self._rng) for name, entry in self._space.items()}
        if self._first:
            self._first = False
            return dict(self._default)
        return drawn

    def should_stop(self, step: int, value: float) -> bool:
        """Whether the value is worse than the median of complete trials at this step."""
        self._own[step] = self._sign * value
        before = [steps[step] for steps in self._steps if step in steps]
        return len(before) >= STARTUP and self._own[step] < float(np.median(before))

    def tell(self, value: float | None) -> None:
        """Keep a complete trial's steps for the median."""
        if value is not None:
            self._steps.append(self._own)


class OptunaSampler:
    """TPE (Bergstra et al. 2011) with median pruning; the extra `tune`."""

    def __init__(self, space: Space, default: dict[str, Any], *, maximize: bool, seed: int) -> None:
        import optuna

        # Optuna's own lines would come between those of the progress bar.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._failed = space, optuna.trial.TrialState.PRUNED
        self._study = optuna.create_study(
            direction="maximize" if maximize else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
        )
        self._default: dict[str, Any] | None = default
        self._trial: Any = None

    def ask(self) -> dict[str, Any]:
        """The default, then what the estimator proposes."""
        if self._default is not None:
            # A default may be outside of the range that was asked for; Optuna is told of it only if it is inside.
            inside = all(_inside(self._space[name], value) for name, value in self._default.items())
            default, self._default = self._default, None
            if not inside:
                self._trial = None
                return dict(default)
            self._study.enqueue_trial(default)
        self._trial = self._study.ask()
        return {name: self._suggest(name) for name in self._space}

    def _suggest(self, name: str) -> Any:
        entry = self._space[name]
        if isinstance(entry, Choice):
            return self._trial.suggest_categorical(name, list(entry.options))
        if entry.whole:
            return self._trial.suggest_int(name, int(entry.low), int(entry.high), log=entry.log)
        return self._trial.suggest_float(name, entry.low, entry.high, log=entry.log)

    def should_stop(self, step: int, value: float) -> bool:
        """Whether Optuna's pruner gives the trial up."""
        if self._trial is None:
            return False
        self._trial.report(value, step)
        return bool(self._trial.should_prune())

    def tell(self, value: float | None) -> None:
        """Tell the study."""
        if self._trial is None:
            return
        if value is None:
            self._study.tell(self._trial, state=self._failed)
        else:
            self._study.tell(self._trial, value)


def _inside(entry: Any, value: Any) -> bool:
    if isinstance(entry, Choice):
        return value in entry.options
    return isinstance(value, int | float) and entry.low <= value <= entry.high
