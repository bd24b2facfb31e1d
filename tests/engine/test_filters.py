from __future__ import annotations

import gc
import weakref

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.data.catalog import Catalog, Movie
from matinee.engine.filters import FIELDS, Filter, FilterStats, fold, parse
from matinee.engine.filters.columns import columns_of
from matinee.errors import FilterError, InvalidInputError

MOVIES: list[dict[str, object]] = [
    {"movie_id": "1", "title": "Toy Story", "year": 1995, "genres": ["Animation", "Comedy"], "tags": ["pixar", "fun"],
     "directors": ["John Lasseter"], "writers": ["Joss Whedon"], "cast": ["Tom Hanks"], "imdb_id": "tt0114709",
     "tmdb_id": "862", "poster": "1.jpg", "countries": ["USA"], "languages": ["English"], "keywords": ["toy"]},
    {"movie_id": "2", "title": "Amélie", "year": 2001, "genres": ["Comedy", "Romance"], "tags": [],
     "directors": ["Jean-Pierre Jeunet"], "cast": ["Audrey Tautou"], "countries": ["France"], "languages": ["French"]},
    {"movie_id": "3", "title": "Saw", "year": 2004, "genres": ["Horror"], "tags": ["gore"], "directors": ["James Wan"],
     "imdb_id": "tt0387564"},
    {"movie_id": "4", "title": "Unknown \"Year\" Film", "year": None, "genres": [], "tags": []},
    {"movie_id": "5", "title": "Larry Crowne", "year": 2011, "genres": ["Comedy"], "directors": ["Tom Hanks"],
     "writers": ["Nia Vardalos"], "cast": ["Tom Hanks", "Julia Roberts"]},
]  # fmt: skip
CATALOG = Catalog(pl.DataFrame(MOVIES, infer_schema_length=None))
STATS = FilterStats(np.array([100, 50, 5, 0, 7]), np.array([4.0, 4.5, 2.5, np.nan, 3.0]))


