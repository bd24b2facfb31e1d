"""Valid ids: the same by the three engines that check them."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from matinee.data.catalog import Catalog, Movie
from matinee.data.clean import as_id as clean_id
from matinee.data.ids import MOVIE_ID, USER_ID, MovieId, UserId, id_text
from matinee.data.ratings import Ratings

GOOD = [
    "a/b",
    "/",
    "a b",
    "../a",
    "org/team 1",
    "1",
    "tt0133093",
    "a.b",
    ".a",
    "..a",
    "...",
    "a.",
    "é",
    "日本",
    "😀",
    "a-b_c:d",
]
BAD = ["", ".", "..", "a\x00", "a\ue02fb", "a\n", "a\u202eb", "\u200b", "a\ufeff", "\u2066a"]


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


@pytest.mark.parametrize("text", [" a", "a ", " ", "a\u00a0b", "a?b", "a#b", "a\tb"])
def test_what_movies_may_not_have(text: str) -> None:
    assert not re.fullmatch(MOVIE_ID, text)
    assert not pl.Series([text]).str.contains(MOVIE_ID)[0]


@given(st.text(max_size=70))
def test_every_form_of_an_id_is_one_id(text: str) -> None:
    forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")} | {text}
    assert len({id_text(form) for form in forms}) == 1
    if "\ud800" <= max(text, default="") <= "\udfff":
        return
    adapter: TypeAdapter[str] = TypeAdapter(UserId)
    with suppress(ValidationError):
        assert {adapter.validate_python(form) for form in forms} == {id_text(text)}
    frame = pl.DataFrame({"user_id": [text, *sorted(forms)]}, schema={"user_id": pl.String})
    cleaned = frame.select(clean_id(frame, "user_id")).to_series()
    assert cleaned.n_unique() == 1


def test_a_snapshot_of_an_earlier_version_is_found_by_both_forms() -> None:
    one, two = "Zo\u00eb", "Zoe\u0308"
    catalog = Catalog(pl.DataFrame({"movie_id": [two, "1"], "title": ["Two", "One"]}))
    rows = pl.DataFrame({"user_id": [two, "b"], "movie_id": [two, "1"], "rating": [4, 5]})
    ratings = Ratings.from_frame(rows, catalog)
    assert catalog.find(one) == catalog.find(two) == 0
    assert catalog.find("Zoe") is None
    assert ratings.find_user(one) == ratings.find_user(two)
    assert ratings.find_user(one) is not None
    assert ratings.find_user("Zo\u00e9") is None
    changed = catalog.with_changes([Movie(movie_id=one, title="New")])
    assert len(changed) == 2
    assert changed.movie(0).title == "New"
    assert not catalog.with_changes(removed=[one]).active[0]
