"""An application on a real socket, served by a thread of this process: quicker to start than a process."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from matinee.api.application import Application
from matinee.api.serve import config_of


@contextmanager
def on_a_socket(app: Application, port: int = 0, seconds: float = 90) -> Iterator[str]:
    """The URL of an application that is started and accepts connections; it is stopped behind."""
    with served(config_of(app.service.settings, app), port, seconds) as bound:
        yield f"http://127.0.0.1:{bound}"


@contextmanager
def served(config: uvicorn.Config, port: int = 0, seconds: float = 90) -> Iterator[int]:
    """The port of a server that accepts connections; it is stopped behind."""
    config.timeout_graceful_shutdown = 5
    for name in ("uvicorn.error", "uvicorn.access"):  # pytest collects what they say
        logging.getLogger(name).setLevel(logging.WARNING)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        end = time.monotonic() + seconds
        while not server.started:
            assert thread.is_alive(), "the server has ended"
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.005)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(seconds)
            assert not thread.is_alive(), "the server does not stop"
