"""Valid ids: the same by the three engines that check them."""

from __future__ import annotations

import re

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from matinee.data.ids import MOVIE_ID, USER_ID, MovieId, UserId

GOOD = ["1", "tt0133093", "a.b", ".a", "..a", "...", "a.", "é", "日本", "😀", "a-b_c:d"]
BAD = ["", ".", "..", "a/b", "/", "a\x00", "a\n", "a\u202eb", "\u200b", "a\ufeff", "\u2066a"]


@pytest.mark.parametrize(("pattern", "kind"), [(MOVIE_ID, MovieId), (USER_ID, UserId)])
@pytest.mark.parametrize("text", GOOD + BAD)
def test_ids(pattern: str, kind: object, text: str) -> None:
    good = text in GOOD
    assert bool(re.fullmatch(pattern, text)) == good
    assert pl.Series([text]).str.contains(pattern)[0] == good
    adapter: TypeAdapter[str] = TypeAdapter(kind)
    if good:
        assert adapter.validate_python(text) == text
    else:
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


def test_blanks_are_for_users_only() -> None:
    assert re.fullmatch(USER_ID, "Ann Lee")
    assert not re.fullmatch(MOVIE_ID, "Ann Lee")
