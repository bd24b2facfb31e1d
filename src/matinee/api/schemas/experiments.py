"""Answers and bodies of the routes of experiments."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, field_validator

from matinee.api.parameters import limit_length
from matinee.api.schemas.examples import example, with_example
from matinee.api.schemas.requests import MAX_FIELDS, Body
from matinee.engine.experiment_results import ExperimentResult
from matinee.engine.logged_policies import LoggedPolicy
from matinee.experiments.definition import MAX_ARMS, Experiment, Plan

_PLAN = """"name": "taste-2026", "arms": [{"name": "control", "share": 0.5},
    {"name": "ease", "share": 0.5, "model": "ease"}], "exploration": 0.1, "window_days": 7, "effect": 0.1"""
_STARTED = f'{_PLAN}, "started": "2026-11-29T12:00:00Z", "stopped": null'


class PlanIn(Body, Plan, json_schema_extra=example(f"{{{_PLAN}}}")):
    """An experiment to start. The first arm is the one that others are compared with."""

    @field_validator("arms", mode="before")
    @classmethod
    def _limit_arms(cls, value: Any) -> Any:
        limit_length(value, MAX_ARMS)
        for arm in value if isinstance(value, list) else ():
            limit_length(arm, MAX_FIELDS)
        return value


class ExperimentOut(Experiment, json_schema_extra=example(f"{{{_STARTED}}}")):
    """An experiment."""


class ExperimentsOut(BaseModel, json_schema_extra=example(f'{{"items": [{{{_STARTED}}}]}}')):
    """Experiments, the newest first."""

    items: list[Experiment]


ResultOut = with_example(
    ExperimentResult,
    f"""{{"experiment": {{{_STARTED}}}, "arms": [{{"arm": "control", "share": 0.5, "users": 480, "lists": 2110,
    "outcome": 96, "mean": 0.2}}], "differences": [{{"arm": "ease", "control": "control", "difference": 0.05,
    "low": -0.02, "high": 0.12, "p_always": 0.31, "p_fixed": 0.04}}], "interleaving": [], "p_shares": 0.62}}""",
)
LoggedOut = with_example(
    LoggedPolicy,
    """{"experiment": "taste-2026", "arm": "ease", "model": null, "exploration": 0.0, "users": 480, "lists": 2110,
    "places": 21100, "logged": 0.011, "estimates": [{"method": "snips", "value": 0.012, "low": 0.009, "high": 0.015,
    "effective_size": 18990.0}]}""",
)
