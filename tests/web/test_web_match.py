"""Poster match over HTTP: every kind of upload, every kind of caller."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file

import apps_support
from apps_support import Service
from image_support import drawn

Call = Callable[..., list[Any]]
UPLOAD = "/gradio_api/upload"


def upload(web: Service, body: bytes, name: str = "poster.jpg") -> dict[str, Any]:
    """A file sent as the page sends it; the reference for the listener."""
    answer = httpx.post(web.url + UPLOAD, files={"files": (name, body)}, trust_env=False)
    answer.raise_for_status()
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}


def poster(core: Service, movie_id: str) -> bytes:
    return httpx.get(f"{core.url}/v1/movies/{movie_id}/poster", trust_env=False).content


def encoded(kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    drawn(7).save(out, kind)
    return out.getvalue()


def huge_png() -> bytes:
    """A picture of 600 megapixels in a few bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 20_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_match_finds_the_film_of_a_poster(web: Service, core: Service, call: Call) -> None:
    found, address = call("match", upload(web, poster(core, "3")), 5)
    assert [item["rank"] for item in found["items"]] == [1, 2, 3, 4, 5]
    first = found["items"][0]
    assert first["movie_id"] == "3"
    assert first["similarity"] > 0.99
    assert first["imdb_url"] == "https://www.imdb.com/title/tt9000003"
    assert {"title", "year", "distance", "poster_kind"} <= first.keys()
    assert address == "?tab=match"


@pytest.mark.parametrize(("k", "films"), [(1, 1), (15, 8), (99, 8), (-3, 1), ("7", 7), ("many", 5), (None, 5), ([], 5)])
def test_match_gives_as_many_as_asked_for(web: Service, core: Service, call: Call, k: Any, films: int) -> None:
    found, _ = call("match", upload(web, poster(core, "2")), k)
    assert len(found["items"]) == films  # eight films have posters


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"hello, I am no picture", "not an image"),
        (encoded()[:300], "damaged or truncated"),
        (huge_png(), "pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_match_says_what_is_wrong_with_a_picture(web: Service, call: Call, body: bytes, words: str) -> None:
    found, _ = call("match", upload(web, body), 5)
    assert words in found["error"]["title"]
    assert not found["error"]["retry"]


@pytest.mark.parametrize(
    "image",
    [
        None,
        "",
        5,
        "poster.jpg",
        [],
        {},
        {"path": 3},
        {"path": "/etc/passwd"},
        {"path": "../../etc/passwd"},
        {"path": "\0"},
    ],
)
def test_match_reads_only_what_was_uploaded(call: Call, image: Any) -> None:
    found, _ = call("match", image, 5)
    assert found["error"]["title"]
    assert "root:" not in str(found)


def test_match_of_an_upload_that_has_gone(web: Service, call: Call) -> None:
    gone = upload(web, encoded())
    Path(gone["path"]).unlink()
    found, _ = call("match", gone, 5)
    assert "Choose the picture again." in str(found["error"])


def test_uploads_over_the_limit_are_refused(web: Service) -> None:
    answer = httpx.post(web.url + UPLOAD, files={"files": ("big.jpg", b"\xff" * (9 << 20))}, trust_env=False)
    assert answer.status_code == 413


def test_match_by_a_films_own_poster(call: Call) -> None:
    drop, found, address = call("match_film", "5", 3)
    assert drop["film"]["movie_id"] == "5"
    assert found["items"][0]["movie_id"] == "5"
    assert len(found["items"]) == 3
    assert address == "?tab=match&film=5&k=3"


@pytest.mark.parametrize(
    ("film", "words"),
    [("9", "no poster"), ("none-such", "none-such"), ("", ""), (None, ""), ({"a": 1}, ""), ("<b>" * 5000, "")],
)
def test_match_by_a_film_without_poster(call: Call, film: Any, words: str) -> None:
    _, found, _ = call("match_film", film, 5)
    assert words in str(found["error"])
    assert not found["error"]["retry"]


def test_match_restores_an_address(call: Call) -> None:
    values = call("open", "?tab=match&film=4&k=2", "anna")
    [found] = [value for value in values if isinstance(value, dict) and value.get("query", {}).get("movie_id") == "4"]
    assert len(found["items"]) == 2


@pytest.mark.parametrize(
    "query", ["?tab=match", "?tab=match&film=%00&k=abc", "?tab=match&k=1e999", "?tab=match&film=" + "9" * 3000]
)
def test_match_restores_hostile_addresses(call: Call, query: str) -> None:
    assert call("open", query, "anna")[0]["selected"] == "match"


def test_match_for_programs(web: Service, core: Service, tmp_path: Path) -> None:
    picture = tmp_path / "poster.jpg"
    picture.write_bytes(poster(core, "6"))
    client = Client(web.url, verbose=False)
    try:
        found, _ = client.predict(handle_file(str(picture)), 4, api_name="/match")
        assert found["items"][0]["movie_id"] == "6"
        assert len(found["items"]) == 4
        usual, _ = client.predict(handle_file(str(picture)), api_name="/match")
        assert len(usual["items"]) == 5
    finally:
        client.close()


def test_match_while_the_core_is_away(web: Service, core: Service, call: Call) -> None:
    picture = upload(web, poster(core, "1"))
    core.stop()
    try:
        found, _ = call("match", picture, 5)
        assert found["error"]["retry"]
        _, by_movie, _ = call("match_film", "1", 5)
        assert by_movie["error"]["retry"]
        assert call("open", "?tab=match&film=1", "anna")[0]["selected"] == "match"
    finally:
        core.start()
    again, _ = call("match", picture, 5)
    assert again["items"][0]["movie_id"] == "1"


@pytest.mark.extended
def test_match_without_any_posters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps_support, "N_PICTURES", 0)
    with apps_support.serving(["serve"], "/ready", tmp_path, apps_support.train_small(tmp_path)) as core:
        environment = {"MATINEE_CORE_URL": core.url, "MATINEE_CONFIG": core.environment["MATINEE_CONFIG"]}
        with apps_support.serving(["web"], "/health", tmp_path, environment) as web:
            run = f"{web.url}/gradio_api/run/match"
            answer = httpx.post(run, json={"data": [upload(web, encoded()), 5]}, trust_env=False)
            assert answer.json()["data"][0]["error"]["title"] == "There are no posters to compare with yet."
