"""Search by meaning, by words and by title: plot-like queries for known films, and titles with two typos.

    python benchmarks/search.py                        # development queries; what choices are made on
    python benchmarks/search.py --test                 # the test queries as well
    python benchmarks/search.py --posters FOLDER       # posters named by IMDb id join in (ConSE)

Queries are in `tests/meaning_queries.py`. "Meaning alone" is the text space by itself: cosines, exact search; with the
prior popular films are lifted a little (`rank_fusion.MEANING_POPULARITY`), as the engine does. Times are those of one
thread's CPU, which neighbours on the machine disturb least.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from matinee.data import load_dataset
from matinee.data.dataset import Dataset
from matinee.encoders import conse
from matinee.encoders.base import TextEncoder
from matinee.encoders.image import load_image_encoder
from matinee.encoders.movie_texts import TEXT_CENTERED, TEXT_DIM, TEXT_POWER, movie_texts
from matinee.encoders.projection import Projection
from matinee.encoders.text import load_text_encoder
from matinee.encoders.vector_cache import encode_cached, encode_images_cached
from matinee.engine.search import rank_fusion
from matinee.engine.search.bm25 import WordIndex
from matinee.engine.search.title_index import TitleIndex
from matinee.errors import MatineeError
from matinee.settings import Settings
from meaning_queries import DEVELOPMENT, TEST, with_typos

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
Hits = list[tuple[int, float]]
Posters = tuple[NDArray[np.int64], NDArray[np.float32]]
N = 10
SEED = 20
"""Of the titles and their typos; thresholds were chosen on seeds 1 to 8."""


@dataclass
class Bench:
    """What a query is put to."""

    encoder: TextEncoder
    projection: Projection
    vectors: NDArray[np.float32]
    titles: TitleIndex
    words: WordIndex
    allowed: NDArray[np.bool_]
    weight: NDArray[np.float64]
    posters: Posters | None = None

    def meaning(self, raw: NDArray[np.float32], popular: bool = True) -> Hits:
        """The nearest films in the text space."""
        cosines = self.vectors @ self.projection.apply(raw[None])[0]
        rows = np.argpartition(-cosines, rank_fusion.DEPTH)[: rank_fusion.DEPTH]
        return rank_fusion.meaning_hits(rows, cosines[rows], self.weight if popular else 0 * self.weight)

    def shown(self, raw: NDArray[np.float32]) -> Hits:
        """The films whose posters seem to show it."""
        if self.posters is None:
            return []
        cosines = conse.text_similarity(self.posters[1], raw)
        best = np.argsort(-cosines)[: rank_fusion.DEPTH]
        return [(int(self.posters[0][position]), float(cosines[position])) for position in best]

    def fused(self, text: str, *, titles: bool = True, words: bool = True) -> Hits:
        """As the engine answers."""
        raw = self.encoder.encode([text])[0] if text.strip() else np.zeros(self.encoder.dim, dtype=np.float32)
        found = rank_fusion.fuse_search(
            text,
            self.titles.find(text, self.allowed, self.weight, rank_fusion.DEPTH) if titles else [],
            self.meaning(raw) if raw.any() else [],
            self.words.find(text, self.allowed, self.weight, rank_fusion.DEPTH) if words else [],
            self.shown(raw),
            n=N,
            index=self.words,
        )
        return [(hit.row, hit.score) for hit in found]


def cpu_ms(call: Callable[[str], object], texts: Sequence[str]) -> list[float]:
    """Milliseconds of this thread for each text."""
    spent = []
    for text in texts:
        start = time.thread_time()
        call(text)
        spent.append(1e3 * (time.thread_time() - start))
    return spent


def places(search: Callable[[str], Hits], asked: Sequence[tuple[int, str]]) -> NDArray[np.float64]:
    """Place of each wanted row in what is found, from 1; infinite where it is not among the first `N`."""
    found = []
    for row, text in asked:
        rows = [hit for hit, _ in search(text)][:N]
        found.append(rows.index(row) + 1 if row in rows else np.inf)
    return np.array(found)


def show(name: str, found: NDArray[np.float64]) -> None:
    hits = " ".join(f"{np.mean(found <= k):8.3f}" for k in (1, 5, 10))
    print(f"{name:<44} {hits} {np.mean(1 / found):8.3f}")


def load(folder: Path, overviews: Path) -> Dataset:
    """The data set with the table of overviews beside its own."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in (*folder.glob("*.csv"), overviews):
            (Path(scratch) / path.name).write_bytes(path.read_bytes())
        return load_dataset(Path(scratch))


