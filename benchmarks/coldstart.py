"""Films that nobody has rated: how well each model places them, beside the earlier models and a floor.

    python benchmarks/coldstart.py                          # ml-latest-small with overviews and posters
    python benchmarks/coldstart.py --validation             # other seeds: for choosing settings
    python benchmarks/coldstart.py --data ../shared/data/ml-1m --seeds 0
    python benchmarks/coldstart.py --warm ml-latest-small-ratings --validation      # the usual lists, before and now
    python benchmarks/coldstart.py --warm ml-100k-topn --validation --data ../shared/data/ml-100k

All ratings of a random 15 % of the films with 5 ratings are held out, with the tags of these films, and a fifth of the
other films' ratings. "Among new films": the new films ranked for each user who liked some of them (4 stars). "All
films": the usual list; a fifth of the new films' ratings and the fifth kept back of the others are asked for, so that
both have one chance. `--warm` measures usual lists on the splits of a protocol, with and without vectors. The first
run encodes texts and posters (minutes); the cache keeps them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.readers import read_source
from matinee.data.vectors import MovieVectors
from matinee.encoders.image import POSTER_DIM, POSTER_POWER, load_image_encoder
from matinee.encoders.projection import Projection
from matinee.encoders.vector_cache import encode_images_cached
from matinee.evaluation.measure import fit_models, measure_ranking
from matinee.evaluation.new_movies import NewMovies, Scorer, measure_new_movies, split_new_movies
from matinee.evaluation.protocols import PROTOCOLS, EvaluationSource, Protocol
from matinee.models import Blend, ColdStart, Content, Model, Query, default_lineup
from matinee.models.content.model import ContentConfig
from matinee.settings import Settings
from matinee.training.vector_spaces import text_space

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SEEDS, VALIDATION = (0, 1, 2, 3, 4), (100, 101, 102)
COLUMNS = ("ndcg@10", "recall@20", "auc", "new_share", "new_precision", "old_precision", "mixed_ndcg@10")
WORDS = ("genres", "decade", "tags", "directors", "writers", "cast", "countries", "languages", "title", "keywords")


@contextmanager
def source(folder: Path) -> Iterator[Path]:
    """The folder with the overviews beside it, where both are there."""
    overviews = SHARED / "overviews" / "overviews.csv"
    if folder.name != "ml-latest-small" or not overviews.exists() or (folder / "overviews.csv").exists():
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        beside = Path(temporary) / folder.name  # the data set is named by its folder
        beside.mkdir()
        for path in [*folder.iterdir(), overviews]:
            (beside / path.name).symlink_to(path.resolve())
        yield beside


def poster_vectors(dataset: Dataset, folder: Path, settings: Settings) -> MovieVectors | None:
    """Vectors of the posters of a folder, named by IMDb id."""
    ids = dataset.catalog.column("imdb_id")
    found = {row: path for row, name in enumerate(ids) if name and (path := folder / f"{name}.jpg").exists()}
    if not found:
        return None
    raw, faults = encode_images_cached(load_image_encoder(settings), list(found.values()), settings, show)
    sound = np.delete(np.arange(len(found)), [fault.position for fault in faults])
    rows = np.array(list(found), dtype=np.int64)[sound]
    return MovieVectors(rows, Projection.fit(raw[sound], POSTER_DIM, POSTER_POWER).apply(raw[sound]))


def with_vectors(dataset: Dataset, posters: MovieVectors | None, settings: Settings) -> Dataset:
    """The data set with vectors of its texts, and of posters where there are any."""
    vectors = {"text": text_space(dataset, settings, show).movies}
    return replace(dataset, vectors=vectors if posters is None else vectors | {"poster": posters})


def show(what: str, share: float) -> None:
    """What is being done, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{what:<50}{share:>5.0%}\r", end="", file=sys.stderr, flush=True)


def floors(split: NewMovies) -> dict[str, Scorer]:
    """Chance; the mean number of ratings of a year's films; and the new films' own, which nobody can know."""
    n_items = split.train.ratings.n_items
    counts = split.train.ratings.counts
    years = split.train.catalog.frame["year"].fill_null(0).to_numpy().astype(np.int64)
    old = np.ones(n_items, dtype=np.bool_)
    old[split.new] = False
    total, films = (np.bincount(years, weights=values) for values in (counts * old, 1.0 * old))
    by_year = (total / np.maximum(films, 1))[years].astype(np.float32)
    rng = np.random.default_rng(0)

    def chance(queries: Sequence[Query]) -> Any:
        return rng.random((len(queries), n_items), dtype=np.float32)

    def year(queries: Sequence[Query]) -> Any:
        return np.tile(np.where(old, counts, by_year).astype(np.float32), (len(queries), 1))

    def oracle(queries: Sequence[Query]) -> Any:
        return np.tile((counts + split.test.counts).astype(np.float32), (len(queries), 1))

    return {"chance": chance, "popularity of the year": year, "the new films' own popularity (oracle)": oracle}


