"""What Spark learns is what local training learns, and lists for all users are those of the models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from elasticsearch_support import elasticsearch_url
from matinee._util.progress import silent
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.models import Ease, ImplicitALS, ItemKNN, Popularity
from matinee.models.base import Model, Query
from matinee.snapshots import SnapshotRegistry
from matinee.snapshots.snapshot import Snapshot
from small_folder import write_folder

# py4j leaves its sockets to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MODELS: list[Model[Any]] = [
    Popularity(),
    Popularity(by="top_rated"),
    Popularity(by="trending"),
    ItemKNN(neighbors=10),
    Ease(),
    Ease(regularization=200.0, dropout=0.5, weighting="stars", min_ratings=8),
    ImplicitALS(n_factors=8, iterations=2),
    ImplicitALS(n_factors=8, iterations=2, solver="cg", weighting="stars"),
]


def test_models_are_the_local_ones(spark: SparkSession, dataset: Dataset) -> None:
    from matinee.spark.fitting import SparkFit

    fit = SparkFit(spark)
    queries = [Query.of(dataset.ratings, user) for user in range(dataset.ratings.n_users)]
    for model in MODELS:
        local = type(model)(model.config).fit(dataset).score(queries)
        ours = fit(model, dataset, silent)
        assert type(ours) is type(model)
        assert np.allclose(ours.score(queries), local, rtol=1e-4, atol=1e-4 * np.nanstd(local), equal_nan=True), model
    fit.forget()


def test_a_descent_starts_from_the_users_of_most_ratings(
    spark: SparkSession, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many ratings; here the few are called many."""
    from matinee.models import ials
    from matinee.spark import als
    from matinee.spark.fitting import SparkFit

    for module in (ials, als):
        monkeypatch.setattr(module, "LARGE", 0)
    model = ImplicitALS(n_factors=4, iterations=1, solver="cg", steps=1)
    queries = [Query.of(dataset.ratings, user) for user in range(dataset.ratings.n_users)]
    local = ImplicitALS(model.config).fit(dataset).score(queries)
    fit = SparkFit(spark)
    ours = fit(model, dataset, silent).score(queries)
    fit.forget()
    assert np.allclose(ours, local, rtol=1e-4, atol=1e-4 * np.nanstd(local), equal_nan=True)


def test_span_after_span_of_movies(spark: SparkSession, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from matinee.spark import links
    from matinee.spark.blocks import spread

    blocks = spread(spark.sparkContext, dataset.ratings)
    k = len(dataset.catalog)
    config = ItemKNN(neighbors=10).config
    whole = links.item_links(blocks, k, 5.0, config, silent)
    monkeypatch.setattr(links, "TILE", 8)
    monkeypatch.setattr(links, "SPAN_BYTES", 4 * 16 * k)
    apart = links.item_links(blocks, k, 5.0, config, silent)
    assert abs(whole - apart).max() < 1e-6


@pytest.mark.shared_data
@pytest.mark.extended
def test_metrics_on_ml_100k(spark: SparkSession, shared_data: Path) -> None:
    """The figures of both engines on the same split differ by less than .002."""
    from matinee.spark.fitting import SparkFit

    whole = load_dataset(shared_data / "ml-100k", credits=False)
    keep = np.random.default_rng(0).random(len(whole.ratings)) < 0.75
    train, test = whole.with_ratings(whole.ratings.select(keep)), whole.ratings.select(~keep)
    fit = SparkFit(spark)
    for model in (ImplicitALS(), ItemKNN(), Ease()):
        local, ours = type(model)(model.config).fit(train), fit(model, train, silent)
        assert abs(ndcg(local, train, test) - ndcg(ours, train, test)) < 0.002


def ndcg(model: Model[Any], train: Dataset, test: Any) -> float:
    """nDCG@10 over all users, every rating relevant."""
    discounts, found = 1 / np.log2(np.arange(2, 12)), []
    for user in range(train.ratings.n_users):
        relevant = set(test.history(user)[0].tolist())
        if relevant:
            hits = np.array([row in relevant for row in model.top(Query.of(train.ratings, user), 10)])
            found.append((hits * discounts[: len(hits)]).sum() / discounts[: len(relevant)].sum())
    return float(np.mean(found))


def test_a_snapshot_and_its_lists(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training ends in a snapshot that the engine serves; lists of all users go to Parquet and Elasticsearch."""
    from contextlib import nullcontext

    import matinee
    from matinee.spark import train as training
    from matinee.spark.lists import Target, lists_of, to_elasticsearch

    settings = matinee.Settings(data_dir=tmp_path / "home", cache_dir=tmp_path / "cache", offline=True)
    source = write_folder(tmp_path / "small")
    monkeypatch.setattr(training, "spark_session", lambda *_: nullcontext(spark))
    monkeypatch.setattr(training, "HERE", 100)
    snapshot_id = training.train(settings, str(source), master="local[2]", measure=True)
    manifest = SnapshotRegistry(settings.snapshots_dir).show(snapshot_id)
    assert "Nothing was measured: with Spark that is done up to 100 ratings." in manifest.report.notes
    with matinee.Engine.open(settings) as engine:
        assert engine.recommend("1", matinee.Request(n=3)).snapshot == snapshot_id
        assert {"popular", "ials", "ease", "itemknn", "blend", "graph", "content"} <= {
            model["name"] for model in engine.models()
        }
    snapshot = Snapshot.load(settings.snapshots_dir, snapshot_id)
    best = snapshot.models["ials"].top(Query.of(snapshot.ratings, "7"), 5)
    lists = lists_of(spark, settings.snapshots_dir, snapshot_id, model="ials", n=5)
    target = str(tmp_path / "lists")
    lists.write.parquet(target)
    table = pl.read_parquet(f"{target}/*.parquet")
    assert table.height == 60
    assert set(table["model"]) == {"ials"}
    own = table.row(by_predicate=pl.col("user_id") == "7", named=True)
    assert own["movie_ids"] == snapshot.catalog.ids(best)
    assert sorted(own["scores"], reverse=True) == own["scores"]
    url = elasticsearch_url()
    to_elasticsearch(spark.read.parquet(target), Target(url, f"lists-{tmp_path.name}"), snapshot_id)
    import httpx

    found = httpx.get(f"{url}/lists-{tmp_path.name}/_doc/7").json()["_source"]
    assert (found["movie_ids"], found["snapshot"]) == (own["movie_ids"], snapshot_id)
    assert httpx.get(f"{url}/lists-{tmp_path.name}/_count").json()["count"] == 60
