"""A store whose file is moved, replaced or emptied while it is open: no write may be acknowledged and lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from matinee.errors import StoreError
from matinee.stores import Rating, SqliteStore

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody move an open file")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


def one(movie: str = "1") -> Rating:
    return Rating("u", movie, 4.0, 1)


def test_a_file_that_is_moved_away_takes_no_writes_and_works_again_once_it_is_back(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    store.put_ratings([one()])
    path.rename(tmp_path / "away")
    calls = (store.seq, store.ping, lambda: store.put_ratings([one(movie="2")]), lambda: store.user("u"))
    for call in calls:
        with pytest.raises(StoreError, match="removed"):
            call()
    assert not path.exists()
    (tmp_path / "away").rename(path)
    assert store.put_ratings([one(movie="3")]) == 2
    assert set(store.user("u").ratings) == {"1", "3"}


@pytest.mark.parametrize("how", ["replaced", "emptied"])
def test_a_file_that_is_replaced_or_emptied_takes_no_writes(store: SqliteStore, path: Path, how: str) -> None:
    store.put_ratings([one()])
    if how == "replaced":
        SqliteStore(path.with_name("other")).close()
        path.with_name("other").replace(path)
    else:
        os.truncate(path, 0)
    for call in (lambda: store.put_ratings([one(movie="2")]), store.ping):
        with pytest.raises(StoreError, match=r"replaced.*restart the server"):
            call()
