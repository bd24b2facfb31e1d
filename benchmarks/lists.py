"""How good lists are, and what they do with what is disliked: the default beside what it is made of and its peers.

    python benchmarks/lists.py likes                    # relevant is what was liked; share of disliked films
    python benchmarks/lists.py few --data ../shared/data/ml-1m      # nDCG@10 with 0, 1, 3, 5 and 10 known likes
    python benchmarks/lists.py implicit --data ../shared/data/ml-1m --model blend --model watched
    python benchmarks/lists.py coverage                 # how much of the catalogue is ever listed
    python benchmarks/lists.py unknown                  # what somebody is answered about whom nothing is known
    python benchmarks/lists.py topn                     # MovieLens 100K, published split, every rating relevant
    python benchmarks/lists.py likes --validation       # other users and ratings, for choosing settings

Prints a Markdown table of means over the splits, and how far these are apart (half the distance of lowest and highest).
Peers are measured in the same run, on the same splits: `EASE` and `ALS` learn from what was watched, whatever its
stars; `before` is the default before it knew likes from dislikes; `counts` are plain counts of ratings. `list` is what
a user is shown: the default's scores, calibrated and as adventurous as by default.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from matinee._util.topk import top_n
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.readers import read_source
from matinee.evaluation import PROTOCOLS, Protocol, Split
from matinee.evaluation.measure import fit_models, measure_questions, measure_ranking
from matinee.evaluation.protocols import EvaluationSource, check_tasks
from matinee.evaluation.references import Counts
from matinee.evaluation.splitters import few_likes, holdouts, per_user
from matinee.models import Blend, Ease, ImplicitALS, default_lineup
from matinee.models.base import Model, Query, Scores
from matinee.models.calibration import Reranker
from matinee.models.preference import StarScale
from matinee.settings import Settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PEERS = ("EASE", "ALS", "before", "counts")
RESEED: dict[str, Callable[..., Any]] = {
    "likes": lambda *seeds: per_user(0.75, *seeds),
    "coverage": lambda *seeds: per_user(0.75, *seeds),
    "few": lambda *seeds: few_likes(0.1, (0, 1, 3, 5, 10), 5, *seeds),
    "implicit": lambda *seeds: per_user(0.8, *seeds),
    "unknown": lambda *seeds: per_user(0.75, *seeds),
}
COLUMNS = {
    "likes": ("ndcg@10", "recall@10", "disliked@10", "disliked_per_list@10", "coverage"),
    "implicit": ("recall@20", "ndcg@20"),
    "coverage": ("coverage", "head", "ndcg@10", "diversity", "novelty"),
    "unknown": ("ndcg@10", "precision@10", "recall@10"),
    "topn": ("ndcg@10", "precision@10", "recall@10", "map@10"),
}
"""Columns printed, the best first by the first of them; `few` prints nDCG at each number of likes."""


def lineup(dataset: Dataset) -> dict[str, Model[Any]]:
    """The line-up and its peers."""
    models = default_lineup(dataset)
    watched: dict[str, Model[Any]] = {
        "EASE": Ease(feedback="watched", min_ratings=5),
        "ALS": ImplicitALS(feedback="watched"),
        "EDLAE": Ease(regularization=200.0, dropout=0.5, weighting="stars", min_ratings=5, feedback="watched"),
        "counts": Counts(),
    }
    before = Blend(
        weights={"ALS": 0.5, "EDLAE": 0.5},
        learn=False,
        popular="top_rated" if "top_rated" in models else "popular",
        mapping="coldstart" if "coldstart" in models else None,
    )
    return models | watched | {"before": before}


class Unknown:
    """A model asked by people about whom nothing is known: the same answer for everybody."""

    def __init__(self, model: Model[Any]) -> None:
        self.scores = model.score([Query()])

    def score(self, queries: Sequence[Query]) -> Scores:
        """One equal row per query."""
        return np.repeat(self.scores, len(queries), axis=0)


def protocol_of(work: str, data: Path, seeds: Sequence[int]) -> Protocol:
    """The protocol of a work, with the seeds asked for."""
    if work == "topn":
        name = f"{data.name}-topn"
        if name not in PROTOCOLS:
            raise SystemExit("topn is for ml-100k and ml-1m. Give --data with one of these.")
        found = PROTOCOLS[name]
        return replace(found, cut=holdouts(0.8, *seeds)) if name == "ml-1m-topn" else found
    base = PROTOCOLS["likes" if work in ("coverage", "unknown") else work]
    relevant = "all" if work == "unknown" else base.relevant
    return replace(base, cut=RESEED[work](*seeds), relevant=relevant)


def measured(
    work: str, protocol: Protocol, source: EvaluationSource, names: Sequence[str] | None, validation: bool
) -> Iterator[tuple[Split, str, dict[str, float]]]:
    """What each model reaches on each split."""
    data = protocol.data(source)
    for split in protocol.splits(source, validation=validation):
        check_tasks(protocol, split)
        part = data.with_ratings(split.train)
        models = lineup(part)
        wanted = [*(names or [name for name in models if name not in (*PEERS, "EDLAE", "stars")]), *PEERS]
        fitted = fit_models(models, list(dict.fromkeys(wanted)), part, progress=show)
        for name in dict.fromkeys(wanted):
            show(f"measuring {name}", 1.0)
            model = fitted[name].model
            reranker = Reranker(data.catalog, split.train.counts, StarScale.of(part))
            shown = {name: None} | ({"list": _lister(reranker, protocol.k)} if name == "blend" else {})
            for row, lister in shown.items():
                if split.questions:
                    yield split, row, measure_questions(model, split, data.catalog, k=protocol.k, lister=lister)
                    continue
                found = measure_ranking(
                    Unknown(model) if work == "unknown" else model,
                    split,
                    data.catalog,
                    k=protocol.k,
                    lister=lister,
                    relevant=protocol.relevant,
                    scale=data.scale,
                )
                yield split, row, found


def _lister(reranker: Reranker, k: int) -> Callable[[Scores, list[Query]], Any]:
    """The engine's lists: those of an unknown user are left as they are."""

    def lists(scores: Scores, queries: list[Query]) -> Any:
        found = reranker.lists(scores, queries, k)
        for place, query in enumerate(queries):
            if not len(query):
                best = top_n(scores[place], k)
                found[place] = -1
                found[place, : len(best)] = best
        return found

    return lists


