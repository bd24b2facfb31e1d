from __future__ import annotations

import math
import multiprocessing
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.data.ratings import NO_TIME
from matinee.engine import Engine, Request
from matinee.engine.search import title_index
from matinee.engine.search.title_index import keys_of
from matinee.errors import ConflictError, InvalidInputError, NotFoundError, UnknownMovieError, UnknownUserError
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.stores import Rating, RatingColumns
from matinee.training.pipeline import train_dataset
from store_support import NFC, NFD
from support import make_dataset


def ids(engine: Engine, user_id: str, **options: object) -> list[str]:
    return [item.movie_id for item in engine.recommend(user_id, Request(**options)).items]  # type: ignore[arg-type]


NEW = Movie(movie_id="new", title="The Laughing Newcomer", year=2020, genres=("Comedy",), tags=("funny", "light"))


def test_a_rating_changes_the_very_next_list(engine: Engine) -> None:
    before = ids(engine, "u3")
    engine.rate([("u3", before[0], 5.0)])
    after = ids(engine, "u3")
    assert before[0] not in after
    assert engine.history("u3")[0].movie_id == before[0]
    engine.unrate("u3", before[0])
    assert ids(engine, "u3") == before


def test_a_new_user_needs_no_training(engine: Engine) -> None:
    assert engine.recommend("fresh").fallback == "popular"
    engine.rate([("fresh", "m1", 5.0), ("fresh", "m3", 4.5), ("fresh", "m5", 4.5)])
    answer = engine.recommend("fresh", Request(explain=True))
    assert answer.fallback is None
    assert answer.user_id == "fresh"
    assert answer.items[0].genres == ("Comedy",)
    assert answer.items[0].because
    nearest = engine.neighbors("fresh")[0].user_id
    assert "fresh" in {n.user_id for n in engine.neighbors(nearest, 60)}


def test_overlay_hides_and_replaces_what_the_snapshot_says(engine: Engine) -> None:
    rated = {r.movie_id: r.rating for r in engine.history("u3")}
    gone, kept = list(rated)[:2]
    engine.unrate("u3", gone)
    engine.rate([("u3", kept, 0.5)])
    now = {r.movie_id: r.rating for r in engine.history("u3")}
    assert now == {**{k: v for k, v in rated.items() if k != gone}, kept: 0.5}
    with pytest.raises(NotFoundError, match="not rated"):
        engine.unrate("u3", gone)
    exported = {(u, m): r for u, m, r, _ in engine.export_ratings()}
    assert ("u3", gone) not in exported
    assert exported["u3", kept] == 0.5
    assert len(exported) == len(list(engine.export_ratings()))


def test_ids_of_earlier_versions_are_exported_and_come_back_in_one_form(engine: Engine) -> None:
    engine.request_view().runtime.store.put_ratings([Rating(NFD, "m1", 4.0, 5)])
    assert engine.rated_count(NFD) == 0  # no request names them
    written = [row for row in engine.export_ratings() if row[0] == NFD]
    assert len(written) == 1
    engine.rate([row[:3] for row in written])
    assert {r.movie_id: r.rating for r in engine.history(NFC)} == {"m1": 4.0}


def test_live_statistics_equal_a_recount(engine: Engine) -> None:
    engine.rate([("u3", "m0", 5.0), ("u4", "m0", 1.0), ("x", "m0", 3.5)])
    engine.rate([("u3", "m0", 2.0)])
    engine.unrate("x", "m0")
    engine.erase_user("u5")
    with_a_fresh_look = Engine.open(engine.settings)
    for one in (engine, with_a_fresh_look):
        counts: dict[str, list[float]] = {}
        for _, movie_id, stars, _ in one.export_ratings():
            counts.setdefault(movie_id, []).append(stars)
        page = one.movies(limit=1000)
        for movie, (count, mean) in zip(page.movies, page.stats, strict=True):
            stars_of = counts.get(movie.movie_id, [])
            assert count == len(stars_of)
            assert mean == (pytest.approx(sum(stars_of) / count, abs=1e-3) if count else None)
        window = one.popular(n=100, days=100_000)
        assert {p.item.movie_id: p.ratings for p in window} == {m: len(s) for m, s in counts.items()}
    with_a_fresh_look.close()


@pytest.mark.parametrize("stars", [-1.0, 0.0, 0.4, 5.1, math.nan, math.inf])
def test_a_bad_rating_stores_nothing(engine: Engine, stars: float) -> None:
    before = engine.history("u3")
    with pytest.raises(InvalidInputError, match="scale"):
        engine.rate([("u3", "m1", 4.0), ("u3", "m2", stars)])
    with pytest.raises(UnknownMovieError, match="nix"):
        engine.rate([("u3", "m1", 4.0), ("u3", "nix", 4.0)])
    for user_id in ("", " ", "a\u202eb", "x" * 65, "a\nb"):
        with pytest.raises(InvalidInputError, match="user id"):
            engine.rate([("u3", "m1", 4.0), (user_id, "m1", 4.0)])
    assert engine.history("u3") == before


