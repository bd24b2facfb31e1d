"""What a split into services costs: lists over SQLite, over Elasticsearch, and with a recommender service as well.

Also kNN of Elasticsearch beside ours.

    python benchmarks/elasticsearch_store.py                      # both tables
    python benchmarks/elasticsearch_store.py lists [--data FOLDER] [--requests 1000]
    python benchmarks/elasticsearch_store.py knn [--movies 60000] [--values 128]
    python benchmarks/elasticsearch_store.py size [--movies 1000000] [--values 64]

The server is that of MATINEE_TEST_ELASTICSEARCH_URL, or one node on loopback, as for the tests. "lists": personalized
lists of 20 films for users whose ratings are in the store, by `Engine.recommend`, one after another (p50, p99) and
from eight threads at a time (lists a second), with the models in this process or in a recommender service, which is a
process of its own over the same Elasticsearch; "rating": one rating and the list after it. "knn": the ten nearest of
random vectors in clusters, without a filter and with one that allows 1 % of the movies; "ours" is exact search in this
process. "size": what writing many vectors into a graph of the server takes, its files, and searches one after another,
without a filter and with one that allows 10 %.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np

from matinee.engine import Engine
from matinee.engine.types import Request
from matinee.indexes import ExactIndex, VectorIndex
from matinee.indexes.base import Mask, Vectors
from matinee.indexes.elasticsearch import ElasticsearchIndex
from matinee.settings import Settings
from matinee.stores.elasticsearch import Names
from matinee.training.pipeline import train

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from elasticsearch_support import ADDRESS, Node, remove_indices
from service_support import serving

SHARED = Path(os.environ.get("MATINEE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
N_LIST, N_USERS, THREADS, K, QUERIES, CLUSTERS = 20, 200, 8, 10, 200, 300

Ask = Callable[[int], object]
"""Makes the n-th request."""
Contender = Callable[[], AbstractContextManager[tuple[Ask, Ask]]]
"""Opens one way to answer: gives a list, and a rating with the list after it."""


@contextmanager
def server() -> Iterator[str]:
    """Address of an Elasticsearch server."""
    if os.environ.get(ADDRESS):
        yield os.environ[ADDRESS]
        return
    node = Node(heap="1g", quick=False)
    try:
        node.start()
        node.wait()
        yield node.url
    finally:
        node.remove()


def timed(ask: Ask, count: int) -> list[float]:
    """Milliseconds of each of some requests."""
    took = []
    for n in range(count):
        start = time.perf_counter()
        ask(n)
        took.append(1e3 * (time.perf_counter() - start))
    return took


def rate(ask: Ask, count: int) -> float:
    """Requests a second from several threads."""
    start = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(count)))
    return count / (time.perf_counter() - start)


def percentile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))


# --- lists ------------------------------------------------------------------------------------------------------
def over(settings: Settings) -> Contender:
    """An engine in this process over the store of the settings, which gets ratings of all users asked for."""

    @contextmanager
    def opened() -> Iterator[tuple[Ask, Ask]]:
        with Engine.open(settings) as engine:
            users = [user_id for user_id, _ in engine.users(limit=N_USERS).users]
            movies = [found.item.movie_id for found in engine.popular(n=100)]
            engine.rate([(user, movies[n % len(movies)], 4.0) for n, user in enumerate(users)])

            def ask(n: int) -> object:
                return engine.recommend(users[n % len(users)], Request(n=N_LIST))

            def rate_and_ask(n: int) -> object:
                engine.rate([(users[n % len(users)], movies[(7 * n) % len(movies)], 3.0)])
                return ask(n)

            yield ask, rate_and_ask

    return opened


def over_recommender(settings: Settings) -> Contender:
    """As `over`, with the models of a recommender service."""

    @contextmanager
    def opened() -> Iterator[tuple[Ask, Ask]]:
        log = settings.data_dir / "recommender.log"
        with serving("recommender", settings, log) as service, over(_asking(settings, service.url))() as asks:
            yield asks

    return opened


def _asking(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"recommender_url": url})


def compare_lists(contenders: Mapping[str, Contender], requests: int) -> None:
    print(f"\nLists of {N_LIST} films for {N_USERS} users whose ratings are in the store ({requests} requests)\n")
    print("| way | p50 ms | p99 ms | lists a second | rating, then list: p50 ms | p99 ms |\n|---|---|---|---|---|---|")
    for name, contender in contenders.items():
        with contender() as (ask, rate_and_ask):
            timed(ask, N_USERS)
            took, speed = timed(ask, requests), rate(ask, requests)
            written = timed(rate_and_ask, requests // 4)
            cells = [percentile(took, 0.5), percentile(took, 0.99), speed]
            cells += [percentile(written, 0.5), percentile(written, 0.99)]
            print(f"| {name} | {' | '.join(f'{value:.1f}' for value in cells)} |", flush=True)


def lists(url: str, data: Path, requests: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), data=str(data), offline=True, text_encoder="off", store_timeout=30)
        train(settings, measure=False)
        own = {f"{part}_index": f"bench-{part}-{time.time_ns()}" for part in ("user", "movie", "vector")}
        remote = settings.model_copy(update={"store_url": url, **own})
        try:
            contenders = {
                "in process, SQLite": over(settings),
                "in process, Elasticsearch": over(remote),
                "recommender service, Elasticsearch": over_recommender(remote),
            }
            compare_lists(contenders, requests)
        finally:
            remove_indices(url, Names.of(remote, data.name))


# --- neighbors --------------------------------------------------------------------------------------------------
def clustered(n: int, dim: int) -> Vectors:
    rng = np.random.default_rng(0)
    vectors = 0.5 * rng.normal(size=(n, dim)) + rng.normal(size=(CLUSTERS, dim))[rng.integers(0, CLUSTERS, n)]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def search(index: VectorIndex, queries: Vectors, allowed: Mask | None, found: list[list[int]], n: int) -> None:
    found[n] = index.search(queries[n : n + 1], K, allowed).items[0].tolist()


def compare_indexes(
    makers: Mapping[str, Callable[[], VectorIndex]], queries: Vectors, filters: Mapping[str, Mask | None]
) -> None:
    print("| index | filter | p50 ms | p99 ms | searches a second | recall |\n|---|---|---|---|---|---|")
    true: dict[str, list[list[int]]] = {}
    for name, make in makers.items():
        start = time.perf_counter()
        index = make()
        built = time.perf_counter() - start
        for label, allowed in filters.items():
            found = list[list[int]]([[]]) * len(queries)
            ask = partial(search, index, queries, allowed, found)
            timed(ask, 20)
            took = timed(ask, len(queries))
            speed = rate(ask, len(queries))
            best = true.setdefault(label, found)
            recall = statistics.mean(len(set(a) & set(b)) / K for a, b in zip(found, best, strict=True))
            cells = f"{percentile(took, 0.5):.2f} | {percentile(took, 0.99):.2f} | {speed:.0f} | {recall:.3f}"
            print(f"| {name} (built in {built:.1f} s) | {label} | {cells} |", flush=True)
        if isinstance(index, ElasticsearchIndex):
            index.drop()
            index.close()


def knn(url: str, movies: int, values: int) -> None:
    settings = Settings(store_url=url, store_timeout=60)
    everything = clustered(movies + QUERIES, values)
    vectors, queries = everything[:movies], everything[movies:]
    items = np.arange(movies)
    few = np.random.default_rng(1).random(movies) < 0.01
    print(f"\nThe {K} nearest of {movies} × {values}\n")
    compare_indexes(
        {
            "ours, exact": lambda: ExactIndex(items, vectors),
            "Elasticsearch, exact": lambda: ElasticsearchIndex(settings, "bench-exact", items, vectors),
            "Elasticsearch, hnsw": lambda: ElasticsearchIndex(settings, "bench-hnsw", items, vectors, variant="hnsw"),
        },
        queries,
        {"none": None, "1 %": few},
    )


def size(url: str, movies: int, values: int) -> None:
    settings = Settings(store_url=url, store_timeout=120)
    everything = clustered(movies + QUERIES, values)
    vectors, queries = everything[:movies], everything[movies:]
    items = np.arange(movies)
    print(f"\n{movies:,} × {values} in Elasticsearch, by a graph\n")
    start = time.perf_counter()
    index = ElasticsearchIndex(settings, "bench-size", items, vectors, variant="hnsw")
    seconds = time.perf_counter() - start
    try:
        ours = ExactIndex(items, vectors)
        answer = httpx.get(f"{url}/{index.name}/_stats/store", trust_env=False).json()
        stored = answer["_all"]["total"]["store"]["size_in_bytes"]
        print(f"written and merged: {seconds:,.0f} s, {movies / seconds:,.0f} vectors/s")
        print(f"files: {stored / 2**20:,.0f} MiB; a vector: {stored / movies:,.0f} bytes, {4 * values} of values")
        for name, share in (("none", 1.0), ("10 %", 0.1)):
            allowed = None if share == 1.0 else np.random.default_rng(1).random(movies) < share
            found: list[list[int]] = [[]] * QUERIES
            spent = timed(partial(search, index, queries, allowed, found), QUERIES)
            true = ours.search(queries, K, allowed).items
            recall = np.mean([len({*one} & {*other}) / K for one, other in zip(found, true.tolist(), strict=True)])
            p50, p99 = (percentile(spent, at) for at in (0.5, 0.99))
            print(f"filter {name}: p50 {p50:,.1f} ms, p99 {p99:,.1f} ms, recall@{K} {recall:.3f}")
    finally:
        index.drop()
        index.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("lists", "knn", "size"))
    parser.add_argument("--data", type=Path, default=SHARED / "ml-latest-small")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--movies", type=int, help="60,000, or a million of `size`")
    parser.add_argument("--values", type=int, help="128, or 64 of `size`")
    given = parser.parse_args()
    with server() as url:
        if given.what in (None, "lists"):
            lists(url, given.data, given.requests)
        if given.what in (None, "knn"):
            knn(url, given.movies or 60_000, given.values or 128)
        if given.what == "size":
            size(url, given.movies or 1_000_000, given.values or 64)


if __name__ == "__main__":
    main()
