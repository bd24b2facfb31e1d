"""Experiments: started, stopped, and what they have shown; for administrators."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.render import Json, answer_json, reply
from matinee.api.schemas.answers import ListOut
from matinee.api.schemas.experiments import ExperimentOut, ExperimentsOut, LoggedOut, PlanIn, ResultOut
from matinee.api.service import EngineDep, service_of
from matinee.engine.experiment_results import results
from matinee.engine.logged_policies import evaluate_logged
from matinee.engine.recommend import recommend_stored
from matinee.engine.treatment import Treatment
from matinee.engine.types import Request as Options
from matinee.experiments.definition import NAME

router = APIRouter(tags=["experiments"])
Name = Annotated[str, Path(min_length=1, max_length=60, pattern=NAME, description="Name of an experiment.")]
ArmPath = Annotated[str, Path(min_length=1, max_length=60, pattern=NAME, description="Name of an arm.")]
ArmQuery = Annotated[
    str | None, Query(min_length=1, max_length=60, pattern=NAME, description="Name of an arm; default: the first.")
]


@router.get("/v1/experiments", response_model=ExperimentsOut, responses=problems(503), summary="Experiments")
def experiments(request: Request) -> Response:
    """All experiments, the newest first; the one that runs has no `stopped`."""
    found = list(service_of(request).experiments.all().values())
    return reply({"items": [one.model_dump(mode="json") for one in reversed(found)]})


@router.post(
    "/v1/experiments",
    response_model=ExperimentOut,
    status_code=201,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
    summary="Start an experiment",
)
def start(request: Request, engine: EngineDep, plan: PlanIn) -> Response:
    """Every worker serves it within a second. One runs at a time, and it does not change until it is stopped."""
    view = engine.request_view()
    for arm in plan.arms:
        for model in arm.models:
            view.model(model)
    return reply(service_of(request).experiments.start(plan).model_dump(mode="json"), 201)


@router.get(
    "/v1/experiments/{experiment}",
    response_model=ResultOut,
    responses=problems(404, 422, 503),
    summary="What an experiment has shown",
)
def show(request: Request, engine: EngineDep, experiment: Name) -> Response:
    """Users and outcomes of each arm, its difference from the first with an always-valid interval, interleaving wins.

    An outcome is a film of a list that its user rated, put on the watchlist or saw within the window after it.
    """
    found = results(engine.request_view(), service_of(request).experiments.get(experiment))
    return reply({**asdict(found), "experiment": found.experiment.model_dump(mode="json")})


@router.post(
    "/v1/experiments/{experiment}/stop",
    response_model=ExperimentOut,
    responses=problems(404, 409, 422, 503),
    summary="Stop an experiment",
)
def stop(request: Request, experiment: Name) -> Response:
    """Lists are as without it from then on, in every worker within a second; what was logged stays."""
    return reply(service_of(request).experiments.stop(experiment).model_dump(mode="json"))


@router.get(
    "/v1/experiments/{experiment}/arms/{arm}/lists/{user_id}",
    response_model=ListOut,
    responses=problems(400, 404, 422, 503),
    summary="The list of an arm, for a test",
)
def forced(
    request: Request,
    engine: EngineDep,
    experiment: Name,
    arm: ArmPath,
    user_id: parameters.UserIdPath,
    n: parameters.Count = 10,
) -> Response:
    """What a user would be shown in this arm, whichever arm the user is in; it is not logged."""
    chosen = service_of(request).experiments.get(experiment)
    treatment = Treatment(chosen, chosen.arm(arm))
    return Json(answer_json(engine, recommend_stored(engine.request_view(), user_id, Options(n), treatment)))


@router.get(
    "/v1/experiments/{experiment}/logged",
    response_model=LoggedOut,
    responses=problems(400, 404, 422, 503),
    summary="What another policy would have earned",
)
def logged(
    request: Request,
    engine: EngineDep,
    experiment: Name,
    arm: ArmQuery = None,
    model: parameters.Model = None,
    exploration: Annotated[
        float, Query(ge=0, le=1, allow_inf_nan=False, description="Share of the places that the policy draws.")
    ] = 0.0,
) -> Response:
    """IPS, SNIPS and doubly robust estimates, from the places that an arm with exploration has drawn.

    Propensities are conditional on the places above: the estimate is of the policy's choice at each place of lists as
    they were, not of whole lists of its own.
    """
    chosen = service_of(request).experiments.get(experiment)
    return reply(evaluate_logged(engine.request_view(), chosen, arm, model=model, exploration=exploration))
