from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_support import Client
from matinee.api import fast_path
from matinee.api.response_cache import AdaptiveExecutor
from matinee.engine import Engine
from matinee.settings import Settings

URL = "/v1/users/u1/recommendations"


@pytest.fixture(params=["here", pytest.param("remote", marks=pytest.mark.extended)])
def scoring(request: pytest.FixtureRequest) -> str:
    """What is tested holds whoever scores."""
    who: str = request.param
    return who


def ids(answer: object) -> list[str]:
    return [item["movie_id"] for item in answer.json()["items"]]  # type: ignore[attr-defined]


def test_a_list_says_what_and_where_from(client: Client, engine: Engine) -> None:
    answer = client.get(URL, params={"n": 5}).json()
    assert set(answer) == {"items", "model", "snapshot", "user_id"}
    assert answer["model"] == "blend"
    assert answer["snapshot"] == engine.snapshot_id
    assert answer["user_id"] == "u1"
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    scores = [item["score"] for item in answer["items"]]
    assert scores[0] == max(scores)  # below it, what the list shows counts besides
    first = answer["items"][0]
    assert set(first) == {"movie_id", "title", "year", "genres", "score", "rank", "stars"}
    assert first["genres"] == ["Comedy"]  # the taste of odd users
    assert 0.5 <= first["stars"] <= 5


def test_nothing_rated_is_recommended(client: Client) -> None:
    rated = {item["movie_id"] for item in client.get("/v1/users/u1/ratings").json()["items"]}
    shown = set(ids(client.get(URL, params={"n": 1000})))
    assert rated
    assert shown
    assert not rated & shown


def test_rated_films_come_where_they_are_asked_for(client: Client) -> None:
    history = client.get("/v1/users/u1/ratings").json()["items"]
    rated = {item["movie_id"] for item in history}
    assert rated <= set(ids(client.get(URL, params={"n": 1000, "include_seen": "true"})))
    body = {"ratings": [{"movie_id": item["movie_id"], "rating": item["rating"]} for item in history], "n": 1000}
    assert not rated & set(ids(client.post("/v1/recommendations", json=body)))
    assert rated <= set(ids(client.post("/v1/recommendations", json=body | {"include_seen": True})))
    known, unknown = (ids(client.post("/v1/recommendations", json=body | {"adventurous": a})) for a in (0, 1.0))
    assert known != unknown
    assert client.post("/v1/recommendations", json=body | {"adventurous": "0"}).status_code == 422


def test_a_rating_counts_at_the_very_next_call(client: Client) -> None:
    before = client.get(URL)
    assert client.get(URL).content == before.content
    best = ids(before)[0]
    assert client.put(f"/v1/users/u1/ratings/{best}", json={"rating": 5}).status_code == 204
    after = ids(client.get(URL))
    assert best not in after
    assert client.delete(f"/v1/users/u1/ratings/{best}").status_code == 204
    assert ids(client.get(URL)) == ids(before)


def test_a_rating_by_another_process_counts_too(client: Client, data_dir: Path) -> None:
    best = ids(client.get(URL))[0]
    assert ids(client.get(URL))[0] == best
    with Engine.open(Settings(data_dir=data_dir)) as other:
        other.rate([("u1", best, 4.0)])
    assert best not in ids(client.get(URL))


def test_ready_answers_are_used_and_counted(client: Client) -> None:
    first = client.get(URL)
    again = client.get(URL)
    assert again.content == first.content
    assert again.headers["content-type"] == "application/json"
    assert "matinee_ready_answers_total 1.0" in client.get("/metrics").text


def test_an_edited_film_is_edited_in_ready_answers(client: Client) -> None:
    best = ids(client.get(URL))[0]
    client.patch(f"/v1/movies/{best}", json={"title": "Another Name"})
    assert client.get(URL).json()["items"][0]["title"] == "Another Name"
    client.delete(f"/v1/movies/{best}")
    assert best not in ids(client.get(URL))


def test_an_unknown_user_gets_what_is_popular_now(client: Client) -> None:
    answer = client.get("/v1/users/nobody/recommendations", params={"n": 3})
    assert answer.json()["fallback"] == "popular"
    last = client.get("/v1/popular", params={"n": 40}).json()["items"][-1]["movie_id"]
    client.post("/v1/ratings", json=[{"user_id": f"x{i}", "movie_id": last, "rating": 5} for i in range(200)])
    assert ids(client.get("/v1/users/nobody/recommendations", params={"n": 3}))[0] == last