def test_batches(engine: Engine) -> None:
    assert engine.rate([]) == 0
    assert engine.rate([("a", "m1", 1.0), ("a", "m1", 5.0), ("b", "m1", 2.0)]) == 2
    assert engine.history("a")[0].rating == 5.0
    with pytest.raises(InvalidInputError, match="at most"):
        engine.rate([("a", "m1", 1.0)] * (engine.settings.max_batch + 1))
    engine.rate([("k", "m1", 4.0)], key="once")
    engine.rate([("k", "m1", 4.0)], key="once")
    with pytest.raises(ConflictError):
        engine.rate([("k", "m1", 3.0)], key="once")
    assert engine.history("k")[0].rating == 4.0


def test_a_new_film_is_found_and_recommended_at_once(engine: Engine) -> None:
    revision = engine.revision()
    engine.put_movies([NEW])
    assert engine.revision() != revision
    assert engine.movie("new") == NEW
    assert engine.search("laughing newcomer")[0].movie == NEW
    assert "new" in ids(engine, "u3", n=40)
    assert "new" in ids(engine, "u3", n=40, filter='tag = "light" and year = 2020')
    similar = engine.similar("new", by="taste", n=5)
    assert similar.fallback == "content"
    assert all(item.genres == ("Comedy",) for item in similar.items)
    engine.rate([("u3", "new", 5.0)])
    assert "new" not in ids(engine, "u3", n=40)
    assert {"new"} <= {
        r.movie_id
        for i in engine.recommend("u3", Request(n=40, model="content", explain=True)).items
        for r in i.because or ()
    }
    assert any(p.item.movie_id == "new" and p.ratings == 1 for p in engine.popular(n=50))


def test_titles_are_indexed_anew_where_films_changed_not_where_ratings_did(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(title_index, "keys_of", lambda *names: made.append(1) or keys_of(*names))
    assert engine.search("story")
    for n in range(3):
        engine.rate([("u3", f"m{n}", 5.0)])
        assert engine.search("story")
    assert len(made) == 40
    engine.put_movies([NEW])
    assert engine.search("newcomer")[0].movie == NEW
    assert len(made) == 40 + 41


def test_a_history_that_no_part_knows_gets_the_live_chart(engine: Engine) -> None:
    engine.put_movies([Movie(movie_id="blank", title="…")])
    engine.rate([("strange", "blank", 4.0)])
    last = engine.popular(n=40)[-1].item.movie_id
    engine.rate([(f"x{n}", last, 5.0) for n in range(200)])
    for model in (None, "ease"):  # stars know every film by its features
        answer = engine.recommend("strange", Request(n=3, model=model, explain=True))
        assert (answer.fallback, answer.model, answer.volatile) == ("popular", "popular", True)
        assert [item.movie_id for item in answer.items] == ids(engine, "nobody", n=3)
        assert answer.items[0].movie_id == last
        assert answer.items[0].because == ()


def test_films_without_ratings_end_the_popular_page(engine: Engine) -> None:
    engine.put_movies([NEW])
    for sort in ("popularity", "-popularity", "top_rated", "-top_rated", "mean", "-mean"):
        assert engine.movies(sort=sort, limit=100).movies[-1] == NEW


def test_unknown_times_come_after_the_first_second(engine: Engine) -> None:
    engine.rate([("old", "m2", 4.0)], timestamp=0)
    engine.rate([("old", "m1", 4.0)], timestamp=NO_TIME)
    assert [(r.movie_id, r.timestamp) for r in engine.history("old")] == [("m2", 0), ("m1", None)]


def test_editing_and_deleting_films(engine: Engine) -> None:
    engine.put_movies([NEW])
    patched = engine.patch_movie("new", {"title": "Renamed", "tags": None, "year": None})
    assert (patched.title, patched.tags, patched.year) == ("Renamed", (), None)
    assert engine.movie("new") == patched
    assert engine.search("renamed")[0].movie.movie_id == "new"
    engine.patch_movie("m1", {"genres": ["Western"]})
    assert [m.movie_id for m in engine.movies(filter="genre = western").movies] == ["m1"]
    for changes in ({"colour": "red"}, {"year": 1066}, {"title": ""}, {"title": None}, {"movie_id": "other"}):
        with pytest.raises(InvalidInputError):
            engine.patch_movie("new", changes)
    for movie_id in ("new", "m1"):
        engine.delete_movie(movie_id)
        with pytest.raises(UnknownMovieError):
            engine.movie(movie_id)
        assert movie_id not in ids(engine, "u2", n=40)
        assert movie_id not in {m.movie_id for m in engine.movies(limit=100).movies}
        assert movie_id not in {hit.movie.movie_id for hit in engine.search("renamed")}
        with pytest.raises(UnknownMovieError):
            engine.rate([("u2", movie_id, 4.0)])
    assert all(r.movie_id != "m1" for n in range(60) for r in engine.history(f"u{n}"))
    engine.put_movies([NEW])
    assert engine.movie("new") == NEW
    for call in (engine.delete_movie, lambda movie_id: engine.patch_movie(movie_id, {})):
        with pytest.raises(UnknownMovieError):
            call("nix")
    with pytest.raises(InvalidInputError, match="at most"):
        engine.put_movies([NEW] * (engine.settings.max_batch + 1))


def test_erasing_a_user_outlives_a_restart(engine: Engine) -> None:
    engine.rate([("u3", "m1", 4.0), ("fresh", "m1", 4.0)])
    assert engine.export_user("u3")["ratings"]
    for user_id in ("u3", "fresh"):
        engine.erase_user(user_id)
        with Engine.open(engine.settings) as again:
            for one in (engine, again):
                assert one.recommend(user_id).fallback == "popular"
                assert user_id not in {row[0] for row in one.export_ratings()}
                assert user_id not in {n.user_id for n in one.neighbors("u1", 100)}
                for call in (one.history, one.export_user):
                    with pytest.raises(UnknownUserError):
                        call(user_id)
                assert one.rated_count(user_id) == 0
    engine.rate([("u3", "m2", 4.0)])
    assert [r.movie_id for r in engine.history("u3")] == ["m2"]


def test_versions_move_with_the_user_only(engine: Engine) -> None:
    mine, other = engine.user_version("u3"), engine.user_version("u4")
    engine.rate([("u3", "m1", 4.0)])
    assert engine.user_version("u3") > mine
    assert engine.user_version("u4") == other
    assert engine.validity("u3") == (*engine.revision(), engine.user_version("u3"))
    assert engine.validity(None) == (*engine.revision(), 0)


def _serve(settings: Settings, pipe: Connection) -> None:
    with Engine.open(settings) as engine:
        while (user_id := pipe.recv()) is not None:
            pipe.send((ids(engine, user_id, n=40), engine.movies(limit=1).total))


def test_another_process_sees_a_write_at_once(engine: Engine) -> None:
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(engine.settings, there))
    process.start()
    try:
        for count in range(1, 6):
            here.send("u3")
            assert here.poll(60)
            before, _ = here.recv()
            engine.rate([("u3", before[0], 4.0)])
            engine.put_movies([NEW.model_copy(update={"movie_id": f"new{count}"})])
            here.send("u3")
            assert here.poll(60)
            after, total = here.recv()
            assert before[0] not in after
            assert total == 40 + count
        here.send(None)
    finally:
        process.join(90)
        assert process.exitcode == 0


