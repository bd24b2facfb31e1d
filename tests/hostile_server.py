"""A server that answers without end, a byte at a time, or with lies about the length."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
Hostile = Callable[[socket.socket], None]


@contextlib.contextmanager
def hostile(answer: Hostile) -> Iterator[str]:
    """The URL of a server that reads a head and then does as it likes, until its client leaves."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(20)
                connection.recv(65536)
                answer(connection)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def drip(connection: socket.socket, first: bytes) -> None:
    connection.sendall(first)
    while True:
        connection.sendall(b"1")
        time.sleep(0.02)


def endless(connection: socket.socket) -> None:
    connection.sendall(OK + b"transfer-encoding: chunked\r\n\r\n")
    part = b"10000\r\n" + b"1" * 65536 + b"\r\n"
    while True:
        connection.sendall(part)


def packed(connection: socket.socket) -> None:
    """A small body that unpacks to a large one."""
    body = gzip.compress(b"1" * (64 << 20))
    connection.sendall(OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def redirect(place: str) -> Hostile:
    head = f"HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
    return lambda connection: connection.sendall(head)


SLOW: dict[str, Hostile] = {
    "body drips": lambda connection: drip(connection, OK + b"content-length: 100000\r\n\r\n"),
    "head drips": lambda connection: drip(connection, OK + b"x-long: "),
    "length is a lie": lambda connection: drip(connection, OK + b"content-length: 999999999999\r\n\r\n"),
    "nothing comes": lambda connection: (connection.recv(1), None)[1],
}
LARGE: dict[str, Hostile] = {"endless": endless, "packed": packed}
BROKEN: dict[str, Hostile] = {
    "huge head": lambda connection: connection.sendall(OK + b"x-long: " + b"x" * 500_000 + b"\r\n\r\n{}"),
    "too short": lambda connection: connection.sendall(OK + b"content-length: 10\r\n\r\n{}"),
    "no HTTP": lambda connection: connection.sendall(b"\x00\x16\x03" * 100),
    "circle": redirect("/again"),
}

EVERY = SLOW | LARGE | BROKEN
