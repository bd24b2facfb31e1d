"""What every store must do. A new store joins by adding a factory to `store_support.FACTORIES`."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from matinee.data.catalog import Movie
from matinee.errors import ConflictError, InvalidInputError, StoreError
from matinee.stores import (
    STATES,
    Changes,
    Exposure,
    ImportProgress,
    LineError,
    MovieState,
    Rating,
    RatingChange,
    RatingColumns,
    State,
    Store,
    UserOverlay,
)
from matinee.stores.elasticsearch import ElasticsearchStore
from matinee.stores.records import EXPOSURE_SECONDS
from store_support import FACTORIES, Factory, all_ratings, answer, put_many, removed


def stars(user: str, movie: str, rating: float | None = 4.0, timestamp: int = 100) -> Rating:
    return Rating(user, movie, rating, timestamp)


def test_a_new_store_is_empty(store: Store) -> None:
    store.ping()
    assert store.seq() == 0
    assert store.changes(0) == Changes(0)
    assert store.user("nobody") == UserOverlay()
    assert store.movies() == []
    assert all_ratings(store) == {}
    assert store.erased_users() == frozenset()
    assert store.exposures("nobody") == []


def test_a_rating_is_read_back(store: Store) -> None:
    seq = store.put_ratings([stars("u", "1", 4.5, 7)])
    assert seq == store.seq() > 0
    assert store.user("u") == UserOverlay(seq, False, {"1": stars("u", "1", 4.5, 7)})
    assert store.user("v").version == 0


def test_a_rating_is_replaced_and_the_last_of_a_batch_wins(store: Store) -> None:
    first = store.put_ratings([stars("u", "1", 1.0), stars("u", "1", 2.0)])
    assert store.user("u").ratings["1"].rating == 2.0
    second = store.put_ratings([stars("u", "1", 3.0, 200)])
    assert second > first
    assert store.user("u") == UserOverlay(second, False, {"1": stars("u", "1", 3.0, 200)})
    assert [(c.known_before, c.before, c.after) for c in store.changes(0).ratings] == [
        (False, None, 2.0),
        (True, 2.0, 3.0),
    ]


def columns(rows: Sequence[tuple[str, str, float, int]]) -> RatingColumns:
    users, movies, values, times = zip(*rows, strict=True)
    return RatingColumns(list(users), list(movies), np.array(values, dtype=np.float32), np.array(times))


def test_columns_are_stored_as_ratings_are(store: Store) -> None:
    store.put_ratings([stars("u1", "m3", 1.0, 1), stars("u9", "m1", None, 2)])
    store.erase_user("u2")
    start = store.seq()
    rows = [(f"u{n % 7}", f"m{n}", 1.0 + n % 5, n) for n in range(450)]  # more than are staged at a time
    seq = store.put_ratings(columns(rows), key="k")
    assert seq == store.seq() == start + 450
    changes = store.changes(start)
    assert [(c.seq, c.user_id, c.movie_id, c.after, c.timestamp) for c in changes.ratings] == [
        (start + n + 1, *row) for n, row in enumerate(rows)
    ]
    assert all(not c.known_before and c.before is None for c in changes.ratings)
    assert store.put_ratings(columns(rows[::-1]), key="k") == seq == store.seq()
    # The same pairs again: what was there is told, and a user's entries are still one chain, which an erasure forgets.
    store.put_ratings(columns([(user, movie, 0.5, 7) for user, movie, _, _ in rows]))
    assert [(c.known_before, c.before, c.after) for c in store.changes(seq).ratings] == [
        (True, row[2], 0.5) for row in rows
    ]
    assert store.user("u2").erased
    held = {("u1", "m3"): 1.0, ("u9", "m1"): None} | {(user, movie): 0.5 for user, movie, _, _ in rows}
    assert {pair: r.rating for pair, r in all_ratings(store).items()} == held
    seq = store.erase_user("u3")
    assert all(change.user_id != "u3" for change in store.changes(start).ratings)
    assert store.user("u3").ratings == {}


@pytest.mark.parametrize(
    "bad", [("u", "2", float("nan"), 1), ("u", "2", float("inf"), 1), ("u", "\ud800", 1.0, 1), ("a", "1", 3.0, 9)]
)
def test_columns_with_a_bad_rating_are_refused_whole(store: Store, bad: tuple[str, str, float, int]) -> None:
    with pytest.raises(InvalidInputError):
        store.put_ratings(columns([("a", "1", 1.0, 1), bad, ("b", "1", 1.0, 1)]))
    assert store.seq() == 0
    assert store.user("a") == UserOverlay()


def test_nothing_to_put_changes_nothing(store: Store) -> None:
    seq = store.put_ratings([stars("u", "1")])
    assert store.put_ratings([]) == store.put_movies([]) == store.seq() == seq


def test_a_tombstone_stays(store: Store) -> None:
    store.put_ratings([stars("u", "1", 2.0)])
    store.delete_rating("u", "1", 300)
    seq = store.delete_rating("u", "never", 301)
    assert store.user("u").ratings == {"1": stars("u", "1", None, 300), "never": stars("u", "never", None, 301)}
    assert store.changes(seq - 1).ratings == (RatingChange(seq, "u", "never", False, None, None, 301),)
    store.put_ratings([stars("u", "1", 5.0, 302)])
    assert store.user("u").ratings["1"].rating == 5.0
    assert store.changes(seq).ratings[0] == RatingChange(seq + 1, "u", "1", True, None, 5.0, 302)


@pytest.mark.parametrize(
    "bad",
    [
        stars("u", "2", float("nan")),
        stars("u", "2", float("inf")),
        stars("u", "\ud800"),
        stars("\ud800", "2"),
        stars("u", "2", timestamp=2**63),
    ],
)
def test_a_batch_with_a_bad_rating_is_refused_whole(store: Store, bad: Rating) -> None:
    with pytest.raises(InvalidInputError):
        store.put_ratings([stars("u", "1"), bad, stars("u", "3")])
    assert store.seq() == 0
    assert store.user("u") == UserOverlay()
    store.put_ratings([stars("u", "1")])
    assert store.seq() > 0


def test_a_key_makes_a_call_idempotent(store: Store) -> None:
    first = store.put_ratings([stars("u", "1", 4.0, 1), stars("u", "2", 3.0, 1)], key="k")
    later = store.put_ratings([stars("u", "1", 1.0, 2)])
    again = store.put_ratings([stars("u", "2", 3.0, 9), stars("u", "1", 4.0, 9)], key="k")
    assert again == first
    assert store.seq() == later
    assert store.user("u").ratings["1"].rating == 1.0


def test_an_import_and_its_progress_are_stored_together(factory: Factory, store: Store) -> None:
    assert store.import_progress("k") is None
    first = ImportProgress(
        "k", rows=2, bytes=99, ratings=1, movies=1, errors=(LineError(2, 'no \\ " é'),), digest="d", updated=5.5
    )
    marked = [state("u", "new", "watchlist", 3), state("v", "1")]
    seq = store.put_import(first, 0, [stars("u", "1", 4.0)], [Movie(movie_id="new", title="New")], marked)
    assert seq == store.seq() > 0
    assert store.user("u").states == {"watchlist": {"new": 3}}
    assert store.user("v").states == {"seen": {"1": 100}}
    held = store.import_progress("k")
    assert held == first
    assert store.user("u").ratings["1"].rating == 4.0
    assert [movie_id for movie_id, _ in store.movies()] == ["new"]
    done = replace(first, rows=3, removals=1, state="done")
    later = store.put_import(done, 2, [stars("u", "1", None)], [])
    for after in (0, 1, 2, 4):  # somebody else, who believes that the import is elsewhere
        with pytest.raises(ConflictError):
            store.put_import(replace(done, rows=9), after, [stars("u", "2")], [])
    assert store.seq() == later
    assert set(store.user("u").ratings) == {"1"}
    assert store.user("u").ratings["1"].rating is None
    again = factory()
    try:
        assert (again.import_progress("k") or first).state == "done"
    finally:
        again.close()


def test_progress_is_stored_without_rows(store: Store) -> None:
    seq = store.seq()
    assert store.put_import(ImportProgress("k", rows=5, refused=5), 0, [], []) == seq
    assert (store.import_progress("k") or ImportProgress("")).rows == 5


def test_a_key_is_not_used_twice(store: Store) -> None:
    seq = store.put_ratings([stars("u", "1", 4.0)], key="k")
    for other in ([stars("u", "1", 3.0)], [stars("u", "2", 4.0)], [], [stars("u", "1", None)]):
        with pytest.raises(ConflictError):
            store.put_ratings(other, key="k")
    assert store.seq() == seq
    assert store.put_ratings([stars("u", "2", 4.0)], key="other") > seq


def test_a_refused_batch_does_not_take_its_key(store: Store) -> None:
    with pytest.raises(InvalidInputError):
        store.put_ratings([stars("u", "1", float("nan"))], key="k")
    with pytest.raises(InvalidInputError):
        store.put_ratings([stars("u", "1")], key="\ud800")
    assert store.put_ratings([stars("u", "1", 2.0)], key="k") == store.seq()


def test_erasing_a_user_leaves_only_the_mark(store: Store) -> None:
    store.put_ratings([stars("u", "1"), stars("v", "1")])
    store.log_exposures([Exposure("u", 1, "s", "m", ("1",)), Exposure("v", 1, "s", "m", ("1",))])
    before = store.user("u").version
    seq = store.erase_user("u")
    overlay = store.user("u")
    assert overlay.erased
    assert overlay.ratings == {}
    assert overlay.version > before
    assert list(all_ratings(store)) == [("v", "1")]
    assert store.exposures("u") == []
    assert store.exposures("v") != []
    assert store.erased_users() == {"u"}
    assert all(change.user_id != "u" for change in store.changes(0).ratings)
    assert store.put_ratings([stars("u", "2", 5.0)]) > seq
    assert store.user("u").erased
    assert list(store.user("u").ratings) == ["2"]
    assert store.changes(seq).ratings[0].known_before is False
    assert store.erased_users() == {"u"}


def state(user: str, movie: str, of: State = "seen", timestamp: int | None = 100) -> MovieState:
    return MovieState(user, movie, of, timestamp)


def test_states_are_read_back_and_taken_back(store: Store) -> None:
    seq = store.put_states([state("u", "1"), state("u", "1", "watchlist", 7), state("u", "2", "not_interested", -1)])
    assert seq == store.seq() == 1
    held: dict[State, dict[str, int]] = {"seen": {"1": 100}, "watchlist": {"1": 7}, "not_interested": {"2": -1}}
    assert store.user("u") == UserOverlay(seq, False, {}, held)
    seq = store.put_ratings([stars("u", "1")])
    assert store.user("u") == UserOverlay(seq, False, {"1": stars("u", "1")}, held)
    changed = [state("u", "1", "seen", None), state("u", "never", "seen", None), state("u", "2", "not_interested", 9)]
    seq = store.put_states(changed)
    held = {"watchlist": {"1": 7}, "not_interested": {"2": 9}}
    assert store.user("u") == UserOverlay(seq, False, {"1": stars("u", "1")}, held)
    assert store.put_states([state("u", "3"), state("u", "3", timestamp=None), state("u", "4", timestamp=5)]) == seq + 1
    assert store.user("u").states["seen"] == {"4": 5}
    assert store.put_states([]) == store.seq() == seq + 1


def test_a_change_of_states_names_its_user_and_changes_no_rating(store: Store) -> None:
    start = store.put_ratings([stars("u", "1", 2.0)])
    end = store.put_states([state("v", "1"), state("u", "1", "watchlist"), state("v", "2")])
    assert end == start + 2
    assert store.changes(start) == Changes(end, users=frozenset({"u", "v"}))
    assert store.user("u").version != store.user("v").version
    assert store.changes(-1).users == {"u", "v"}
    assert list(all_ratings(store).values()) == [stars("u", "1", 2.0)]
    later = store.put_ratings([stars("u", "1", 3.0)])
    assert store.changes(end).ratings == (RatingChange(later, "u", "1", True, 2.0, 3.0, 100),)


def test_states_go_with_their_user(factory: Factory, store: Store) -> None:
    store.put_states([state("u", "secret"), state("v", "1")])
    store.put_ratings([stars("u", "2")])
    store.put_states([state("u", "3", "watchlist")])
    seq = store.erase_user("u")
    assert store.user("u") == UserOverlay(seq, True)
    assert store.user("v").states == {"seen": {"1": 100}}
    assert store.changes(0) == Changes(seq, users=frozenset({"u", "v"}), erased=frozenset({"u"}))
    store.put_states([state("u", "4")])
    again = factory()
    try:
        assert again.user("u") == UserOverlay(seq + 1, True, {}, {"seen": {"4": 100}})
    finally:
        again.close()


@pytest.mark.parametrize(
    "bad",
    [
        state("u", "\ud800"),
        state("\ud800", "2"),
        state("u", "2", timestamp=2**63),
        state("u", "2", "loved"),  # type: ignore[arg-type]
    ],
)
def test_a_batch_with_a_bad_state_is_refused_whole(store: Store, bad: MovieState) -> None:
    with pytest.raises(InvalidInputError):
        store.put_states([state("u", "1"), bad])
    assert store.seq() == 0
    assert store.user("u") == UserOverlay()


def test_any_text_has_states_and_a_user_many(store: Store) -> None:
    ids = ["a'b\"--;", "nul\x00l", "back\\slash", "日本", *map(str, range(12_000))]
    store.put_states([state("\\\x00", id_, "seen", n) for n, id_ in enumerate(ids)])
    assert store.user("\\\x00").states == {"seen": {id_: n for n, id_ in enumerate(ids)}}
    store.put_states([state("\\\x00", id_, "seen", None) for id_ in ids[:-1]])
    assert store.user("\\\x00").states == {"seen": {ids[-1]: len(ids) - 1}}


def test_an_unknown_user_can_be_erased(store: Store) -> None:
    store.put_ratings([stars("v", "1")])
    seq = store.erase_user("only in the snapshot")
    changes = store.changes(seq - 1)
    assert changes.complete
    assert changes.erased == changes.users == {"only in the snapshot"}
    assert store.user("only in the snapshot").erased


def test_a_reader_behind_an_erasure_hears_of_that_user_only(store: Store) -> None:
    behind = store.put_ratings([stars("u", "1", 2.0), stars("v", "1", 3.0)])
    store.put_ratings([stars("u", "1", 2.5), stars("v", "2", 3.5)])
    store.put_movies([Movie(movie_id="x", title="X")])
    store.erase_user("u")
    seq = store.put_ratings([stars("u", "2", 5.0)])
    changes = store.changes(behind)
    assert changes.complete
    assert changes.seq == seq
    assert changes.erased == {"u"}
    assert changes.users == {"u", "v"}
    assert changes.movies == {"x"}
    assert [(c.user_id, c.known_before, c.after) for c in changes.ratings] == [("v", False, 3.5), ("u", False, 5.0)]
    assert store.changes(seq) == Changes(seq)
    again = store.erase_user("u")
    assert store.changes(behind) == Changes(
        again, frozenset({"u", "v"}), frozenset({"x"}), changes.ratings[:1], frozenset({"u"})
    )
    assert store.changes(-1).erased == {"u"}


def test_a_reader_from_another_store_starts_anew(store: Store) -> None:
    seq = store.put_ratings([stars("u", "1")])
    changes = store.changes(seq + 100)
    assert (changes.seq, changes.complete, len(changes.ratings)) == (seq, False, 1)


def test_changes_tell_users_films_and_erasures(store: Store) -> None:
    start = store.put_ratings([stars("a", "1")])
    store.put_ratings([stars("b", "1", 3.0, 5), stars("c", "2", 2.0, 6)])
    store.put_movies([Movie(movie_id="x", title="X"), Movie(movie_id="y", title="Y")])
    store.delete_movie("x")
    end = store.erase_user("d")
    changes = store.changes(start)
    assert changes == Changes(
        end,
        users=frozenset({"b", "c", "d"}),
        movies=frozenset({"x", "y"}),
        ratings=(
            RatingChange(start + 1, "b", "1", False, None, 3.0, 5),
            RatingChange(start + 2, "c", "2", False, None, 2.0, 6),
        ),
        erased=frozenset({"d"}),
    )


def test_films_keep_the_order_of_their_first_writing(store: Store) -> None:
    a, b, c = (Movie(movie_id=i, title=f"Film {i}", genres=("Drama",), cast=("Ünï",)) for i in "bac")
    store.put_movies([a, b])
    store.put_movies([c])
    again = a.model_copy(update={"year": 1999, "overview": "…\n'\""})
    store.put_movies([again])
    assert store.movies() == [("b", again), ("a", b), ("c", c)]
    store.delete_movie("a")
    store.delete_movie("never")
    assert store.movies() == [("b", again), ("a", None), ("c", c), ("never", None)]
    assert store.movies(["never", "a", "absent", "b", "\ud800"]) == [("b", again), ("a", None), ("never", None)]
    assert store.movies(()) == []
    store.put_movies([b, b.model_copy(update={"year": 2000})])
    assert store.movies()[1] == ("a", b.model_copy(update={"year": 2000}))


def test_any_text_is_an_id(store: Store) -> None:
    ids = ["\u00e4", "a\u0308", "日本", "🎬", "a'b\"--;", " ", "%", "A", "a", "x" * 5000, "nul\x00l", "\u202e"]
    store.put_ratings([stars(i, j, 1.0 + n % 5) for n, i in enumerate(ids) for j in ids])
    for n, i in enumerate(ids):
        assert {j: r.rating for j, r in store.user(i).ratings.items()} == dict.fromkeys(ids, 1.0 + n % 5)
    store.erase_user("a")
    assert store.user("A").ratings
    assert store.user("\ud800") == UserOverlay()
    assert store.exposures("\ud800") == []


def test_exposures_come_newest_first(store: Store) -> None:
    shown = [Exposure("u", t, "snap", "ease", (str(t), "x")) for t in (3, 1, 2, 2)]
    store.log_exposures(shown[:2])
    store.log_exposures([*shown[2:], Exposure("v", 9, "snap", "ease", ())])
    assert [e.timestamp for e in store.exposures("u")] == [3, 2, 2, 1]
    assert store.exposures("u", 1) == [shown[0]]
    assert store.exposures("u", 0) == []
    assert store.exposures("v") == [Exposure("v", 9, "snap", "ease", ())]
    with pytest.raises(InvalidInputError):
        store.log_exposures([Exposure("\ud800", 9, "snap", "ease", ())])


def test_lists_of_an_experiment_are_read_back_whole(store: Store) -> None:
    now = int(time.time())
    drawn = Exposure("u", now, "s", "m", ("2", "1"), "posters", "b", (0.75, 1.0), ("1", "2", "3"), sequence=store.seq())
    mixed = Exposure("v", now + 1, "s", "m", ("1", "ä"), "posters", "mix", teams=(0, 1))
    other = Exposure("u", now, "s", "m", ("1",), "rows", "a")
    store.log_exposures([drawn, mixed, other, replace(mixed, timestamp=now - 9), Exposure("u", now, "s", "m", ("1",))])
    found = sorted(store.exposures_of("posters", now, batch=1), key=lambda shown: shown.user_id)
    assert found == [drawn, mixed]
    assert mixed in store.exposures("v")
    assert list(store.exposures_of("nothing", 0)) == list(store.exposures_of("\ud800", 0)) == []
    store.erase_user("u")
    assert [shown.user_id for shown in store.exposures_of("posters", now)] == ["v"]
    assert list(store.exposures_of("rows", 0)) == []


def test_lists_of_experiments_are_forgotten_after_a_year(store: Store) -> None:
    now = int(time.time())
    new = Exposure("u", now, "s", "m", ("1",), "rows", "a", sequence=store.seq())
    store.log_exposures([replace(new, timestamp=now - EXPOSURE_SECONDS - 9)])
    store.log_exposures([new])
    if isinstance(store, ElasticsearchStore):
        store._commits._forget_keys()  # which one commit in a thousand does
    assert list(store.exposures_of("rows", 0)) == [new]


def test_a_list_that_was_made_before_an_erasure_is_not_stored_after_it(store: Store) -> None:
    now = int(time.time())
    before = Exposure("u", now, "s", "m", ("1",), "rows", "a", sequence=store.seq())
    seq = store.erase_user("u")
    store.log_exposures([before, replace(before, user_id="v"), replace(before, sequence=seq)])
    assert sorted((e.user_id, e.sequence) for e in store.exposures_of("rows", 0)) == [
        ("u", seq),
        ("v", before.sequence),
    ]


def test_reading_all_ratings_is_one_consistent_read(store: Store) -> None:
    store.put_ratings([stars(f"u{n}", "1") for n in range(20)])
    batches = store.ratings(batch=5)
    first = next(batches)
    seq = store.put_ratings([stars(f"u{n}", "2") for n in range(20)])
    assert store.seq() == seq, "the open read must not hold back this thread's other reads"
    rest = [rating for batch in batches for rating in batch]
    assert len(first) == 5
    assert sorted(r.user_id for r in [*first, *rest]) == sorted(f"u{n}" for n in range(20))
    assert {r.movie_id for r in [*first, *rest]} == {"1"}
    unfinished = store.ratings(batch=5)
    next(unfinished)
    unfinished.close()  # type: ignore[attr-defined]


def test_a_second_handle_sees_every_write_at_once(factory: Factory, store: Store) -> None:
    other = factory()
    for n in range(50):
        seq = store.put_ratings([stars("u", f"m{n}")])
        assert other.seq() == seq
        assert len(other.user("u").ratings) == n + 1
        seq = other.put_ratings([stars("v", f"m{n}")])
        assert store.seq() == seq
        assert len(store.user("v").ratings) == n + 1
    other.close()


def test_threads_read_their_own_and_each_others_writes(store: Store) -> None:
    seqs: list[int] = []
    faults: list[object] = []

    def work(worker: int) -> None:
        try:
            for n in range(25):
                seq = store.put_ratings([stars(f"t{worker}", f"m{n}"), stars("all", f"{worker}.{n}")])
                assert store.seq() >= seq
                overlay = store.user(f"t{worker}")
                assert overlay.version in (seq, seq - 1)
                assert len(overlay.ratings) == n + 1
                seqs.append(seq)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert len(set(seqs)) == 200
    assert max(seqs) == store.seq()
    assert len(store.user("all").ratings) == 200
    assert sum(change.user_id == "all" for change in store.changes(0).ratings) == 200


def test_one_threads_bad_call_does_not_touch_the_others(store: Store) -> None:
    store.put_ratings([stars("k", "1", 1.0)], key="k")
    conflicts: list[int] = []

    def work(worker: int) -> None:
        for n in range(20):
            try:
                store.put_ratings([stars(f"t{worker}", f"m{n}")], key="k" if n % 2 else None)
            except ConflictError:
                conflicts.append(n)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(conflicts) == 60
    for worker in range(6):
        assert set(store.user(f"t{worker}").ratings) == {f"m{n}" for n in range(0, 20, 2)}


@contextmanager
def other_process(factory: Factory) -> Iterator[Callable[..., object]]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=answer, args=(factory, there), daemon=True)
    process.start()

    def call(method: str, *args: object, **kwargs: object) -> object:
        here.send((method, args, kwargs))
        assert here.poll(60), "the other process does not answer"
        return here.recv()

    try:
        yield call
    finally:
        here.send(None)
        process.join(90)
        assert process.exitcode == 0
        process.close()


def test_processes_read_each_others_writes_at_once(factory: Factory, store: Store) -> None:
    with other_process(factory) as call:
        for n in range(30):
            seq = call("put_ratings", [stars("u", f"m{n}")])
            assert store.seq() == seq
            assert store.user("u").version == seq
            seq = store.put_movies([Movie(movie_id=f"x{n}", title="X")])
            assert call("seq") == seq
            assert len(call("movies")) == n + 1  # type: ignore[arg-type]
        changes = call("changes", 0)
        assert changes == store.changes(0)


def test_processes_write_at_the_same_time(factory: Factory, store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=put_many, args=(factory, worker, 40), daemon=True) for worker in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert store.seq() == 80
    assert [change.seq for change in store.changes(0).ratings] == list(range(1, 81))


def test_what_was_written_outlives_the_handle(factory: Factory) -> None:
    store = factory()
    seq = store.put_ratings([stars("u", "1")], key="k")
    store.put_movies([Movie(movie_id="x", title="X")])
    erased = store.erase_user("v")
    store.close()
    store = factory()
    assert store.seq() == erased
    assert store.user("u").version == seq
    assert store.movies() == [("x", Movie(movie_id="x", title="X"))]
    assert store.put_ratings([stars("u", "1")], key="k") == seq
    store.close()


def test_a_closed_store_says_so(factory: Factory) -> None:
    store = factory()
    store.put_ratings([stars("u", "1")])
    store.close()
    store.close()
    for call in (store.ping, store.seq, lambda: store.put_ratings([]), lambda: store.user("u"), store.movies):
        with pytest.raises(StoreError, match="closed"):
            call()


IDS = st.sampled_from(["a", "b", "ç"])
STATE_LISTS = st.lists(
    st.builds(MovieState, IDS, IDS, st.sampled_from(STATES), st.one_of(st.none(), st.integers(0, 9))), max_size=4
)
RATINGS = st.builds(Rating, IDS, IDS, st.one_of(st.none(), st.sampled_from([0.5, 3.0, 5.0])), st.integers(-1, 10**10))


class Reader:
    """Folds changes in as the engine does: a count and a sum of stars per film."""

    def __init__(self) -> None:
        self.seq = 0
        self.held: dict[str, dict[str, float | None]] = {}
        self.erased: set[str] = set()

    def follow(self, store: Store) -> None:
        changes = store.changes(self.seq)
        assert changes.complete  # nothing makes a reader start anew here
        for user_id in changes.erased:
            self.held.pop(user_id, None)
        for change in changes.ratings:
            self.held.setdefault(change.user_id, {})[change.movie_id] = change.after
        self.erased |= changes.erased
        self.seq = changes.seq

    def totals(self) -> dict[str, tuple[int, float]]:
        totals: dict[str, tuple[int, float]] = {}
        for held in self.held.values():
            for movie, rating in held.items():
                if rating is not None:
                    count, total = totals.get(movie, (0, 0.0))
                    totals[movie] = (count + 1, total + rating)
        return totals


class StoreMachine(RuleBasedStateMachine):
    """Any sequence of calls, through two handles, against dictionaries."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        factory = self.factory = FACTORIES[self.kind](Path(self.folder.name))
        self.stores = [factory(), factory()]
        self.ratings: dict[tuple[str, str], Rating] = {}
        self.states: dict[tuple[str, State, str], int] = {}
        self.known: set[str] = set()
        self.movies: dict[str, Movie | None] = {}
        self.erased: set[str] = set()
        self.keys: dict[str, tuple[dict[tuple[str, str], float | None], int]] = {}
        self.seq = 0
        self.readers = [Reader(), Reader()]

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        removed(self.factory)
        self.folder.cleanup()

    def grown(self, seq: int, by: int) -> None:
        assert seq == self.seq + by
        self.seq = seq

    @rule(which=st.integers(0, 1), batch=st.lists(RATINGS, max_size=4), key=st.sampled_from([None, "k", "l"]))
    def put(self, which: int, batch: list[Rating], key: str | None) -> None:
        store = self.stores[which]
        pairs = {(r.user_id, r.movie_id): r for r in batch}
        body = {pair: r.rating for pair, r in pairs.items()}
        if key in self.keys:
            old, seq = self.keys[key]
            if old == body:
                assert store.put_ratings(batch, key=key) == seq
            else:
                with pytest.raises(ConflictError):
                    store.put_ratings(batch, key=key)
            return
        seq = store.put_ratings(batch, key=key)
        self.grown(seq, len(pairs))
        self.ratings |= pairs
        if key is not None:
            self.keys[key] = (body, seq)

    @rule(which=st.integers(0, 1), batch=STATE_LISTS)
    def put_states(self, which: int, batch: list[MovieState]) -> None:
        users = {one.user_id for one in batch}
        self.grown(self.stores[which].put_states(batch), len(users))
        self.known |= users
        for one in batch:
            self.states.pop((one.user_id, one.state, one.movie_id), None)
            if one.timestamp is not None:
                self.states[one.user_id, one.state, one.movie_id] = one.timestamp

    @rule(which=st.integers(0, 1), user=IDS, movie=IDS)
    def delete(self, which: int, user: str, movie: str) -> None:
        self.grown(self.stores[which].delete_rating(user, movie, 5), 1)
        self.ratings[user, movie] = Rating(user, movie, None, 5)

    @rule(which=st.integers(0, 1), user=IDS)
    def erase(self, which: int, user: str) -> None:
        self.grown(self.stores[which].erase_user(user), 1)
        self.ratings = {pair: r for pair, r in self.ratings.items() if pair[0] != user}
        self.states = {key: time for key, time in self.states.items() if key[0] != user}
        self.erased.add(user)

    @rule(which=st.integers(0, 1), movie=IDS, title=st.sampled_from(["T", "ü"]))
    def put_movie(self, which: int, movie: str, title: str) -> None:
        film = Movie(movie_id=movie, title=title)
        self.grown(self.stores[which].put_movies([film]), 1)
        self.movies[movie] = film

    @rule(which=st.integers(0, 1), movie=IDS)
    def delete_movie(self, which: int, movie: str) -> None:
        self.grown(self.stores[which].delete_movie(movie), 1)
        self.movies[movie] = None

    @rule(which=st.integers(0, 1))
    @precondition(lambda self: self.seq)
    def lazy_reader(self, which: int) -> None:
        self.check_reader(self.readers[1], self.stores[which])

    def check_reader(self, reader: Reader, store: Store) -> None:
        reader.follow(store)
        totals: dict[str, tuple[int, float]] = {}
        for (_, movie), rating in self.ratings.items():
            if rating.rating is not None:
                count, total = totals.get(movie, (0, 0.0))
                totals[movie] = (count + 1, total + rating.rating)
        assert reader.totals() == totals
        assert reader.erased == self.erased
        assert reader.seq == self.seq

    @invariant()
    def both_handles_agree_with_the_model(self) -> None:
        for store in self.stores:
            assert store.seq() == self.seq
            assert all_ratings(store) == self.ratings
            assert dict(store.movies()) == self.movies
            assert [movie for movie, _ in store.movies()] == list(self.movies)
            assert store.erased_users() == self.erased
            for user in ("a", "b", "ç"):
                overlay = store.user(user)
                held = {pair[1]: r for pair, r in self.ratings.items() if pair[0] == user}
                assert overlay.ratings == held
                assert overlay.erased == (user in self.erased)
                states = {(state, id_): time for state, of in overlay.states.items() for id_, time in of.items()}
                assert states == {key[1:]: time for key, time in self.states.items() if key[0] == user}
                assert all(overlay.states.values())
                assert bool(overlay.version) == bool(held or overlay.erased or user in self.known)
        self.check_reader(self.readers[0], self.stores[0])


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


class PostgresMachine(StoreMachine):
    kind = "postgres"


TestPostgresMachine = PostgresMachine.TestCase
TestPostgresMachine.settings = settings(max_examples=4, stateful_step_count=20, deadline=None)


class ElasticsearchMachine(StoreMachine):
    kind = "elasticsearch"


TestElasticsearchMachine = pytest.mark.extended(ElasticsearchMachine.TestCase)
TestElasticsearchMachine.settings = settings(max_examples=4, stateful_step_count=12, deadline=None)
