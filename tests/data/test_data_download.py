"""Fetching never hangs and never leaves half a file."""

from __future__ import annotations

import http.server
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from matinee._util.atomic_files import file_hash
from matinee.data.download import download, pip_download
from matinee.errors import FetchError
from web_server import make_wheel, send, serve


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert file_hash(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_hash(tmp_path / "f", "md5") == "900150983cd24fb0d6963f7d28e17f72"


def test_download_reports_progress(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4000
    shares: list[float] = []
    with serve(send(body)) as url:
        download(f"{url}/x.zip", tmp_path / "x", timeout=5, max_bytes=1 << 21, tick=shares.append)
    assert (tmp_path / "x").read_bytes() == body
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_body_cut_short(tmp_path: Path) -> None:
    with serve(send(b"half", length=8)) as url, pytest.raises(FetchError, match=r"4 of 8 bytes|IncompleteRead"):
        download(url, tmp_path / "x", timeout=5, max_bytes=100)


@pytest.mark.parametrize("length", [None, 10])
def test_a_body_too_big(tmp_path: Path, length: int | None) -> None:
    with serve(send(b"x" * 2000, length=length)) as url, pytest.raises(FetchError, match="larger than 9 bytes"):
        download(url, tmp_path / "x", timeout=5, max_bytes=9)


def test_a_refusal(tmp_path: Path) -> None:
    def not_found(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_error(404)

    with serve(not_found) as url, pytest.raises(FetchError, match="could not be fetched: Not Found"):
        download(url, tmp_path / "x", timeout=5, max_bytes=9)


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(FetchError, match="could not be fetched"):
            download(url, tmp_path / "x", timeout=2, max_bytes=9)


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(FetchError, match=r"did not answer|timed out"):
            download(f"http://127.0.0.1:{silent.getsockname()[1]}/", tmp_path / "x", timeout=0.3, max_bytes=9)
        assert time.monotonic() - start < 90


def test_a_server_that_drips_is_given_up(tmp_path: Path) -> None:
    over = threading.Event()

    def drip(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        while not over.wait(0.02):
            request.wfile.write(b"x")

    with serve(drip) as url:
        with pytest.raises(FetchError, match="too slow"):
            download(url, tmp_path / "x", timeout=0.4, max_bytes=1 << 21)
        over.set()


def test_a_name_lookup_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*args: object, **kwargs: object) -> object:
        over.wait(90)
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)  # getaddrinfo takes no timeout: this is what it does at worst
    with pytest.raises(FetchError, match="did not answer"):
        download("http://nowhere.invalid/", tmp_path / "x", timeout=0.2, max_bytes=9)
    over.set()


def test_pip_fetches_one_wheel(index: Path, tmp_path: Path) -> None:
    wheel = make_wheel(index, "matinee_fake", "1.0", {"matinee_fake/a.txt": b"hello"})
    found = pip_download("matinee-fake==1.0", tmp_path, timeout=1)
    assert found.read_bytes() == wheel.read_bytes()


def test_pip_finds_nothing(index: Path, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"pip could not fetch matinee-fake==1\.0: No matching distribution"):
        pip_download("matinee-fake==1.0", tmp_path, timeout=1)


def test_pip_takes_too_long(index: Path, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="within 0 s"):
        pip_download("matinee-fake==1.0", tmp_path, timeout=1, limit=0.01)


def test_there_is_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(FetchError, match="exit status 1"):
        pip_download("matinee-fake==1.0", tmp_path, timeout=1)
