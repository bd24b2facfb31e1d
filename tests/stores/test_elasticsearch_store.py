"""What is particular to the store on Elasticsearch: its indices, its commits, its log, its keys."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from elasticsearch_support import ElasticsearchFactory, new_store
from matinee.data.catalog import Movie
from matinee.databases.elasticsearch import Cluster
from matinee.errors import StoreError
from matinee.settings import Settings
from matinee.stores import Exposure, MovieVector, Rating, Store, open_store
from matinee.stores.elasticsearch import ElasticsearchStore, Names, schema
from matinee.stores.elasticsearch.commits import Commits
from store_support import all_ratings


@pytest.fixture
def factory(tmp_path: Path) -> Iterator[ElasticsearchFactory]:
    factory = new_store(tmp_path)
    yield factory
    factory.remove()


@pytest.fixture
def store(factory: ElasticsearchFactory) -> Iterator[Store]:
    store = factory()
    yield store
    store.close()


def with_options(factory: ElasticsearchFactory, **options: Any) -> ElasticsearchStore:
    cluster = Cluster(factory.url, timeout=factory.timeout)
    return ElasticsearchStore(cluster, factory.names, **options)


def request(factory: ElasticsearchFactory, method: str, path: str, body: object = None) -> Any:
    answer = httpx.request(method, f"{factory.url}/{path}", json=body, timeout=60, trust_env=False)
    answer.raise_for_status()
    return answer.json()


def documents(factory: ElasticsearchFactory, alias: str) -> dict[str, Any]:
    request(factory, "POST", f"{alias}/_refresh")
    hits = request(factory, "POST", f"{alias}/_search", {"size": 10_000})["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def one(user: str = "u", movie: str = "1", rating: float | None = 4.0) -> Rating:
    return Rating(user, movie, rating, 1)


# --- indices ----------------------------------------------------------------------------------------------------
def test_indices_are_named_by_the_settings_and_the_data_set(factory: ElasticsearchFactory, store: Store) -> None:
    store.put_ratings([one("ann", "7")])
    store.put_movies([Movie(movie_id="x", title="X")])
    store.put_vectors([MovieVector("x", "poster", "e", np.ones(3, np.float32))])
    users, movies, vectors = (f"matinee-{kind}-{factory.dataset}" for kind in ("users", "movies", "vectors"))
    assert list(documents(factory, users)) == ["ann"]
    assert documents(factory, movies)["x"]["title"] == "X"
    assert list(documents(factory, vectors)) == ["x"]
    (index,) = request(factory, "GET", f"_alias/{users}")
    assert index == f"{users}-v{schema.SCHEMA}"


def test_data_sets_have_indices_of_their_own(factory: ElasticsearchFactory, store: Store) -> None:
    names = {Names.of(factory.settings, dataset).users for dataset in ("a", "A", "a b", "a_b", "ä", "", "x" * 300, "x")}
    assert len(names) == 8
    assert all(len(name) < 200 and name == name.lower() for name in names)
    store.put_ratings([one()])
    other = ElasticsearchFactory(factory.url, factory.dataset.upper())
    second = other()
    try:
        assert second.seq() == 0
        assert all_ratings(second) == {}
    finally:
        second.close()
        other.remove()


def test_several_processes_may_make_the_indices_at_once(factory: ElasticsearchFactory) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(factory())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(opened) == 4
    assert {store.put_ratings([one()]) for store in opened} == {1, 2, 3, 4}
    for store in opened:
        store.close()


def put_meta(factory: ElasticsearchFactory, alias: str, **changes: object) -> None:
    (index,) = request(factory, "GET", f"{alias}/_mapping")
    meta = request(factory, "GET", f"{alias}/_mapping")[index]["mappings"]["_meta"]
    request(factory, "PUT", f"{index}/_mapping", {"_meta": meta | changes})


def test_an_index_of_a_newer_version_is_refused_and_not_changed(factory: ElasticsearchFactory, store: Store) -> None:
    seq = store.put_ratings([one()])
    put_meta(factory, factory.names.users, schema=schema.SCHEMA + 1)
    with pytest.raises(StoreError, match=r"newer Matinee.*Update"):
        factory()
    put_meta(factory, factory.names.users, schema=schema.SCHEMA)
    again = factory()
    assert again.user("u").version == seq
    again.close()


def test_an_index_of_another_program_is_refused(factory: ElasticsearchFactory) -> None:
    request(factory, "PUT", factory.names.movies, {"mappings": {"properties": {"title": {"type": "text"}}}})
    try:
        with pytest.raises(StoreError, match=r"is not Matinee's.*MATINEE_MOVIE_INDEX"):
            factory()
        assert request(factory, "GET", f"{factory.names.movies}/_count")["count"] == 0
    finally:
        request(factory, "DELETE", factory.names.movies)


def test_an_index_with_another_mapping_is_refused(factory: ElasticsearchFactory) -> None:
    index = schema.index_name(factory.names.movies, schema.SCHEMA)
    about = {"owner": schema.OWNER, "part": "movies", "schema": schema.SCHEMA}
    request(
        factory,
        "PUT",
        index,
        {
            "aliases": {factory.names.movies: {}},
            "mappings": {"_meta": about, "properties": schema.PROPERTIES["movies"] | {"title": {"type": "keyword"}}},
        },
    )
    with pytest.raises(StoreError, match="field 'title' as keyword, not as text"):
        factory()


def test_the_indices_of_one_part_are_not_taken_for_those_of_another(
    factory: ElasticsearchFactory, store: Store
) -> None:
    settings = factory.settings.model_copy(update={"movie_index": factory.settings.user_index})
    cluster = Cluster(factory.url, timeout=30)
    with pytest.raises(StoreError, match="not its index of movies"):
        ElasticsearchStore(cluster, Names.of(settings, factory.dataset))


@pytest.mark.parametrize("part", ["log", "users", "movies"])
def test_a_store_of_which_an_index_is_gone_is_refused(factory: ElasticsearchFactory, store: Store, part: str) -> None:
    store.put_ratings([one()])
    request(factory, "DELETE", schema.index_name(getattr(factory.names, part), schema.SCHEMA))
    with pytest.raises(StoreError, match=r"missing.*backup"):
        factory()


def test_an_index_removed_while_in_use_is_not_made_again_by_a_write(
    factory: ElasticsearchFactory, store: Store
) -> None:
    store.put_ratings([one()])
    request(factory, "DELETE", schema.index_name(factory.names.users, schema.SCHEMA))
    with pytest.raises(StoreError, match="removed while in use"):
        store.put_ratings([one()])
    with pytest.raises(StoreError, match="removed while in use"):
        store.user("u")
    assert httpx.get(f"{factory.url}/{factory.names.users}", trust_env=False).status_code == 404


def test_an_older_schema_is_copied_and_the_alias_moved(
    factory: ElasticsearchFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = factory()
    for n in range(5):
        store.put_ratings([one(f"user {n}", "1", n + 0.5)])
    store.put_movies([Movie(movie_id="x", title="X")])
    held, changes, seq = all_ratings(store), store.changes(0), store.seq()
    store.close()
    monkeypatch.setattr(schema, "SCHEMA", schema.SCHEMA + 1)
    new_field = {part: fields | {"added": {"type": "keyword"}} for part, fields in schema.PROPERTIES.items()}
    monkeypatch.setattr(schema, "PROPERTIES", new_field)
    monkeypatch.setattr(
        schema, "MIGRATIONS", {schema.SCHEMA - 1: lambda part, document: document.source | {"added": part}}
    )
    store = factory()
    assert (all_ratings(store), store.changes(0), store.seq()) == (held, changes, seq)
    (index,) = request(factory, "GET", f"_alias/{factory.names.users}")
    assert index == f"{factory.names.users}-v{schema.SCHEMA}"
    assert {source["added"] for source in documents(factory, factory.names.users).values()} == {"users"}
    assert store.put_ratings([one("user 1", "1", 5.0)]) == seq + 1
    assert store.changes(seq).ratings[0].before == 1.5
    store.close()


# --- commits ----------------------------------------------------------------------------------------------------
@pytest.mark.extended
def test_many_ratings_of_one_user_and_of_many(store: Store) -> None:
    ratings = [Rating("one", str(n), 1.0 + n % 5, n) for n in range(10_000)]
    assert store.put_ratings(ratings, key="k") == 10_000
    assert store.put_ratings(ratings, key="k") == 10_000
    assert len(store.user("one").ratings) == 10_000
    store.put_ratings([Rating(f"user {n}", "film " * 20, 3.0, n) for n in range(10_000)])
    changes = store.changes(5000)
    assert (len(changes.ratings), len(changes.users)) == (15_000, 10_001)
    assert [change.seq for change in changes.ratings] == list(range(5001, 20_001))
    assert len(all_ratings(store)) == 20_000
    assert not store.changes(-1).complete


@pytest.mark.extended
def test_many_movies_with_wide_vectors(store: Store) -> None:
    movies = [Movie(movie_id=str(n), title=f"Film {n}", overview="words " * 100) for n in range(1500)]
    vectors = [MovieVector(movie.movie_id, "text", "e", np.full(1280, 0.1, np.float32)) for movie in movies]
    store.put_movies(movies, vectors)
    assert [movie for _, movie in store.movies()] == movies
    assert len(store.vectors()) == 1500
    assert store.vectors(["7"])[0].values.tolist() == vectors[7].values.tolist()
    assert len(store.changes(0).movies) == 1500


def test_a_read_of_all_ratings_takes_back_what_is_newer(factory: ElasticsearchFactory, store: Store) -> None:
    """The scan begins after other writes, as if these came in between."""
    store.put_ratings([one("u", "1", 1.0), one("v", "1", 2.0), one("w", "9", 5.0)])
    other = factory()
    seen: dict[tuple[str, str], Rating] = {}

    class Between(Commits):
        def readable(self) -> Any:
            start = super().readable()
            if not seen:
                seen.update(all_ratings(other))
                for n in range(30):
                    other.put_ratings([one("u", "1", 3.0 + n / 10), one("u", f"new {n}"), one("x", "1")])
                other.delete_rating("v", "1", 7)
            return start

    store._commits.__class__ = Between  # type: ignore[attr-defined]
    assert all_ratings(store) == seen
    assert len(seen) == 3
    changes = store.changes(-1)
    assert changes.seq == store.seq() == 94
    assert len(changes.ratings) == len(all_ratings(other)) == 34
    other.close()


def die_in_the_middle(factory: ElasticsearchFactory) -> None:
    """A process that dies after its commit and before anything of it was applied."""
    store = factory()
    Commits._apply = lambda *_: os._exit(9)  # type: ignore[method-assign, assignment]
    store.put_ratings([one("u", "2", 3.0), one("v", "2", 1.0)], key="k")


def test_the_commit_of_a_process_that_died_is_applied_by_the_next(factory: ElasticsearchFactory, store: Store) -> None:
    before = store.put_ratings([one("u", "1")])
    process = multiprocessing.get_context("spawn").Process(target=die_in_the_middle, args=(factory,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert store.user("u").version == before, "nothing was acknowledged yet"
    changes = store.changes(before)
    assert [(c.user_id, c.after) for c in changes.ratings] == [("u", 3.0), ("v", 1.0)]
    assert store.seq() == changes.seq == before + 2
    assert set(store.user("u").ratings) == {"1", "2"}
    assert store.put_ratings([one("u", "2", 3.0), one("v", "2", 1.0)], key="k") == before + 2
    assert store.put_ratings([one("v", "3")]) == before + 3


def test_a_reader_alone_applies_the_commit_of_a_process_that_died(factory: ElasticsearchFactory, store: Store) -> None:
    process = multiprocessing.get_context("spawn").Process(target=die_in_the_middle, args=(factory,))
    process.start()
    process.join(60)
    assert store.seq() == 0, "another process may be about to apply it"
    deadline = threading.Event()
    for _ in range(200):
        if store.seq() == 2:
            break
        deadline.wait(0.05)
    assert store.seq() == 2
    assert store.user("v").ratings["2"] == one("v", "2", 1.0)


# --- log and keys -----------------------------------------------------------------------------------------------
@pytest.mark.extended
def test_the_log_is_kept_short_while_writing(factory: ElasticsearchFactory) -> None:
    store = with_options(factory, keep_log=100)
    for start in range(0, 400, 10):
        store.put_ratings([one(movie=str(n)) for n in range(start, start + 10)])
    kept = [d for d in documents(factory, factory.names.log).values() if d["kind"] == "log"]
    assert 10 <= len(kept) <= 13
    assert len(store.changes(store.seq() - 100).ratings) == 100
    behind = store.changes(5)
    assert not behind.complete
    assert len(behind.ratings) == 400
    store.close()


def test_the_parts_of_large_commits_are_dropped_with_the_log(factory: ElasticsearchFactory) -> None:
    store = with_options(factory, keep_log=1000)
    for label in "abcde":
        store.put_ratings([one(f"{label} {n}", "long name " * 5) for n in range(900)])
    parts = {d["commit"] for d in documents(factory, factory.names.log).values() if d["kind"] == "part"}
    assert parts == {4, 5} or parts == {3, 4, 5}
    assert len(store.changes(2700 + 900).ratings) == 900
    store.close()


def test_keys_are_forgotten_after_a_day(factory: ElasticsearchFactory) -> None:
    now = [1e9]
    store = with_options(factory, clock=lambda: now[0])
    first = store.put_ratings([one()], key="k")
    now[0] += 24 * 3600 - 1
    assert store.put_ratings([one()], key="k") == first
    now[0] += 2
    assert store.put_ratings([one(rating=1.0)], key="k") == first + 1
    now[0] += 24 * 3600 + 1
    store._commits._forget_keys()
    assert not any(source["kind"] == "key" for source in documents(factory, factory.names.log).values())
    store.close()


def test_what_is_erased_is_in_no_document(factory: ElasticsearchFactory, store: Store) -> None:
    secret = "film-nobody-may-know-of"
    store.put_ratings([one(movie=secret), one("v")])
    store.put_ratings([one("u", f"{secret} {n}") for n in range(2000)])
    store.log_exposures([Exposure("u", 1, "s", "m", (secret,)), Exposure("v", 1, "s", "m", ("other",))])
    store.erase_user("u")
    held = {name: documents(factory, name) for name in factory.names.all()}
    assert secret not in json.dumps(held)
    assert store.exposures("v") != []


# --- search -----------------------------------------------------------------------------------------------------
def test_movies_are_found_by_title_and_text(factory: ElasticsearchFactory, store: Store) -> None:
    assert isinstance(store, ElasticsearchStore)
    assert store.search("anything") == []
    store.put_movies(
        [
            Movie(movie_id="matrix", title="The Matrix", overview="A hacker learns the truth.", cast=("Keanu Reeves",)),
            Movie(movie_id="wick", title="John Wick", overview="A retired man returns.", cast=("Keanu Reeves",)),
            Movie(movie_id="truth", title="The Truth", genres=("Drama",)),
            Movie(movie_id="日", title="千と千尋の神隠し"),
        ]
    )
    assert store.search("The Matrix")[0] == "matrix"
    assert store.search("matrx") == ["matrix"], "a letter is missing"
    assert store.search("matr") == ["matrix"], "the beginning of a title"
    assert set(store.search("keanu reves")) == {"matrix", "wick"}
    assert store.search("truth") == ["truth", "matrix"], "the title counts more"
    assert store.search("truth", 1) == ["truth"]
    assert store.search("drama") == ["truth"]
    assert store.search("千尋") == ["日"]
    for nothing in ("", "  ", "\ud800", "xyzzy", "!?"):
        assert store.search(nothing) == []
    assert store.search("matrix", 0) == []
    store.put_movies([Movie(movie_id="wick", title="Another name")])
    store.delete_movie("matrix")
    assert store.search("keanu") == store.search("matrix") == store.search("wick") == []
    assert store.search("another") == ["wick"]


# --- addresses --------------------------------------------------------------------------------------------------
def test_a_password_is_in_no_message() -> None:
    for settings in (
        Settings(store_url="http://127.0.0.1:1", store_user="berta", store_password="s3cret", store_timeout=0.5),
        Settings(store_url="http://berta:s3cret@127.0.0.1:1/, http://127.0.0.1:2", store_timeout=0.5),
    ):
        with pytest.raises(StoreError, match=r"http://127.0.0.1:1.* cannot be reached") as caught:
            open_store(settings, "x")
        assert "s3cret" not in str(caught.value)
        assert "berta" not in str(caught.value)
