"""What is particular to the PostgreSQL store: schemas, its log, its keys, its connections."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from matinee.data.catalog import Movie
from matinee.databases.postgres import MAX_CONNECTIONS, fitting
from matinee.errors import ConflictError, MatineeError, MissingExtraError, StoreError
from matinee.stores import Exposure, MovieVector, Rating
from matinee.stores.postgres import open_postgres_store, schema
from matinee.stores.postgres.store import PostgresStore
from matinee.stores.postgres.texts import restored, stored
from postgres_support import PostgresFactory, administrator, binaries, new_store, open_with, run_sql
from store_support import SHOWN_BEFORE, all_ratings, answer, check_one_form, write_both_forms


@pytest.fixture
def factory() -> PostgresFactory:
    return new_store()


@pytest.fixture
def store(factory: PostgresFactory) -> Iterator[PostgresStore]:
    store = open_with(factory)
    yield store
    store.close()


def one(user: str = "u", movie: str = "1", rating: float | None = 4.0) -> Rating:
    return Rating(user, movie, rating, 1)


def home(factory: PostgresFactory) -> str:
    return schema.schema_name(factory.dataset)


# --- ratings, keys, log -----------------------------------------------------------------------------------------
def test_a_large_batch_is_stored_whole(store: PostgresStore) -> None:
    batch = [one(f"u{n % 300}", f"m{n}", 0.5 + n % 10 / 2) for n in range(25_000)]
    assert store.put_ratings(batch) == 25_000
    assert all_ratings(store) == {(r.user_id, r.movie_id): r for r in batch}
    changes = store.changes(0).ratings
    assert [change.seq for change in changes] == list(range(1, 25_001))
    assert [(change.user_id, change.movie_id) for change in changes] == [(r.user_id, r.movie_id) for r in batch]
    assert store.changes(-1).ratings == changes


def test_many_films_come_with_their_vectors(store: PostgresStore) -> None:
    rng = np.random.default_rng(0)
    films = [Movie(movie_id=f"m{n}", title=f"Film {n}") for n in range(11_000)]
    vectors = [MovieVector(f"m{n}", "text", "e", rng.normal(size=384).astype(np.float32)) for n in range(7000)]
    assert store.put_movies(films, vectors) == store.seq() == 11_000
    assert [movie for _, movie in store.movies()] == films
    held = {vector.movie_id: vector.values for vector in store.vectors()}
    assert all((held[vector.movie_id] == vector.values).all() for vector in vectors)
    assert len(held) == 7000


def test_every_float32_comes_back_to_the_bit(store: PostgresStore) -> None:
    values = np.array([0.0, -0.0, 1e-45, 1.17549435e-38, 3.4028235e38, 0.1, 1 / 3], dtype=np.float32)
    store.put_vectors([MovieVector("x", "text", "a\\b\0", values)])
    (vector,) = store.vectors()
    assert vector.values.tobytes() == values.tobytes()
    assert vector.encoder == "a\\b\0"


@pytest.mark.parametrize("text", ["", "\0", "\\", "\\0", "\\\\0", "a\0\\\0b", "\\\n", "0"])
def test_texts_are_stored_reversibly_and_without_nul(text: str) -> None:
    assert "\0" not in stored(text)
    assert restored(stored(text)) == text


def test_ids_with_backslashes_are_kept_apart(store: PostgresStore) -> None:
    ids = ["\0", "\\0", "\\\\0", "\\"]
    store.put_ratings([one(user, "m\0\\") for user in ids], key="k\0")
    store.log_exposures([Exposure("\\", 1, "s\0", "m\\", ("\0", "\\"))])
    assert {user for user, _ in all_ratings(store)} == set(ids)
    assert {change.user_id for change in store.changes(0).ratings} == set(ids)
    assert store.exposures("\\") == [Exposure("\\", 1, "s\0", "m\\", ("\0", "\\"))]
    store.erase_user("\0")
    assert store.erased_users() == {"\0"}
    assert {user for user, _ in all_ratings(store)} == set(ids[1:])


def test_the_same_key_at_the_same_time_counts_once(factory: PostgresFactory, store: PostgresStore) -> None:
    other = open_with(factory)
    seqs: list[int] = []
    barrier = threading.Barrier(8)

    def put(which: PostgresStore) -> None:
        barrier.wait()
        seqs.append(which.put_ratings([one()], key="k"))

    threads = [threading.Thread(target=put, args=((store, other)[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seqs == [1] * 8
    assert store.seq() == 1
    other.close()


def written_together(factory: PostgresFactory, store: PostgresStore, work: Sequence[Callable[[], int]]) -> list[Any]:
    """Outcomes of writes in threads, of which all but the first come while that one waits for another program."""
    run_sql(
        "CREATE TABLE committed (xact xid8)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO committed VALUES (pg_current_xact_id()); RETURN NULL; END'",
        "CREATE TRIGGER noting AFTER INSERT ON ratings FOR EACH ROW EXECUTE FUNCTION note()",
        schema=home(factory),
    )
    outcomes: list[Any] = [None] * len(work)

    def run(number: int) -> None:
        try:
            outcomes[number] = work[number]()
        except MatineeError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(work))]
    deadline = time.monotonic() + 90
    with administrator() as other, other.transaction():
        other.execute(sql.SQL("SELECT FROM {}.state FOR UPDATE").format(sql.Identifier(home(factory))))
        threads[0].start()
        while not (store._group._busy and not store._group._queue) and time.monotonic() < deadline:
            time.sleep(0.001)
        for thread in threads[1:]:
            thread.start()
        while len(store._group._queue) < len(work) - 1 and time.monotonic() < deadline:
            time.sleep(0.001)
    for thread in threads:
        thread.join(90)
    return outcomes


def test_writers_that_wait_share_a_commit(factory: PostgresFactory, store: PostgresStore) -> None:
    work = [partial(store.put_ratings, [one(f"u{n}")], key=f"k{n}") for n in range(8)]
    assert sorted(written_together(factory, store, work)) == list(range(1, 9))
    assert run_sql("SELECT count(DISTINCT xact), count(*) FROM committed", schema=home(factory)) == [(2, 8)]
    assert [change.seq for change in store.changes(0).ratings] == list(range(1, 9))


def test_a_write_that_fails_does_not_fail_its_neighbors(factory: PostgresFactory, store: PostgresStore) -> None:
    store.put_ratings([one()], key="k")
    long = "".join(map(chr, np.random.default_rng(0).integers(0x4E00, 0x9FFF, 5000)))
    work = [partial(store.put_ratings, [one(user)]) for user in ("a", "b", long, "c")]
    work.append(partial(store.put_ratings, [one("d")], key="k"))
    *stored, conflict = written_together(factory, store, work)
    assert isinstance(conflict, ConflictError)
    assert isinstance(stored.pop(2), StoreError)
    assert sorted(stored) == [2, 3, 4]
    assert {user for user, _ in all_ratings(store)} == {"u", "a", "b", "c"}


def test_the_log_is_kept_short_while_writing(factory: PostgresFactory) -> None:
    store = open_with(factory, keep_log=200)
    for start in range(0, 1000, 10):
        store.put_ratings([one(movie=str(n)) for n in range(start, start + 10)])
        ((entries, floor),) = run_sql("SELECT count(*), (SELECT log_floor FROM state) FROM log", schema=home(factory))
        assert entries == store.seq() - int(str(floor))
        assert int(str(entries)) <= 200 + 2 + 10
    assert len(store.changes(store.seq() - 200).ratings) == 200
    store.close()


def test_what_is_erased_is_in_no_table(factory: PostgresFactory, store: PostgresStore) -> None:
    secret = "film-nobody-may-know-of"
    store.put_ratings([one(movie=secret), one("v")])
    store.delete_rating("u", secret + "2", 5)
    store.log_exposures([Exposure("u", 1, "s", "m", (secret,))])
    store.erase_user("u")
    for (table,) in run_sql(f"SELECT tablename FROM pg_tables WHERE schemaname = '{home(factory)}'"):
        rows = run_sql(f"SELECT t::text FROM {table} t", schema=home(factory))
        assert secret not in str(rows), table


# --- schemas ----------------------------------------------------------------------------------------------------
def test_data_sets_do_not_mix(factory: PostgresFactory, store: PostgresStore) -> None:
    names = [factory.dataset + end for end in ('"; DROP', "'", "é" * 40, "é" * 41, "\0")]
    stores = [open_with(replace(factory, dataset=name)) for name in names]
    for n, other in enumerate(stores):
        other.put_ratings([one(str(n))])
        assert list(all_ratings(other)) == [(str(n), "1")]
        other.close()
    assert all_ratings(store) == {}


def test_long_names_fit_and_differ() -> None:
    names = {fitting("x" * 100 + str(n)) for n in range(3)} | {fitting("é" * 40)}
    assert len(names) == 4
    assert all(len(name.encode()) <= 63 for name in names)
    assert fitting("short") == "short"


def test_a_newer_schema_is_refused_and_not_changed(factory: PostgresFactory) -> None:
    open_with(factory).close()
    newer = len(schema.MIGRATIONS) + 1
    run_sql(f"UPDATE schema_version SET version = {newer}", schema=home(factory))
    with pytest.raises(StoreError, match=rf"newer Matinee \(version {newer}.*Update Matinee"):
        open_with(factory)
    assert run_sql("SELECT version FROM schema_version", schema=home(factory)) == [(newer,)]


def test_the_schema_of_another_program_is_refused_and_not_changed(factory: PostgresFactory) -> None:
    name = f'"{home(factory)}"'
    run_sql(f"CREATE SCHEMA {name}", f"CREATE TABLE {name}.notes (x int)")
    with pytest.raises(StoreError, match="another program"):
        open_with(factory)
    assert run_sql(f"SELECT tablename FROM pg_tables WHERE schemaname = '{home(factory)}'") == [("notes",)]


def test_a_new_step_is_applied_to_an_old_schema(factory: PostgresFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    old = open_with(factory)
    old.put_ratings([one()])
    later = ("CREATE TABLE later (x int)", "INSERT INTO later VALUES (42)")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, later))
    for _ in range(2):
        store = open_with(factory)
        assert store.user("u").ratings["1"].rating == 4.0
        store.close()
        assert run_sql("SELECT x FROM later", schema=home(factory)) == [(42,)]
    old.close()


def test_a_step_that_fails_leaves_the_old_schema(factory: PostgresFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    open_with(factory).close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE half (x int)", "CREATE NONSENSE")))
        with pytest.raises(StoreError, match="syntax error"):
            open_with(factory)
    open_with(factory).close()
    assert run_sql("SELECT to_regclass('half')", schema=home(factory)) == [(None,)]


def test_ids_of_earlier_versions_are_normalized_once(factory: PostgresFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:4])
        store = open_with(factory)
        before = write_both_forms(store)
        store.close()
        run_sql(SHOWN_BEFORE, schema=home(factory))
    for _ in range(2):
        store = open_with(factory)
        check_one_form(store, before)
        store.close()


def test_many_open_a_new_store_at_the_same_time(factory: PostgresFactory) -> None:
    seqs: list[int] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        store = open_with(factory)
        seqs.append(store.put_ratings([one()]))
        store.close()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(seqs) == list(range(1, 9))


# --- connections ------------------------------------------------------------------------------------------------
def test_threads_share_a_few_connections(factory: PostgresFactory, store: PostgresStore) -> None:
    barrier = threading.Barrier(3 * MAX_CONNECTIONS)
    faults: list[BaseException] = []

    def work(n: int) -> None:
        try:
            barrier.wait()
            for k in range(5):
                store.put_ratings([one(f"u{n}", str(k))])
                assert len(store.user(f"u{n}").ratings) == k + 1
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3 * MAX_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert store.seq() == 15 * MAX_CONNECTIONS
    assert 1 <= len(store._pool._idle) <= MAX_CONNECTIONS


def test_all_connections_in_use_is_said(store: PostgresStore) -> None:
    taken = [store._pool._take()[0] for _ in range(MAX_CONNECTIONS)]
    store._pool._timeout = 0.1  # for the wait below, not for the server
    with pytest.raises(StoreError, match=r"connections .* in use"):
        store.seq()
    store._pool._give_back(taken.pop())
    assert store.seq() == 0
    for connection in taken:
        store._pool._give_back(connection)


def test_a_read_that_goes_on_holds_no_write_up(store: PostgresStore) -> None:
    store.put_ratings([one("v", str(n)) for n in range(10)])
    batches = store.ratings(batch=2)
    next(batches)
    seq = store.erase_user("v")
    assert store.put_ratings([one("v", "new")]) == seq + 1
    assert sum(len(batch) for batch in batches) == 8, "the read goes on over what it began with"


def test_a_commit_does_not_return_before_it_is_durable(factory: PostgresFactory, store: PostgresStore) -> None:
    asked = "SELECT current_setting('synchronous_commit')"
    assert store._pool.query(asked) == [("on",)]
    ((database,),) = run_sql("SELECT quote_ident(current_database())")
    run_sql(f"ALTER DATABASE {database} SET synchronous_commit = off")
    try:
        careless = open_with(factory)
        assert careless._pool.query(asked) == [("on",)]
        careless.close()
    finally:
        run_sql(f"ALTER DATABASE {database} RESET synchronous_commit")


def test_a_connection_lost_during_the_commit_is_told_as_such(factory: PostgresFactory, store: PostgresStore) -> None:
    run_sql(
        "CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER ending AFTER INSERT ON ratings DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION end_session()",
        schema=home(factory),
    )
    with pytest.raises(StoreError, match=r"may or may not be stored.*same idempotency key"):
        store.put_ratings([one()], key="k")
    run_sql("DROP TRIGGER ending ON ratings", schema=home(factory))
    assert store.put_ratings([one()], key="k") == store.seq() == 1


def test_sessions_that_the_server_ended_are_replaced(factory: PostgresFactory, store: PostgresStore) -> None:
    for call in (store.seq, lambda: store.put_ratings([one()]), lambda: store.changes(0), store.ping):
        store.seq()
        run_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'matinee' AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        call()


def test_a_store_opened_before_a_fork_is_refused_in_the_child(factory: PostgresFactory, store: PostgresStore) -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def child() -> None:
        try:
            store.seq()
        except StoreError as error:
            there.send(error.message)
        store.close()

    process = context.Process(target=child)
    process.start()
    assert here.poll(60)
    assert "forked" in here.recv()
    process.join(60)
    assert store.seq() == 0, "the parent's connections go on"


def test_another_process_sees_a_write_at_its_next_call(factory: PostgresFactory, store: PostgresStore) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=answer, args=(factory, there), daemon=True)
    process.start()
    for n in range(20):
        store.put_ratings([one(movie=str(n))])
        here.send(("user", ("u",), {}))
        assert here.poll(60)
        assert here.recv() == store.user("u")
    here.send(None)
    process.join(90)
    assert process.exitcode == 0


def test_a_database_in_another_encoding_is_refused(factory: PostgresFactory) -> None:
    with administrator() as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    url = factory.url.rsplit("/", 1)[0] + "/latin"
    with pytest.raises(StoreError, match=r"UTF-8.*createdb"):
        open_with(replace(factory, url=url))


def test_an_id_that_no_index_can_hold_is_refused(store: PostgresStore) -> None:
    long = "".join(map(chr, np.random.default_rng(0).integers(0x4E00, 0x9FFF, 5000)))
    with pytest.raises(StoreError, match="shorter ids"):
        store.put_ratings([one(), one(long)])
    assert store.seq() == 0
    assert store.put_ratings([one()]) == 1


def test_a_film_that_is_not_valid_is_told(factory: PostgresFactory, store: PostgresStore) -> None:
    store.put_movies([Movie(movie_id="x", title="X")])
    run_sql("""UPDATE movies SET body = '{"title": 3}'""", schema=home(factory))
    with pytest.raises(StoreError, match="film that is not valid"):
        store.movies()


def test_a_schema_that_was_dropped_is_told(factory: PostgresFactory, store: PostgresStore) -> None:
    run_sql(f'DROP SCHEMA "{home(factory)}" CASCADE')
    with pytest.raises(StoreError, match=r"does not exist.*Restore a backup"):
        store.seq()


def test_without_the_client_the_extra_is_named(factory: PostgresFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr("matinee._util.extras.find_spec", lambda name: None if name == "psycopg" else there(name))
    with pytest.raises(MissingExtraError, match=r"matinee\[postgres\]"):
        open_postgres_store(factory.settings, factory.dataset)


def test_the_rest_of_a_transaction_is_undone_where_work_fails(store: PostgresStore) -> None:
    def work(connection: psycopg.Connection[tuple[object, ...]]) -> None:
        connection.execute("UPDATE state SET seq = 99")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store._pool.write(work)
    assert store.seq() == 0


def test_a_backup_by_pg_dump_brings_everything_back(
    factory: PostgresFactory, store: PostgresStore, tmp_path: Path
) -> None:
    programs = binaries()
    if programs is None or not (programs / "pg_dump").exists():
        pytest.skip("there is no pg_dump")
    store.put_movies([Movie(movie_id="x", title="X")], [MovieVector("x", "text", "e", np.ones(3, np.float32))])
    store.put_ratings([one(), one("v")], key="k")
    store.erase_user("v")
    before = (store.changes(-1), store.movies(), store.user("u"))
    store.close()
    environment = {"PATH": os.environ["PATH"], "PGUSER": factory.user, "PGPASSWORD": factory.password}
    dump = tmp_path / "films.dump"
    for words in (
        ["pg_dump", "--format", "custom", "--schema", f'"{home(factory)}"', "--file", str(dump), factory.url],
        ["pg_restore", "--clean", "--if-exists", "--dbname", factory.url, str(dump)],
    ):
        if words[0] == "pg_restore":
            run_sql(f'DROP SCHEMA "{home(factory)}" CASCADE')
        subprocess.run([programs / words[0], *words[1:]], env=environment, check=True, capture_output=True, timeout=120)
    again = open_with(factory)
    assert (again.changes(-1), again.movies(), again.user("u")) == before
    assert again.put_ratings([one("v"), one()], key="k") == 3
    again.log_exposures([Exposure("u", 1, "s", "m", ("1",))])
    assert len(again.vectors()) == 1
    again.close()
