"""Host and port of servers: options, a check that the port is free, and the URL to print."""

from __future__ import annotations

import os
import socket
import sys
from typing import Annotated

import typer
from rich.text import Text

from matinee.cli.console import console
from matinee.errors import InvalidInputError

Host = Annotated[str | None, typer.Option(help="Address to bind to.")]
Port = Annotated[int | None, typer.Option("--port", "-p", min=0, max=65535, help="Port to listen on; 0: any.")]
Insecure = Annotated[
    bool | None,
    typer.Option(
        "--insecure", help="Serve other machines without API keys; for networks that you trust.", show_default=False
    ),
]

LOCAL_HOSTS = ("127.0.0.1", "0.0.0.0", "::", "::1", "localhost")
"""Hosts that a browser on this machine reaches as localhost."""


def check_address(host: str, port: int, others: str) -> None:
    """Check that a port is free, before slow work begins.

    Args:
        others: how to choose another port, for the hint.

    Raises:
        InvalidInputError: the port is in use, or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # like the server; on Windows it would let two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InvalidInputError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            f"Stop the program that uses the port, or choose another: {others}.",
        ) from error


def url_of(host: str, port: int) -> str:
    """The URL for a browser on this machine."""
    return f"http://{'localhost' if host in LOCAL_HOSTS else _bracketed(host)}:{port}"


def reached_at(host: str, port: int) -> str:
    """The URL for a program on this machine: like `url_of`, without name resolution."""
    return f"http://{_bracketed({'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host, host))}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def free_port(host: str) -> int:
    """A free port."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        return int(probe.getsockname()[1])


def announce(host: str, port: int, more: str, what: str = "Serving") -> None:
    """Print the URL of a server."""
    url = url_of(host, port)
    console().print(Text.assemble(f"{what} ", (url, f"bold link {url}"), f" · {more}"))
    sys.stdout.flush()
