"""Which values of a model's settings a search may try: from the settings' types, bounds and defaults, or as asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from matinee.errors import InvalidInputError
from matinee.models.base import ModelConfig

_SPAN = 8.0
"""A setting without bounds is tried from an eighth to eight times its default."""
_NOT_SEARCHED = frozenset({"seed", "min_ratings", "max_items", "max_users", "memory_limit"})
"""Settings that say what is learned from and how much memory that takes; searched only where they are asked for."""
_LOG = 8.0
"""Ratio of a range's ends from which it is tried in equal steps of the logarithm."""


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    options: tuple[Any, ...]

    def draw(self, rng: np.random.Generator) -> Any:
        """A random one."""
        return self.options[int(rng.integers(len(self.options)))]


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included.

    Attributes:
        log: in equal steps of the logarithm.
        whole: whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> float | int:
        """A random one."""
        if self.whole and not self.log:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        value = rng.uniform(math.log(self.low), math.log(self.high)) if self.log else rng.uniform(self.low, self.high)
        value = math.exp(value) if self.log else value
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else float(value)


Space = dict[str, Choice | Range]


def search_space(config: ModelConfig, asked: Mapping[str, str] | None = None) -> Space:
    """What to try.

    Args:
        config: the model's configuration as it is, the defaults.
        asked: setting → "LOW:HIGH", or values between commas; only these are tried. None or empty: all that have a
            type and bounds to search in.

    Raises:
        InvalidInputError: no such setting, a range that cannot be read or is out of the setting's bounds, or nothing to
            search.
    """
    fields = type(config).model_fields
    if asked:
        for name in asked:
            if name not in fields:
                raise InvalidInputError(
                    f"There is no setting {name!r}.", f"Choose among: {', '.join(sorted(fields)) or 'none'}."
                )
        return {name: _asked(name, text, fields[name], config) for name, text in asked.items()}
    space = {
        name: found
        for name, field in fields.items()
        if name not in _NOT_SEARCHED and (found := _usual(field, getattr(config, name))) is not None
    }
    if not space:
        raise InvalidInputError("The model has no settings to search.", "Name them: --search NAME=LOW:HIGH.")
    return space


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    annotation = field.annotation
    return (annotation,) if get_origin(annotation) is Literal else (annotation, *get_args(annotation))


def _options(field: FieldInfo) -> tuple[Any, ...]:
    for kind in _kinds(field):
        if kind is bool:
            return (False, True)
        if get_origin(kind) is Literal:
            return get_args(kind)
    return ()


def _bounds(field: FieldInfo) -> tuple[float, float, bool]:
    """Lowest and highest value by the setting's constraints, and whether the highest is excluded."""
    low, high, open_end = -math.inf, math.inf, False
    for rule in field.metadata:
        if isinstance(rule, Ge | Gt):
            low = float(rule.ge if isinstance(rule, Ge) else rule.gt)  # type: ignore[arg-type]
        if isinstance(rule, Le | Lt):
            high, open_end = float(rule.le if isinstance(rule, Le) else rule.lt), isinstance(rule, Lt)  # type: ignore[arg-type]
    return low, high, open_end


def _usual(field: FieldInfo, default: Any) -> Choice | Range | None:
    options = _options(field)
    if options:
        return Choice(options)
    if isinstance(default, bool) or not isinstance(default, int | float):
        return None
    low, high, open_end = _bounds(field)
    whole = isinstance(default, int)
    if high <= 2.0 and low >= 0.0:  # a share
        return Range(low, high * 0.95 if open_end else high, whole=whole)
    if default <= 0:
        return None
    low, high = max(low, default / _SPAN), min(high, default * _SPAN)
    return (
        Range(max(1.0, round(low)), float(round(high)), log=True, whole=True) if whole else Range(low, high, log=True)
    )


def _asked(name: str, text: str, field: FieldInfo, config: ModelConfig) -> Choice | Range:
    low_text, colon, high_text = text.partition(":")
    found: Choice | Range
    if colon:
        try:
            low, high = float(low_text), float(high_text)
        except ValueError:
            low, high = 1.0, 0.0
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise InvalidInputError(f"{text!r} is no range for {name}.", f"Write {name}=LOW:HIGH.")
        found = Range(low, high, log=low > 0 and high / low >= _LOG, whole=int in _kinds(field))
        ends: tuple[Any, ...] = (int(low), int(high)) if found.whole else (low, high)
    else:
        values = [_value(part.strip()) for part in text.split(",") if part.strip()]
        if not values:
            raise InvalidInputError(f"{text!r} has no values for {name}.", f"Write {name}=A,B,C or {name}=LOW:HIGH.")
        found = Choice(tuple(values))
        ends = found.options
    for value in ends:
        try:
            type(config).model_validate(config.model_dump() | {name: value})
        except ValidationError as error:
            raise InvalidInputError(f"{name} cannot be {value!r}: {error.errors()[0]['msg']}.") from error
    return found


def _value(text: str) -> Any:
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("none", "null"):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
