from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.split import users_of, validation_users
from matinee.errors import DataError, InvalidInputError, MemoryLimitError, NotFoundError, UnknownModelError
from matinee.evaluation import PEERS, PROTOCOLS, EvaluationReport, evaluate, get_protocol, training_metrics
from matinee.evaluation.measure import fit_models, genre_vectors, measure_ranking, measure_stars, users_to_test
from matinee.evaluation.protocols import EvaluationSource, Split
from matinee.models import RP3Beta
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores
from matinee.settings import Settings
from support import make_dataset, random_dataset


class CountConfig(ModelConfig):
    weight: float = 1.0


class Count(Model[CountConfig]):
    """Number of ratings; a small honest model of these tests."""

    name = "count"
    Config = CountConfig

    def memory_needed(self, dataset: Dataset) -> int:
        return 8 * len(dataset.catalog)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self.counts = dataset.ratings.counts.astype(np.float32)
        self.trained = len(dataset.ratings)

    def score(self, queries: Sequence[Query]) -> Scores:
        return np.tile(self.counts, (len(queries), 1))

    def state(self) -> dict[str, np.ndarray]:
        return {"counts": self.counts}

    @classmethod
    def from_state(cls, config: ModelConfig, state: Mapping[str, np.ndarray], catalog: Catalog) -> Count:
        raise NotImplementedError


class Mean(Count):
    """Mean stars of a film; films without ratings get no opinion."""

    name = "mean"
    predicts_stars = True

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        ratings = dataset.ratings
        with np.errstate(invalid="ignore"):
            self.counts = (ratings.sums / ratings.counts).astype(np.float32)


class Twice(Count):
    """Made of another model."""

    name = "twice"

    @property
    def parts(self) -> tuple[str, ...]:
        return ("count",)

    def bind(self, models: Mapping[str, Model[Any]]) -> Twice:
        self.bound = models["count"]
        return self

    def score(self, queries: Sequence[Query]) -> Scores:
        return 2 * self.bound.score(queries)


def lineup(_: Dataset) -> dict[str, Model[Any]]:
    return {"count": Count(), "mean": Mean(), "twice": Twice()}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(offline=True, cache_dir=tmp_path / "cache")


# --- protocols --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_no_split_shows_what_it_asks(name: str, validation: bool) -> None:
    data = random_dataset(80, 40, 0.6)
    protocol = get_protocol(name)
    everything = data.ratings.matrix().toarray()
    splits = list(protocol.splits(EvaluationSource(data), validation=validation))
    tests = list(protocol.splits(EvaluationSource(data)))
    assert [split.name for split in splits] == [split.name + ", validation" * validation for split in tests]
    for split, outer in zip(splits, tests, strict=True):
        train, history, test = (part.matrix().toarray() for part in (split.train, split.history, split.test))
        assert len(split.train) > 0
        assert len(split.test) > 0
        assert not ((train > 0) & (test > 0)).any()
        assert not ((history > 0) & (test > 0)).any()
        for part in (train, history, test):
            expected = np.minimum(everything, 1) if protocol.binary else everything
            assert (part[part > 0] == expected[part > 0]).all()
        if name in ("new-users", "few"):
            assert not ((train > 0).any(axis=1) & (test > 0).any(axis=1)).any()
            assert not ((train > 0).any(axis=1) & (history > 0).any(axis=1)).any()
        else:
            assert np.array_equal(train, history)
        if validation:
            hidden = outer.test.matrix().toarray() > 0
            assert not (hidden & ((train > 0) | (history > 0) | (test > 0))).any()
        if name in ("temporal", "leave-last-out"):
            newest = [split.train.history(u)[2].max(initial=0) for u in range(80)]
            oldest = [split.test.history(u)[2].min(initial=1 << 40) for u in range(80)]
            assert (np.array(newest) <= np.array(oldest)).all()
        if name == "ml-1m-topn":
            assert (everything[(train + test) > 0] >= 4).all()


