"""Requests as bytes and answers as a status: HTTP/1.1 over a socket, for what no client library would send."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Self

Header = tuple[bytes, bytes]
SECONDS = 20.0
"""Time for an answer."""
STREAM_SECONDS = 0.1
"""Time that a stream of events is read; it has no end."""
UNREAD_SECONDS = 0.5
"""Time for an answer to what is no whole request."""
MAX_HEAD = 1 << 20
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_EVENTS = re.compile(rb"\r\ncontent-type:[ \t]*text/event-stream", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_RETRY = re.compile(rb"\r\nretry-after:", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """A request that may be none.

    Attributes:
        operation: method and path template; what findings are grouped by.
        target: path and query, as sent.
        body: as sent, with the framing of chunks.
        whole: whether it says where it ends; otherwise no answer is owed.
    """

    operation: str
    method: bytes
    target: bytes
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    whole: bool = True

    def raw(self, address: tuple[str, int]) -> bytes:
        """What is sent; Host and Content-Length are added where they are not given."""
        given = {name.lower() for name, _ in self.headers}
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target)]
        if b"host" not in given:
            lines.append(b"host: %b:%d" % (address[0].encode(), address[1]))
        lines += [b"%b: %b" % header for header in self.headers]
        if not given & {b"content-length", b"transfer-encoding"} and (self.body or self.method != b"GET"):
            lines.append(b"content-length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body

    def having(self, *headers: Header) -> Self:
        """The same request with more headers."""
        return replace(self, headers=(*self.headers, *headers))

    def curl(self, address: tuple[str, int]) -> str:
        """A shell command that sends these bytes; as curl where it can say them."""
        everything = self.raw(address)
        if not self.whole or b"\0" in everything.partition(b"\r\n\r\n")[0] or not self.method.isalpha():
            return f"printf %b {_quoted(everything, percent_b=True)} | nc -q 20 {address[0]} {address[1]}"
        words = ["curl -sS -i --path-as-is --globoff -X", _quoted(self.method)]
        words.append(_quoted(f"http://{address[0]}:{address[1]}".encode() + self.target))
        for name, value in self.headers:
            words += ["-H", _quoted(name + b": " + value)]
        if self.body:
            return f"printf %b {_quoted(self.body, percent_b=True)} | {' '.join(words)} --data-binary @-"
        return " ".join(words)


def _quoted(data: bytes, *, percent_b: bool = False) -> str:
    """Bytes as a word of bash: `$'…'`, or what `printf %b` turns into them."""
    if percent_b:
        return "'" + "".join(chr(c) if 32 <= c < 127 and c not in b"'\\" else f"\\0{c:03o}" for c in data) + "'"
    if all(32 <= c < 127 and c not in b"'\\" for c in data):
        return f"'{data.decode()}'"
    return "$'" + "".join(chr(c) if 32 <= c < 127 and c not in b"'\\" else f"\\x{c:02x}" for c in data) + "'"


@dataclass
class Answer:
    """What came back.

    Attributes:
        status: 0 where the connection was closed without an answer, -1 where none came in time.
        shed: a 503 that says when to come again.
    """

    status: int
    body: bytes = b""
    shed: bool = False
    head: bytes = field(default=b"", repr=False)


class Wire:
    """One connection to a server, opened again when it was closed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def ask(self, request: Request) -> Answer:
        """The answer to a request."""
        kept = self._socket is not None
        answer = self._once(request)
        if answer.status == 0 and kept and request.whole:  # the server closed it after the answer before
            answer = self._once(request)
        return answer

    def _once(self, request: Request) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self.address, SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = self._socket
        connection.settimeout(SECONDS if request.whole else UNREAD_SECONDS)
        try:
            with suppress(ConnectionError):  # refused before it was sent: the answer can be read all the same
                connection.sendall(request.raw(self.address))
            answer, ended = _read(connection, request)
        except TimeoutError:
            answer, ended = Answer(-1), True
        except ConnectionError:
            answer, ended = Answer(0), True
        if ended or not request.whole:
            self.close()
        return answer


def _read(connection: socket.socket, request: Request) -> tuple[Answer, bool]:
    """An answer, and whether the connection is of no more use."""
    head, rest = b"", b""
    while True:
        data = rest
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part or len(data) > MAX_HEAD:
                return Answer(0), True
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status >= 200:
            break
    answer = Answer(status, shed=status == 503 and bool(_RETRY.search(head)), head=head)
    if request.method == b"HEAD" or status in (204, 304):
        return answer, bool(_CLOSE.search(head))
    length = _LENGTH.search(head)
    if _EVENTS.search(head):
        answer.body = _events(connection, rest)
        return answer, True
    if _CHUNKED.search(head):
        while not rest.endswith(b"0\r\n\r\n"):
            part = connection.recv(65536)
            if not part:
                return Answer(0), True
            rest += part
    elif length:
        missing, parts = int(length[1]) - len(rest), [rest]
        while missing > 0:
            part = connection.recv(min(missing, 1 << 20))
            if not part:
                return Answer(0), True
            parts.append(part)
            missing -= len(part)
        rest = b"".join(parts)
    else:
        while part := connection.recv(65536):
            rest += part
        return replace(answer, body=rest), True
    answer.body = rest
    return answer, bool(_CLOSE.search(head))


def _events(connection: socket.socket, received: bytes) -> bytes:
    """What a stream sends in a short time."""
    end = monotonic() + STREAM_SECONDS
    while (left := end - monotonic()) > 0 and not received.endswith(b"0\r\n\r\n"):
        connection.settimeout(left)
        try:
            part = connection.recv(65536)
        except TimeoutError:
            break
        if not part:
            break
        received += part
    return received