def models(split: NewMovies, given: Mapping[str, MovieVectors]) -> Iterator[tuple[str, Model[Any]]]:
    """The models to be measured, one at a time: content and mapping by what they read, blends before and now."""
    whole = replace(split.train, vectors=given)
    lineup = default_lineup(whole)
    parts: dict[str, Model[Any]] = {name: lineup[name].fit(whole) for name in ("popular", "ials", "edlae")}
    weights = {"ials": 0.5, "edlae": 0.5}

    def contents() -> Iterator[tuple[str, Content, float]]:
        if "text" in given:
            only = ContentConfig.model_validate(dict.fromkeys([*WORDS, "overview", "poster"], 0.0))
            yield "text alone", Content(only), 0.0
        yield "words", Content(text=0.0, poster=0.0), 1.2
        if "text" in given:
            yield "words + text", Content(poster=0.0), 1.2
        if "poster" in given:
            yield "words + poster", Content(text=0.0), 1.2
        if len(given) == 2:
            yield "words + text + poster", Content(), 1.2

    blends: list[tuple[str, Model[Any]]] = []
    for name, unfitted, years in contents():
        content = unfitted.fit(whole)
        bound = parts | {"content": content}
        mapping = ColdStart(years=years).bind(bound).fit(whole)
        yield f"content: {name}", content
        yield f"mapping: {name}{'' if years else ', no year'}", mapping
        plain = Blend(weights=weights).bind(bound).fit(whole)
        mapped = Blend(weights=weights, mapping="coldstart").bind(bound | {"coldstart": mapping}).fit(whole)
        if name == "words":
            yield "mapping: words, no year", ColdStart(years=0.0).bind(bound).fit(whole)
            blends.append(("blend, before (words, no mapping)", plain))
            blends.append(("blend: words, mapping", mapped))
        elif name != "text alone":
            blends.append((f"blend: {name}, no mapping", plain))
            blends.append((f"blend: {name}, mapping", mapped))
    yield from blends


def new_films(dataset: Dataset, posters: MovieVectors | None, seeds: Sequence[int], settings: Settings) -> None:
    """Print the table of new films."""
    found: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        split = split_new_movies(dataset, seed)
        vectors = with_vectors(split.train, posters, settings).vectors
        for name, scorer in floors(split).items():
            found.setdefault(name, []).append(measure_new_movies(scorer, split))
        for name, model in models(split, vectors):
            show(f"seed {seed}: {name}", 1.0)
            found.setdefault(name, []).append(measure_new_movies(model.score, split))
    print(f"{dataset!r}, {len(split.new)} new films, seeds {', '.join(map(str, seeds))}\n")
    print(
        "| | among new films: nDCG@10 | recall@20 | AUC | all films: new in lists | of these right | of others right |"
        " nDCG@10 |\n|---|---|---|---|---|---|---|---|"
    )
    for name, results in found.items():
        cells = [np.array([result[column] for result in results]) for column in COLUMNS]
        means = [f"{np.nanmean(cell):.4f}" if np.isfinite(cell).any() else "" for cell in cells]
        means[3] = f"{cells[3].mean():.2%}"
        print(f"| {name} | " + " | ".join(means) + " |")


def usual_lists(
    source: EvaluationSource, protocol: Protocol, posters: MovieVectors | None, settings: Settings, inner: bool
) -> None:
    """Print nDCG@10 and recall@10 of content and blend with and without vectors, on the splits of a protocol."""
    whole = with_vectors(source.dataset, posters, settings)
    found: dict[str, list[dict[str, float]]] = {}
    for split in protocol.splits(source, validation=inner):
        for title, data in (("before", source.dataset), ("with vectors", whole)):
            train = data.with_ratings(split.train)
            show(f"{split.name}: {title}", 1.0)
            for name, fitted in fit_models(default_lineup(train), ["content", "blend"], train).items():
                if name in ("content", "blend"):
                    measured = measure_ranking(fitted.model, split, data.catalog)
                    found.setdefault(f"{name}, {title}", []).append(measured)
    print(f"{source.dataset!r}, {protocol.name}{', validation' if inner else ''}\n")
    print("| | nDCG@10 | recall@10 |\n|---|---|---|")
    for name, results in sorted(found.items()):
        means = [float(np.mean([result[metric] for result in results])) for metric in ("ndcg@10", "recall@10")]
        print(f"| {name} | {means[0]:.4f} | {means[1]:.4f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "ml-latest-small", help="folder with the data")
    parser.add_argument("--posters", type=Path, default=SHARED / "posters", help="folder of posters by IMDb id")
    parser.add_argument("--seeds", type=int, nargs="*", help="one split each")
    parser.add_argument("--warm", choices=list(PROTOCOLS), help="usual lists on the splits of this protocol instead")
    parser.add_argument("--validation", action="store_true", help="the splits that settings were chosen on")
    options = parser.parse_args()
    settings = Settings()
    started = time.perf_counter()
    with source(options.data) as folder:
        dataset = load_dataset(str(folder), settings)
        order = read_source(folder).ratings if options.warm else None
    posters = poster_vectors(dataset, options.posters, settings) if options.posters.is_dir() else None
    if options.warm:
        usual_lists(EvaluationSource(dataset, order), PROTOCOLS[options.warm], posters, settings, options.validation)
    else:
        seeds = options.seeds or (VALIDATION if options.validation else SEEDS)
        new_films(dataset, posters, seeds, settings)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
