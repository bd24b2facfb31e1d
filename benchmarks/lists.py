"""What the step from scores to a list costs and brings: nDCG, how many films are ever listed, how many are hits.

    python benchmarks/lists.py                  # every fifth user of ml-latest-small: for choosing settings
    python benchmarks/lists.py --others         # the other four fifths
    python benchmarks/lists.py --model itemknn --adventurous 0 0.5 1 --strength 0 0.6

Protocol: a quarter of each user's ratings is kept back at random; relevant are the films of it that the user gave 3.5
stars or more and more than the own mean. nDCG@10 over the users asked; coverage (films listed for anybody, of all
films), the share of places that the 100 most rated films take, and the mean log(1 + ratings), over all users. The
models are fitted once a seed; "by score" is the ten best without the step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart import SHARED, source
from matinee.data.load import load_dataset
from matinee.evaluation.cuts import per_user
from matinee.evaluation.measure import fit_models
from matinee.models import Query, default_lineup
from matinee.models.calibration import ADVENTUROUS, STRENGTH, Reranker
from matinee.models.preference import StarScale
from matinee.models.ranking import top_n
from matinee.settings import Settings

K, LIKED, WELL_KNOWN = 10, 3.5, 100
DISCOUNT = 1 / np.log2(np.arange(K) + 2)


def ndcg(lists: NDArray[np.int64], relevant: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """nDCG@10 of each user, NaN where nothing is relevant."""
    hits = np.array([np.isin(rows, wanted) for rows, wanted in zip(lists, relevant, strict=True)])
    ideal = np.array([DISCOUNT[: len(wanted)].sum() if len(wanted) else np.nan for wanted in relevant])
    return np.asarray((hits * DISCOUNT).sum(axis=1) / ideal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "ml-latest-small", help="folder with the data")
    parser.add_argument("--model", default="blend", help="whose scores")
    parser.add_argument("--others", action="store_true", help="users on whom nothing was chosen")
    parser.add_argument("--seeds", type=int, nargs="*", default=[11, 12, 13, 14, 15], help="one split each")
    parser.add_argument("--adventurous", type=float, nargs="*", default=[0.0, 0.25, ADVENTUROUS, 0.75, 1.0])
    parser.add_argument("--strength", type=float, nargs="*", default=[0.0, STRENGTH])
    options = parser.parse_args()
    started = time.perf_counter()
    with source(options.data) as folder:
        dataset = load_dataset(str(folder), Settings())
    ratings = dataset.ratings
    asked = (np.arange(ratings.n_users) % 5 == 0) != options.others
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in options.seeds:
        [(_, kept, _, held)] = per_user(0.75, seed)(ratings, np.arange(len(ratings)))
        train, test = ratings.select(kept), ratings.select(held)
        data = dataset.with_ratings(train)
        model = fit_models(default_lineup(data), [options.model], data)[options.model].model
        queries = [Query.of(train, user) for user in range(train.n_users)]
        scores = np.vstack([model.score([query]) for query in queries])
        relevant = []
        for user in range(ratings.n_users):
            rows, stars, _ = test.history(user)
            relevant.append(rows[(stars >= LIKED) & (stars > ratings.history(user)[1].mean())])
        reranker = Reranker(dataset.catalog, train.counts, StarScale.of(data))
        well_known = np.argsort(-train.counts, kind="stable")[:WELL_KNOWN]

        def plain(scores: NDArray[np.float32] = scores, queries: list[Query] = queries) -> NDArray[np.int64]:
            lists = np.full((len(queries), K), -1)
            for place, query in enumerate(queries):
                row = scores[place].copy()
                row[query.rows] = np.nan
                best = top_n(row, K)
                lists[place, : len(best)] = best
            return lists

        made = {"by score": plain()}
        for strength in options.strength:
            for adventurous in options.adventurous:
                made[f"adventurous {adventurous:g}, strength {strength:g}"] = reranker.lists(
                    scores, queries, K, adventurous=adventurous, strength=strength
                )
        for name, lists in made.items():
            listed = lists[lists >= 0]
            measured = (
                float(np.nanmean(ndcg(lists, relevant)[asked])),
                len(np.unique(listed)) / len(dataset.catalog),
                float(np.isin(listed, well_known).mean()),
                float(np.log1p(train.counts[listed]).mean()),
            )
            found.setdefault(name, []).append(measured)
    print(f"{dataset!r}, {options.model}, {'other' if options.others else 'validation'} users, seeds {options.seeds}\n")
    print("| | nDCG@10 | coverage@10 | of the 100 most rated | log popularity |\n|---|---|---|---|---|")
    for name, results in found.items():
        print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in np.mean(results, axis=0)) + " |")
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