def test_every_option(client: Client) -> None:
    best = ids(client.get(URL))
    assert ids(client.get(URL, params={"exclude": [f"{best[0]},{best[1]}", best[2], "no such film"]}))[0] == best[3]
    assert {"Drama"} == {
        genre
        for item in client.get(URL, params={"filter": 'genre = "Drama"'}).json()["items"]
        for genre in item["genres"]
    }
    assert client.get(URL, params={"model": "itemknn"}).json()["model"] == "itemknn"
    assert ids(client.get(URL, params={"diversity": 1})) != best
    assert ids(client.get(URL, params={"adventurous": 1})) != ids(client.get(URL, params={"adventurous": 0}))
    assert ids(client.get(URL, params={"adventurous": 0.5})) == best
    for wrong in ("-0.1", "1.1", "nan", "very"):
        assert client.get(URL, params={"adventurous": wrong}).status_code == 422
    explained = client.get(URL, params={"explain": "yes"}).json()["items"]
    assert any(item["because"] for item in explained)
    assert all(item["reason"] and "<" not in item["reason"] for item in explained)
    assert client.get(URL, params={"explain": "yes"}).json()["less_of"] is not None
    assert not {"less_of", "reason"} & {*client.get(URL).json(), *client.get(URL).json()["items"][0]}
    for item in explained:
        assert sum(reason["share"] for reason in item["because"]) <= 1.0001
    assert len(ids(client.get(URL, params={"n": 7}))) == 7
    assert len(best) == 10


@pytest.mark.parametrize(("spelled", "meant"), [("true", 1), ("1", 1), ("yes", 1), ("false", 0), ("0", 0), ("no", 0)])
def test_spellings_of_booleans(reader: Client, spelled: str, meant: int) -> None:
    assert ("tags" in reader.get(URL, params={"metadata": spelled}).json()["items"][0]) is bool(meant)


def test_metadata(client: Client) -> None:
    best = ids(client.get(URL))[0]
    client.patch(f"/v1/movies/{best}", json={"imdb_id": "tt0114709", "poster": "https://example.org/1.jpg"})
    item = client.get(URL, params={"metadata": True}).json()["items"][0]
    assert item["imdb_url"] == "https://www.imdb.com/title/tt0114709"
    assert item["tags"] == ["funny", "light"]
    assert item["directors"]
    assert item["poster"] == f"/v1/movies/{best}/poster"
    assert client.get(item["poster"]).headers["location"] == "https://example.org/1.jpg"


def test_for_somebody_who_is_not_stored(client: Client) -> None:
    liked = [{"movie_id": "m1"}, {"movie_id": "m3", "rating": 5}, {"movie_id": "m3", "rating": 4}]
    answer = client.post("/v1/recommendations", json={"ratings": liked, "n": 3, "explain": True, "metadata": True})
    items = answer.json()["items"]
    assert len(items) == 3
    assert not {"m1", "m3"} & set(ids(answer))
    assert items[0]["genres"] == ["Comedy"]
    assert "tags" in items[0]
    assert "user_id" not in answer.json()
    assert client.post("/v1/recommendations", json={"ratings": []}).json()["fallback"] == "popular"


def test_history_limit(client_with: Callable[..., Client]) -> None:
    liked = [{"movie_id": f"m{i}"} for i in range(4)]
    answer = client_with(max_history=3).post("/v1/recommendations", json={"ratings": liked})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "body.ratings"


@pytest.mark.parametrize("by", ["taste", "content", "blend"])
def test_similar_films(client: Client, by: str) -> None:
    url = "/v1/movies/m1/similar"
    answer = client.get(url, params={"by": by, "n": 4})
    assert len(ids(answer)) == 4
    assert "m1" not in ids(answer)
    assert client.get(url, params={"by": by, "n": 4}).content == answer.content
    only = client.get(url, params={"by": by, "filter": "year >= 2000", "metadata": True}).json()["items"]
    assert all(item["year"] >= 2000 and "tags" in item for item in only)


