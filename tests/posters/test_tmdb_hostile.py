"""The Movie Database by a server that means harm: each run ends in time, with a sentence, and loses no poster."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hostile_server import EVERY, LARGE, OK, hostile, redirect
from matinee.errors import FetchError
from matinee.posters import tmdb_client
from matinee.posters.store import PosterStore
from matinee.posters.tmdb import FetchReport, fetch
from poster_support import V3_KEY, FakeTmdb, film, picture

FILMS = [film(f"m{number}", tmdb_id=str(number)) for number in range(3)]


HOSTILE = EVERY | {
    "wrong type": lambda connection: connection.sendall(OK + b"content-length: 6\r\nconnection: close\r\n\r\n<html>"),
    "inward": redirect("http://169.254.169.254/latest/meta-data/"),
    "file": redirect("file:///etc/passwd"),
}


def run(url: str, shelf: PosterStore) -> FetchReport:
    return fetch(FILMS, shelf, V3_KEY, url=url, rate=1000.0, timeout=0.3, backoff=0.01)


@pytest.fixture
def kept(shelf: PosterStore) -> bytes:
    """A poster from before."""
    shelf.put("m9", picture())
    return picture()


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_api(what: str, shelf: PosterStore, kept: bytes) -> None:
    with hostile(HOSTILE[what]) as url:
        begin = time.monotonic()
        with pytest.raises(FetchError) as told:
            run(url, shelf)
        assert time.monotonic() - begin < 90
    assert told.value.hint
    assert V3_KEY not in str(told.value)
    path = shelf.path("m9")
    assert path is not None
    assert path.read_bytes() == kept


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_host_of_pictures(
    what: str, tmdb: FakeTmdb, shelf: PosterStore, kept: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        tmdb.add(str(number), picture())
    with hostile(HOSTILE[what]) as url:
        answer = {"images": {"secure_base_url": f"{url}/t/p/", "poster_sizes": ["w342"]}}
        body = json.dumps(answer).encode()
        true = FakeTmdb.answer

        def misled(self: FakeTmdb, path: str) -> tuple[int, bytes, str]:
            return (200, body, "application/json") if path == "/3/configuration" else true(self, path)

        monkeypatch.setattr(FakeTmdb, "answer", misled)
        begin = time.monotonic()
        report = run(tmdb.url, shelf)
        assert time.monotonic() - begin < 90
    assert (report.fetched, report.broken + report.failed) == (0, 3)
    assert shelf.ids() == {"m9"}
    assert not [path for path in Path(shelf.folder).rglob("*") if path.name.endswith(".part")]


@pytest.mark.parametrize("what", LARGE)
def test_an_answer_without_end_is_not_read_on(what: str, shelf: PosterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tmdb_client, "MAX_JSON", 1 << 16)
    with hostile(LARGE[what]) as url:
        begin = time.monotonic()
        with pytest.raises(FetchError):
            fetch(FILMS, shelf, V3_KEY, url=url, rate=1000.0, timeout=60.0, backoff=0.01)
        assert time.monotonic() - begin < 90
