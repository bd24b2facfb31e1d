from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from matinee.errors import FetchError, InvalidInputError, StoreError
from matinee.posters.store import PosterStore
from matinee.posters.tmdb import (
    MAX_CONCURRENT,
    MAX_FAILURES,
    MISSING_DAYS,
    MISSING_FILE,
    FetchReport,
    KnownMissing,
    fetch,
)
from poster_support import V3_KEY, V4_TOKEN, FakeTmdb, film, picture


def run(tmdb: FakeTmdb, shelf: PosterStore, films: list[Any], key: str = V3_KEY, **more: Any) -> FetchReport:
    options = {"rate": 1000.0, "timeout": 5.0, "backoff": 0.01} | more
    return fetch(films, shelf, key, url=tmdb.url, **options)


def some_films(tmdb: FakeTmdb, n: int, start: int = 100) -> list[Any]:
    for i in range(start, start + n):
        tmdb.add(str(i), picture(color=(i % 256, 9, 9)))
    return [film(f"m{i}", tmdb_id=str(i)) for i in range(start, start + n)]


@pytest.mark.parametrize("key", [V3_KEY, V4_TOKEN])
def test_posters_arrive(tmdb: FakeTmdb, shelf: PosterStore, key: str) -> None:
    films = some_films(tmdb, 5)
    tmdb.add("7", None)
    films += [film("none", tmdb_id="7"), film("gone", tmdb_id="8"), film("no ids"[:2])]
    told: list[float] = []
    report = run(tmdb, shelf, films, key, progress=lambda what, share: told.append(share))
    assert (report.films, report.fetched, report.no_poster, report.no_id) == (8, 5, 2, 1)
    assert (report.had, report.broken, report.failed, report.left, report.stopped) == (0, 0, 0, 0, None)
    assert shelf.ids() == {f"m{i}" for i in range(100, 105)}
    path = shelf.path("m101")
    assert path is not None
    assert path.read_bytes() == picture(color=(101, 9, 9))
    assert told == sorted(told)
    assert told[-1] == 1
    for _, path_, query, headers in tmdb.seen:
        wanted = path_.startswith("/3/")
        assert (query.get("api_key") == [key]) == (wanted and key == V3_KEY)
        assert (headers.get("authorization") == f"Bearer {key}") == (wanted and key == V4_TOKEN)


