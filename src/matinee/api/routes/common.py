"""Routes that every service has: alive, and its numbers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from matinee.api import metrics
from matinee.api.application import service_of
from matinee.api.render import reply
from matinee.api.schemas.answers import HealthOut

router = APIRouter(tags=["operation"])


@router.get("/health", response_model=HealthOut, summary="Alive?")
async def health() -> Response:
    """The process answers; nothing that it depends on is checked."""
    return reply({"status": "ok"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}},
    summary="Metrics for Prometheus",
)
async def prometheus(request: Request) -> Response:
    """Requests by route, stages of answers, ages and the backlog, over all workers."""
    service = service_of(request)

    def look() -> bytes:
        service.refresh_gauges()
        return service.metrics.text()

    text = await run_in_threadpool(look)
    return Response(text, media_type=metrics.MEDIA_TYPE)
