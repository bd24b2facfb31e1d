"""Sources of data sets and weights that mean harm: a sentence in time, and nothing in the cache."""

from __future__ import annotations

import io
import time
import urllib.error
import urllib.request
from http.client import HTTPMessage
from pathlib import Path

import pytest

from hostile_server import EVERY, OK, Hostile, hostile, redirect
from matinee.data import download as downloads
from matinee.data.assets import Asset, asset_dir, ensure, is_cached
from matinee.data.download import download
from matinee.errors import FetchError
from matinee.settings import Settings
from web_server import zip_bytes

ARCHIVE = zip_bytes({"ratings.csv": b"userId,movieId,rating,timestamp\n1,1,4,1\n"})


def whole(body: bytes, length: int | None = None) -> Hostile:
    given = len(body) if length is None else length
    head = OK + b"connection: close\r\ncontent-length: %d\r\n\r\n" % given
    return lambda connection: connection.sendall(head + body)


HOSTILE = EVERY | {
    "wrong type": whole(b"<html>Sign in to this network</html>"),
    "truncated": whole(ARCHIVE[:-30], len(ARCHIVE)),
    "cut and said so": whole(ARCHIVE[:-30]),
    "another archive": whole(zip_bytes({"ratings.csv": b"changed"})),
    "file": redirect("file:///etc/passwd"),
    "ftp": redirect("ftp://127.0.0.1:1/x.zip"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_source_ends_in_time_and_leaves_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MIN_RATE", 10_000_000)
    settings = Settings(cache_dir=tmp_path)
    with hostile(HOSTILE[what]) as url:
        asset = Asset(
            name="tiny",
            url=f"{url}/tiny.zip",
            hash=("sha256", "0" * 64),
            members=("ratings.csv",),
            max_bytes=1 << 20,
        )
        begin = time.monotonic()
        with pytest.raises(FetchError) as told:
            ensure(asset, settings, timeout=0.4)
        assert time.monotonic() - begin < 90
    assert told.value.hint
    assert not is_cached(asset, settings)
    folder = asset_dir(asset, settings)
    assert [path.name for path in folder.parent.iterdir()] == [".tiny.lock"]


def test_a_source_that_has_moved_is_followed(tmp_path: Path) -> None:
    with hostile(whole(ARCHIVE)) as there, hostile(redirect(f"{there}/moved.zip")) as url:
        download(f"{url}/x.zip", tmp_path / "x", timeout=5, max_bytes=1 << 20)
    assert (tmp_path / "x").read_bytes() == ARCHIVE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://example.org/x", "http://example.org/x"),
        ("https://example.org/x", "https://169.254.169.254/latest"),
        ("http://example.org/x", "http://127.1/x"),
        ("http://example.org/x", "http://[::1]:9200/_shutdown"),
        ("http://example.org/x", "http://router.local/"),
        ("http://127.0.0.1/x", "gopher://127.0.0.1/"),
    ],
)
def test_a_redirect_does_not_lead_away_from_tls_or_into_this_network(before: str, after: str) -> None:
    with pytest.raises(urllib.error.URLError, match="not followed"):
        downloads._Redirects().redirect_request(
            urllib.request.Request(before),
            io.BytesIO(),
            302,
            "Found",
            HTTPMessage(),
            after,
        )