def test_chart(client: Client) -> None:
    chart = client.get("/v1/popular", params={"n": 3, "genre": "Drama"}).json()["items"]
    assert [item["rank"] for item in chart] == [1, 2, 3]
    assert all(item["genres"] == ["Drama"] and item["ratings"] > 0 for item in chart)
    assert client.get("/v1/popular", params={"year": 1981}).json()["items"][0]["year"] == 1981
    everything = client.get("/v1/popular", params={"n": 1000}).json()["items"]
    lately = client.get("/v1/popular", params={"n": 1000, "days": 10}).json()["items"]
    assert sum(item["ratings"] for item in lately) < sum(item["ratings"] for item in everything)
    assert [item["score"] for item in everything] == [item["ratings"] for item in everything]


def test_kinds_of_chart(client: Client) -> None:
    charts = {by: client.get("/v1/popular", params={"by": by, "n": 40}) for by in ("popular", "trending", "top_rated")}
    assert len({tuple(ids(chart)) for chart in charts.values()}) == 3
    assert ids(charts["popular"]) == ids(client.get("/v1/popular", params={"n": 40}))
    keys = {frozenset(item) for chart in charts.values() for item in chart.json()["items"]}
    assert keys == {frozenset({"movie_id", "title", "year", "genres", "score", "rank", "ratings", "mean"})}
    for sort, by in (("popularity", "popular"), ("top_rated", "top_rated")):
        assert ids(client.get("/v1/movies", params={"sort": sort, "limit": 40})) == ids(charts[by])
    last = ids(charts["trending"])[-1]
    client.post("/v1/ratings", json=[{"user_id": f"x{i}", "movie_id": last, "rating": 3} for i in range(50)])
    assert ids(client.get("/v1/popular", params={"by": "trending"}))[0] == last
    assert client.get("/v1/popular", params={"by": "fame"}).status_code == 422
    assert client.get("/v1/movies", params={"sort": "trending"}).status_code == 422


QUERIES = st.lists(
    st.one_of(
        st.integers(-2, 1200).map(lambda n: f"n={n}"),
        st.sampled_from(["n=", "n=07", "n=1e1", "model=ease", "model=", "model=nope", "model=popular", "m=1", "n=%35"]),
    ),
    max_size=3,
).map("&".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, user=st.sampled_from(["u1", "u2", "nobody", "a b", "%2e", "a%2Fb", "x" * 64, "x" * 65, "%00"]))
def test_the_short_way_says_what_the_ordinary_way_says(client: Client, query: str, user: str) -> None:
    """Whatever is asked: the same status and bytes with and without the short way, and from ready answers."""
    url = f"/v1/users/{user}/recommendations?{query}"
    same = {"headers": {"x-request-id": "one"}}  # which problem documents name
    short = client.get(url, **same)
    again = client.get(url, **same)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matinee.api.fast_path.plan", lambda *_: None)
        client.app.service.cache.__init__(1 << 20)  # type: ignore[attr-defined]
        ordinary = client.get(url, **same)
    assert (short.status_code, short.content) == (ordinary.status_code, ordinary.content)
    assert (again.status_code, again.content) == (ordinary.status_code, ordinary.content)
    assert short.headers["content-type"] == ordinary.headers["content-type"]


def test_the_short_way_takes_plain_requests_only() -> None:
    plain = fast_path.plan(URL, b"n=20&model=ease")
    assert plain is not None
    assert plain.user_id == "u1"
    assert fast_path.plan(URL, b"") is not None
    for path, query in [
        (URL, b"explain=1"),
        (URL, b"n=0"),
        (URL, b"n=1&n=2"),
        (URL, b"n=5model=ease"),
        (URL + "/", b""),
        ("/v1/users//x", b""),
    ]:
        assert fast_path.plan(path, query) is None


def test_a_rating_while_an_answer_is_computed_makes_that_answer_outdated(
    client: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get(URL)  # opens everything
    run, first = AdaptiveExecutor.run, client.get(URL + "?n=7").json()["items"][0]["movie_id"]

    async def run_and_rate(self: AdaptiveExecutor, work: fast_path.Work, **options: Any) -> tuple[bytes, bool]:
        result = await run(self, work, **options)
        engine.rate([("u1", first, 5.0)])
        engine.user_version("u1")  # sees the rating, as another request would
        return result

    with monkeypatch.context() as patch:
        patch.setattr(AdaptiveExecutor, "run", run_and_rate)
        computed = client.get(URL + "?n=8").json()["items"]
    assert computed[0]["movie_id"] == first
    assert first not in {item["movie_id"] for item in client.get(URL + "?n=8").json()["items"]}