def test_by_imdb_id_where_there_is_no_tmdb_id(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    tmdb.found = {"tt0000001": "/a.jpg", "tt0000002": None, "tt0000004": "/d.jpg"}
    tmdb.pictures = {"/a.jpg": picture(), "/d.jpg": picture()}
    films = [film(str(i), imdb_id=f"tt000000{i}") for i in (1, 2, 3)] + [film("4", tmdb_id="4", imdb_id="tt0000004")]
    report = run(tmdb, shelf, films)
    assert (report.fetched, report.no_poster) == (2, 2)
    assert shelf.ids() == {"1", "4"}  # TMDB had merged the entry of the fourth
    assert all(query["external_source"] == ["imdb_id"] for _, path, query, _ in tmdb.seen if "/find/" in path)


def test_what_is_there_or_known_to_be_absent_is_not_asked_for(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    films = some_films(tmdb, 4)
    tmdb.add("7", None)
    films += [film("none", tmdb_id="7")]
    shelf.put("m100", picture("PNG"))
    assert run(tmdb, shelf, films, limit=3).left == 1
    assert run(tmdb, shelf, films).no_poster == 1
    asked = len(tmdb.seen)
    report = run(tmdb, shelf, films)
    assert (report.had, report.known_none, report.fetched, report.stopped) == (4, 1, 0, None)
    assert len(tmdb.seen) == asked  # not even the configuration
    # Another id may have a poster, and after some weeks the same may.
    assert run(tmdb, shelf, [*films[:-1], film("none", tmdb_id="70")]).no_poster == 1
    lines = [json.loads(line) for line in (shelf.folder / MISSING_FILE).read_text().splitlines()]
    assert {line["asked"] for line in lines} == {"tmdb:7", "tmdb:70"}
    for line in lines:
        line["date"] -= (MISSING_DAYS + 1) * 86_400
    (shelf.folder / MISSING_FILE).write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + '{"movie_id": "cut sho'
    )
    tmdb.add("7", picture())
    assert run(tmdb, shelf, films).fetched == 1
    assert (shelf.folder / MISSING_FILE).read_text() == ""


def test_absent_films_are_written_at_once(tmp_path: Path) -> None:
    absent = KnownMissing(tmp_path / "new", now=1_000_000_000)
    absent.add("1", "tmdb:1")
    assert KnownMissing(tmp_path / "new", now=1_000_000_000 + 29 * 86_400).knows("1", "tmdb:1")
    assert not KnownMissing(tmp_path / "new", now=1_000_000_000 + 29 * 86_400).knows("1", "tmdb:2")
    assert not KnownMissing(tmp_path / "new", now=1_000_000_000 + 31 * 86_400).knows("1", "tmdb:1")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        KnownMissing(tmp_path / "file").add("1", "tmdb:1")


def test_the_limit_takes_the_first(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    report = run(tmdb, shelf, some_films(tmdb, 10), limit=4)
    assert (report.fetched, report.left, report.stopped) == (4, 6, "limit")
    assert shelf.ids() == {"m100", "m101", "m102", "m103"}


def test_a_key_that_is_refused_stops_at_once(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    wrong = "f" * 32
    with pytest.raises(FetchError, match="does not accept the key") as caught:
        run(tmdb, shelf, some_films(tmdb, 100), wrong)
    assert wrong not in str(caught.value)
    assert len(tmdb.seen) == 1
    tmdb.plan["/3/movie/103"] = [401]  # in the middle: revoked
    with pytest.raises(FetchError, match="does not accept the key"):
        run(tmdb, shelf, some_films(tmdb, 100))
    assert len(tmdb.paths()) < 30
    assert not (shelf.folder / MISSING_FILE).exists()


@pytest.mark.parametrize("key", ["", "   ", "a key", "k€y", "a&b=c", "a\nb"])
def test_what_cannot_be_a_key_is_never_sent(tmdb: FakeTmdb, shelf: PosterStore, key: str) -> None:
    with pytest.raises(InvalidInputError, match="TMDB key") as caught:
        run(tmdb, shelf, some_films(tmdb, 1), key)
    assert not tmdb.seen
    assert not key.strip() or key not in str(caught.value)


def test_the_key_is_never_told(
    tmdb: FakeTmdb, shelf: PosterStore, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    films = some_films(tmdb, 3)
    tmdb.plan["/3/movie/100"] = [500, "reset", 403]
    tmdb.plan["/3/movie/101"] = [500] * 4
    report = run(tmdb, shelf, films)
    assert report.broken == report.failed == report.fetched == 1
    tmdb.keys.clear()
    with pytest.raises(FetchError) as caught:
        run(tmdb, shelf, films)
    out, err = capfd.readouterr()
    chain: BaseException | None = caught.value
    while chain is not None:
        assert V3_KEY not in repr(chain) + str(chain)
        chain = chain.__cause__ or chain.__context__
    assert V3_KEY not in caplog.text + out + err + repr(report)
    assert "/t/p/w342/p102.jpg" in caplog.text  # the log works


def test_a_pause_that_is_asked_for_is_kept(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    films = some_films(tmdb, 40)
    tmdb.plan["/3/movie/100"] = [(429, {"retry-after": "1"})]
    tmdb.plan["/t/p/w342/p101.jpg"] = [(429, {"retry-after": formatdate(time.time() + 0.5, usegmt=True)})]
    report = run(tmdb, shelf, films)
    assert report.fetched == 40
    first, second = [at for at, path, _, _ in tmdb.seen if path == "/3/movie/100"]
    assert second - first >= 0.9
    meanwhile = [at for at, path, _, _ in tmdb.seen if path.startswith("/3/") and first < at < first + 0.9]
    assert len(meanwhile) < MAX_CONCURRENT  # all wait, not only the one that was told to


@pytest.mark.parametrize("header", ["86400", formatdate(time.time() + 90_000, usegmt=True)], ids=["seconds", "date"])
def test_a_pause_of_a_day_ends_the_run(tmdb: FakeTmdb, shelf: PosterStore, header: str) -> None:
    tmdb.plan["/3/movie/100"] = [(429, {"retry-after": header})]
    with pytest.raises(FetchError, match="asks for a pause"):
        run(tmdb, shelf, some_films(tmdb, 3))


@pytest.mark.parametrize("header", [{"retry-after": "soon"}, {"retry-after": "0"}])
def test_odd_pauses(tmdb: FakeTmdb, shelf: PosterStore, header: dict[str, str]) -> None:
    tmdb.plan["/3/movie/100"] = [(429, header)]
    assert run(tmdb, shelf, some_films(tmdb, 1)).fetched == 1


def test_faults_that_pass_are_tried_again(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    films = some_films(tmdb, 6)
    tmdb.plan["/3/configuration"] = [503, "reset"]
    tmdb.plan["/3/movie/100"] = [500, 502, 503]
    tmdb.plan["/3/movie/101"] = ["reset", "reset"]
    tmdb.plan["/3/movie/102"] = ["slow"]
    tmdb.plan["/t/p/w342/p103.jpg"] = ["drip", 500]
    tmdb.plan["/t/p/w342/p104.jpg"] = ["reset"]
    report = run(tmdb, shelf, films, timeout=0.6)
    assert (report.fetched, report.failed) == (6, 0)
    assert tmdb.paths("/3/movie/100") == ["/3/movie/100"] * 4


def test_one_film_that_fails_does_not_stop_the_others(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    films = some_films(tmdb, 4)
    tmdb.plan["/3/movie/100"] = [500] * 10
    report = run(tmdb, shelf, films)
    assert (report.fetched, report.failed, report.examples) == (3, 1, {"failed": ["m100"]})
    tmdb.plan.clear()
    assert run(tmdb, shelf, films).fetched == 1


def test_a_server_that_fails_is_given_up(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    films = some_films(tmdb, 200)
    tmdb.plan["*"] = [None, *[500] * 100_000]
    with pytest.raises(FetchError, match="does not answer"):
        run(tmdb, shelf, films, backoff=0.001)
    assert len(set(tmdb.paths())) <= MAX_FAILURES + 8


def test_nobody_there(shelf: PosterStore, tmdb: FakeTmdb) -> None:
    films = some_films(tmdb, 1)
    tmdb.url = "http://127.0.0.1:9"
    with pytest.raises(FetchError, match="does not answer"):
        run(tmdb, shelf, films)


def test_what_is_no_picture_is_not_kept(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    films = some_films(tmdb, 6)
    tmdb.pictures |= {"/p100.jpg": picture()[:300], "/p101.jpg": b"<html>", "/p102.jpg": b""}
    tmdb.pictures["/p103.jpg"] = picture() + bytes(200_000)
    del tmdb.pictures["/p104.jpg"]
    tmdb.plan["/t/p/w342/p106.jpg"] = [401]  # of the pictures' host, which says nothing of the key
    films += some_films(tmdb, 1, 106)
    shelf.max_bytes = 100_000
    report = run(tmdb, shelf, films)
    assert (report.fetched, report.broken, report.failed) == (1, 6, 0)
    assert shelf.ids() == {"m105"}
    assert len(report.examples["broken"]) == 5


@pytest.mark.parametrize(
    "path", ["//evil.example/x.jpg", "/../../secret", "x.jpg", "/a b.jpg", 7, {"a": 1}, "/@evil:1"]
)
def test_a_path_that_leads_elsewhere_is_not_followed(tmdb: FakeTmdb, shelf: PosterStore, path: Any) -> None:
    tmdb.posters["1"] = path
    report = run(tmdb, shelf, [film("1", tmdb_id="1")])
    assert (report.fetched, report.no_poster) == (0, 1)
    assert tmdb.paths("/t") == []


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"images": 1}', b"{", b'{"images": {"secure_base_url": "ftp://x"}}'])
def test_a_configuration_that_says_nothing(
    tmdb: FakeTmdb, shelf: PosterStore, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = some_films(tmdb, 1)
    monkeypatch.setattr(tmdb, "answer", lambda path: (200, body, "application/json"))
    with pytest.raises(FetchError, match="configuration is not valid"):
        run(tmdb, shelf, films)


def test_requests_are_paced(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    run(tmdb, shelf, some_films(tmdb, 20), rate=40.0)
    asked = [at for at, path, _, _ in tmdb.seen if path.startswith("/3/")]
    assert asked[-1] - asked[0] >= 0.5 * 20 / 40  # less than a whole: the first may have been slow to arrive


def test_time_runs_out(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    report = run(tmdb, shelf, some_films(tmdb, 50), rate=20.0, total_timeout=0.8)
    assert report.stopped == "time"
    assert report.fetched + report.left == 50
    assert report.left > 0
    assert len(shelf.ids()) == report.fetched


FETCHER = """
import sys
from pathlib import Path
from matinee.posters.store import PosterStore
from matinee.posters.tmdb import fetch
from poster_support import V3_KEY, film
films = [film(f"m{i}", tmdb_id=str(i)) for i in range(100, 180)]
fetch(films, PosterStore(Path(sys.argv[1])), V3_KEY, url=sys.argv[2], rate=50.0)
"""


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_was(tmdb: FakeTmdb, shelf: PosterStore, sig: int) -> None:
    films = some_films(tmdb, 80)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", FETCHER, str(shelf.folder), tmdb.url], env=environment, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 60
    while len(tmdb.paths("/t/")) < 10 and time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(sig)
    _, err = process.communicate(timeout=90)
    assert process.returncode != 0, err.decode()
    assert V3_KEY not in err.decode()
    got = shelf.ids()
    assert 0 < len(got) < 80
    for movie_id in got:
        path = shelf.path(movie_id)
        assert path is not None
        shelf.inspect(path.read_bytes())
    before = set(tmdb.paths())
    tmdb.seen.clear()
    assert run(tmdb, shelf, films).fetched == 80 - len(got)
    assert len(set(tmdb.paths()) & before) <= 8  # those that were being fetched
    assert len(shelf.ids()) == 80
