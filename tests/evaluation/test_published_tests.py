"""What is printed stays as it was, and no validation part asks for any of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.ratings import Ratings
from matinee.data.readers import read_source
from matinee.data.split import users_of, validation_users
from matinee.evaluation import PROTOCOLS, Protocol, evaluate
from matinee.evaluation.protocols import EvaluationSource, Split, published_tests
from matinee.evaluation.splitters import holdouts
from matinee.models import Popularity
from matinee.settings import Settings
from support import random_dataset

Pairs = set[tuple[str, str]]

PRINTED: dict[str, dict[str, str]] = {
    "small": {
        "ml-100k-topn": "095f27704eeb2dce",
        "ml-100k-ratings": "55921241b2b84f04",
        "ml-1m-topn": "84612daefc5a1812",
        "ml-1m-ratings": "4b62f2f1971124b5",
        "ml-1m-folds": "55921241b2b84f04",
        "ml-latest-small-ratings": "bfc84b0290523eb8",
        "likes": "187f5f8f7ece3556",
        "few": "69b7630246890707",
        "implicit": "162c0b77228eb30b",
        "holdout": "46ec5069cb32b148",
        "temporal": "7082e69495c0f9ea",
        "leave-last-out": "b11b4581e8570efe",
        "new-users": "b91f4cd10ca63aea",
    },
    "ml-100k": {
        "ml-100k-topn": "3427b46fc2ee9f34",
        "ml-100k-ratings": "19118fb8dad50dda",
        "likes": "36fb916202f556cb",
        "few": "7231a8ebef02278b",
        "implicit": "56b434b3535ca759",
        "holdout": "88c7b508d90e8b6d",
        "temporal": "7cbf2c17d6e55b8f",
        "leave-last-out": "8e83f36fb8f8f547",
        "new-users": "3f113680f3e829e8",
    },
}
"""Protocol → first hex digits of `digest`, as it was before validation parts avoided the tests of other protocols."""


def pairs(data: Dataset, ratings: Ratings) -> Pairs:
    """Ids of user and film of each rating."""
    return set(ratings.to_frame(data.catalog).select("user_id", "movie_id").rows())


def asked(data: Dataset, split: Split) -> Pairs:
    """All that a split asks for."""
    return set().union(*(pairs(data, part) for part in (split.test, *(q.test for q in split.questions))))


def digest(data: Dataset, splits: Iterator[Split]) -> str:
    """Of the names, the questions and the tests of splits."""
    found = hashlib.sha256()
    for split in splits:
        found.update(f"{split.name}: {sorted(pairs(data, split.test))}".encode())
        for question in split.questions:
            found.update(f"{question.name}: {sorted(pairs(data, question.test))}".encode())
    return found.hexdigest()[:16]


def small(name: str = "small") -> tuple[Dataset, pl.DataFrame]:
    """100 users × 50 films, and the rows of their file in an order of its own."""
    data = replace(random_dataset(100, 50, 0.6), name=name)
    frame = data.ratings.to_frame(data.catalog)
    return data, frame[np.random.default_rng(4).permutation(frame.height)]


@pytest.fixture(scope="module")
def ml_100k(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, pl.DataFrame]:
    settings = Settings(offline=True, cache_dir=tmp_path_factory.mktemp("cache"))
    folder = shared_data / "ml-100k"
    return load_dataset(folder, settings, credits=False), read_source(folder).ratings


def printed_by(protocol: Protocol, data: Dataset, rows: pl.DataFrame) -> Iterator[Split]:
    """What `matinee evaluate` prints: the order of the file is read for those alone that depend on it."""
    return protocol.splits(EvaluationSource(data, rows if protocol.needs_order else None))


def check_overlap(data: Dataset, rows: pl.DataFrame) -> None:
    """No validation part of any protocol of a data set asks for what is in the test part of another or of itself."""
    protocols = [protocol for protocol in PROTOCOLS.values() if protocol.dataset in (None, data.name)]
    tests = {p.name: [asked(data, split) for split in printed_by(p, data, rows)] for p in protocols}
    printed = set().union(*(test for p in protocols if not p.cross_validation for test in tests[p.name]))
    users = set(pl.Series(data.ratings.user_ids.to_list()).filter(pl.Series(validation_users(data.ratings.user_ids))))
    for protocol in protocols:
        source = EvaluationSource(data, rows if protocol.needs_file(data.name, validation=True) else None)
        for split, own in zip(protocol.splits(source, validation=True), tests[protocol.name], strict=True):
            found = asked(data, split)
            assert found, split.name
            assert {user for user, _ in found} <= users
            assert not found & printed, f"{protocol.name}, {split.name}"
            assert not found & own


@pytest.mark.parametrize("protocol", list(PRINTED["small"]))
def test_printed_tests_are_what_they_were(protocol: str) -> None:
    data, rows = small()
    assert digest(data, printed_by(PROTOCOLS[protocol], data, rows)) == PRINTED["small"][protocol]


@pytest.mark.parametrize("protocol", list(PRINTED["ml-100k"]))
def test_printed_tests_of_ml_100k_are_what_they_were(protocol: str, ml_100k: tuple[Dataset, pl.DataFrame]) -> None:
    assert digest(ml_100k[0], printed_by(PROTOCOLS[protocol], *ml_100k)) == PRINTED["ml-100k"][protocol]


def test_every_protocol_is_pinned() -> None:
    assert set(PRINTED["small"]) == set(PROTOCOLS)
    assert {p.name for p in PROTOCOLS.values() if p.dataset in (None, "ml-100k")} == set(PRINTED["ml-100k"])


@pytest.mark.parametrize("name", ["ml-100k", "ml-1m", "ml-latest-small", "anything"])
def test_no_validation_part_asks_for_what_is_printed(name: str) -> None:
    check_overlap(*small(name))


def test_no_validation_part_of_ml_100k_asks_for_what_is_printed(ml_100k: tuple[Dataset, pl.DataFrame]) -> None:
    check_overlap(*ml_100k)


def test_cross_validation_asks_for_everything() -> None:
    data, rows = small("ml-100k")
    for protocol in PROTOCOLS.values():
        if protocol.cross_validation:
            tests = set().union(*(asked(data, split) for split in printed_by(protocol, data, rows)))
            assert tests == pairs(data, data.ratings)


def test_what_a_preparation_leaves_out_is_taken_alike() -> None:
    """Else nearly all of what remains to be asked would be what `ml-1m-topn` leaves out: films that were not liked."""
    data, rows = small("ml-1m")
    free = ~published_tests(EvaluationSource(data, rows), PROTOCOLS["likes"])
    prepare = PROTOCOLS["ml-1m-topn"].prepare
    assert prepare is not None
    kept = prepare(data.ratings, data.scale)
    assert 0.2 < kept.mean() < 0.8
    expected = 0.8**5 * 0.9**3  # five random fifths and three random tenths
    for part in (kept, ~kept):
        assert free[part].mean() == pytest.approx(expected, abs=0.03)


def test_data_of_another_name_have_no_published_tests_but_the_protocols_own() -> None:
    data, rows = small("ours")
    source = EvaluationSource(data, rows)
    assert not published_tests(source, PROTOCOLS["likes"]).any()
    assert published_tests(source, PROTOCOLS["ml-100k-topn"]).mean() == pytest.approx(0.25, abs=0.01)
    assert not PROTOCOLS["few"].needs_file("ours", validation=True)
    assert PROTOCOLS["few"].needs_file("ml-100k", validation=True)
    assert not PROTOCOLS["few"].needs_file("ml-100k")


def test_fewer_seeds_avoid_all_that_are_printed() -> None:
    data, rows = small("ml-1m")
    protocol = PROTOCOLS["ml-1m-topn"]
    one = replace(protocol, cut=holdouts(0.8, 11))
    source = EvaluationSource(data, rows)
    both = published_tests(source, one)
    assert (both >= published_tests(source, protocol)).all()
    assert both.sum() > published_tests(source, protocol).sum()


def test_the_order_of_the_file_matters_only_where_it_is_said() -> None:
    data, rows = small()
    for protocol in PROTOCOLS.values():
        with_rows, without = (digest(data, protocol.splits(EvaluationSource(data, given))) for given in (rows, None))
        assert (with_rows == without) != protocol.needs_order, protocol.name


def test_validation_reads_the_order_of_the_file_for_the_published_split(tmp_path: Path) -> None:
    _, rows = small("ml-100k")
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    rows.rename({"user_id": "userId", "movie_id": "movieId"}).write_csv(folder / "ratings.csv")
    settings = Settings(offline=True, cache_dir=tmp_path / "cache")
    fitted: list[Dataset] = []

    def lineup(part: Dataset) -> dict[str, Popularity]:
        fitted.append(part)
        return {"popular": Popularity()}

    from_file = evaluate("holdout", data=folder, settings=settings, validation=True, lineup=lineup)
    loaded = load_dataset(folder, settings, credits=False)
    (split,) = PROTOCOLS["holdout"].splits(EvaluationSource(loaded, read_source(folder).ratings), validation=True)
    assert users_of(fitted[0].ratings).tolist() == users_of(split.train).tolist()
    assert not any("order" in line for line in from_file.notes)
    without = evaluate("holdout", data=loaded, settings=settings, validation=True, lineup=lineup)
    assert any("published test ratings may be asked for" in line for line in without.notes)
    assert without.results[0].metrics != from_file.results[0].metrics
    printed = evaluate("holdout", data=loaded, settings=settings, lineup=lineup)
    assert not any("order" in line for line in printed.notes)