def ids(text: str) -> str:
    return "".join(CATALOG.ids(np.flatnonzero(parse(text).mask(CATALOG, STATS))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "12345"),
        ("  \n ", "12345"),
        ('genre = "Comedy"', "125"),
        ("genre = comedy", "125"),
        ("GENRES == 'COMEDY'", "125"),
        ('genre != "Comedy"', "34"),
        ('genre <> "Comedy"', "34"),
        ("genre ~ om", "125"),
        ('genre in ("Horror", "romance")', "23"),
        ('genre NOT IN ("Horror", "romance")', "145"),
        ("genre = Western", ""),
        ("not genre = Western", "12345"),
        ("title = amelie", "2"),
        ("title = 'AMÉLIE'", "2"),
        ('title ~ "ry c"', "5"),
        (r'title ~ "\"year\""', "4"),
        ("title ~ '\"year\"'", "4"),
        ('title = "toy   story "', "1"),
        ("year = 1995", "1"),
        ('year = "1995"', "1"),
        ("year != 1995", "235"),
        ("not year = 1995", "235"),
        ("not year != 1995", "1"),
        ("year > 2001", "35"),
        ("year >= 2001", "235"),
        ("year < 2001", "1"),
        ("year <= 2001", "12"),
        ("not year > 2001", "12"),
        ("not year >= 2001", "1"),
        ("not year < 2001", "235"),
        ("not year <= 2001", "35"),
        ("year > 1e3", "1235"),
        ("year between 1995 and 2001", "12"),
        ("not year between 1996 and 2001", "135"),
        ("year between 2001 and 2004 and genre = Horror", "3"),
        ("year in (1995, 2004)", "13"),
        ("year not in (1995, 2004)", "25"),
        ("not year in (1995, 2004)", "25"),
        ("decade = 2000", "23"),
        ("decade = 2000s or decade = 1990S", "123"),
        ("tag != gore", "1245"),
        ("not tag = gore", "1245"),
        ("director = 'Tom Hanks'", "5"),
        ("cast = 'Tom Hanks'", "15"),
        ("actor = 'Tom Hanks' and not director = 'Tom Hanks'", "1"),
        ("person = 'Tom Hanks'", "15"),
        ("person ~ whedon", "1"),
        ("not person ~ 'hanks'", "234"),
        ("writer ~ nia", "5"),
        ("country = france", "2"),
        ("language = english", "1"),
        ("keyword = toy", "1"),
        ("id = 3", "3"),
        ("movie_id in (1, 2, 77)", "12"),
        ("imdb_id = tt0114709", "1"),
        ("imdb = 114709", "1"),
        ("imdb_id != 114709", "3"),
        ("not imdb_id = 114709", "3"),
        ("tmdb_id = 862", "1"),
        ("poster = true", "1"),
        ("poster != True", "2345"),
        ("not poster = true", "2345"),
        ("poster = false", "2345"),
        ("ratings >= 50", "12"),
        ("ratings < 1", "4"),
        ("mean > 2.5", "125"),
        ("mean != 3", "123"),
        ("not mean > 2.5", "3"),
        ("genre = Comedy and year >= 2000 or tag = gore", "235"),
        ("genre = Comedy and (year >= 2010 or tag = pixar)", "15"),
        ("not (genre = Comedy or genre = Horror)", "4"),
        ("not (genre = Comedy and year > 2000)", "134"),
        ("not not genre = Comedy", "125"),
        ("not (not (genre = Comedy))", "125"),
        ("((((genre = Comedy))))", "125"),
    ],
)
def test_language(text: str, expected: str) -> None:
    assert ids(text) == expected
    assert ids(str(parse(text))) == expected


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("gener = Comedy", 0, 'Did you mean "genre"?'),
        ("year > 1990 and direktor = x", 16, "director"),
        ("qqqqqq = 1", 0, "Fields: genre"),
        ("genre", 5, "write one of: ="),
        ("genre Comedy", 6, "is not a comparison"),
        ("genre not Comedy", 6, "is not a comparison"),
        ("genre =", 7, "The end of the filter is not a value"),
        ("genre = and", 8, "in quotes"),
        ("genre = Science Fiction", 16, "in quotes"),
        ("genre > Comedy", 6, "It takes: ="),
        ("year ~ 19", 5, "It takes: ="),
        ("movie_id ~ 1", 9, "It takes"),
        ("genre between a and b", 6, "It takes"),
        ("year = soon", 7, "is not a number"),
        ("year = 1e999", 7, "is not a number"),
        ("year = ''", 7, "is not a number"),
        ("poster = 1", 9, "Write true or false"),
        ("year between 1990", 17, "needs two values"),
        ("genre in Comedy", 9, "in parentheses"),
        ('genre in ("A" "B")', 14, 'Separate values by ","'),
        ('genre in ("A",)', 14, "not a value"),
        ("genre in ()", 10, "not a value"),
        ("genre in (A", 11, "end of the filter"),
        ("(genre = A", 0, "has no end"),
        ("(genre = A year = 1)", 11, "Join comparisons"),
        ("genre = A)", 9, "open it before"),
        ("genre = A && year = 1", 10, 'Write "and"'),
        ("genre = A || year = 1", 10, 'Write "or"'),
        ('genre = "A', 8, "has no end"),
        (r'genre = "A\"', 8, "has no end"),
        ("genre = A and", 13, "ends where a comparison"),
        ("and genre = A", 0, "not the name of a field"),
        ('"genre" = A', 0, "not the name of a field"),
        ("  ! genre = A", 2, "means nothing"),
        ("()", 1, "not the name of a field"),
        ("= 3", 0, "not the name of a field"),
    ],
)
def test_faults_have_a_position_and_a_hint(text: str, position: int, says: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert caught.value.position == position
    assert says in str(caught.value)
    assert caught.value.hint


def test_length_and_depth_are_bounded() -> None:
    with pytest.raises(FilterError, match="2,001 characters") as caught:
        parse("x" * 2001)
    assert caught.value.position == 2000
    with pytest.raises(FilterError, match="12 characters"):
        parse("year >= 1990", max_length=11)
    with pytest.raises(FilterError, match="nested") as caught:
        parse("(" * 2000)
    assert caught.value.position == 50
    assert ids("(" * 50 + "genre = Comedy" + ")" * 50) == "125"
    assert ids("not " * 495 + "genre = Comedy") == "34"
    wide = parse(" or ".join(["year=1995"] * 150))
    assert wide.mask(CATALOG).tolist() == [True, False, False, False, False]


def test_filters_are_equal_and_hashed_by_canonical_text() -> None:
    one, two = parse("genres=Comedy   AND (year>=1990.0)"), parse('genre = "Comedy" and year >= 1990')
    assert one == two
    assert hash(one) == hash(two)
    assert str(one) == 'genre = "Comedy" and year >= 1990'
    assert repr(one) == "Filter('genre = \"Comedy\" and year >= 1990')"
    assert one != parse("genre = Comedy")
    assert one != str(one)
    assert one
    assert not parse("")
    assert str(parse("((year = 1 and year = 2) and year = 3) or (year = 4 or year = 5)")) == (
        "year = 1 and year = 2 and year = 3 or year = 4 or year = 5"
    )


def test_missing_statistics_are_a_fault_and_short_ones_are_padded() -> None:
    with pytest.raises(FilterError, match="ratings is not known") as caught:
        parse("year > 1 and ratings > 3").mask(CATALOG)
    assert caught.value.position == 13
    short = FilterStats(np.array([3]), np.array([4.0]))
    assert parse("ratings = 0").mask(CATALOG, short).tolist() == [False, True, True, True, True]
    assert parse("mean >= 0").mask(CATALOG, short).tolist() == [True, False, False, False, False]
    with pytest.raises(InvalidInputError, match="larger catalog"):
        parse("ratings = 0").mask(CATALOG, FilterStats(np.zeros(9, dtype=np.int64), np.zeros(9)))


def test_statistics_of_ratings(dataset) -> None:  # type: ignore[no-untyped-def]
    stats = FilterStats.of(dataset.ratings)
    frame = dataset.ratings.to_frame(dataset.catalog).group_by("movie_id").agg(pl.len(), pl.col("rating").mean())
    for movie_id, count, mean in frame.iter_rows():
        row = dataset.catalog.row(movie_id)
        assert stats.counts[row] == count
        assert stats.means[row] == pytest.approx(mean)
    assert parse("ratings > 5").mask(dataset.catalog, stats).sum() == (stats.counts > 5).sum()


def test_whether_any_rating_may_change_what_it_allows() -> None:
    for text in ("ratings > 3", "year = 1 and not (genre = a or mean >= 4)"):
        assert parse(text).reads_ratings
    for text in ("", "year = 1", 'title ~ "the meaning of ratings"', "not poster = true"):
        assert not parse(text).reads_ratings


def test_masks_are_the_callers_own() -> None:
    for text in ("", "genre = Comedy", "title ~ a", "poster = true", "year > 1", "poster = false", "mean > 0"):
        before = ids(text)
        mask = parse(text).mask(CATALOG, STATS)
        assert mask.dtype == np.bool_
        mask[:] = True
        mask[0] = False
        assert ids(text) == before


def test_a_changed_catalogue_is_read_afresh_and_indexes_die_with_it() -> None:
    grown = CATALOG.with_changes([Movie(movie_id="9", title="New", genres=("Comedy",))])
    assert parse("genre = Comedy").mask(grown).tolist() == [True, True, False, False, True, True]
    assert ids("genre = Comedy") == "125"
    columns, catalog = weakref.ref(columns_of(grown)), weakref.ref(grown)
    assert columns_of(grown) is columns()
    del grown
    gc.collect()
    assert catalog() is None
    assert columns() is None


def test_contains_keeps_a_bounded_number_of_results() -> None:
    catalog = Catalog(CATALOG.frame)
    for number in range(100):
        parse(f'title ~ "{number}"').mask(catalog)
    assert len(columns_of(catalog)._contains) == 64


def test_empty_catalogue() -> None:
    empty = Catalog(CATALOG.frame.head(0))
    for text in ("", "genre = Comedy", "title ~ a", "not year > 3", "poster = true", "genre not in (a)"):
        assert parse(text).mask(empty).shape == (0,)


def test_fold() -> None:
    assert fold("  Amélie \t POULAIN ") == "amelie poulain"
    assert fold("Straße") == "strasse"
    assert fold("İstanbul") == fold("istanbul")


# --- properties ------------------------------------------------------------------------------------------------
TEXTS = st.sampled_from(["comedy", "Horror", "gore", "o", "Tom Hanks", "", 'a "b"', "back\\slash", "it's", "and", "é"])
NUMBERS = st.one_of(st.integers(1990, 2012), st.sampled_from([0, -3, 2.5, 1e20, 0.1]))


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    field = draw(st.sampled_from(sorted(FIELDS.values(), key=lambda f: f.name)))
    if field.kind == "flag":
        return f"{field.name} {draw(st.sampled_from(['=', '!=']))} {draw(st.sampled_from(['true', 'false']))}"
    if field.kind == "number":
        value = NUMBERS.map(str)
        operators = ["=", "!=", "<", "<=", ">", ">=", "in", "not in", "between"]
    else:
        value = TEXTS.map(lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"')
        operators = ["=", "!=", "in", "not in"] + (["~"] if field.kind == "text" else [])
    operator = draw(st.sampled_from(operators))
    if operator == "between":
        return f"{field.name} between {draw(value)} and {draw(value)}"
    if operator.endswith("in"):
        return f"{field.name} {operator} ({', '.join(draw(st.lists(value, min_size=1, max_size=3)))})"
    return f"{field.name}{operator}{draw(value)}"


FILTERS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or ", " AND "]), inner).map(lambda t: f"({t[0]}){t[1]}{t[2]}"),
        inner.map(lambda text: f"not ({text})"),
        inner.map(lambda text: f"not {text}"),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(FILTERS)
def test_canonical_text_parses_to_the_same_filter(text: str) -> None:
    first = parse(text, 100_000)
    second = parse(str(first), 100_000)
    assert second == first
    assert str(second) == str(first)
    assert np.array_equal(second.mask(CATALOG, STATS), first.mask(CATALOG, STATS))


@settings(deadline=None)
@given(FILTERS, FILTERS)
def test_laws_of_three_valued_logic(a: str, b: str) -> None:
    def mask(text: str) -> np.ndarray:
        return parse(text, 100_000).mask(CATALOG, STATS)

    assert np.array_equal(mask(f"({a}) and ({b})"), mask(a) & mask(b))
    assert np.array_equal(mask(f"({a}) or ({b})"), mask(a) | mask(b))
    assert np.array_equal(mask(f"not (({a}) and ({b}))"), mask(f"(not ({a})) or (not ({b}))"))
    assert np.array_equal(mask(f"not (not ({a}))"), mask(a))
    assert not (mask(a) & mask(f"not ({a})")).any()


@settings(deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="()\"'\\=<>!~, andortiyg1", max_size=60))
def test_any_text_parses_or_faults_within_itself(text: str) -> None:
    fault = None
    try:
        assert isinstance(parse(text), Filter)
    except FilterError as error:
        fault = error
    assert fault is None or (0 <= fault.position <= len(text) and fault.hint)