def test_published_splits_follow_the_order_of_the_file() -> None:
    data = random_dataset(30, 20, 0.5)
    frame = data.ratings.to_frame(data.catalog)
    shuffled = np.random.default_rng(1).permutation(frame.height)
    source = EvaluationSource(data, frame[shuffled])
    split = next(iter(PROTOCOLS["ml-100k-topn"].splits(source)))
    rows = frame[shuffled]
    for user in ("u0", "u7", "u29"):
        films = rows.filter(rows["user_id"] == user)["movie_id"].to_list()
        chosen = np.random.RandomState(42).permutation(len(films))[: round(0.75 * len(films))]
        found = split.train.history(data.ratings.find_user(user) or 0)[0]
        assert set(data.catalog.ids(found)) == {films[place] for place in chosen}
    folds = list(PROTOCOLS["ml-100k-ratings"].splits(source))
    places = np.arange(frame.height)
    np.random.RandomState(0).shuffle(places)
    wanted = rows[places[: folds[0].test.indptr[-1]]].select("user_id", "movie_id")
    assert set(wanted.rows()) == set(folds[0].test.to_frame(data.catalog).select("user_id", "movie_id").rows())


def test_unknown_protocols_and_thin_data(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="ml-100k-topn"):
        get_protocol("imdb")
    one = make_dataset([("a", "1", 4.0, None), ("a", "2", 4.0, None)])
    with pytest.raises(InvalidInputError, match="ask about"):
        evaluate("leave-last-out", data=make_dataset([("a", "1", 4.0, 5)]), settings=settings, lineup=lineup)
    with pytest.raises(InvalidInputError, match="learn from"):
        evaluate("ml-1m-topn", data=one, settings=settings, lineup=lineup)
    with pytest.raises(DataError, match="no time"):
        evaluate("temporal", data=one, settings=settings, lineup=lineup)


def test_every_peer_belongs_to_a_protocol() -> None:
    assert set(PEERS) <= set(PROTOCOLS)


# --- measuring --------------------------------------------------------------------------------------------------
def test_ranking_against_a_slow_loop(dataset: Dataset) -> None:
    split = next(iter(PROTOCOLS["holdout"].splits(EvaluationSource(dataset))))
    model = Count().fit(dataset.with_ratings(split.train))
    found = measure_ranking(model, split, dataset.catalog, k=5)
    counts = split.train.counts
    recalls = []
    for user in range(dataset.ratings.n_users):
        asked = set(split.test.history(user)[0].tolist())
        seen = set(split.train.history(user)[0].tolist())
        if asked:
            best = sorted((i for i in range(len(dataset.catalog)) if i not in seen), key=lambda i: (-counts[i], i))[:5]
            recalls.append(len(asked & set(best)) / len(asked))
    assert found["recall@5"] == pytest.approx(np.mean(recalls))
    assert found["answered"] == 1.0
    assert 0 < found["coverage"] < 1


def test_a_model_without_answers_scores_zero(dataset: Dataset) -> None:
    class Silent(Count):
        def score(self, queries: Sequence[Query]) -> Scores:
            return np.full((len(queries), self.n_items), np.nan, dtype=np.float32)

    split = next(iter(PROTOCOLS["holdout"].splits(EvaluationSource(dataset))))
    found = measure_ranking(Silent().fit(dataset), split, dataset.catalog)
    assert found["answered"] == found["ndcg@10"] == found["coverage"] == found["diversity"] == 0.0


