"""Routes of the core service that search vectors: posters, likeness, meaning, the map, the classic title search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_support import Client
from matinee.api import create_app
from matinee.engine import Engine
from matinee.engine.similar_look import CONTENT_WEIGHT
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from support import random_dataset
from tiny_models import IMAGE_DIM, image_model, picture, text_folder

SEARCH = "/v1/posters/search"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service whose snapshot has every space; films m0…m29 have a poster. Tests leave it as they found it."""
    home = tmp_path_factory.mktemp("spaces-api")
    settings = Settings(
        data_dir=home / "data",
        cache_dir=home / "cache",
        text_encoder=str(text_folder(home / "text")),
        image_encoder=str(image_model(home / "image.onnx")),
        poster_meaning=False,
        max_body=1 << 20,
        max_pixels=4_000_000,
    )
    shelf = PosterStore.of(settings, "random")
    for number in range(30):
        shelf.put(f"m{number}", picture(number))
    train_dataset(settings, random_dataset())
    with Engine.open(settings) as engine, Client(create_app(settings, engine)) as client:
        yield client


def ids(answer: object) -> list[str]:
    return [item["movie_id"] for item in answer.json()["items"]]  # type: ignore[attr-defined]


def image(data: bytes, name: str = "image") -> dict[str, object]:
    return {"files": {name: ("poster.jpg", data, "image/jpeg")}}


@pytest.mark.parametrize("how", ["form", "body", "unnamed"])
def test_a_poster_finds_its_film_however_it_is_sent(served: Client, how: str) -> None:
    data = picture(7)
    kinds = {"body": {"content-type": "image/jpeg"}, "unnamed": {"content-type": "application/octet-stream"}}
    sent = image(data) if how == "form" else {"content": data, "headers": kinds[how]}
    answer = served.post(SEARCH, **sent)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["items"]) == 5
    first = answer.json()["items"][0]
    assert (first["movie_id"], first["rank"], first["poster"]) == ("m7", 1, "/v1/movies/m7/poster")
    assert first["similarity"] == pytest.approx(1, abs=1e-3)
    assert first["distance"] == pytest.approx((2 - 2 * first["similarity"]) ** 0.5, abs=1e-3)
    assert served.get(first["poster"]).content == data


def test_options_of_a_poster_search(served: Client) -> None:
    everything = ids(served.post(f"{SEARCH}?k=30", **image(picture(7))))
    assert len(everything) == 30
    assert ids(served.post(f"{SEARCH}?k=29&exclude_self=true", **image(picture(7)))) == everything[1:]
    comedies = ids(served.post(SEARCH, params={"k": 30, "filter": 'genre = "Comedy"'}, **image(picture(7))))
    assert comedies == [movie_id for movie_id in everything if int(movie_id[1:]) % 2]
    for index in ("faiss", "annoy", "hnsw"):
        assert ids(served.post(f"{SEARCH}?index={index}", **image(picture(7))))[0] == "m7"
    item = served.post(f"{SEARCH}?metadata=true", **image(picture(7))).json()["items"][0]
    assert item["directors"]


def test_a_vector_in_place_of_a_picture(served: Client) -> None:
    engine = Engine.open(served.app.service.settings)  # type: ignore[attr-defined]
    with engine:
        vector = engine.encoders.image(picture(3), engine.request_view().spaces["poster"].space).tolist()
    answer = served.post(SEARCH, json={"vector": vector, "k": 2})
    assert ids(answer)[0] == "m3"
    assert len(answer.json()["items"]) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"vector": [1.0, 2.0]}', 422),
        (json.dumps({"vector": [0.0] * IMAGE_DIM}), 422),
        (json.dumps({"vector": []}), 422),
        ('{"vector": [NaN]}', 422),
        ('{"vector": [1e999]}', 422),
        ('{"vector": ["1"]}', 422),
        ('{"vector": 1}', 422),
        ('{"vector": [1.0], "k": 0}', 422),
        ('{"vector": [1.0], "k": -1}', 422),
        ('{"vector": [1.0], "k": 1000000000}', 422),
        ('{"image": "abc"}', 422),
        ("[]", 422),
        ("{", 400),
        (json.dumps({"vector": [0.5] * 70_000}), 422),
    ],
)
def test_vectors_that_are_none(served: Client, body: str, status: int) -> None:
    answer = served.post(SEARCH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"no picture", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 415),
        (b"%PDF-1.4", 415),
        (picture(1)[:150], 422),
        (picture(1, "PNG")[:60], 422),
        (b"\xff\xd8\xff" + b"\0" * 100, 422),
        (picture(1) + b"\0" * (1 << 20), 413),
    ],
    ids=["empty", "text", "svg", "pdf", "cut jpeg", "cut png", "jpeg head only", "large"],
)
def test_uploads_that_are_no_posters(served: Client, data: bytes, status: int) -> None:
    for sent in (image(data), {"content": data, "headers": {"content-type": "image/jpeg"}}):
        answer = served.post(SEARCH, **sent)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"]
    assert served.post(SEARCH, **image(picture(1))).status_code == 200