def test_threads_read_their_own_writes(engine: Engine) -> None:
    faults: list[str] = []

    def work(name: str) -> None:
        try:
            for n in range(25):
                engine.rate([(name, f"m{n}", 4.0)])
                if len(engine.history(name)) != n + 1 or f"m{n}" in ids(engine, name, n=40):
                    faults.append(f"{name} {n}")
        except Exception as error:
            faults.append(repr(error))

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_changes_in_memory_equal_those_after_a_restart(engine: Engine, dataset: Dataset) -> None:
    engine.put_movies([NEW])
    engine.rate([("u1", "new", 4.0), ("u1", "m2", 1.0), ("n", "m5", 5.0)])
    engine.delete_movie("m7")
    with Engine.open(engine.settings) as again:
        for user_id in ("u1", "u2", "n"):
            assert ids(engine, user_id, n=50) == ids(again, user_id, n=50)
        assert {m.movie_id for m in engine.movies(limit=100).movies} == {
            m.movie_id for m in again.movies(limit=100).movies
        }


def test_whole_numbers_are_taken_as_ids(engine: Engine) -> None:
    engine.put_movies([NEW.model_copy(update={"movie_id": "7"})])
    assert engine.rate([(42, 7, 4.0), ("42", "m1", 5.0)]) == 2
    assert [r.movie_id for r in engine.history(42)] == [r.movie_id for r in engine.history("42")] == ["7", "m1"]
    assert engine.recommend(42) == engine.recommend("42")
    assert engine.recommend_for({7: 4.0}) == engine.recommend_for({"7": 4.0})
    assert "7" not in ids(engine, "u1", exclude=[7], n=50)
    assert engine.movie(7).movie_id == "7"
    assert engine.similar(7).items
    engine.unrate(42, 7)
    engine.erase_user(42)
    engine.delete_movie(7)
    with pytest.raises(UnknownMovieError):
        engine.movie("7")


