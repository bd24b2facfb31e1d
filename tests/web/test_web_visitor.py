"""The JSON routes below `/app/`, and what the page says of itself."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from apps_support import Service
from matinee.errors import InvalidInputError
from matinee.web.page_head import with_head
from matinee.web.strings import text
from matinee.web.visitor.shelves import clause, joined, loved
from matinee.web.visitor.wall import SIZE, varied


def get(web: Service, route: str, **params: object) -> Any:
    answer = httpx.get(
        f"{web.url}/app/{route}", params={k: str(v) for k, v in params.items()}, timeout=30, trust_env=False
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def post(web: Service, route: str, body: Any, **params: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.post(f"{web.url}/app/{route}", content=content, params=params, timeout=90, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: Any) -> list[str]:
    return [film["movie_id"] for film in answer["items"]]


def test_a_stranger_gets_a_wall_and_somebody_known_gets_rows(web: Service) -> None:
    nobody = get(web, "start", user="a-stranger")
    assert nobody["known"] == 0
    assert nobody["marks"] == {"rated": {}, "seen": [], "watchlist": [], "not_interested": []}
    assert "Comedy" in nobody["filters"]["genres"]
    assert nobody["filters"]["countries"] == []
    wall = get(web, "wall")
    assert len(set(ids(wall))) == len(wall["items"]) > 10
    somebody = get(web, "start", user="1")
    assert somebody["known"] == len(somebody["marks"]["rated"]) > 0
    kinds = [row["kind"] for row in somebody["rows"]]
    assert kinds[0] == "for-you"
    assert {"because", "new", "decade", "genre"} <= set(kinds)
    for row in somebody["rows"]:
        films = ids(get(web, "row", user="1", kind=row["kind"], value=row["value"]))
        assert not set(films) & somebody["marks"]["rated"].keys(), row


def test_rows_are_what_they_say(web: Service) -> None:
    seventies = get(web, "row", user="1", kind="decade", value="1970")
    assert {film["year"] // 10 for film in seventies["items"]} == {197}
    comedies = get(web, "row", user="1", kind="genre", value="Comedy", filter="year >= 1990")
    assert comedies["items"]
    assert all("Comedy" in film["genres"] and film["year"] >= 1990 for film in comedies["items"])


def test_films_like_one_are_near_it_in_content_and_not_known(web: Service, core: Service) -> None:
    near = httpx.get(f"{core.url}/v1/movies/1/similar", params={"by": "content", "n": 60}, trust_env=False).json()
    row = ids(get(web, "row", user="1", kind="because", value="1", n="10"))
    known = get(web, "start", user="1")["marks"]["rated"]
    assert 0 < len(row) <= 10
    assert set(row) <= set(ids(near)) - known.keys() - {"1"}
    narrowed = get(web, "row", user="1", kind="because", value="1", filter="year >= 1990 or genre = Comedy")
    assert all(film["year"] >= 1990 or "Comedy" in film["genres"] for film in narrowed["items"])
    assert get(web, "row", user="1", kind="because", value="no-such-film")["error"]


def test_a_click_is_stored_and_undone(web: Service, core: Service) -> None:
    body = {"user": "clicker", "movie_id": "3", "action": "rating", "value": 4}
    first = post(web, "act", body)
    assert first == {"movie_id": "3", "action": "rating", "value": 4, "before": None}
    assert post(web, "act", body | {"value": 2.5})["before"] == 4
    assert get(web, "start", user="clicker")["marks"]["rated"] == {"3": 2.5}
    assert post(web, "act", body | {"value": None})["before"] == 2.5
    assert post(web, "act", body | {"value": None})["before"] is None
    if get(web, "start", user="clicker")["can"]["states"]:
        seen = {"user": "clicker", "movie_id": "4", "action": "seen", "value": True}
        assert post(web, "act", seen)["before"] is False
        assert post(web, "act", seen)["before"] is True
        assert get(web, "start", user="clicker")["marks"]["seen"] == ["4"]
        assert post(web, "act", seen | {"value": False})["before"] is True


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        [],
        {},
        {"user": "x", "movie_id": "1", "action": "fly", "value": True},
        {"user": "x", "movie_id": "1", "action": "seen", "value": 1},
        {"user": "x", "movie_id": "1", "action": "rating", "value": "five"},
        {"user": "x", "movie_id": "no-such-film", "action": "rating", "value": 5},
        {"user": "a/b", "movie_id": "1", "action": "rating", "value": 5},
    ],
    ids=lambda body: str(body)[:40],
)
def test_a_wrong_click_is_told(web: Service, body: Any) -> None:
    assert post(web, "act", body)["error"]["title"]


def test_faults_are_answers(web: Service) -> None:
    assert "Who are you" in get(web, "start")["error"]["title"]
    assert get(web, "row", user="1", kind="nothing")["error"]["title"] == "There is no row 'nothing'."
    assert get(web, "row", user="1", kind="decade", value="x")["error"]
    fault = get(web, "row", user="1", kind="for-you", filter="yeer > 3")["error"]
    assert (fault["title"], fault["position"]) == ("This filter cannot be read.", 0)
    assert get(web, "search", q="x" * 600)["error"]
    assert post(web, "picture", b"")["error"]
    assert post(web, "together", {"people": ["one"]})["error"]["title"] == "A list for two needs two people."


def test_search_by_words_by_filter_and_by_picture(web: Service) -> None:
    assert get(web, "search", q="alien", by="title")["items"][0]["title"] == "Alien"
    by_filter = get(web, "search", filter="year < 1960", sort="oldest")
    years = [film["year"] for film in by_filter["items"]]
    assert years == sorted(years)
    assert by_filter["total"] == len(years)
    assert get(web, "search")["items"] is None
    picture = httpx.get(f"{web.url}/media/posters/2", trust_env=False).content
    assert ids(post(web, "picture", picture))[0] == "2"


def test_files_may_be_larger_than_other_bodies(web: Service) -> None:
    large = b"x" * (2 << 20)
    assert post(web, "picture", large)["error"]
    answer = httpx.post(f"{web.url}/app/act", content=large, trust_env=False)
    assert answer.status_code == 413


def test_an_outage_is_told_with_its_kind_for_which_pages_have_words(web: Service, core: Service) -> None:
    core.stop()
    try:
        answer = httpx.get(f"{web.url}/app/row?user=1&kind=for-you", headers={"accept-language": "de"}, trust_env=False)
        error = answer.json()["error"]
        assert error["title"] == text("en", f"fault.{error['kind']}") == "The film service does not answer right now."
        assert text("de", f"fault.{error['kind']}") == "Der Filmdienst antwortet gerade nicht."
        assert error["retry"] is True
        page = httpx.get(f"{web.url}/?tab=film&film=1", timeout=90, trust_env=False)
        assert 'property="og:title" content="Matinee' in page.text
    finally:
        core.start()


def test_a_shared_link_carries_the_film(web: Service) -> None:
    page = httpx.get(f"{web.url}/?tab=film&film=2", timeout=90, trust_env=False).text
    assert '<meta property="og:title" content="Star Wars (1977) – Matinee" />' in page
    assert f'<meta property="og:image" content="{web.url}/media/posters/2" />' in page
    assert "<title>Star Wars (1977) – Matinee</title>" in page
    head = page.partition("</head>")[0]
    assert not re.search(r'<meta[^>]*(?:content="Gradio"|@Gradio|gradio\.app|raw\.githubusercontent)', head)
    assert head.count('property="og:title"') == 1
    home = httpx.get(web.url, headers={"accept-language": "fr"}, timeout=90, trust_env=False)
    assert re.search(r'<html\s+lang="fr"', home.text)
    assert home.headers["content-language"] == "fr"
    picture = re.search(r'property="og:image" content="([^"]+)"', home.text)
    assert picture is not None
    shown = httpx.get(picture[1], trust_env=False)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    for hostile in ("%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "%00", "x" * 3000):
        assert "<script>alert(1)" not in httpx.get(f"{web.url}/?film={hostile}", timeout=90, trust_env=False).text


def test_a_page_without_a_head_stays() -> None:
    assert with_head("no page", "<title>x</title>", "de") == "no page"


def test_the_wall_is_varied() -> None:
    films = [
        {
            "movie_id": str(n),
            "title": f"Film {chr(97 + n % 26)}{n}x",
            "year": 1950 + n % 60,
            "genres": ["Comedy" if n % 3 else "Drama"],
        }
        for n in range(100)
    ]
    films[1]["title"] = "Saga: One"
    films[2]["title"] = "Saga: Two"
    first, second = varied(films, 0), varied(films, 1)
    assert len(first) == len(second) == SIZE
    assert not {film["movie_id"] for film in first} & {film["movie_id"] for film in second}
    assert sum(film["title"].startswith("Saga") for film in first) == 1
    assert len({film["year"] // 10 for film in first}) >= 5
    assert varied(films[:5], 3) == []


def test_clauses() -> None:
    assert clause("decade", "1970") == "decade = 1970"
    assert clause("language", 'a"b') == 'language = "a\\"b"'
    assert clause("for-you", "") == ""
    with pytest.raises(InvalidInputError):
        clause("decade", "1970 or 1")
    assert joined("a = 1 or b = 2", "c = 3") == "(a = 1 or b = 2) and c = 3"
    assert joined("", "c = 3") == "c = 3"
    rated = [{"movie_id": "1", "rating": 3}, {"movie_id": "2", "rating": 5}, {"movie_id": "3", "rating": 5}]
    assert [row["movie_id"] for row in loved(rated)] == ["2", "3"]
    assert loved([]) == []
