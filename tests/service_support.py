"""A service as it runs: a process of its own, on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

from api_support import Client
from matinee.api.application import Application
from matinee.api.serve import PORTS, Service, as_environment
from matinee.settings import Settings


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Process:
    """A service in a process, on a port of its own."""

    def __init__(self, service: Service, settings: Settings, log: Path) -> None:
        self.service, self.log, self.port = service, log, free_port()
        self.settings = settings.model_copy(update={PORTS[service]: self.port})
        self.start()

    @property
    def words(self) -> list[str]:
        """What Python runs; as from a shell: `matinee serve SERVICE`."""
        return ["-m", "matinee", "serve", self.service, "--port", str(self.port)]

    def start(self) -> None:
        """Start it; again at the same address."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, *self.words],
                env=os.environ | as_environment(self.settings),
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self, seconds: float = 90) -> None:
        """Until it is ready."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if httpx.get(self.url + "/ready", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.process.wait(60)

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(sig)
        return self.process.wait(90)

    def end(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.kill()


P = TypeVar("P", bound=Process)


@contextmanager
def ready(process: P) -> Iterator[P]:
    """The service once it is ready; it is ended behind."""
    try:
        process.wait()
        yield process
    finally:
        process.end()


def serving(service: Service, settings: Settings, log: Path) -> AbstractContextManager[Process]:
    """A service that is ready."""
    return ready(Process(service, settings, log))


@contextmanager
def in_process(app: Application, seconds: float = 90) -> Iterator[Client]:
    """A client of an application in this process that was started, and is ready."""
    with Client(app) as client, client._portal.wrap_async_context_manager(app.lifespan()):
        end = time.monotonic() + seconds
        while client.get("/ready").status_code != 200:
            assert time.monotonic() < end, client.get("/ready").text
            time.sleep(0.01)
        yield client
