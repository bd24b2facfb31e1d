"""What is made of a catalogue: once, and in the background where the last one will do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from matinee.data.catalog import Catalog, Movie
from matinee.engine.catalog_cache import BackgroundPerCatalog, PerCatalog


def catalog_of(count: int) -> Catalog:
    return Catalog.of([Movie(movie_id=str(number), title="X") for number in range(count)])


def test_a_catalogue_has_one_thing_however_many_ask() -> None:
    calls: list[int] = []
    made = PerCatalog(lambda catalog: calls.append(len(catalog)) or object())
    catalog = catalog_of(3)
    with ThreadPoolExecutor(8) as pool:
        things = set(pool.map(lambda _: made(catalog), range(50)))
    assert len(things) == 1
    assert calls == [3]


def test_the_last_one_answers_until_the_next_is_made() -> None:
    first, release, done = catalog_of(1), threading.Event(), threading.Event()
    calls: list[int] = []

    def make(catalog: Catalog) -> int:
        calls.append(len(catalog))
        if len(catalog) > 1:
            assert release.wait(90)
            done.set()
        return len(catalog)

    trailing = BackgroundPerCatalog(make)
    assert trailing(first, first) == 1
    grown = first.with_changes([Movie(movie_id="new", title="Y")])
    assert [trailing(grown, first) for _ in range(5)] == [1] * 5
    release.set()
    assert done.wait(90)
    for thread in threading.enumerate():
        if thread.name == "matinee-derive":
            thread.join(90)
    assert trailing(grown, first) == 2
    assert calls == [1, 2]
    other = catalog_of(1)
    assert trailing(other, other) == 1


def test_a_failure_in_the_background_leaves_the_last_one() -> None:
    first = catalog_of(1)

    def make(catalog: Catalog) -> int:
        if len(catalog) == 2:
            raise ValueError("no")
        return len(catalog)

    trailing = BackgroundPerCatalog(make)
    trailing(first, first)
    grown = first.with_changes([Movie(movie_id="new", title="Y")])
    assert trailing(grown, first) == 1
    for thread in threading.enumerate():
        if thread.name == "matinee-derive":
            thread.join(90)
    again = grown.with_changes([Movie(movie_id="newer", title="Z")])
    assert trailing(again, first) == 1
    for thread in threading.enumerate():
        if thread.name == "matinee-derive":
            thread.join(90)
    assert trailing(again, first) == 3
