"""Films like a film: what each index finds of the exact answer, whose answers are good, and named examples.

    python benchmarks/neighbors.py                       # ml-latest-small with overviews
    python benchmarks/neighbors.py --posters ../shared/data/posters
    python benchmarks/neighbors.py --weights             # how settings of the spaces were chosen

"Overlap" is the share of the ten nearest films by exact search that an index finds too, for the 300 most rated films;
the indexes are built, stored and opened as by `matinee train`, so that one that misses films answers exactly, and says
so. "Kept back": a random fifth of the ratings; those of a user that are among the ten nearest films of the user's other
ratings, for each of these, by number and by rarity (1/√ratings). Their spaces are of the other ratings alone. The own
likeness of the models, which answered before there were these spaces, is measured beside.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from coldstart import SHARED, poster_vectors, show, source, with_vectors
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.ratings import Ratings
from matinee.data.vectors import MovieVectors
from matinee.engine.updatable_spaces import UpdatableSpace
from matinee.models import Content, default_lineup
from matinee.settings import Settings
from matinee.snapshots.spaces import Space
from matinee.spaces import blend_space
from matinee.spaces.blend_space import blend_movies
from matinee.spaces.series import SeriesFinder
from matinee.training.vector_spaces import finished, model_spaces, taste_space

K, MOST_RATED = 10, 300
KINDS = ("faiss", "hnsw", "annoy")
SEEDS = (100, 101)
WEIGHTS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5)
NAMED = (
    ("Toy Story", 1995),
    ("Star Wars: Episode IV - A New Hope", 1977),
    ("Rocky", 1976),
    ("Beverly Hills Cop III", 1994),
    ("The Matrix", 1999),
    ("Amelie", 2001),
    ("Seven Samurai", 1954),
)
SHOWN = 5

Rows = NDArray[np.int64]


def stored(spaces: Mapping[str, Space], settings: Settings, folder: Path) -> dict[str, UpdatableSpace]:
    """The spaces with indexes as they are when a snapshot has been opened."""
    opened = {}
    for name, space in finished(spaces, settings, show).items():
        paths = {}
        for kind, index in space.indexes.items():
            paths[kind] = folder / name / kind
            index.save(paths[kind])
        opened[name] = UpdatableSpace(replace(space, indexes={}, stored=paths))
    return opened


def overlaps(live: Mapping[str, UpdatableSpace], most_rated: Rows, n_items: int) -> None:
    """Print what each index finds of the exact answer."""
    print(f"Ten nearest of the {MOST_RATED} most rated films: share that is found, mean (worst); ms a film\n")
    print(f"| space | films × values | exact | {' | '.join(KINDS)} |\n|---|---|---|{'---|' * len(KINDS)}")
    for name, space in live.items():
        asked = [row for row in most_rated.tolist() if space.vector(row) is not None]
        cells, true = [], []
        for kind in ("exact", *KINDS):
            if kind not in space.kinds:
                cells.append("–")
                continue
            answers = space.index(kind).kind
            start, found = time.perf_counter(), []
            for row in asked:
                allowed = np.ones(n_items, dtype=np.bool_)
                allowed[row] = False
                nearest = space.like(row, K, allowed, kind)
                assert nearest is not None
                found.append(set(nearest[0].tolist()))
            took = (time.perf_counter() - start) / len(asked) * 1e3
            true = true or found
            shares = [len(a & b) / len(b) for a, b in zip(found, true, strict=True)]
            said = "" if answers == kind else f" (by {answers})"
            cells.append(f"{np.mean(shares):.4f} ({min(shares):.1f}){said}; {took:.1f} ms")
        shape = f"{len(space.space.movies):,} × {space.space.dim}"
        print(f"| {name} | {shape} | {' | '.join(cells)} |", flush=True)


def examples(live: Mapping[str, UpdatableSpace], dataset: Dataset) -> None:
    """Print the nearest films of some that everybody knows."""
    titles, years = dataset.catalog.column("title"), dataset.catalog.column("year")
    for title, year in NAMED:
        row = next((r for r, t in enumerate(titles) if t.split(" (")[0] == title and years[r] == year), None)
        if row is None:
            continue
        print(f"\n{title} ({year})")
        allowed = np.ones(len(titles), dtype=np.bool_)
        allowed[row] = False
        for name, space in live.items():
            found = space.like(row, SHOWN, allowed)
            if found is not None:
                print(f"  {name:<8}" + "; ".join(titles[other].split(" (")[0] for other in found[0].tolist()))


def split(dataset: Dataset, seed: int) -> tuple[Dataset, sp.csr_matrix, sp.csr_matrix]:
    """The data with four fifths of the ratings; which ratings these are, and which were kept back, (users, films)."""
    ratings = dataset.ratings
    back = np.random.default_rng(seed).random(len(ratings)) < 0.2
    indptr = np.concatenate([[0], np.cumsum(~back)])[ratings.indptr].astype(np.int64)
    kept = Ratings(
        ratings.user_ids, indptr, ratings.indices[~back], ratings.values[~back], ratings.times[~back], ratings.n_items
    )
    parts = []
    for mask in (~back, back):
        part = sp.csr_matrix(
            (mask.astype(np.float32), ratings.indices, ratings.indptr), (ratings.n_users, ratings.n_items), copy=True
        )
        part.eliminate_zeros()
        parts.append(part)
    return dataset.with_ratings(kept), parts[0], parts[1]


def nearest(films: MovieVectors, n_items: int) -> Rows:
    """The ten nearest films of each in a lifted space, (n_items, 10); −1 for films that are not in it."""
    vectors = films.vectors
    asked = Space("", films, np.zeros((len(films), 2), dtype=np.float32), lifted=True).asked(vectors)
    found = np.full((n_items, K), -1, dtype=np.int64)
    for start in range(0, len(vectors), 512):
        scores = asked[start : start + 512] @ vectors.T
        scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -np.inf
        found[films.rows[start : start + 512]] = films.rows[np.argsort(-scores, axis=1, kind="stable")[:, :K]]
    return found


def nearest_by(model: Any, n_items: int) -> Rows:
    """The same by a model's own likeness."""
    found = np.full((n_items, K), -1, dtype=np.int64)
    for start in range(0, n_items, 256):
        rows = np.arange(start, min(start + 256, n_items))
        scores = np.nan_to_num(model.similar(rows.tolist()), nan=-np.inf)
        scores[np.arange(len(rows)), rows] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        found[rows] = np.where(np.isfinite(np.take_along_axis(scores, best, axis=1)), best, -1)
    return found


