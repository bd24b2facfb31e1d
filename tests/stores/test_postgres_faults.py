"""A PostgreSQL server that is away, refuses, is read-only, slow or silent: a sentence, and recovery without restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

import psycopg
import pytest

from matinee.errors import ReadOnlyError, StoreError
from matinee.settings import Settings
from matinee.stores import Rating, Store, open_store
from postgres_support import DATABASE, PASSWORD, USER, PostgresFactory, Server, own_server
from service_support import free_port
from store_support import until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with own_server() as server:
        yield server


@pytest.fixture
def factory(server: Server) -> PostgresFactory:
    return server.factory()


@pytest.fixture
def store(factory: PostgresFactory) -> Iterator[Store]:
    store = factory()
    yield store
    store.close()


def one(user: str = "u", movie: str = "1") -> Rating:
    return Rating(user, movie, 4.0, 1)


def calls(store: Store) -> list[Callable[[], object]]:
    """One of each way to ask the server."""
    return [
        store.ping,
        store.seq,
        lambda: store.put_ratings([one()], key="k"),
        lambda: store.user("u"),
        lambda: store.changes(0),
        lambda: list(store.ratings()),
        store.movies,
        lambda: store.erase_user("nobody"),
    ]


def refusal(factory: PostgresFactory, match: str) -> str:
    """What is said when a store cannot be opened."""
    with pytest.raises(StoreError, match=match) as caught:
        factory()
    assert caught.value.hint
    assert PASSWORD not in str(caught.value)
    assert quote(PASSWORD, safe="") not in str(caught.value)
    return str(caught.value)


# --- opening ----------------------------------------------------------------------------------------------------
def test_a_wrong_password_is_told_and_not_shown(factory: PostgresFactory) -> None:
    wrong = refusal(replace(factory, password="a guess"), "password authentication failed.*MATINEE_STORE_PASSWORD")
    assert "a guess" not in wrong
    refusal(replace(factory, user="somebody"), "password authentication failed.*MATINEE_STORE_USER")
    refusal(replace(factory, password=""), "no password.*MATINEE_STORE_PASSWORD")


def test_a_database_that_is_missing_is_told(factory: PostgresFactory) -> None:
    refusal(replace(factory, url=factory.url.replace(DATABASE, "absent")), '"absent" does not exist.*createdb')


def test_a_server_that_is_away_is_told(factory: PostgresFactory) -> None:
    refusal(replace(factory, url=f"postgresql://127.0.0.1:{free_port()}/{DATABASE}"), "refused.*MATINEE_STORE_URL")
    refusal(replace(factory, url=f"postgresql://host.invalid/{DATABASE}"), "host.invalid.*MATINEE_STORE_URL")


def test_the_password_may_be_in_the_address_and_is_never_shown(factory: PostgresFactory, server: Server) -> None:
    given = f"{USER}:{quote(PASSWORD, safe='')}@"
    inside = replace(factory, url=server.url.replace("//", f"//{given}"), user="", password="")
    store = inside()
    store.put_ratings([one()])
    store.close()
    away = replace(inside, url=f"postgresql://{given}127.0.0.1:{free_port()}/{DATABASE}")
    refusal(away, "refused")
    with pytest.raises(StoreError, match=r"names no kind of store") as caught:
        open_store(Settings(store_url=f"mysql://{given}host/films"), "x")
    assert quote(PASSWORD, safe="") not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["secret", "secret%", "se/cret", "7/secret", "secret?", "7?secret", "@secret", "s:e"]
)
def test_an_address_that_is_not_valid_shows_nothing_of_it(factory: PostgresFactory, password: str) -> None:
    """As where a password is not percent-encoded, so that libpq takes parts of it for a port or a database."""
    for host in ("host:port", "[::1", "host:1:2:3"):
        url = f"postgresql://u:{password}@{host}/films"
        message = refusal(replace(factory, url=url, user="", password=""), "address is not valid.*percent-encode")
        assert not any(part in message for part in ("secret", "cret", "s:e"))


def test_a_user_without_the_right_to_create_is_told(factory: PostgresFactory, server: Server) -> None:
    with server.connect() as connection:
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'x'")
    refusal(replace(factory, user="reader", password="x"), "permission denied.*GRANT CREATE")


# --- while running ----------------------------------------------------------------------------------------------
def test_away_at_the_start_and_in_the_middle(server: Server) -> None:
    factory = server.factory()
    server.stop()
    refusal(factory, "refused.*recovers by itself")
    server.start()
    store = factory()
    store.put_ratings([one("before")])
    for _ in range(2):
        server.stop()
        for call in calls(store):
            with pytest.raises(StoreError, match=r"refused|terminat|closed"):
                call()
        server.start()
        for call in calls(store):
            call()
    assert set(store.user("before").ratings) == {"1"}
    store.close()


def test_a_restart_between_two_calls_is_not_noticed(server: Server, store: Store) -> None:
    for number, call in enumerate(calls(store)):
        store.put_ratings([one(movie=str(number))])
        server.stop()
        server.start()
        call()


def test_a_read_only_server_is_read_and_says_why_nothing_is_written(server: Server) -> None:
    factory = server.factory()
    store = factory()
    seq = store.put_ratings([one()])
    store.close()
    server.stop()
    server.start("default_transaction_read_only=on")
    try:
        store = factory()
        assert store.seq() == seq
        assert store.user("u").ratings
        assert len(store.changes(0).ratings) == 1
        assert "read-only transaction" in str(store.write_problem())
        for write in (
            lambda: store.put_ratings([one("v")]),
            lambda: store.erase_user("u"),
            lambda: store.put_movies([]),
        ):
            with pytest.raises(ReadOnlyError, match=r"read-only transaction.*primary server"):
                write()
        refusal(server.factory(), "read-only transaction")
    finally:
        server.stop()
        server.start()
    until(lambda: store.write_problem() is None)
    assert store.put_ratings([one("v")]) == seq + 1
    store.close()


def test_a_statement_that_takes_too_long_is_told(server: Server) -> None:
    factory = server.factory(timeout=2.0)
    store = factory()
    with server.connect() as blocking:
        blocking.execute(f"SET search_path = 'matinee_{factory.dataset}'")
        with blocking.transaction():
            blocking.execute("SELECT FROM state FOR UPDATE")
            with pytest.raises(StoreError, match=r"timeout.*MATINEE_STORE_TIMEOUT"):
                store.put_ratings([one()])
            assert store.seq() == 0, "reads go on"
        with blocking.transaction():
            blocking.execute("LOCK TABLE state")
            with pytest.raises(StoreError, match=r"timeout.*MATINEE_STORE_TIMEOUT"):
                store.seq()
    assert store.put_ratings([one()]) == 1
    store.close()


def test_a_server_that_is_silent_is_told(server: Server) -> None:
    store = server.factory(timeout=2.0)()
    store.put_ratings([one()])
    with server.silent():
        with pytest.raises(StoreError, match=r"no answer within 3 s.*MATINEE_STORE_URL"):
            store.seq()
        with pytest.raises(StoreError):
            store.put_ratings([one("v")])
    assert store.put_ratings([one("v")]) >= 2
    store.close()


def test_a_writer_that_hangs_is_ended_by_the_server(server: Server, store: Store) -> None:
    with server.connect() as connection:
        limits = connection.execute(
            "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('statement_timeout')"
        ).fetchone()
    assert limits == ("0", "0")
    assert store._pool.query("SHOW idle_in_transaction_session_timeout") == [("10s",)]  # type: ignore[attr-defined]
    assert store._pool.query("SHOW statement_timeout") == [("5s",)]  # type: ignore[attr-defined]


def test_too_many_connections_are_told(server: Server, factory: PostgresFactory) -> None:
    factory().close()
    held: list[psycopg.Connection[tuple[object, ...]]] = []
    with suppress(psycopg.OperationalError):
        while len(held) < 1000:
            held.append(server.connect())
    assert len(held) < 1000
    try:
        refusal(factory, "too many|connection slots.*max_connections")
    finally:
        for connection in held:
            connection.close()
    factory().close()
