"""iALS beside the package `implicit`: seconds of a fit and nDCG@10, same ratings, factors, sweeps and threads.

    python benchmarks/ials_peer.py                  # 64 and 128 factors, ml-1m; builds an environment for implicit
    python benchmarks/ials_peer.py --python PATH    # an environment that has implicit already
    python benchmarks/ials_peer.py --validation     # asks the users kept for validation
    python benchmarks/ials_peer.py --loss --data FOLDER --factors 64 --sweeps 5    # of any size: see scale.py

The ratings are the training part of `holdout` (random 80:20 of each user, every rating relevant). Three fits are
compared in turns: conjugate gradients with implicit's (its default), exact solutions with its `use_cg=False`, both of
the same objective, one flat ridge; and conjugate gradients with our default ridge, scaled by frequency, which implicit
does not have. Our α and λ in its terms: confidence 1 + 1/α, ridge λ times the confidence. Our users are folded in; of
implicit's the better is taken of its trained and its recalculated ones. Times are those of a whole fit after everything
was compiled: by the clock, and of the processors, which other work on the machine disturbs less.

With `--loss` all ratings are learned, by conjugate gradients with the flat ridge, and the loss that both end with is
compared instead: Σ_rated (1 − pᵀq)² + α Σ_all (pᵀq)² + λ (‖P‖² + ‖Q‖²), the users solved for exactly, per rating.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.split import some_users
from matinee.evaluation.measure import measure_ranking
from matinee.evaluation.protocols import EvaluationSource, Split, get_protocol
from matinee.models import ImplicitALS, Query
from matinee.models.factorization import batch_pool, ridge_solve
from matinee.models.ials import DENSITIES
from matinee.models.work_shares import WORKERS

VERSION = "0.7.3"
PACKAGES = (f"implicit=={VERSION}", "threadpoolctl")
TARGET = 2.0


class Factors:
    """Scores of known users from factors that another program trained."""

    def __init__(self, users: NDArray[np.float32], movies: NDArray[np.float32], row_of: dict[str, int]) -> None:
        self.users, self.movies, self.row_of = users, movies, row_of

    def score(self, queries: list[Query]) -> NDArray[np.float32]:
        rows = [self.row_of[str(query.user_id)] for query in queries]
        scores: NDArray[np.float32] = self.users[rows] @ self.movies.T
        return scores


def environment(folder: Path) -> Path:
    """The Python of an environment with implicit, built where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"building an environment for implicit {VERSION} in {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def fit_theirs(python: Path, folder: Path, settings: dict[str, Any]) -> dict[str, list[float]]:
    (folder / "settings.json").write_text(json.dumps(settings))
    worker = Path(__file__).with_name("implicit_worker.py")
    threads = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    result = subprocess.run(
        [str(python), str(worker), str(folder)], check=True, capture_output=True, text=True, env=os.environ | threads
    )
    seconds: dict[str, list[float]] = json.loads(result.stdout.splitlines()[-1])
    return seconds


def fit_ours(data: Dataset, repeats: int, **settings: Any) -> tuple[ImplicitALS, dict[str, list[float]]]:
    wall, processor = [], []
    for _ in range(repeats):
        model = ImplicitALS(feedback="watched", **settings)
        start, used = time.perf_counter(), time.process_time()
        model.fit(data)
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return model, {"wall": wall, "processor": processor}


def ndcg(model: Any, split: Split, data: Dataset) -> float:
    return measure_ranking(model, split, data.catalog, scale=data.scale)["ndcg@10"]


def loss(train: sp.csr_matrix, movies: NDArray[np.float32], alpha: float, ridge: float) -> float:
    """The loss per rating of some factors of the movies, (n_movies, d), with the best users for them."""
    base = np.float32(alpha) * (movies.T @ movies)
    wide = np.full((train.shape[0], movies.shape[1]), ridge, dtype=np.float32)
    with batch_pool() as pool:
        users = ridge_solve(train.indptr, train.indices, train.data, movies, wide, pool, base)
    missed = 0.0
    for start in range(0, train.shape[0], 4096):
        part = train[start : start + 4096].tocoo()
        for first in range(0, part.nnz, 1 << 20):
            rows, columns = part.row[first : first + (1 << 20)], part.col[first : first + (1 << 20)]
            missed += float(np.square(1 - np.vecdot(users[start + rows], movies[columns])).sum())
    everywhere = float(((users.T @ users).astype(np.float64) * (movies.T @ movies)).sum())
    return (missed + alpha * everywhere + ridge * float(np.square(users).sum() + np.square(movies).sum())) / train.nnz


