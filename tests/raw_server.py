"""Any ASGI application on a real socket, with the services' HTTP protocol, in a thread of this process."""

from __future__ import annotations

from contextlib import AbstractContextManager

import uvicorn
from starlette.types import ASGIApp

from matinee.api.protocol import BoundedHttpProtocol
from socket_support import served


def raw_server(app: ASGIApp) -> AbstractContextManager[int]:
    """The port of an application that accepts connections; it is stopped behind."""
    return served(uvicorn.Config(app, http=BoundedHttpProtocol, lifespan="off", log_config=None, ws="none"))
