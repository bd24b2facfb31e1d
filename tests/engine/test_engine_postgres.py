"""Engines that share a store on a PostgreSQL server, and a core that loses it for a while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matinee.api.app import create_app
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.errors import StoreError
from matinee.settings import Settings
from postgres_support import Server, own_server
from service_support import in_process


@pytest.fixture
def server() -> Iterator[Server]:
    with own_server("fsync=off") as server:
        yield server


def over(settings: Settings, store: Settings) -> Settings:
    names = ("store_url", "store_user", "store_password", "store_timeout")
    return settings.model_copy(update={name: getattr(store, name) for name in names})


def test_what_one_engine_takes_in_counts_in_the_next_answer_of_another(settings: Settings, server: Server) -> None:
    shared = over(settings, server.factory().settings)
    with Engine.open(shared) as one, Engine.open(shared) as two:
        movies = [item.movie_id for item in two.recommend("new user")[:4]]
        for movie in movies:
            one.rate([("new user", movie, 5.0)])
            assert movie in [rated.movie_id for rated in two.history("new user")]
        assert not set(movies) & {item.movie_id for item in two.recommend("new user")}
        two.put_movies([Movie(movie_id="added", title="Added", genres=("Drama",))])
        assert one.movie("added").title == "Added"
        one.erase_user("new user")
        assert two.rated_count("new user") == 0
    with Engine.open(shared) as later:
        assert later.movie("added").title == "Added"


def test_a_core_recovers_when_the_server_comes_back(settings: Settings, server: Server) -> None:
    shared = over(settings, server.factory().settings)
    server.stop()
    with pytest.raises(StoreError, match=r"refused.*MATINEE_STORE_URL"):
        Engine.open(shared)
    server.start()
    with in_process(create_app(shared)) as client:
        server.kill()
        ready = client.get("/ready")
        assert ready.status_code == 503
        assert "refused" in ready.text
        assert client.get("/v1/users/u/recommendations").status_code == 503
        server.start()
        assert client.get("/ready").status_code == 200
        assert client.get("/v1/popular").status_code == 200
