"""The application class of the vector service."""

from __future__ import annotations

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from matinee.api import application
from matinee.api.response_cache import AdaptiveExecutor
from matinee.api.vectors.sources import OpenedSpaces, SpaceSource
from matinee.api.vectors.space import ServedSpace
from matinee.errors import ConflictError
from matinee.settings import Settings


class VectorService(application.Service):
    """The vector service.

    Args:
        settings: limits, folders, the space and the kind of index.
        source: gives the spaces.
    """

    name = "matinee-vectors"

    def __init__(self, settings: Settings, source: SpaceSource) -> None:
        super().__init__(settings)
        self.source = source
        self.executor = AdaptiveExecutor()

    async def opened(self) -> OpenedSpaces:
        """The spaces in service.

        Raises:
            MatineeError: there are none yet (503).
        """
        opened = self.source.look()
        return opened if opened is not None else await run_in_threadpool(self.source.open)

    async def space(self, name: str | None = None, snapshot: str | None = None) -> ServedSpace:
        """A space in service.

        Raises:
            MatineeError: there is none of this name (404), or none at all yet (503), or another snapshot (409).
        """
        return (await self.opened()).space(name, snapshot)

    def check_writable(self) -> None:
        """See that what is written here is seen by all who ask.

        Raises:
            ConflictError: there are several worker processes, which share no memory.
        """
        if self.settings.workers > 1:
            raise ConflictError(
                f"The service runs as {self.settings.workers} processes, which would not see each other's items.",
                "Write films through the core service, or run this one with one worker.",
            )


def service_of(request: Request) -> VectorService:
    """The vector service, which answers this request."""
    service = application.service_of(request)
    assert isinstance(service, VectorService)
    return service