def quality(
    found: Rows, kept: sp.csr_matrix, back: sp.csr_matrix, series: list[Rows]
) -> tuple[float, float, float, float]:
    """Ratings kept back that are found, by number and by rarity, share of series at the top, mean ratings of a film."""
    here = found >= 0
    rows = np.broadcast_to(np.arange(len(found))[:, None], found.shape)[here]
    links = sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, found[here])), (len(found), len(found)))
    counts = np.asarray(kept.sum(axis=0)).ravel()
    hits = (kept @ links).multiply(back)
    first = [
        np.isin(found[row, : min(len(group) - 1, K)], group).mean()
        for group in series
        for row in group.tolist()
        if found[row, 0] >= 0
    ]
    total = K * kept.nnz
    return (
        float(hits.sum()) / total,
        float((hits @ (1 / np.sqrt(counts + 1))).sum()) / total,
        float(np.mean(first)) if first else float("nan"),
        float(counts[found[here]].mean()),
    )


def weights(dataset: Dataset) -> None:
    """Print how good neighbours are, by space and by weight of taste in the blend."""
    series = SeriesFinder(dataset.catalog).all()
    measured: dict[str, list[tuple[float, float, float, float]]] = {}
    n_items = len(dataset.catalog)
    content = model_spaces(dataset, {"content": Content().fit(dataset)})["content"].movies
    for seed in SEEDS:
        train, kept, back = split(dataset, seed)
        taste = taste_space(train, 0).movies
        tables = {"content": nearest(content, n_items), "taste": nearest(taste, n_items)}
        chosen = blend_space.TASTE_WEIGHT
        for weight in WEIGHTS:
            blend_space.TASTE_WEIGHT = weight
            tables[f"blend, w = {weight}"] = nearest(blend_movies(taste, content), n_items)
        blend_space.TASTE_WEIGHT = chosen
        lineup = default_lineup(train)
        for name in ("content", "edlae", "ease", "itemknn"):
            if name in lineup:
                tables[f"(model {name})"] = nearest_by(lineup[name].fit(train), n_items)
        for name, found in tables.items():
            measured.setdefault(name, []).append(quality(found, kept, back, series))
    print(f"{dataset!r}; {len(series)} series; splits {', '.join(map(str, SEEDS))}\n")
    print("| | kept back | by rarity | series first | ratings of a film found |\n|---|---|---|---|---|")
    for name, results in measured.items():
        number, rarity, first, popular = np.mean(results, axis=0)
        print(f"| {name} | {number:.4f} | {rarity:.5f} | {first:.3f} | {popular:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "ml-latest-small", help="folder with the data")
    parser.add_argument("--posters", type=Path, help="folder of posters by IMDb id; encoding takes minutes at first")
    parser.add_argument("--weights", action="store_true", help="how good the neighbours are, by settings")
    options = parser.parse_args()
    settings = Settings()
    started = time.perf_counter()
    with source(options.data) as folder:
        dataset = load_dataset(str(folder), settings)
    posters = poster_vectors(dataset, options.posters, settings) if options.posters else None
    dataset = with_vectors(dataset, posters, settings)
    if options.weights:
        weights(dataset)
    else:
        spaces = model_spaces(dataset, {"content": Content().fit(dataset)})
        for name, films in dataset.vectors.items():
            spaces[name] = Space(name, films, np.zeros((len(films), 2), dtype=np.float32))
        with tempfile.TemporaryDirectory() as temporary:
            live = stored(spaces, settings, Path(temporary))
            print(f"{dataset!r}\n")
            most_rated = np.argsort(-dataset.ratings.counts, kind="stable")[:MOST_RATED]
            overlaps(live, most_rated, len(dataset.catalog))
            examples(live, dataset)
    print(f"\n{time.perf_counter() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
