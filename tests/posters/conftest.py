from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from matinee.encoders.decode import decode
from matinee.posters.store import PosterStore
from poster_support import FakeTmdb, playing_tmdb


@pytest.fixture
def shelf(tmp_path: Path) -> PosterStore:
    """An empty shelf that decodes what is put."""
    return PosterStore(tmp_path / "shelf", check=partial(decode, at_least=(160, 240)))


@pytest.fixture
def tmdb() -> Iterator[FakeTmdb]:
    with playing_tmdb() as server:
        yield server