def show(what: str, _share: float) -> None:
    """What is being done, on one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r{what:<60}\r", end="", file=sys.stderr, flush=True)


def table(results: dict[str, list[dict[str, float]]], columns: Sequence[str]) -> str:
    """A Markdown table, best first by the last column of `few`, else by the first."""
    key = columns[-1] if columns[0].endswith("/0") else columns[0]
    ordered = sorted(results, key=lambda name: -float(np.mean([found[key] for found in results[name]])))
    lines = ["| model | " + " | ".join(columns) + " |", "|---" + "|---:" * len(columns) + "|"]
    for name in ordered:
        cells = []
        for column in columns:
            values = np.array([found[column] for found in results[name]])
            spread = f" ± {np.ptp(values) / 2:.4f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.4f}{spread}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["likes", "few", "implicit", "coverage", "unknown", "topn"])
    parser.add_argument("--data", type=Path, help="folder with the data; default: of the measuring data")
    parser.add_argument("--model", action="append", help="a model of the line-up (again for more); peers always are")
    parser.add_argument("--validation", action="store_true", help="ask the users kept for choosing settings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="one split each")
    options = parser.parse_args()
    usual = {"likes": "ml-latest-small", "coverage": "ml-latest-small"}.get(options.work, "ml-100k")
    data = options.data or SHARED / usual
    start = time.perf_counter()
    protocol = protocol_of(options.work, data, options.seeds)
    dataset = load_dataset(str(data), Settings())
    ordered = protocol.needs_file(dataset.name, validation=options.validation)
    source = EvaluationSource(dataset, read_source(data).ratings if ordered else None)
    results: dict[str, list[dict[str, float]]] = {}
    splits: list[str] = []
    for split, name, found in measured(options.work, protocol, source, options.model, options.validation):
        if split.name not in splits:
            splits.append(split.name)
        results.setdefault(name, []).append(found)
    show("", 1.0)
    first = next(iter(results.values()))[0]
    columns = COLUMNS.get(options.work) or [name for name in first if name.startswith("ndcg")]
    ratings = dataset.ratings
    what = "validation" if options.validation else "test"
    print(f"{options.work} on {dataset.name} ({what}): {protocol.description}")
    print(f"{ratings.n_users:,} users, {ratings.n_items:,} films, {len(ratings):,} ratings; {', '.join(splits)}\n")
    print(table(results, columns))
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
