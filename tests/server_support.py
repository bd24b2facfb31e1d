"""A server as it runs: a process of its own, on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from matinee.api.serve import as_environment
from matinee.settings import Settings


class Server:
    """A server process on a port of its own."""

    def __init__(self, data_dir: Path, log: Path, workers: int = 1, first: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.settings = Settings(data_dir=data_dir, port=self.port, workers=workers)
        self.log = log
        code = f"{first}\nfrom matinee.api import serve; serve(); print('ended', flush=True)"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                env=os.environ | as_environment(self.settings),
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self, seconds: float = 60) -> None:
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

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(sig)
        return self.process.wait(40)

    def exchange(self, data: bytes, seconds: float = 10) -> bytes:
        """Send bytes on a fresh connection and read until the server closes it, or is silent for long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received


@contextmanager
def running(data_dir: Path, log: Path, workers: int = 1, first: str = "") -> Iterator[Server]:
    """A server that is ready; `first` is code that its process runs before."""
    server = Server(data_dir, log, workers, first)
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(40)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait(10)