def compare_losses(python: Path, data: Dataset, d: int, options: argparse.Namespace) -> None:
    train = data.ratings.matrix(binary=True).astype(np.float32)
    alpha = DENSITIES * train.nnz / (train.shape[0] * train.shape[1])
    confidence = 1 + 1 / alpha
    settings = {"n_factors": d, "iterations": options.sweeps, "exponent": 0.0, "solver": "cg"}
    theirs = {"factors": d, "sweeps": options.sweeps, "confidence": confidence, "use_cg": True, "threads": WORKERS}
    with tempfile.TemporaryDirectory() as name:
        sp.save_npz(Path(name) / "train.npz", train, compressed=False)
        model, ours = fit_ours(data, options.repeats, **settings, regularization=options.ridge, unobserved=alpha)
        more = {"regularization": options.ridge * confidence, "repeats": options.repeats, "again": False}
        peer = fit_theirs(python, Path(name), theirs | more)
        # A rating of theirs counts as 1 + α in our terms.
        movies = np.load(Path(name) / "factors.npz")["movies"] / np.float32(np.sqrt(1 + alpha))
    of_ours, of_theirs = (
        loss(train, factors, alpha, options.ridge) for factors in (model.factors(np.arange(train.shape[1]))[0], movies)
    )
    print(
        f"d={d}, {options.sweeps} sweeps, α {alpha:.2g}, λ {options.ridge:g}: loss per rating "
        f"{of_ours:.4f} (implicit {of_theirs:.4f})   "
        + "   ".join(
            f"{kind} seconds {min(own):.1f} ({min(other):.1f}), ratio {min(other) / min(own):.1f}"
            for kind, own, other in ((kind, ours[kind], peer[kind]) for kind in ours)
        ),
        flush=True,
    )


def compare(python: Path, data: Dataset, split: Split, d: int, options: argparse.Namespace) -> None:
    train = data.ratings.matrix(binary=True)
    alpha = DENSITIES * train.nnz / (train.shape[0] * train.shape[1])
    confidence = 1 + 1 / alpha
    row_of = {str(user): row for row, user in enumerate(data.ratings.user_ids)}
    common = {"n_factors": d, "iterations": options.sweeps}
    flat = {**common, "exponent": 0.0, "regularization": options.ridge, "unobserved": alpha}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sp.save_npz(folder / "train.npz", train.astype(np.float32))
        theirs = {
            "factors": d,
            "regularization": options.ridge * confidence,
            "confidence": confidence,
            "sweeps": options.sweeps,
            "threads": WORKERS,
            "repeats": 1,
        }
        for label, settings, use_cg in (
            ("cg, flat ridge", {**flat, "solver": "cg"}, True),
            ("exact, flat ridge", {**flat, "solver": "exact"}, False),
            ("cg, scaled ridge", {**common, "solver": "cg"}, True),
        ):
            ours: dict[str, list[float]] = {"wall": [], "processor": []}
            peer: dict[str, list[float]] = {"wall": [], "processor": []}
            for _ in range(options.repeats):  # in turns: whatever else runs here disturbs both alike
                model, seconds = fit_ours(data, 1, **settings)
                others = fit_theirs(python, folder, theirs | {"use_cg": use_cg})
                for kind in ours:
                    ours[kind] += seconds[kind]
                    peer[kind] += others[kind]
            stored = np.load(folder / "factors.npz")
            candidates = (Factors(stored[users], stored["movies"], row_of) for users in ("users", "again"))
            best = max(ndcg(candidate, split, data) for candidate in candidates)
            times = {kind: (min(ours[kind]), min(peer[kind])) for kind in ours}
            ratios = {kind: other / own for kind, (own, other) in times.items()}
            print(
                f"d={d:<4} {label:18} nDCG@10 {ndcg(model, split, data):.4f} (implicit {best:.4f})   "
                f"seconds {times['wall'][0]:.2f} ({times['wall'][1]:.2f}), ratio {ratios['wall']:.1f}   "
                f"of the processors {times['processor'][0]:.2f} ({times['processor'][1]:.2f}), "
                f"ratio {ratios['processor']:.1f}, aim ≥ {TARGET:g}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parents[2] / "shared" / "data" / "ml-1m"
    parser.add_argument("--data", type=Path, default=default, help="folder of the data set")
    parser.add_argument("--factors", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--sweeps", type=int, default=15, help="implicit's default")
    parser.add_argument("--ridge", type=float, default=10.0, help="flat λ, in our terms")
    parser.add_argument("--repeats", type=int, default=3, help="fits of each; the quickest counts")
    parser.add_argument("--python", type=Path, help="of an environment with implicit")
    parser.add_argument("--validation", action="store_true", help="ask the users kept for validation")
    parser.add_argument("--loss", action="store_true", help="compare losses on all ratings")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"There is no folder {options.data}. Name the data set with --data.")
    python = options.python or environment(Path(tempfile.gettempdir()) / f"matinee-implicit-{VERSION}")
    if options.loss:
        data = load_dataset(options.data)
        print(f"{data.name}: {data.ratings.n_users} users, {len(data.ratings)} ratings, {WORKERS} threads")
        fit_ours(data.with_ratings(some_users(data.ratings, 100_000, 0)), 1, n_factors=8, iterations=1, solver="cg")
        for d in options.factors:
            compare_losses(python, data, d, options)
        return
    protocol, source = get_protocol("holdout"), EvaluationSource(load_dataset(options.data))
    known = protocol.data(source)
    split = next(iter(protocol.splits(source, validation=options.validation)))
    data = known.with_ratings(split.train)
    print(f"{data.name}: {data.ratings.n_users} users, {len(data.ratings)} ratings, {WORKERS} threads")
    fit_ours(data, 1, n_factors=8, iterations=1, solver="cg")  # compiles
    for d in options.factors:
        compare(python, data, split, d, options)


if __name__ == "__main__":
    main()
