"""What to show somebody of whom nothing is known: charts against each other, on users who were held out.

    python benchmarks/newcomers.py                 # MovieLens 1M and 100K, two seeds; and the published 100K split
    python benchmarks/newcomers.py --validation    # other seeds, and a grid: what the settings were chosen by
    python benchmarks/newcomers.py --trend         # what is rated next in time, in the last fifth; --validation: before

A tenth of the users is held out, every chart is made of the others, and everybody held out gets the same ten films.
A film is relevant where the user liked it (stars above the user's own mean and at least 70 % of the scale's highest),
or where the user rated it at all. Where every rating is relevant plain counts are, up to chance, the best list that
there can be, the same for everybody; where likes are, they are not. "hit": users who like one of the ten or more; "one
genre": how many of the ten films the most frequent genre has.

Chosen: of the settings that lose at most 1 % against counts where every rating is relevant, on each of three data sets,
the strongest cover, then the most liked. The users whom the tests hold out take no part in that.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.ratings import Ratings
from matinee.data.readers import read_source
from matinee.data.split import users_of
from matinee.evaluation import metrics
from matinee.evaluation.measure import measure_ranking
from matinee.evaluation.protocols import EvaluationSource, Split, get_protocol
from matinee.models import Popularity, Query
from matinee.models.genre_cover import COVER

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
TEST, VALIDATION = (0, 1), tuple(range(100, 108))
"""Seeds of the tests; those of validation, which draws from the users whom no test holds out."""
K = 10
LIKED = 0.7
"""Share of the highest stars from which on a film can be liked: 3.5 of 5."""
CHARTS = {
    "counts": Popularity(),
    "liked": Popularity(by="liked"),
    "top rated (IMDb)": Popularity(by="top_rated"),
    "counts, genres covered": Popularity(cover=COVER),
    "liked, genres covered (chosen)": Popularity(by="liked", cover=COVER),
}


def grid() -> dict[str, Popularity]:
    """What the settings of the chosen list were chosen from."""
    found = {"counts": Popularity()}
    for weight in (0.5, 1.0, 2.0, 3.0, 5.0):
        for cover in (0.0, 0.1, 0.2, 0.25, 0.3, 0.5):
            found[f"star_weight={weight:g}, cover={cover:g}"] = Popularity(by="liked", star_weight=weight, cover=cover)
    return found


def likes(ratings: Ratings, highest: float) -> Ratings:
    """The ratings that are likes."""
    means = np.array([ratings.history(user)[1].mean(dtype=np.float64) for user in range(ratings.n_users)])
    return ratings.select((ratings.values > means[users_of(ratings)]) & (ratings.values >= LIKED * highest))


def ndcg(top: NDArray[np.int64], asked: Ratings, users: NDArray[np.int64]) -> NDArray[np.float64]:
    """nDCG@10 of one list for users, NaN for those with nothing relevant."""
    relevant = asked.matrix(binary=True)[users]
    return metrics.ndcg(*metrics.hits_of(np.tile(top, (len(users), 1)), relevant))


def training_entries(ratings: Ratings, seed: int) -> NDArray[np.bool_]:
    """Entries of the users who are not held out: all but a random tenth."""
    held = np.random.RandomState(seed).permutation(ratings.n_users)[: ratings.n_users // 10]
    return ~np.isin(users_of(ratings), held)


def held_out(dataset: Dataset, charts: dict[str, Popularity], seeds: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Chart → (seeds, 4): nDCG@10 of likes and of all ratings, users with a hit, films of the most frequent genre."""
    ratings, genres = dataset.ratings, dataset.catalog.column("genres")
    liked = likes(ratings, dataset.scale[1])
    found: dict[str, list[list[float]]] = {name: [] for name in charts}
    of_entry = users_of(ratings)
    for seed in seeds:
        train = training_entries(ratings, seed)
        users = np.setdiff1d(of_entry, of_entry[train])
        part = dataset.with_ratings(ratings.select(train))
        for name, model in charts.items():
            top = np.array(model.fit(part).top(Query(), K))
            of_likes = ndcg(top, liked, users)
            most = Counter(genre for row in top.tolist() for genre in genres[row]).most_common(1)
            found[name].append(
                [
                    float(np.nanmean(of_likes)),
                    float(np.nanmean(ndcg(top, ratings, users))),
                    float((of_likes[~np.isnan(of_likes)] > 0).mean()),
                    float(most[0][1]) if most else 0.0,
                ]
            )
    return {name: np.array(rows) for name, rows in found.items()}


