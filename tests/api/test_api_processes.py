"""What reaches a server before the application sees it, and servers that cannot start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from matinee.api.protocol import MAX_HEAD
from matinee.api.serve import as_environment
from matinee.settings import Settings
from server_support import running

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX")


def test_heads_are_limited_in_size(data_dir: Path, tmp_path: Path) -> None:
    with running(data_dir, tmp_path / "log") as server:

        def send(*parts: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", server.port), timeout=90) as connection:
                received = b""
                try:
                    for part in parts:
                        connection.sendall(part)
                    while got := connection.recv(65536):
                        received += got
                except ConnectionError:  # it was refused while more was on its way
                    pass
                return received

        begin = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        endless = [b"a" * 100_000] * 40
        for parts in (
            (b"GET /v1/search?q=", *endless),
            (begin + b"x: ", *endless),
            (begin, *(b"x-%d: y\r\n" % number * 1000 for number in range(400))),
            (begin.replace(b"GET", b"POST") + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", *endless),
        ):
            received = send(*parts)
            assert b" 200 " not in received[:20] or b"POST" in parts[0]
            assert len(received) < 2000
        assert send(begin + b"x: " + b"a" * (MAX_HEAD // 2) + b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert b" 431 " in send(begin + b"a" * (MAX_HEAD + 1 - len(begin)))
        body = b"[" + b" " * 1_000_000 + b"]"
        post = (
            b"POST /v1/ratings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
        )
        assert b" 200 " in send(post + b"content-length: %d\r\n\r\n" % len(body), body)[:20]


def test_heads_are_limited_in_time(data_dir: Path, tmp_path: Path) -> None:
    hasty = "from matinee.api import protocol; protocol.HEAD_SECONDS = 0.2"
    with running(data_dir, tmp_path / "log", first=hasty) as server:
        whole = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
        for parts in (b"", b"GET /hea", whole + b"GET /hea"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=90) as connection:
                connection.sendall(parts)
                received = b""
                while got := connection.recv(65536):  # ends when the server closes, long before 20 seconds
                    received += got
                assert received.startswith(b"HTTP/1.1 200") == parts.startswith(whole)


def test_a_worker_that_cannot_start_ends_the_server_with_an_error(data_dir: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[")
    code = (
        "import os; from matinee.api import serve; from matinee.settings import Settings; settings = Settings();"
        f"os.environ['MATINEE_CONFIG'] = {str(bad)!r}; serve(settings)"
    )
    settings = Settings(data_dir=data_dir, port=0, workers=2)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | as_environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "A worker process cannot start" in done.stderr


def test_the_process_that_starts_workers_imports_no_application() -> None:
    code = "import sys; from matinee.api import serve; print({'numpy', 'fastapi', 'polars'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
