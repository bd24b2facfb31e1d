"""Any ASGI application on a real socket, with the services' HTTP protocol, in a thread of this process."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from matinee.api.protocol import BoundedHttpProtocol


@contextmanager
def raw_server(app: ASGIApp, seconds: float = 30) -> Iterator[int]:
    """The port of an application that accepts connections; it is stopped behind."""
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.ERROR)
    config = uvicorn.Config(
        app, http=BoundedHttpProtocol, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        end = time.monotonic() + seconds
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < end
            time.sleep(0.005)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(seconds)
            assert not thread.is_alive()