def test_stars_against_a_slow_loop(dataset: Dataset) -> None:
    split = next(iter(PROTOCOLS["holdout"].splits(EvaluationSource(dataset))))
    keep = split.train.indices != split.test.indices[0]
    split = Split("one film unknown", split.train.select(keep), split.train.select(keep), split.test)
    model = Mean().fit(dataset.with_ratings(split.train))
    errors, unknown = [], 0
    for user in range(dataset.ratings.n_users):
        for film, stars, _ in zip(*split.test.history(user), strict=True):
            guess = model.counts[film]
            if np.isnan(guess):
                unknown += 1
                guess = split.train.values.mean()
            errors.append(float(guess) - float(stars))
    found = measure_stars(model, split, (0.5, 5.0))
    assert unknown > 0
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-5)
    assert found["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
    assert found["predicted"] == pytest.approx(1 - unknown / len(errors))
    assert measure_stars(model, split, (3.0, 3.0))["mae"] == pytest.approx(np.abs(split.test.values - 3).mean())
    with pytest.raises(InvalidInputError, match="does not predict stars"):
        measure_stars(Count().fit(dataset), split, (0.5, 5.0))


def test_fit_models_fits_parts_once_and_nothing_else(dataset: Dataset) -> None:
    told: list[str] = []
    fitted = fit_models(lineup(dataset), ["twice"], dataset, progress=lambda what, _: told.append(what))
    assert list(fitted) == ["count", "twice"]
    assert told == ["fitting count", "fitting twice"]
    assert fitted["twice"].model.bound is fitted["count"].model  # type: ignore[attr-defined]
    with pytest.raises(UnknownModelError, match="count, mean, twice"):
        fit_models(lineup(dataset), ["other"], dataset)
    with pytest.raises(MemoryLimitError):
        fit_models(lineup(dataset), ["count"], dataset, memory_limit=8)


def test_asked_users_and_genre_vectors(dataset: Dataset) -> None:
    split = next(iter(PROTOCOLS["holdout"].splits(EvaluationSource(dataset))))
    users = users_to_test(split)
    assert set(users) == set(users_of(split.test).tolist())
    some = users_to_test(split, 7, 3)
    assert len(some) == 7
    assert set(some) <= set(users)
    assert np.array_equal(some, users_to_test(split, 7, 3))
    vectors = genre_vectors(dataset.catalog)
    np.testing.assert_allclose((vectors @ vectors.T).diagonal(), 1.0)
    bare = make_dataset([("a", "1", 4.0, None)], [{"movie_id": "1", "title": "A", "genres": []}])
    assert genre_vectors(bare.catalog).nnz == 0


# --- the whole way ----------------------------------------------------------------------------------------------
def test_evaluate_reports_what_it_did(dataset: Dataset, settings: Settings) -> None:
    told: list[tuple[str, float]] = []
    report = evaluate(
        "ml-100k-ratings", data=dataset, settings=settings, lineup=lineup, progress=lambda *step: told.append(step)
    )
    assert [entry.name for entry in report.results] == ["mean"]
    result = report.result("mean")
    assert result.kind == "mean"
    assert result.config == {"weight": 1.0}
    assert len(result.per_split) == len(report.splits) == 5
    assert result.metrics["rmse"] == pytest.approx(np.mean([split["rmse"] for split in result.per_split]))
    assert result.deviations["rmse"] > 0
    assert report.fingerprint == dataset.fingerprint
    assert report.peers == PEERS["ml-100k-ratings"]
    assert {"python", "numpy", "scipy"} <= set(report.versions)
    assert "order of the file is not known" in " ".join(report.notes)
    assert "made for ml-100k" in " ".join(report.notes)
    assert told[0][0].startswith("fold 1: fitting")
    assert all(0 <= share <= 1 for _, share in told)
    with pytest.raises(KeyError):
        report.result("none")
    assert EvaluationReport.model_validate_json(report.to_json()) == report
    assert json.loads(report.to_json())["protocol"] == "ml-100k-ratings"


def test_tables_order_models_and_end_with_peers(dataset: Dataset, settings: Settings) -> None:
    report = evaluate("holdout", ["count", "mean"], data=dataset, settings=settings, lineup=lineup)
    columns, rows = report.table()
    assert columns[:2] == ["model", "ndcg@10"]
    assert columns[-2:] == ["fit s", "score s"]
    assert {len(row) for row in rows} == {len(columns)}
    values = [float(row[1].split()[0]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert next(row for row in rows if row[0] == "count")[columns.index("rmse")] == ""
    text = report.to_markdown()
    assert text.startswith("### holdout on random\n")
    assert text.count("\n| ") == 1 + len(rows)
    stars = evaluate("ml-100k-ratings", data=dataset, settings=settings, lineup=lineup)
    _, rows = stars.table()
    assert rows[0][0] == "mean"
    assert " [" in rows[0][1]
    assert stars.reading[0] in stars.to_markdown()
    plain = evaluate("holdout", ["count"], data=dataset, settings=settings, lineup=lineup, resamples=0)
    assert "[" not in plain.table()[1][0][1]
    assert plain.reading == []
    assert rows[-1][0].startswith("Bayesian FM")
    assert "* The order of the file" in stars.to_markdown()
    validated = evaluate("ml-100k-ratings", data=dataset, settings=settings, lineup=lineup, validation=True)
    assert validated.validation
    assert validated.peers == ()
    assert "validation part" in validated.to_markdown()


def test_evaluate_refuses_what_cannot_be_measured(dataset: Dataset, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="does not predict stars"):
        evaluate("ml-100k-ratings", ["count"], data=dataset, settings=settings, lineup=lineup)
    with pytest.raises(InvalidInputError, match="No model can"):
        evaluate("ml-100k-ratings", data=dataset, settings=settings, lineup=lambda _: {"count": Count()})
    with pytest.raises(UnknownModelError):
        evaluate("holdout", ["nope"], data=dataset, settings=settings, lineup=lineup)
    with pytest.raises(DataError):
        evaluate("holdout", data=tmp_path / "none" / "here", settings=settings, lineup=lineup)


def write_folder(folder: Path, data: Dataset, seed: int = 5) -> Path:
    """A folder with films and shuffled ratings, as MovieLens ships them."""
    folder.mkdir()
    frame = data.ratings.to_frame(data.catalog)
    frame = frame[np.random.default_rng(seed).permutation(frame.height)]
    frame.rename({"user_id": "userId", "movie_id": "movieId"}).write_csv(folder / "ratings.csv")
    lines = ["movieId,title,genres"]
    for movie_id, title, year in data.catalog.frame.select("movie_id", "title", "year").iter_rows():
        lines.append(f'{movie_id},"{title} ({year})",Drama')
    (folder / "movies.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_kinds_that_the_line_up_lacks_are_measured_where_they_are_named(dataset: Dataset, settings: Settings) -> None:
    report = evaluate("holdout", ["rp3beta", "count"], data=dataset, settings=settings, lineup=lineup, resamples=0)
    assert {entry.name: entry.kind for entry in report.results} == {"rp3beta": "rp3beta", "count": "count"}
    assert report.result("rp3beta").config == RP3Beta().config.model_dump()


def test_a_folder_gives_the_order_of_its_file(dataset: Dataset, settings: Settings, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tiny", dataset)
    report = evaluate("ml-latest-small-ratings", ["mean"], data=folder, settings=settings, lineup=lineup)
    assert report.dataset == "tiny"
    assert "order" not in " ".join(report.notes)
    other = write_folder(tmp_path / "again", dataset, seed=6)
    differs = evaluate("ml-latest-small-ratings", ["mean"], data=str(other), settings=settings, lineup=lineup)
    assert differs.fingerprint == report.fingerprint
    assert differs.result("mean").metrics != report.result("mean").metrics


def test_recboles_files_give_the_same_split_as_the_order_they_keep(settings: Settings, tmp_path: Path) -> None:
    data = random_dataset(30, 20, 0.5)
    frame = data.ratings.to_frame(data.catalog)
    frame = frame[np.random.default_rng(2).permutation(frame.height)]
    folder = tmp_path / "wheel"
    folder.mkdir()
    header = {"user_id": "user_id:token", "movie_id": "item_id:token", "rating": "rating:float"}
    frame.drop("timestamp").rename(header).write_csv(folder / "tiny.inter", separator="\t")
    report = evaluate("ml-100k-ratings", ["mean"], data=folder, settings=settings, lineup=lineup)
    splits = PROTOCOLS["ml-100k-ratings"].splits(EvaluationSource(data, frame))
    expected = [measure_stars(Mean().fit(data.with_ratings(part.train)), part, (0.5, 5.0))["rmse"] for part in splits]
    assert [found["rmse"] for found in report.result("mean").per_split] == pytest.approx(expected, rel=1e-6)
    assert "order" not in " ".join(report.notes)


def test_training_metrics_are_measured_on_what_was_held_out(dataset: Dataset) -> None:
    seen: list[int] = []

    def factory(part: Dataset) -> dict[str, Model[Any]]:
        seen.append(len(part.ratings))
        return lineup(part)

    found = training_metrics(dataset, factory, 1)
    assert list(found) == ["count", "mean", "twice"]
    asked = ~validation_users(dataset.ratings.user_ids)  # the others stay whole in training
    expected = len(dataset.ratings) - 0.2 * np.diff(dataset.ratings.indptr)[asked].sum()
    assert seen[0] == pytest.approx(expected, rel=0.05)
    assert set(found["count"]) == {"ndcg@10", "recall@10", "coverage"}
    assert 0 < found["mean"]["rmse"] < 2
    assert found["count"]["ndcg@10"] == found["twice"]["ndcg@10"]
    assert found == training_metrics(dataset, lineup, 1)
    few = training_metrics(dataset, factory, 1, max_users=5)
    assert seen[1] > 0.97 * len(dataset.ratings)
    assert few["count"] != found["count"]
    assert training_metrics(make_dataset([("a", "1", 4.0, None)]), lineup) == {}
    assert training_metrics(make_dataset([("a", "1", 4.0, None), ("b", "1", 4.0, None)]), lineup) == {}
