from __future__ import annotations

import io
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_support import Client
from matinee.engine import Engine
from matinee.posters.cards import card
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from poster_support import picture

PATH = "/v1/movies/m1/poster"
KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif"}


@pytest.fixture
def shelf(engine: Engine) -> PosterStore:
    return PosterStore.of(engine.settings, engine.dataset_name)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_a_poster_is_put_read_and_removed(client: Client, kind: str) -> None:
    data = picture(kind)
    put = client.put(PATH, content=data, headers={"content-type": KINDS[kind]})
    assert put.status_code == 201
    assert put.json() == {
        "movie_id": "m1",
        "poster": PATH,
        "media_type": KINDS[kind],
        "width": 40,
        "height": 60,
        "bytes": len(data),
        "indexed": False,
    }
    got = client.get(PATH)
    assert (got.status_code, got.content) == (200, data)
    assert got.headers["content-type"] == KINDS[kind]
    assert got.headers["x-matinee-poster"] == "file"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "max-age" in got.headers["cache-control"]
    assert client.put(PATH, content=data).status_code == 200  # the content says what it is
    assert client.delete(PATH).status_code == 204
    assert client.delete(PATH).status_code == 404
    assert client.get(PATH).headers["x-matinee-poster"] == "card"


def test_a_form_is_read_as_well(client: Client, shelf: PosterStore) -> None:
    answer = client.put(PATH, files={"image": ("x.exe", picture("PNG"), "application/x-msdownload")})
    assert answer.status_code == 201
    assert answer.json()["media_type"] == "image/png"
    assert shelf.ids() == {"m1"}


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content": b""}, 422),
        ({"content": b"", "headers": {"content-type": "image/png"}}, 422),
        ({"content": b"<svg onload='alert(1)'/>", "headers": {"content-type": "image/svg+xml"}}, 415),
        ({"content": b"<html>", "headers": {"content-type": "image/png"}}, 415),
        ({"content": picture()[:300]}, 422),
        ({"content": picture(size=(3000, 20_000))}, 413),
        ({"content": bytes(9 << 20)}, 413),
        ({"json": {"image": "x"}}, 415),
        ({"content": picture(), "headers": {"content-type": "text/plain"}}, 415),
        ({"files": {"other": picture()}}, 422),
        ({"files": {"image": b"nonsense"}}, 415),
        ({"data": {"image": "text"}}, 415),
        ({"files": {"image": (None, "text")}}, 422),
        ({"files": [("image", picture()), ("more", picture())]}, 400),
        ({"content": b"--x\r\n\x00:\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
    ],
    ids=range(16),
)
def test_what_is_not_stored(client: Client, shelf: PosterStore, options: dict[str, Any], status: int) -> None:
    answer = client.put(PATH, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert shelf.ids() == set()


def test_the_limits_of_the_settings_hold(client_with: Callable[..., Client]) -> None:
    client = client_with(max_pixels=1000, max_body=2000)
    assert client.put(PATH, content=picture()).status_code == 413
    assert client.put(PATH, content=picture("PNG", (20, 30))).status_code == 201
    assert client.put(PATH, content=picture() + bytes(3000)).status_code == 413


def test_an_unknown_film_has_no_picture(client: Client, shelf: PosterStore) -> None:
    path = "/v1/movies/nope/poster"
    assert [client.get(path).status_code, client.delete(path).status_code] == [404, 404]
    assert client.put(path, content=picture()).status_code == 404
    shelf.put("nope", picture())
    assert client.get(path).status_code == 404
    assert client.get("/v1/movies/m1/poster").status_code == 200
    client.delete("/v1/movies/m1")
    assert client.get("/v1/movies/m1/poster").status_code == 404


def test_a_film_without_a_picture_has_a_card(client: Client) -> None:
    film = client.get("/v1/movies/m1").json()
    answer = client.get(PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert answer.headers["x-matinee-poster"] == "card"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == card(film["title"], film["year"], film["genres"])
    assert opened(answer.content).size == (342, 513)
    assert opened(client.get(PATH, params={"size": "small"}).content).size == (160, 240)
    none = client.get(PATH, params={"card": "false"})
    assert (none.status_code, none.headers["content-type"]) == (404, "application/problem+json")
    client.patch("/v1/movies/m1", json={"title": "Another"})
    assert client.get(PATH).content != answer.content


def test_a_link_is_led_to_and_nothing_else(client: Client, shelf: PosterStore) -> None:
    address = "https://example.org/1.jpg"
    client.patch("/v1/movies/m1", json={"poster": address})
    for params in ({}, {"card": "false"}, {"size": "small"}):
        answer = client.get(PATH, params=params)
        assert (answer.status_code, answer.headers["location"]) == (307, address)
    shelf.put("m1", picture())
    assert client.get(PATH).status_code == 200
    shelf.remove("m1")
    for address in ("/etc/passwd", "file:///etc/passwd", "posters/1.jpg", "javascript:alert(1)", "//evil.example/x"):
        client.patch("/v1/movies/m1", json={"poster": address})
        assert client.get(PATH).headers["x-matinee-poster"] == "card"
        assert client.get(PATH, params={"card": "false"}).status_code == 404


def test_a_small_picture(client: Client, shelf: PosterStore) -> None:
    shelf.put("m1", picture("PNG", (500, 1500)))
    answer = client.get(PATH, params={"size": "small"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert opened(answer.content).size == (80, 240)
    assert answer.headers["x-matinee-poster"] == "file"
    assert client.get(PATH, params={"size": "small"}).content == answer.content
    shelf.put("m1", picture("PNG", (20, 30)))
    assert opened(client.get(PATH, params={"size": "small"}).content).size == (20, 30)  # never enlarged
    assert client.get(PATH, params={"size": "huge"}).status_code == 422


@pytest.mark.parametrize("params", [{}, {"size": "small"}])
@pytest.mark.parametrize("stored", [True, False])
def test_what_a_client_has_is_not_sent_again(
    client: Client, shelf: PosterStore, stored: bool, params: dict[str, str]
) -> None:
    if stored:
        shelf.put("m1", picture(color=(1, 2, 3)))
    tag = client.get(PATH, params=params).headers["etag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        answer = client.get(PATH, params=params, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get(PATH, params=params, headers={"if-none-match": '"other"'}).status_code == 200
    other = {} if params else {"size": "small"}
    assert client.get(PATH, params=other).headers["etag"] != tag
    shelf.put("m1", picture(color=(3, 2, 1)))
    assert client.get(PATH, params=params, headers={"if-none-match": tag}).status_code == 200


def test_dates(client: Client, shelf: PosterStore) -> None:
    shelf.put("m1", picture())
    date = client.get(PATH).headers["last-modified"]
    assert client.get(PATH, headers={"if-modified-since": date}).status_code == 304
    for since in (formatdate(0, usegmt=True), "yesterday", "", "Mon, 99 Foo 9999 99:99:99 GMT"):
        assert client.get(PATH, headers={"if-modified-since": since}).status_code == 200
    assert client.get(PATH, headers={"if-modified-since": date, "if-none-match": '"x"'}).status_code == 200


def test_heads(client: Client, shelf: PosterStore) -> None:
    shelf.put("m1", picture())
    answer = client.request("HEAD", PATH)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(picture()))


def test_what_somebody_put_there_by_hand_is_not_served(client: Client, shelf: PosterStore, tmp_path: Path) -> None:
    shelf.put("m1", picture())
    (shelf.folder / "m2.jpg").write_text("<script>alert(1)</script>")
    (shelf.folder / "m3.png").write_bytes(picture("PNG")[:60])
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture())
    (shelf.folder / "m4.jpg").symlink_to(secret)
    for movie_id in ("m2", "m4"):
        assert client.get(f"/v1/movies/{movie_id}/poster").headers["x-matinee-poster"] == "card"
    assert client.get("/v1/movies/m3/poster", params={"size": "small"}).headers["x-matinee-poster"] == "card"


def test_odd_ids(client: Client, shelf: PosterStore) -> None:
    for movie_id in ("..", "a%2F..b", "É映", "x" * 64):
        client.put(f"/v1/movies/{movie_id}", json={"title": "Odd"})
    for movie_id in ("%2e%2e", "%C3%89%E6%98%A0", "x" * 64):
        assert client.put(f"/v1/movies/{movie_id}/poster", content=picture()).status_code in (201, 404, 422)
    assert {path.parent for path in shelf.folder.rglob("*.jpg")} == {shelf.folder}


def test_metadata_says_where_the_picture_comes_from(client: Client, shelf: PosterStore) -> None:
    first, second, third = (item["movie_id"] for item in client.get("/v1/popular", params={"n": 3}).json()["items"])
    shelf.put(first, picture())
    client.patch(f"/v1/movies/{second}", json={"poster": "http://example.org/x.jpg"})
    path = "/v1/movies/m1/similar" if "m1" not in (first, second, third) else "/v1/movies/m2/similar"
    items = client.get(path, params={"metadata": True, "n": 100, "by": "content"}).json()["items"]
    kinds = {item["movie_id"]: item["poster_kind"] for item in items}
    assert {kinds.get(first, "file"), kinds.get(second, "link"), kinds.get(third, "card")} == {"file", "link", "card"}
    for item in items:
        assert item["poster"] == f"/v1/movies/{item['movie_id']}/poster"
        assert client.get(item["poster"]).status_code in (200, 307)
    assert set(kinds.values()) == {"file", "link", "card"}


def test_posters_belong_to_their_data_set(client: Client, data_dir: Path) -> None:
    PosterStore.of(Settings(data_dir=data_dir), "another").put("m1", picture())
    assert client.get(PATH).headers["x-matinee-poster"] == "card"
