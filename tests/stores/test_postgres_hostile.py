"""PostgreSQL servers that accept and are silent, drip, or hang up: a sentence in time, and no doubt about a commit."""

from __future__ import annotations

import socket
import struct
import time

import pytest

pytest.importorskip("psycopg")

from hostile_server import Hostile, hostile
from matinee.databases.postgres import GRACE, Pool
from matinee.errors import StoreError

LIMIT = 2.0
"""Seconds of a statement, and the least that connecting may take."""


def message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


READY, IN_BLOCK = message(b"Z", b"I"), message(b"Z", b"T")
WELCOME = message(b"R", struct.pack("!i", 0)) + message(b"S", b"client_encoding\0UTF8\0") + READY
DESCRIPTION = message(
    b"T", struct.pack("!h", 5) + b"".join(b"c\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0) for _ in range(5))
)
SETUP = message(b"D", struct.pack("!h", 5) + b"".join(struct.pack("!i", 4) + b"UTF8" for _ in range(5)))
PREPARED = message(b"1") + message(b"2") + DESCRIPTION + SETUP + message(b"C", b"SELECT 1\0") + READY


def asks(connection: socket.socket) -> bytes:
    """What the client sends next; the first part of it at least."""
    return connection.recv(65536)


def welcomed(connection: socket.socket) -> None:
    """Up to a connection that can be used. The offer of encryption is declined."""
    connection.sendall(b"N")
    asks(connection)
    connection.sendall(WELCOME)
    asks(connection)
    connection.sendall(PREPARED)
    asks(connection)


def drips(connection: socket.socket, first: bytes = b"") -> None:
    connection.sendall(first)
    while True:
        connection.sendall(b"S")
        time.sleep(0.01)


def silent(connection: socket.socket) -> None:
    while asks(connection):
        pass


def silent_later(connection: socket.socket) -> None:
    welcomed(connection)
    silent(connection)


def dripping_later(connection: socket.socket) -> None:
    welcomed(connection)
    drips(connection, DESCRIPTION + b"D" + struct.pack("!i", 1 << 20))


def silent_after_the_offer(connection: socket.socket) -> None:
    connection.sendall(b"N")
    silent(connection)


def dripping_welcome(connection: socket.socket) -> None:
    connection.sendall(b"N")
    asks(connection)
    drips(connection, WELCOME[:9] + b"S" + struct.pack("!i", 1 << 20))


def hangs_up_in_a_row(connection: socket.socket) -> None:
    welcomed(connection)
    connection.sendall(DESCRIPTION + SETUP[:20])


SERVERS: dict[str, Hostile] = {
    "silent": silent,
    "silent after the offer": silent_after_the_offer,
    "drips": lambda connection: drips(connection, b"N"),
    "welcome drips": dripping_welcome,
    "silent later": silent_later,
    "answer drips": dripping_later,
    "hangs up": lambda connection: None,
    "hangs up in a row": hangs_up_in_a_row,
    "another program": lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "garbage": lambda connection: connection.sendall(b"N" + bytes(range(256)) * 50),
}


def pool_of(url: str) -> Pool:
    return Pool(f"postgresql://u@{url.removeprefix('http://')}/films", "", "", LIMIT, "public")


@pytest.mark.parametrize("what", SERVERS)
def test_a_hostile_server_ends_with_a_sentence(what: str) -> None:
    with hostile(SERVERS[what]) as url:
        pool = pool_of(url)
        begin = time.monotonic()
        with pytest.raises(StoreError) as told:
            pool.query("SELECT 1")
        assert time.monotonic() - begin < 2 * (2 * LIMIT + GRACE) + 5
        pool.close()
    assert pool.label in str(told.value)
    assert told.value.hint


@pytest.mark.parametrize("ending", ["silent", "hangs up"])
def test_a_commit_that_is_not_answered_is_told_as_such(ending: str) -> None:
    def server(connection: socket.socket) -> None:
        welcomed(connection)  # and BEGIN has come
        connection.sendall(message(b"C", b"BEGIN\0") + IN_BLOCK)
        asks(connection)
        if ending == "silent":
            silent(connection)

    with hostile(server) as url:
        pool = pool_of(url)
        with pytest.raises(StoreError, match="may or may not be stored") as told:
            pool.write(lambda _: None)
        pool.close()
    assert "idempotency key" in (told.value.hint or "")