def test_forms_without_an_image_and_other_bodies(served: Client) -> None:
    assert served.post(SEARCH, **image(picture(1), "picture")).status_code == 422
    assert served.post(SEARCH, data={"image": "text"}).status_code == 415
    assert served.post(SEARCH, content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    broken = {"content": b"--x\r\nrubbish", "headers": {"content-type": "multipart/form-data; boundary=x"}}
    assert served.post(SEARCH, **broken).status_code in (400, 422)
    for query in ("k=0", "k=-1", "k=1000000000", "k=x", "index=scann", "exclude_self=perhaps"):
        assert served.post(f"{SEARCH}?{query}", **image(picture(1))).status_code == 422
    assert served.post(f"{SEARCH}?filter=nonsense", **image(picture(1))).status_code == 400


def test_similar_films_by_poster_and_index(served: Client) -> None:
    answer = served.get("/v1/movies/m2/similar?by=poster&n=3").json()
    assert (answer["model"], answer["index"], len(answer["items"])) == ("poster", "exact", 3)
    for index in ("faiss", "annoy", "hnsw"):
        answer = served.get(f"/v1/movies/m2/similar?by=content&index={index}").json()
        assert (answer["model"], answer["index"]) == ("content", index)
    assert served.get("/v1/movies/m35/similar?by=poster").json()["fallback"] == "content"


def test_similar_by_look_is_fused_with_content_and_leaves_the_movie_itself_out(served: Client) -> None:
    answer = served.get("/v1/movies/m2/similar?by=look&n=29").json()
    assert (answer["model"], answer["index"], len(answer["items"])) == ("look", "exact", 29)
    scores = {item["movie_id"]: item["score"] for item in answer["items"]}
    assert "m2" not in scores
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    parts = [
        {item["movie_id"]: item["score"] for item in served.get(f"/v1/movies/m2/similar?by={by}&n=100").json()["items"]}
        for by in ("poster", "content")
    ]
    for movie_id, score in scores.items():
        look, content = (part[movie_id] for part in parts)
        assert score == pytest.approx((1 - CONTENT_WEIGHT) * look + CONTENT_WEIGHT * content, abs=1e-4)
    assert served.get("/v1/movies/m35/similar?by=look").json()["fallback"] == "content"


def test_another_image_of_the_same_movie_is_not_similar_to_it(served: Client) -> None:
    twin = {"title": "Twin of two (1990)", "genres": ["Drama"]}
    try:
        for movie_id in ("twin-1", "twin-2"):
            served.put(f"/v1/movies/{movie_id}", json=twin).raise_for_status()
        served.put("/v1/movies/twin-1/poster", content=picture(40)).raise_for_status()
        served.put("/v1/movies/twin-2/poster", content=picture(41)).raise_for_status()
        for by in ("poster", "look"):
            answer = served.get(f"/v1/movies/twin-1/similar?by={by}&n=100").json()
            assert answer["model"] == by
            assert "twin-2" not in [item["movie_id"] for item in answer["items"]]
    finally:
        for movie_id in ("twin-1", "twin-2"):
            served.delete(f"/v1/movies/{movie_id}/poster")
            served.delete(f"/v1/movies/{movie_id}")


def test_the_map(served: Client) -> None:
    for space, count in (("content", 40), ("taste", 40), ("text", 40), ("poster", 30)):
        found = served.get(f"/v1/map?space={space}").json()
        columns = [found[name] for name in ("movie_ids", "titles", "years", "x", "y")]
        assert {len(column) for column in columns} == {count}
        assert all(-1 <= value <= 1 for value in found["x"] + found["y"])
    assert served.get("/v1/map?space=people").status_code == 422


@pytest.mark.parametrize(
    "title",
    ["Story of the Laughing Number 7 (1987)", "Story of the Laughing Number 7", "storry of the laughing numbre 7"],
)
@pytest.mark.parametrize(("model", "space"), [("faiss", "content"), ("Annoy", "content")])
@pytest.mark.parametrize("prefix", ["", "/classic", "/classic/titles"])
def test_the_classic_title_search(served: Client, title: str, model: str, space: str, prefix: str) -> None:
    asked = {"model": model, "n_recommendations": 4, "movie_title": title}
    answer = served.post(f"{prefix}/recommendation", json=asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["model"], found["space"], found["index"]) == (model.lower(), space, model.lower())
    assert (found["matched"]["movie_id"], found["movie_title"]) == ("m7", title)
    assert (found["matched"]["score"] == 100) == title.startswith("Story of the")
    assert len(found["recommendations"]) == 4
    assert "m7" not in [film["movie_id"] for film in found["recommendations"]]


def test_faults_of_the_classic_title_search(served: Client) -> None:
    def status(**asked: object) -> int:
        return served.post("/recommendation", json=asked).status_code

    assert status(model="faiss", n_recommendations=3, movie_title="xqzzwv") == 404
    assert status(model="scann", n_recommendations=3, movie_title="Story") == 422
    assert status(model="faiss", n_recommendations=0, movie_title="Story") == 422
    assert status(model="faiss", n_recommendations=3, movie_title="Story", space="poster") == 422
    assert status(model="faiss", n_recommendations=3, movie_title="") == 422
    assert status(model="faiss", n_recommendations=3, movie_title="x" * 501) == 422
    unknown = served.post("/recommendation", json={"model": "faiss", "movie_title": "xqzzwv"}).json()
    assert unknown["detail"].startswith("Movie Unrecognized. Try Again")


@pytest.mark.parametrize("space", ["content", "taste", None])
@pytest.mark.parametrize("model", ["exact", "hnsw", "faiss", "Annoy"])
def test_four_indexes_in_both_spaces(served: Client, model: str, space: str | None) -> None:
    asked = {"model": model, "n_recommendations": 5, "movie_title": "Number 7"} | ({"space": space} if space else {})
    answer = served.post("/recommendation", json=asked)
    assert answer.status_code == 200, answer.text
    found, index = answer.json(), model.lower()
    wanted = space or "content"
    assert (found["model"], found["space"], found["index"]) == (index, wanted, index)
    same = served.get(f"/v1/movies/m7/similar?by={wanted}&index=annoy&n=5").json()["items"]
    if index == "annoy":
        assert [film["movie_id"] for film in found["recommendations"]] == [film["movie_id"] for film in same]
    exact = served.post("/recommendation", json=asked | {"model": "exact", "space": wanted}).json()
    ranked = [film["similarity"] for film in found["recommendations"]]
    assert ranked == sorted(ranked, reverse=True)
    if index in ("exact", "faiss"):
        assert ranked == pytest.approx([film["similarity"] for film in exact["recommendations"]], abs=1e-5)


def test_a_film_without_ratings_falls_back_to_content_and_says_so(served: Client) -> None:
    served.put("/v1/movies/fresh", json={"title": "Unseen Lighthouse", "genres": ["Drama"], "cast": ["Actor 1"]})
    asked = {"model": "annoy", "n_recommendations": 3, "movie_title": "Unseen Lighthouse", "space": "taste"}
    found = served.post("/recommendation", json=asked).json()
    assert (found["space"], found["fallback"], len(found["recommendations"])) == ("content", "content", 3)
    served.delete("/v1/movies/fresh")


def test_the_classic_greeting(served: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ID_USER", raising=False)
    assert served.get("/classic/titles/").json() == {"message": "Usuario/a Desconocida/o"}
    monkeypatch.setenv("ID_USER", "7")
    assert served.get("/classic/titles").json() == {"message": "Usuario/a 7"}


def test_search_takes_by(served: Client, tmp_path: Path) -> None:
    del tmp_path
    assert ids(served.get("/v1/search?q=laughing number 7&by=title"))[0] == "m7"
    meant = served.get("/v1/search?q=laughing number 7&by=meaning")
    assert meant.status_code == 200
    assert {item["matched"] for item in meant.json()["items"]} == {"meaning"}
    assert served.get("/v1/search?q=x&by=smell").status_code == 422