def test_an_erasure_costs_what_its_user_has(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process, too: nothing is folded in anew, no other user's answers are dropped, nothing of it stays."""
    with Engine.open(engine.settings) as other, Engine.open(engine.settings) as late:
        engine.rate([("new", "m1", 5.0), ("new", "m2", 1.0), ("u4", "m3", 0.5), ("u5", "m3", 4.0)])
        engine.unrate("new", "m2")
        before, ready = engine.user_version("u5"), other.validity("u5")
        assert len(other.history("new")) == 1
        assert all("new" in dict(one.users(limit=100).users) for one in (engine, other))
        reads: list[int] = []
        for one in (engine, other):
            store = one.request_view().runtime.store
            changes = store.changes
            monkeypatch.setattr(store, "changes", lambda n, changes=changes: reads.append(n) or changes(n))
        engine.rate([("new", "m5", 3.0)])  # which `other` never sees
        engine.erase_user("new")
        engine.erase_user("u4")
        engine.rate([("new", "m7", 2.0)])
        assert other.validity("u5") == ready
        assert engine.user_version("u5") == before
        for one in (engine, other, late):
            assert [(r.movie_id, r.rating) for r in one.history("new")] == [("m7", 2.0)]
            assert one.rated_count("u4") == 0
            assert {"new": 1}.items() <= dict(one.users(limit=100).users).items()
            assert "u4" not in dict(one.users(limit=100).users)
        assert min(reads) >= 0  # the whole content was asked for by nobody
        with Engine.open(engine.settings) as fresh:
            for one in (engine, other, late):
                stats, expected = one.request_view().stats, fresh.request_view().stats
                np.testing.assert_array_equal(stats.counts, expected.counts)
                np.testing.assert_allclose(stats.sums, expected.sums, atol=1e-9)


def test_the_newest_rating_is_the_end_of_the_last_days(engine: Engine) -> None:
    late = engine.request_view().stats.newest + 1000 * 86_400
    engine.rate([("u2", "m1", 4.0)], timestamp=late)
    assert engine.request_view().stats.newest == late
    assert [entry.item.movie_id for entry in engine.popular(days=1)] == ["m1"]
    engine.rate([("u2", "m2", 4.0)], timestamp=late - 500 * 86_400)
    assert engine.request_view().stats.newest == late


def test_an_erased_user_is_in_no_answer_and_not_in_the_next_snapshot(engine: Engine, tmp_path: Path) -> None:
    """The snapshot in service hides the user at once; the next training leaves the user out."""
    user, film = "erased-person-4711", "film-only-they-rated"
    dataset = make_dataset([(user, film, 5.0, 1), *((f"u{n}", f"m{n % 4}", 4.0, 1) for n in range(20))], name="private")
    settings = Settings(data_dir=tmp_path / "private")
    train_dataset(settings, dataset)
    with Engine.open(settings) as own:
        assert own.rated_count(user) == 1
        assert own.film_ratings(film).count == 1
        own.erase_user(user)
        answers = [own.users(limit=100), own.film_ratings(film), list(own.export_ratings()), own.statistics()]
        answers += [own.neighbors("u1", 100), own.explain("u1", film), own.recommend(user).fallback]
        assert user not in repr(answers)
        assert own.film_ratings(film).count == 0
    train_dataset(settings, dataset)
    current = SnapshotRegistry(settings.snapshots_dir).current()
    assert current is not None
    files = [file for file in (settings.snapshots_dir / current).rglob("*") if file.is_file()]
    assert files
    assert not any(user.encode() in file.read_bytes() for file in files)


def test_columns_are_checked_and_stored_part_by_part(engine: Engine) -> None:
    def part(*rows: tuple[str, str, float]) -> RatingColumns:
        users, movies, stars = zip(*rows, strict=True)
        return RatingColumns(list(users), list(movies), np.array(stars), np.full(len(rows), 5))

    films = [movie.movie_id for movie in engine.movies(limit=3).movies]
    good = part(("new", films[0], 4.0), ("e\u0301", films[1], 2.0), ("\u00e9", films[1], 3.0))  # one user in two forms
    counts = engine.rate_columns([good, part(("new", films[1], 1.0), ("new", "nowhere", 1.0)), good])
    assert next(counts) == 2
    with pytest.raises(UnknownMovieError, match="nowhere"):
        next(counts)
    assert {one.movie_id: one.rating for one in engine.history("new")} == {films[0]: 4.0}
    assert {one.movie_id: one.rating for one in engine.history("\u00e9")} == {films[1]: 3.0}
    for stars in (0.0, 9.0, float("nan")):
        with pytest.raises(InvalidInputError, match="off the scale"):
            list(engine.rate_columns([part(("new", films[2], stars))]))
    with pytest.raises(InvalidInputError, match="user id"):
        list(engine.rate_columns([part(("a\nb", films[2], 1.0))]))
    assert list(engine.rate_columns([])) == []
