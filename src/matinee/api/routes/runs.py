"""Stored runs of evaluations, as `matinee evaluate`, `compare` and `tune` keep them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from matinee.api.errors import problems
from matinee.api.render import reply
from matinee.api.schemas.answers import RunOut, RunsOut
from matinee.api.service import service_of
from matinee.errors import NotFoundError
from matinee.tracking.runs import RunStore, summary

router = APIRouter(tags=["operation"])
RunId = Annotated[
    str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$", description="Id of a stored run.")
]


@router.get("/v1/runs", response_model=RunsOut, summary="Stored runs of evaluations")
def runs(request: Request) -> Response:
    """All runs that can be read, newest first, each with the main figure of its reference model."""
    records, _ = RunStore(service_of(request).settings.runs_dir).list()
    return reply({"items": [summary(record) for record in records]})


@router.get("/v1/runs/{run_id}", response_model=RunOut, responses=problems(404, 422, 503), summary="One run")
def run(request: Request, run_id: RunId) -> Response:
    """The report of a run: figures with intervals, comparisons, groups, calibration; and what a search tried."""
    store = RunStore(service_of(request).settings.runs_dir)
    if run_id not in store.ids():
        raise NotFoundError(f"There is no run {run_id!r}.", "See GET /v1/runs for those there are.")
    record = store.show(run_id)
    return reply({**summary(record), "report": record.report, "trials": record.trials})
