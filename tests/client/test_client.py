"""The client of the core: every call against a real core, and every way in which a core can fail."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from apps_support import serving, train_small
from matinee.client import AsyncClient, Call, Client, RefusedError, calls, core_url, imports
from matinee.client.imports import lines_of_file, send_import
from matinee.errors import InvalidInputError, MatineeError, ServiceError
from matinee.settings import Settings
from service_support import free_port
from tiny_models import picture
from web_server import Handler, serve
from web_server import send as answer

FUNCTIONS: dict[str, Callable[..., Call]] = {
    name: function
    for name, function in vars(calls).items()
    if inspect.isfunction(function) and not name.startswith("_") and function.__module__ == calls.__name__
}
ODD_FILMS = ("...", "..a", "a%2Fb", "%2e", "ü-é", "名前", "🎬", "a+b&c=d;e", "a:b@c", "x" * 64, "<b>")
ODD_USERS = ("...", "%2F", "anna maria", "名前 🎬", "a?b#c&d", "x" * 64, "<script>alert(1)")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A core process over the small folder, with posters."""
    home = tmp_path_factory.mktemp("client")
    with serving(["serve"], "/ready", home, train_small(home)) as process:
        yield process.url


@pytest.fixture
def client(core: str) -> Iterator[Client]:
    with Client(core) as opened:
        yield opened


CALLS: dict[str, list[Call]] = {
    "recommendations": [
        calls.recommendations("1"),
        calls.recommendations(
            "1",
            n=3,
            model="ease",
            filter="year >= 1980",
            exclude=["1", "2"],
            diversity=0.3,
            adventurous=0.7,
            explain=True,
            include_seen=True,
            metadata=True,
        ),
    ],
    "recommendations_for": [
        calls.recommendations_for({"1": 5.0, "2": None}),
        calls.recommendations_for(
            {"1": 5.0}, n=3, explain=True, filter="year >= 1980", diversity=0.5, adventurous=0, model=None
        ),
    ],
    "explanation": [calls.explanation("1", "2"), calls.explanation("1", "2", model="ease")],
    "favourites": [
        calls.favourites(["Toy Story (1995)"], model="content"),
        calls.favourites(["Toy Story (1995)", "Alien"], model="collab", top_n=3),
        calls.favourites(movie_ids=["1", "2"], model="content"),
    ],
    "similar_titles": [
        *(calls.similar_titles(model, 3, "Toy Story") for model in ("faiss", "annoy", "exact", "hnsw")),
        calls.similar_titles("exact", 3, "starr warrs", space="taste"),
    ],
    "people": [calls.people("Tom", n=3)],
    "users": [calls.users(), calls.users("1", limit=5, offset=1)],
    "history": [calls.history("1")],
    "rate": [calls.rate("somebody", "1", 4.5)],
    "unrate": [calls.unrate("somebody", "1")],
    "states": [calls.states("somebody"), calls.states("somebody", state="seen", limit=5, offset=1)],
    "set_state": [calls.set_state("somebody", "seen", "1")],
    "unset_state": [calls.unset_state("somebody", "seen", "1")],
    "set_states": [
        calls.set_states("somebody", [{"movie_id": "1", "state": "watchlist"}]),
        calls.set_states("somebody", [{"movie_id": "nope", "state": "seen", "remove": True}], unknown="skip"),
    ],
    "group_recommendations": [
        calls.group_recommendations(["1", "2"]),
        calls.group_recommendations(["1", "nobody"], way="least_misery", n=3, filter="year > 1900"),
    ],
    "claim": [calls.claim("somebody", "guest-0123456789abcdef")],
    "import_history": [
        calls.import_history(
            "somebody", b"title,year,rating\nHeat,1995,4\n", name="my.csv", scale="0.5-5", preview=True
        ),
        calls.import_history("somebody", b"title,year,rating\nHeat,1995,4\n", layout="csv"),
    ],
    "export_history": [calls.export_history("1"), calls.export_history("1", layout="letterboxd")],
    "neighbors": [calls.neighbors("1"), calls.neighbors("1", n=3)],
    "movie": [calls.movie("1")],
    "movies": [calls.movies(), calls.movies(filter="genre = Comedy", sort="-year", offset=2, limit=3)],
    "titles": [calls.titles()],
    "movie_ratings": [calls.movie_ratings("1")],
    "similar": [
        *(calls.similar("1", by=by, n=3) for by in ("taste", "content", "poster", "blend")),
        calls.similar("1", by="content", index="faiss", filter="year > 1980", metadata=True),
    ],
    "search": [calls.search("starr warrs"), calls.search("Heat", n=3, by="title", filter="year >= 1990")],
    "popular": [calls.popular(), calls.popular(by="top_rated", n=3, genre="Comedy", days=30.0, filter="year < 2000")],
    "poster": [calls.poster("1"), calls.poster("40", small=True)],
    "poster_search": [
        calls.poster_search(picture(3)),
        calls.poster_search(picture(3), k=3, filter="year > 1900", index="hnsw", metadata=True),
    ],
    "film_map": [calls.film_map(), calls.film_map("taste")],
    "models": [calls.models()],
    "snapshots": [calls.snapshots()],
    "statistics": [calls.statistics(), calls.statistics(filter="genre = Drama")],
    "report": [calls.report()],
    "runs": [calls.runs()],
    "experiments": [calls.experiments()],
    "ready": [calls.ready()],
}
EVERY = [(name, call) for name, some in CALLS.items() for call in some]


