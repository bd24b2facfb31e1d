"""A server that hangs, though it runs: connections to it are taken, and nothing is handed on until it goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

STEP = 1 << 16


class Relay:
    """What a client sees of a server, which may be stopped, as a process is by SIGSTOP.

    Nothing is lost: what was sent meanwhile arrives when it goes on.
    """

    def __init__(self, behind: str) -> None:
        parts = urlsplit(behind)
        self._behind = parts.hostname or "", parts.port or 80
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listening]
        self._runs = threading.Event()
        self._runs.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Address of the server for clients."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def hang(self) -> None:
        """Hand nothing on."""
        self._runs.clear()

    def go_on(self) -> None:
        """Hand on what was sent meanwhile, and what comes."""
        self._runs.set()

    def close(self) -> None:
        """End all connections."""
        self.go_on()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                client = self._listening.accept()[0]
                server = socket.create_connection(self._behind)
                self._open += (client, server)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._hand_on, args=(one, other), daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(STEP):
                self._runs.wait()
                other.sendall(part)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)


@contextmanager
def relayed(behind: str) -> Iterator[Relay]:
    """A server that may hang, in the place of one at this address."""
    relay = Relay(behind)
    try:
        yield relay
    finally:
        relay.close()
