"""The core service as it runs, by `serve` of Python: for what no command can have."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager
from pathlib import Path

from matinee.settings import Settings
from service_support import Process, ready


class Server(Process):
    """The core service in a process.

    Args:
        first: code that the process runs before.
    """

    def __init__(self, data_dir: Path, log: Path, workers: int = 1, first: str = "") -> None:
        self.first = first
        super().__init__("core", Settings(data_dir=data_dir, workers=workers), log)

    @property
    def words(self) -> list[str]:
        """What Python runs; it tells "ended" after a clean stop."""
        return ["-c", f"{self.first}\nfrom matinee.api import serve; serve(); print('ended', flush=True)"]

    def exchange(self, data: bytes, seconds: float = 10) -> bytes:
        """Send bytes on a fresh connection and read until the server closes it, or is silent for long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received


def running(data_dir: Path, log: Path, workers: int = 1, first: str = "") -> AbstractContextManager[Server]:
    """A server that is ready; `first` is code that its process runs before."""
    return ready(Server(data_dir, log, workers, first))
