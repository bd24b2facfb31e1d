"""Downloads over HTTP and by pip, with limits of time and size."""

from __future__ import annotations

import math
import queue
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from matinee._util.public_hosts import is_public_host
from matinee.errors import FetchError

if TYPE_CHECKING:
    from http.client import HTTPMessage, HTTPResponse

MIN_RATE = 50_000
"""Minimum rate in bytes per second. Slower downloads are aborted, so that the total time is bounded."""

PIP_LIMIT = 180.0
"""Maximum duration of one `pip download`, in seconds."""

_CHUNK = 1 << 16
Tick = Callable[[float], None]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not away from TLS, and not from the internet into this network."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """See `urllib.request.HTTPRedirectHandler`."""
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        inward = is_public_host(before.hostname or "") and not is_public_host(after.hostname or "")
        if inward or after.scheme not in ("http", "https") or (before.scheme == "https" and after.scheme == "http"):
            fp.close()
            raise urllib.error.URLError(f"it leads to {after.scheme}://{after.hostname}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opened(url: str, timeout: float) -> HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "matinee"})
    try:
        answer: HTTPResponse = urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise
    return answer


def download(  # noqa: C901 - a producer and a consumer loop, each with several exits
    url: str, target: Path, *, timeout: float, max_bytes: int, tick: Tick | None = None
) -> None:
    """Download a URL to a file, within `timeout` seconds plus the bytes received so far / `MIN_RATE`.

    A daemon thread does the work, because name resolution has no timeout of its own.

    Raises:
        FetchError: not reachable in time, too slow, too large, truncated, or refused.
    """
    chunks: queue.Queue[bytes | Exception | int | None] = queue.Queue(maxsize=64)
    stop = threading.Event()

    def hand_over(item: bytes | Exception | int | None) -> None:
        while not stop.is_set():
            try:
                chunks.put(item, timeout=0.5)
            except queue.Full:
                continue
            return

    def pull() -> None:
        try:
            with _opened(url, timeout) as answer:
                hand_over(int(answer.headers.get("Content-Length") or 0))
                while not stop.is_set() and (chunk := answer.read1(_CHUNK)):
                    hand_over(chunk)
            hand_over(None)
        except Exception as error:  # passed to the waiting thread, which raises a FetchError from it
            hand_over(error)

    threading.Thread(target=pull, name="matinee-download", daemon=True).start()
    start, received, size = time.monotonic(), 0, 0
    try:
        with target.open("wb") as file:
            while True:
                patience = start + timeout + received / MIN_RATE - time.monotonic()
                try:
                    item = chunks.get(timeout=max(patience, 0.0)) if patience > 0 else chunks.get_nowait()
                except queue.Empty:
                    what = f"was too slow ({received:,} bytes so far)" if received else "did not answer"
                    raise FetchError(
                        f"{url} {what} within {time.monotonic() - start:.0f} s.",
                        "Check the network, or raise MATINEE_FETCH_TIMEOUT.",
                    ) from None
                if item is None:
                    break
                if isinstance(item, Exception):
                    cause = getattr(item, "reason", None) or item
                    reason = str(getattr(cause, "strerror", None) or cause).rstrip(".")
                    raise FetchError(f"{url} could not be fetched: {reason}.", "Check the network.") from item
                if isinstance(item, int):
                    size = item
                else:
                    received += len(item)
                    file.write(item)
                    if tick is not None:
                        tick(min(received / size, 1.0) if size else 0.0)
                if max(received, size) > max_bytes:
                    raise FetchError(f"{url} is larger than {max_bytes:,} bytes.", "Please report this.")
            if size and received != size:
                raise FetchError(f"{url} ended after {received:,} of {size:,} bytes.", "Repeat the command.")
    finally:
        stop.set()


def pip_download(requirement: str, folder: Path, *, timeout: float, limit: float = PIP_LIMIT) -> Path:
    """Download one wheel with pip, without dependencies. pip respects the user's index, proxy and certificates.

    Args:
        requirement: e.g. "recbole==1.2.1".
        timeout: seconds that pip waits for a connection.
        limit: maximum seconds in total.

    Returns:
        The wheel in `folder`.

    Raises:
        FetchError: pip is missing, failed, or took too long.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--progress-bar", "off", "--retries", "1"]
    command += ["--timeout", str(max(1, math.ceil(timeout))), "--dest", str(folder), requirement]
    hint = "Check the network and the package index that pip is set to."
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise FetchError(f"pip could not fetch {requirement} within {limit:.0f} s.", hint) from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line or "No module named" in line]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"exit status {done.returncode}"
        raise FetchError(f"pip could not fetch {requirement}: {reason.rstrip('.')}.", hint)
    return wheels[0]