def test_every_call_is_tried() -> None:
    elsewhere = {"run", "experiment", "import_lines", "import_progress", "import_history", "export_history"}
    assert set(CALLS) | elsewhere == set(FUNCTIONS)


def test_an_import_is_sent_and_names_the_line_that_is_refused(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "some.ndjson"
    good = b'{"user_id": "sent", "movie_id": "1", "rating": 4}\n'
    path.write_bytes(good * 3000 + b"rubbish\n" + good)
    with pytest.raises(RefusedError, match="Line 3001 was refused"):
        send_import(client, lines_of_file(path), "sent")
    assert client.send(calls.import_progress("sent"))["rows"] == 3000
    path.write_bytes(good * 3002)
    told: list[tuple[int, int]] = []
    answer = send_import(client, lines_of_file(path), "sent", told=lambda *sent: told.append(sent))
    assert (answer["state"], answer["ratings"]) == ("done", 3002)
    assert told[0] == (3000, 3000 * len(good))
    assert told[-1][1] == path.stat().st_size
    assert send_import(client, lines_of_file(path), "sent") == answer
    with pytest.raises(InvalidInputError):
        send_import(client, lines_of_file(tmp_path / "none.ndjson"), "other")


def test_an_import_to_a_core_that_is_down_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_PAUSE", 0.01)
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(ServiceError):
        send_import(client, lines_of_file(tmp_path / "none"), "down")


def test_a_run_that_is_not_there(client: Client) -> None:
    with pytest.raises(RefusedError) as refused:
        client.send(calls.run("nope"))
    assert refused.value.status == 404


@pytest.mark.parametrize(("name", "call"), EVERY, ids=[f"{name}-{place}" for place, (name, _) in enumerate(EVERY)])
def test_the_core_knows_every_call(client: Client, name: str, call: Call) -> None:
    answer = client.send(call)
    if name == "poster":
        assert answer[:2] == b"\xff\xd8" or answer[8:12] == b"WEBP"
    elif name == "export_history":
        assert answer.count(b"\n") > 1
    elif name not in ("rate", "unrate"):
        assert isinstance(answer, dict)
        assert answer


def test_options_arrive(client: Client) -> None:
    comedies = client.send(calls.movies(filter="genre = Comedy", sort="-year", limit=3))["items"]
    assert [film["genres"][0] for film in comedies] == ["Comedy"] * 3
    years = [film["year"] for film in comedies]
    assert years == sorted(years, reverse=True)
    seen = {rated["movie_id"] for rated in client.send(calls.history("1"))["items"]}
    listed = client.send(calls.recommendations("1", n=40, include_seen=True))["items"]
    assert seen & {film["movie_id"] for film in listed}
    best = client.send(calls.recommendations("1", n=5))["items"]
    without = client.send(calls.recommendations("1", n=5, exclude=[best[0]["movie_id"]]))["items"]
    assert best[0]["movie_id"] not in {film["movie_id"] for film in without}
    found = client.send(calls.poster_search(picture(3), k=1))["items"]
    assert [film["movie_id"] for film in found] == ["3"]
    assert client.send(calls.ready())


def test_a_rating_is_stored_and_taken_back(client: Client) -> None:
    client.send(calls.rate("reader", "2", 4.0))
    [rated] = client.send(calls.history("reader"))["items"]
    assert (rated["movie_id"], rated["rating"]) == ("2", 4.0)
    assert client.send(calls.unrate("reader", "2")) is None
    with pytest.raises(RefusedError) as refused:
        client.send(calls.history("reader"))
    assert refused.value.status == 404


@pytest.mark.parametrize("user", ODD_USERS)
def test_users_of_any_name(client: Client, user: str) -> None:
    client.send(calls.rate(user, "1", 5.0))
    assert [rated["movie_id"] for rated in client.send(calls.history(user))["items"]] == ["1"]
    assert user in {found["user_id"] for found in client.send(calls.users(user, limit=1))["items"]}
    assert client.send(calls.recommendations(user, n=1))["user_id"] == user
    client.send(calls.unrate(user, "1"))


@pytest.mark.parametrize("film", ODD_FILMS)
def test_films_of_any_id(client: Client, film: str) -> None:
    body = {"movie_id": film, "title": "An odd one", "genres": ["Drama"]}
    client.send(Call("PUT", calls.movie(film).path, json=body))
    assert client.send(calls.movie(film))["movie_id"] == film
    client.send(calls.rate("collector", film, 3.0))
    assert client.send(calls.movie_ratings(film))["count"] == 1
    assert client.send(calls.poster(film, small=True))
    client.send(calls.unrate("collector", film))
    client.send(Call("DELETE", calls.movie(film).path))


@pytest.mark.parametrize(
    "odd", ["", "1?x=1", "1#x", "\n", "\x00", "x" * 5000, "\ud800", ".", "..", "\u202eright", "zero\u200bwidth"]
)
def test_an_id_that_cannot_be_is_refused(client: Client, odd: str) -> None:
    for call in (calls.movie, calls.movie_ratings, calls.poster, calls.similar):
        with pytest.raises(RefusedError) as refused:
            client.send(call(odd))
        assert refused.value.status in (404, 422)
        assert str(refused.value)


@pytest.mark.parametrize("odd", ["1/ratings", "a/b", "/", "../1", "</script>"])
def test_an_id_with_a_slash_never_becomes_another_path(client: Client, odd: str) -> None:
    for make in (calls.movie, calls.history, calls.poster, lambda odd: calls.rate("1", odd, 4.0)):
        with pytest.raises(RefusedError) as refused:
            client.send(make(odd))
        assert refused.value.status == 404
        assert repr(odd) in str(refused.value)


@pytest.mark.parametrize("text", ["x" * 70_000, "🎬" * 10_000])
def test_a_text_too_long_for_an_address_is_told(core: str, text: str) -> None:
    for call in (calls.search(text), calls.recommendations("1", filter=text), calls.history(text)):
        for send in (sent, sent_async):
            assert isinstance(failing(send, core, call), (InvalidInputError, RefusedError))


def test_half_a_character_is_refused_by_the_core(client: Client) -> None:
    half = "\ud800"
    assert client.send(calls.search(f"Toy Story {half}"))["items"]
    assert client.send(calls.movies(filter=f'genre = "{half}"'))["items"] == []
    for call in (calls.favourites([half], model="content"), calls.similar_titles("exact", 3, half)):
        with pytest.raises(RefusedError) as refused:
            client.send(call)
        assert refused.value.status in (400, 422)
    with pytest.raises(RefusedError):
        client.send(calls.similar_titles("exact", 10**30, "Heat"))


def test_a_refusal_has_its_problem(client: Client) -> None:
    with pytest.raises(RefusedError) as refused:
        client.send(calls.movies(filter="genre = Comedy and yeer > 1990"))
    assert refused.value.status == 400
    assert "yeer" in refused.value.message
    assert refused.value.problem["position"] == 19
    with pytest.raises(RefusedError) as refused:
        client.send(calls.rate("1", "1", 77.0))
    assert refused.value.status == 422
    with pytest.raises(RefusedError) as refused:
        client.send(calls.poster_search(b"no picture"))
    assert refused.value.status in (415, 422)


# --- both clients alike ----------------------------------------------------------------------------------------
def sent(url: str, call: Call) -> Any:
    with Client(url) as client:
        return client.send(call)


def sent_async(url: str, call: Call) -> Any:
    async def run() -> Any:
        client = AsyncClient(url)
        try:
            return await client.send(call)
        finally:
            await client.close()

    return asyncio.run(run())


Send = Callable[[str, Call], Any]
both = pytest.mark.parametrize("send", [sent, sent_async])


def failing(send: Send, url: str, call: Call) -> MatineeError:
    with pytest.raises(MatineeError) as caught:
        send(url, call)
    return caught.value


def failing_at(core: Handler, send: Send) -> MatineeError:
    """How a call fails at a core that answers so."""
    with serve(core) as url:
        return failing(send, url, calls.models())


@both
def test_both_clients_give_the_same(core: str, send: Send) -> None:
    assert send(core, calls.history("1")) == sent(core, calls.history("1"))
    assert send(core + "/", calls.poster("1")) == sent(core, calls.poster("1"))
    refused = failing(send, core, calls.movie("nothing"))
    assert isinstance(refused, RefusedError)
    assert refused.status == 404


@both
def test_a_core_that_is_down(send: Send) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    error = failing(send, url, calls.models())
    assert isinstance(error, ServiceError)
    assert url in error.message
    assert "matinee serve" in error.hint


@both
def test_a_core_that_hangs_up(send: Send) -> None:
    def hang_up(request: BaseHTTPRequestHandler) -> None:
        request.connection.shutdown(socket.SHUT_RDWR)

    assert isinstance(failing_at(hang_up, send), ServiceError)


@both
@pytest.mark.parametrize(
    ("status", "kind", "body", "told"),
    [
        (503, "application/problem+json", b'{"detail": "There is no snapshot."}', "There is no snapshot."),
        (503, "application/problem+json", b'{"detail"', "is not ready"),
        (502, "text/html", b"<h1>Bad gateway</h1>", "is not ready"),
        (504, "application/json", b"[1]", "is not ready"),
        (200, "text/html", b"<h1>Another program</h1>", "does not speak JSON"),
        (200, "application/json", b'{"items": [', "does not speak JSON"),
        (200, "application/json", b'{"items": [NaN]}', "does not speak JSON"),
    ],
)
def test_a_core_that_is_not_ready_or_no_core(send: Send, status: int, kind: str, body: bytes, told: str) -> None:
    error = failing_at(answer(body, status, kind), send)
    assert isinstance(error, ServiceError)
    assert told in str(error)


@both
@pytest.mark.parametrize(
    ("status", "kind", "body", "told"),
    [
        (
            422,
            "application/problem+json",
            b'{"title": "Unprocessable", "detail": "n is too large."}',
            "n is too large.",
        ),
        (404, "application/problem+json", b'{"title": "Not found"}', "Not found"),
        (500, "text/plain", b"Internal Server Error", "answered 500"),
        (404, "application/json", b'"no object"', "answered 404"),
        (418, "application/json", b"{", "answered 418"),
        (302, "text/html", b"", "answered 302"),
    ],
)
def test_refusals_of_all_shapes(send: Send, status: int, kind: str, body: bytes, told: str) -> None:
    error = failing_at(answer(body, status, kind), send)
    assert isinstance(error, RefusedError)
    assert error.status == status
    assert told in str(error)


@both
def test_an_answer_without_content(send: Send) -> None:
    with serve(answer(b"", kind="application/json")) as url:
        assert send(url, calls.models()) is None


def test_the_bare_response_is_for_handing_on(core: str) -> None:
    async def run() -> None:
        client = AsyncClient(core)
        found = await client.response(calls.poster("1"))
        assert (found.status_code, found.headers["content-type"]) == (200, "image/jpeg")
        assert (await client.response(calls.poster("nothing"))).status_code == 404
        await client.close()
        down = AsyncClient(f"http://127.0.0.1:{free_port()}")
        with pytest.raises(ServiceError):
            await down.response(calls.poster("1"))
        await down.close()

    asyncio.run(run())


def test_a_proxy_of_the_environment_is_not_asked(core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert sent(core, calls.ready())


def test_where_the_core_is() -> None:
    assert core_url(Settings(port=8123)) == "http://127.0.0.1:8123"
    assert core_url(Settings(core_url="http://films.example:80/")) == "http://films.example:80"


def test_a_call_refused_for_overload_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.client.http.MAX_PAUSE", 0.02)
    asked: list[str] = []
    body = b'{"type": "urn:matinee:problem:overloaded", "detail": "The service has more requests."}'
    refuse, accept = answer(body, 503, "application/problem+json"), answer(b'{"status": "ok"}', 200, "application/json")

    def third(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        (refuse if len(asked) % 3 else accept)(request)

    with serve(third) as url:
        for send in (sent, sent_async):
            assert send(url, calls.models()) == {"status": "ok"}
    assert len(asked) == 6
    asked.clear()

    def never(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        refuse(request)

    with serve(never) as url:
        for send in (sent, sent_async):
            assert isinstance(failing(send, url, calls.models()), ServiceError)
    assert len(asked) == 8, "four times each"


def test_a_call_too_many_is_sent_again_where_the_wait_is_short() -> None:
    asked: list[str] = []
    kind = "application/problem+json"

    def limiting(wait: str) -> Handler:
        refuse = answer(b'{"detail": "There were too many requests."}', 429, kind, retry_after=wait)
        accept = answer(b'{"status": "ok"}', 200, "application/json")

        def handle(request: BaseHTTPRequestHandler) -> None:
            asked.append(request.path)
            (refuse if len(asked) % 2 else accept)(request)

        return handle

    with serve(limiting("0")) as url:
        for send in (sent, sent_async):
            assert send(url, calls.models()) == {"status": "ok"}
    assert len(asked) == 4
    with serve(limiting("60")) as url:
        error = failing(sent, url, calls.models())
    assert isinstance(error, RefusedError)
    assert error.status == 429
    assert len(asked) == 5


def test_other_failures_are_not_sent_again() -> None:
    asked: list[str] = []

    def away(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        answer(b'{"detail": "There is no snapshot."}', 503, "application/problem+json")(request)

    with serve(away) as url:
        assert isinstance(failing(sent, url, calls.models()), ServiceError)
    assert len(asked) == 1