def show_encoder(encoder: TextEncoder, texts: Sequence[str]) -> None:
    """Texts a second, on one thread and on two."""
    part = random.Random(SEED).sample(list(texts), 256)
    start, spent = time.perf_counter(), time.thread_time()
    for position in range(0, len(part), 64):
        encoder.encode(part[position : position + 64])  # so few take one thread
    one, spent = time.perf_counter() - start, time.thread_time() - spent
    start = time.perf_counter()
    encoder.encode(part)
    two = time.perf_counter() - start
    print(f"{encoder.id}: {len(part) / one:.0f} texts/s on one thread ({len(part) / spent:.0f} of its CPU), ", end="")
    print(f"{len(part) / two:.0f} on two")


def poster_vectors(folder: Path, data: Dataset, encoder: TextEncoder, settings: Settings) -> Posters:
    """ConSE's vectors of the posters in a folder, named by IMDb id, with their rows."""
    ids = {imdb: row for row, imdb in enumerate(data.catalog.column("imdb_id")) if imdb}
    paths = [path for path in sorted(folder.iterdir()) if path.stem in ids]
    image = load_image_encoder(settings)
    raw, faults = encode_images_cached(image, paths, settings)
    good = np.setdiff1d(np.arange(len(paths)), [fault.position for fault in faults])
    names = conse.class_names(settings)
    vectors = conse.conse_vectors(image.class_probabilities(raw[good]), encoder.encode(names))
    return np.array([ids[paths[position].stem] for position in good], dtype=np.int64), vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "ml-latest-small")
    parser.add_argument("--overviews", type=Path, default=SHARED / "overviews" / "overviews.csv")
    parser.add_argument("--posters", type=Path, help="folder of posters named by IMDb id")
    parser.add_argument("--test", action="store_true", help="also the test queries: to report, not to choose by")
    options = parser.parse_args()
    if not (options.data / "movies.csv").exists() or not options.overviews.exists():
        print(f"Skipped: there is no movies.csv in {options.data}, or no {options.overviews}.")
        return
    settings = Settings()
    try:
        encoder = load_text_encoder(settings)
    except MatineeError as error:
        print(f"Skipped: {error}")
        return
    data = load(options.data, options.overviews)
    texts = movie_texts(data.catalog)
    raw = encode_cached(encoder, texts, settings)
    projection = Projection.fit(raw, TEXT_DIM, TEXT_POWER, center=TEXT_CENTERED)
    counts = np.log1p(data.ratings.counts)
    bench = Bench(
        encoder,
        projection,
        projection.apply(raw),
        TitleIndex(data.catalog),
        WordIndex(data.catalog),
        np.ones(len(data.catalog), dtype=np.bool_),
        counts / counts.max(),
    )
    if options.posters is not None:
        bench.posters = poster_vectors(options.posters, data, encoder, settings)
    print(f"{len(data.catalog)} films, {sum(text is not None for text in data.catalog.column('overview'))} overviews")
    show_encoder(encoder, texts)
    print(f"\n{'':<44} {'hit@1':>8} {'hit@5':>8} {'hit@10':>8} {'MRR@10':>8}")
    for name, queries in (("development", DEVELOPMENT), ("test", TEST))[: 1 + options.test]:
        asked = [(data.catalog.row(movie_id), query) for movie_id, query in queries]
        title = f"{name}, {len(asked)} queries:"
        show(f"{title} meaning alone", places(lambda q: bench.meaning(encoder.encode([q])[0], False), asked))
        show("  meaning with the prior", places(lambda q: bench.meaning(encoder.encode([q])[0]), asked))
        show("  words alone", places(lambda q: bench.words.find(q, bench.allowed, bench.weight, N), asked))
        show("  meaning and words", places(lambda q: bench.fused(q, titles=False), asked))
        show("  fused: titles, meaning, words", places(bench.fused, asked))
    rng = random.Random(SEED)
    names = data.catalog.column("title")
    typed = [(row, with_typos(names[row], rng)) for row in rng.sample(range(len(names)), 500)]

    def by_title(text: str) -> Hits:
        return [(row, score) for row, score, *_ in bench.titles.find(text, bench.allowed, bench.weight, N)]

    show("500 titles with two typos: titles", places(by_title, typed))
    show("  fused: titles, meaning, words", places(bench.fused, typed))
    typing = [names[row][:length] for row, _ in typed[:100] for length in range(1, min(len(names[row]), 25), 3)]
    print(f"\n{'CPU ms a query':<44} {'median':>8} {'p95':>8}")
    plots = [query for _, query in DEVELOPMENT]
    for name, call, asked_texts in (
        ("titles, two typos", by_title, [text for _, text in typed]),
        ("titles, as one types", by_title, typing),
        ("meaning, encoding included", lambda q: bench.meaning(encoder.encode([q])[0]), plots),
        ("words", lambda q: bench.words.find(q, bench.allowed, bench.weight, rank_fusion.DEPTH), plots),
        ("fused, plots", bench.fused, plots),
    ):
        spent = cpu_ms(call, asked_texts)
        print(f"{name:<44} {statistics.median(spent):8.2f} {np.percentile(spent, 95):8.2f}")


if __name__ == "__main__":
    main()
