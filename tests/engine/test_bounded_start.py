"""A start that reads only what came after the training answers as one that reads the whole store does."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from matinee.data.catalog import Movie
from matinee.data.dataset import SEEN, Dataset
from matinee.engine import Engine
from matinee.engine.recommend import recommend_stored
from matinee.engine.runtime import RequestView, Runtime
from matinee.engine.types import Request
from matinee.engine.users import everybody, export_ratings, page
from matinee.models import Popularity
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry, write_snapshot
from matinee.stores import MovieState, Rating, SqliteStore, Store
from matinee.stores.base import Changes
from matinee.training.pipeline import train_dataset
from matinee.training.stored_changes import with_store, with_stored
from store_support import FACTORIES, removed
from support import make_dataset, random_dataset

Write = tuple[str, str, str, float]
USERS = ["u1", "u2", "u7", "new", "also new"]
MOVIES = ["m1", "m2", "m3", "fresh", "never"]
"""The data have the first three; the last is never put."""
DATA = random_dataset(n_users=12, n_items=8, density=0.5)

WRITES = st.lists(
    st.one_of(
        st.tuples(
            st.just("rate"), st.sampled_from(USERS), st.sampled_from(MOVIES), st.sampled_from([0.5, 2.0, 3.7, 5.0])
        ),
        st.tuples(st.just("unrate"), st.sampled_from(USERS), st.sampled_from(MOVIES), st.just(0.0)),
        st.tuples(st.sampled_from(["seen", "not_interested"]), st.sampled_from(USERS), st.sampled_from(MOVIES),
                  st.sampled_from([0.0, 1.0])),
        st.tuples(st.just("erase"), st.sampled_from(USERS), st.just(""), st.just(0.0)),
        st.tuples(st.just("put"), st.just(""), st.sampled_from(MOVIES[:-1]), st.just(0.0)),
        st.tuples(st.just("delete"), st.just(""), st.sampled_from(MOVIES[:-1]), st.just(0.0)),
    ),
    max_size=10,
)  # fmt: skip


def write(store: Store, what: str, user: str, movie: str, stars: float) -> None:
    now = store.seq() + 1_200_000_000
    if what == "rate":
        store.put_ratings([Rating(user, movie, stars, now)])
    elif what == "unrate":
        store.delete_rating(user, movie, now)
    elif what == "erase":
        store.erase_user(user)
    elif what == "put":
        store.put_movies([Movie(movie_id=movie, title=f"Film {movie}", genres=["Drama"])])
    elif what == "delete":
        store.delete_movie(movie)
    else:
        store.put_states([MovieState(user, movie, cast(Any, what), now if stars else None)])


def trained(store: Store, root: Path, meanwhile: list[Write]) -> Snapshot:
    """A snapshot of the data and of what is in the store; something may be written while it is read."""
    mark = store.mark()
    merged, left_out = with_store(DATA, cast(Store, WrittenMeanwhile(store, meanwhile)))
    assert left_out is not None
    models = {"popular": Popularity().fit(merged)}
    made = write_snapshot(
        root, merged, models, default_model="popular", watermark=mark.seq, mark=mark.token, left_out=left_out
    )
    return Snapshot.load(root, made)


class WrittenMeanwhile:
    """A store into which somebody writes between two reads of a training."""

    def __init__(self, store: Store, writes: list[Write]) -> None:
        self._store, self._writes = store, writes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)  # those who read in batches read before what follows
        for one in self._writes[:2]:
            write(self._store, *one)
        del self._writes[:2]
        return found


class Counting:
    """A store that counts the ratings that it hands out as changes, and how often it hands out everything."""

    def __init__(self, store: Store) -> None:
        self._store, self.read, self.walks = store, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def changes(self, since: int) -> Changes:
        found = self._store.changes(since)
        self.walks += not found.complete
        self.read += len(found.ratings)
        return found

    def since_mark(self, token: str) -> Changes | None:
        found = self._store.since_mark(token)
        self.read += 0 if found is None else len(found.ratings)
        return found


class Walking(Counting):
    """A store that knows no marks."""

    def since_mark(self, token: str) -> None:  # type: ignore[override]
        del token


POPULAR = Settings(default_model="popular")


def opened(snapshot: Snapshot, store: Counting, settings: Settings = POPULAR) -> Runtime:
    return Runtime(snapshot, cast(Store, store), settings)


def answers(view: RequestView) -> dict[str, Any]:
    """All that a reader sees of users and ratings."""
    ids, stats = view.catalog.column("movie_id"), view.stats
    told: dict[str, Any] = {
        "of films": {
            ids[row]: (int(stats.counts[row]), round(float(stats.sums[row]), 4))
            for row in np.flatnonzero(view.catalog.active).tolist()
        },
        "all": (stats.counts.tolist(), np.round(stats.sums, 4).tolist()),
        "newest": stats.newest,
        "export": sorted(export_ratings(view), key=str),
        "users": page(view, "", 100, 0),
    }
    effective = view.ratings()
    told["effective"] = sorted(
        (effective.user_id(user), ids[row], round(value, 4), time)
        for user, row, value, time in zip(*(column.tolist() for column in effective.flat()), strict=True)
    )
    for user in [*USERS, *view.snapshot.ratings.user_ids.to_list(), "nobody"]:
        history, held = view.history(user), view.held_user(user).overlay
        movies = [ids[row] for row in history.rows.tolist()]
        assert history.times is not None
        rated = sorted(zip(movies, history.ratings.tolist(), history.times.tolist(), strict=True))
        told[user] = rated, held
        told[f"list of {user}"] = [movie.movie_id for movie in recommend_stored(view, user, Request(n=8)).items]
        if view.catalog.active.all() and rated:  # else the tastes of users who never changed know removed movies
            alike = everybody(view, history, user)
            there = np.flatnonzero(~np.isnan(alike.scores)).tolist()
            told[f"near {user}"] = sorted(
                (alike.neighbor(other).user_id, round(float(alike.scores[other]), 3)) for other in there
            )
    return told


def check(counted: Counter[str], store: Store, root: Path, phases: list[list[Write]]) -> None:
    """Write, train while somebody writes, write, start, write on; after each step compare with a start that walks."""
    before, meanwhile, after, live = phases
    for one in before:
        write(store, *one)
    snapshot = trained(store, root, list(meanwhile))
    for one in after:
        write(store, *one)
    counting = Counting(store)
    bounded = opened(snapshot, counting)
    counted["walked" if counting.walks else "bounded"] += 1
    versions = {user: bounded.user_version(user) for user in USERS}
    walking = opened(snapshot, Walking(store))
    assert answers(bounded.sync()) == answers(walking.sync())
    for one in live:
        write(store, *one)
        now, beside = answers(bounded.sync()), answers(walking.sync())
        afresh = answers(opened(snapshot, Walking(store)).sync())
        # Afresh, films may be in another order, and removed ones are not there.
        lists = {name for name in now if name.startswith("list of ")}
        assert {name: now[name] for name in lists} == {name: beside[name] for name in lists}
        # A live one remembers times of ratings that were replaced since.
        for name in now.keys() - lists - {"newest", "all"}:
            assert now[name] == afresh[name], name
        later = {user: bounded.user_version(user) for user in USERS}
        assert all(later[user] >= version for user, version in versions.items())
        if one[1]:
            assert later[one[1]] > versions[one[1]]
        versions = later
    assert answers(opened(snapshot, Counting(store)).sync()) == answers(opened(snapshot, Walking(store)).sync())


def test_whatever_was_written_when_a_bounded_start_answers_as_a_whole_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    counted: Counter[str] = Counter()

    @given(phases=st.tuples(WRITES, WRITES, WRITES, WRITES))
    @hypothesis_settings(
        max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    def random(phases: tuple[list[Write], ...]) -> None:
        folder = tmp_path_factory.mktemp("bounded")
        store = SqliteStore(folder / "store.sqlite3")
        check(counted, store, folder / "snapshots", list(phases))
        store.close()

    random()
    assert counted["bounded"] > 5


@pytest.fixture(params=sorted(FACTORIES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    factory = FACTORIES[request.param](tmp_path)
    store = factory()
    yield store
    store.close()
    removed(factory)


def some(random: Random, count: int) -> list[Write]:
    """Random writes, most of them ratings."""
    kinds = ["rate"] * 6 + ["unrate", "seen", "erase", "put", "delete"]
    return [
        (random.choice(kinds), random.choice(USERS), random.choice(MOVIES[:-1]), random.choice([0.5, 2.0, 3.7, 5.0]))
        for _ in range(count)
    ]


def test_every_store_bounds_the_start(store: Store, tmp_path: Path) -> None:
    random = Random(5)
    users_only = [[one if one[0] not in ("put", "delete") else ("put", "", one[2], 0.0) for one in some(random, n)]
                  for n in (25, 4, 12, 4)]  # fmt: skip
    counted: Counter[str] = Counter()
    check(counted, store, tmp_path / "snapshots", [[("put", "", "fresh", 0.0)] + users_only[0], *users_only[1:]])
    assert counted == {"bounded": 1}


@contextmanager
def sqlite_store(folder: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(folder / "store.sqlite3")
    yield store
    store.close()


def test_a_start_reads_what_came_after_the_training_alone(tmp_path: Path) -> None:
    with sqlite_store(tmp_path) as store:
        store.put_ratings([Rating(f"p{n // 8}", f"m{n % 8}", 3.0, n) for n in range(4000)])
        snapshot = trained(store, tmp_path / "snapshots", [])
        store.put_ratings([Rating("p3", "m1", 5.0, 5000), Rating("new", "m2", 4.0, 5000)])
        counting = Counting(store)
        runtime = opened(snapshot, counting)
        assert runtime.sync().ratings().users[0] == ("new", 1)  # statistics read no more either
        assert counting.read == 2
        assert counting.walks == 0
        assert runtime.sync().known_history("p7").ratings.tolist() == [3.0] * 8
        assert len(runtime.changed_users()) == 2
        runtime.sync()
        assert counting.read == 2
        everything = Walking(store)
        opened(snapshot, everything)
        assert everything.read == 4000 + 2 - 1


def test_statistics_that_are_first_asked_for_late_walk_nothing(tmp_path: Path) -> None:
    with sqlite_store(tmp_path) as store:
        store.put_ratings([Rating("p", f"m{n}", 3.0, n) for n in range(8)])
        snapshot = trained(store, tmp_path / "snapshots", [])
        counting = Counting(store)
        runtime = opened(snapshot, counting)
        store.put_ratings([Rating("q", "m1", 5.0, 5000)])
        runtime.sync()
        store.compact(0)  # the log of before is gone
        assert dict(runtime.sync().ratings().users)["q"] == 1
        assert counting.walks == 0


def test_a_film_that_comes_back_brings_the_ratings_that_the_training_left_out(tmp_path: Path) -> None:
    with sqlite_store(tmp_path) as store:
        store.put_ratings([Rating("p", "m1", 3.0, 1), Rating("p", "ghost", 2.0, 1)])
        store.delete_movie("m1")
        snapshot = trained(store, tmp_path / "snapshots", [])
        assert snapshot.manifest.left_out == ("ghost", "m1")
        counting = Counting(store)
        runtime = opened(snapshot, counting)
        assert counting.walks == 0
        store.put_movies([Movie(movie_id="m1", title="Again")])
        view = runtime.sync()
        assert counting.walks == 1
        assert view.stats.counts[view.catalog.row("m1")] == 1
        assert answers(view) == answers(opened(snapshot, Walking(store)).sync())
        again = Counting(store)
        opened(snapshot, again)
        assert again.walks == 1  # until the next training


def test_a_film_that_was_rated_before_it_came_is_counted(tmp_path: Path) -> None:
    with sqlite_store(tmp_path) as store:
        snapshot = trained(store, tmp_path / "snapshots", [])
        runtime = opened(snapshot, Counting(store))
        walking = opened(snapshot, Walking(store))
        store.put_ratings([Rating("p", "ghost", 2.0, 1)])
        runtime.sync()
        walking.sync()
        store.put_movies([Movie(movie_id="ghost", title="Ghost")])
        for one in (runtime, walking):
            view = one.sync()
            assert view.stats.counts[view.catalog.row("ghost")] == 1


def test_a_log_that_was_cut_after_the_training_makes_a_start_read_all(tmp_path: Path) -> None:
    with sqlite_store(tmp_path) as store:
        store.put_ratings([Rating("p", "m1", 3.0, 1)])
        snapshot = trained(store, tmp_path / "snapshots", [])
        store.put_ratings([Rating("p", f"m{n}", 3.0, 1) for n in range(5)])
        store.compact(2)
        counting = Counting(store)
        runtime = opened(snapshot, counting)
        assert counting.walks == 1
        assert answers(runtime.sync()) == answers(opened(snapshot, Walking(store)).sync())


def test_a_store_of_before_the_training_is_read_whole(tmp_path: Path) -> None:
    """A restored backup: its numbers go on, but count other changes."""
    with sqlite_store(tmp_path) as store:
        store.put_ratings([Rating("p", "m1", 3.0, 1)])
        (tmp_path / "copy").mkdir()
        with closing(sqlite3.connect(tmp_path / "copy" / "store.sqlite3")) as copy:
            store.copy_to(copy)
        store.put_ratings([Rating("p", "m2", 3.0, 1), Rating("p", "m3", 3.0, 1)])
        snapshot = trained(store, tmp_path / "snapshots", [])
    with sqlite_store(tmp_path / "copy") as restored:
        restored.put_ratings([Rating("q", f"m{n}", 1.0, 1) for n in range(6)])
        assert restored.seq() > snapshot.manifest.watermark
        counting = Counting(restored)
        assert answers(opened(snapshot, counting).sync()) == answers(opened(snapshot, Walking(restored)).sync())


def test_trainings_mark_the_store(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    made: list[str] = []
    for options in ({"quick": True, "include_store": False}, {}, {"incremental": True}):
        store = SqliteStore(settings.store_path(DATA.name))
        store.put_ratings([Rating("p", f"m{n}", 3.0, n) for n in range(8)])
        made.append(train_dataset(settings, DATA, **cast(Any, options)))
        manifest = Snapshot.load(settings.snapshots_dir, made[-1]).manifest
        if options.get("include_store", True):
            found = store.since_mark(manifest.mark)
            assert found is not None
            assert found.ratings == ()
            assert manifest.watermark == store.seq()
        else:
            assert (manifest.mark, manifest.watermark) == ("", 0)
        store.close()
    SnapshotRegistry(settings.snapshots_dir).promote(made[-1])
    with Engine.open(settings) as engine:
        view = engine.request_view()
        counting = Counting(view.runtime.store)
        assert answers(view) == answers(opened(view.snapshot, Walking(view.runtime.store), settings).sync())
        opened(view.snapshot, counting, settings)
        assert (counting.read, counting.walks) == (0, 0)


@pytest.mark.parametrize(
    ("dataset", "marked"),
    [
        (DATA, True),
        (make_dataset([("u", "m1", 1.0, 1)]), True),
        (replace(make_dataset([("u", "m1", 1.0, 1)]), scale=SEEN), False),  # the store has four stars
        (make_dataset([("Zoe\u0308", "m1", 3.0, 1)]), False),  # whom a server finds by the NFC as well
    ],
)
def test_what_is_not_surely_the_same_gets_no_mark(dataset: Dataset, marked: bool, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    store = SqliteStore(settings.store_path(dataset.name))
    store.put_ratings([Rating("v", "m1", 4.0, 1)])
    store.close()
    _, learned = with_stored(dataset, settings)
    assert learned.seq == 1
    assert bool(learned.mark) is marked