def without_tested(dataset: Dataset) -> Dataset:
    """The users whom no test holds out."""
    ratings, kept = dataset.ratings, np.ones(len(dataset.ratings), dtype=np.bool_)
    for seed in TEST:
        kept &= training_entries(ratings, seed)
    frame = ratings.select(kept).to_frame(dataset.catalog)
    return dataset.with_ratings(Ratings.from_frame(frame, dataset.catalog))


def print_held_out(dataset: Dataset, charts: dict[str, Popularity], seeds: Sequence[int]) -> None:
    """A table of `held_out`."""
    found = held_out(dataset, charts, seeds)
    print(f"\n{dataset.name}: a tenth of {dataset.ratings.n_users:,} users held out, seeds {min(seeds)}..{max(seeds)}")
    print(f"{'chart':34}{'likes':>8}{'':>9}{'all':>8}{'':>9}{'hit':>7}{'one genre':>11}   likes by seed")
    base = found["counts"].mean(axis=0)
    for name, rows in found.items():
        mean = rows.mean(axis=0)
        gain = 100 * (mean[:2] / base[:2] - 1)
        each = " ".join(f"{value:.4f}" for value in rows[:, 0]) if len(seeds) <= 3 else ""
        both = f"{mean[0]:8.4f}{gain[0]:+8.1f}%{mean[1]:8.4f}{gain[1]:+8.1f}%"
        print(f"{name:34}{both}{mean[2]:7.3f}{mean[3]:11.1f}   {each}")


def print_topn(charts: dict[str, Popularity], *, validation: bool) -> None:
    """The charts on the published split of MovieLens 100K: films seen are removed, every rating is relevant."""
    folder = SHARED / "ml-100k"
    dataset = load_dataset(folder, credits=False)
    source = EvaluationSource(dataset, read_source(folder).ratings)
    print(f"\nml-100k-topn{', validation' if validation else ''}: every rating relevant, nDCG@10")
    for split in get_protocol("ml-100k-topn").splits(source, validation=validation):
        part = dataset.with_ratings(split.train)
        for name, model in charts.items():
            print(f"{name:34}{measure_ranking(model.fit(part), split, dataset.catalog)['ndcg@10']:8.4f}")


def print_trend(dataset: Dataset, shares: Sequence[float], length: float) -> None:
    """Charts of everything before a moment, asked about what people rate in the next part of time."""
    ratings = dataset.ratings
    moments = np.append(np.sort(ratings.times), ratings.times.max() + 1)
    charts = {"counts": Popularity(), "trending": Popularity(by="trending")} | {
        f"half-life {days:g} days": Popularity(by="trending", half_life=days)
        for days in (7, 14, 30, 90, 180, 365, 1000)
    }
    found: dict[str, list[float]] = {name: [] for name in charts}
    for share in shares:
        start, end = (moments[min(round(at * len(ratings)), len(ratings))] for at in (share, share + length))
        train, test = ratings.times < start, (ratings.times >= start) & (ratings.times < end)
        split = Split(f"{share:g}", ratings.select(train), ratings.select(train), ratings.select(test))
        for name, model in charts.items():
            fitted = model.fit(dataset.with_ratings(split.train))
            found[name].append(measure_ranking(fitted, split, dataset.catalog)["ndcg@10"])
    print(f"\n{dataset.name}: nDCG@10 of what is rated next, moments {', '.join(f'{share:g}' for share in shares)}")
    for name, values in found.items():
        print(f"{name:34}{np.mean(values):8.4f}   {' '.join(f'{value:.4f}' for value in values)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validation", action="store_true", help="the grid, on seeds that no test uses")
    parser.add_argument("--trend", action="store_true", help="charts of recent ratings against counts")
    options = parser.parse_args()
    names = ("ml-100k", "ml-latest-small") if options.trend else ("ml-1m", "ml-100k")
    if options.validation and not options.trend:
        names = (*names, "ml-latest-small")
    for name in names:
        dataset = load_dataset(SHARED / name, credits=False)
        if not options.trend:
            if options.validation:
                print_held_out(without_tested(dataset), grid(), VALIDATION)
            else:
                print_held_out(dataset, CHARTS, TEST)
        elif options.validation:
            print_trend(dataset, (0.3, 0.4, 0.5, 0.6, 0.7), 0.1)
        else:
            print_trend(dataset, (0.8, 0.9), 0.1)
    if not options.trend:
        print_topn(grid() if options.validation else CHARTS, validation=options.validation)


if __name__ == "__main__":
    main()
