"""Our Gibbs sampler beside the package myfm: same ratings, rank, sweeps, kept samples and features.

    python benchmarks/stars_peer.py                       # makes an environment with myfm under the temporary folder
    python benchmarks/stars_peer.py --peer ENV/bin/python # one that is there
    python benchmarks/stars_peer.py --kind ids            # ids alone; `features`: those of `BayesianStars` besides

One fold of `ml-100k-ratings` (its training part again cut 80:20 with --validation). Both predict the test ratings by
the mean over the kept sweeps. Ours uses as many threads as there are processors, myfm has one only: seconds of the
processors stand beside the wall's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from coldstart import SHARED
from matinee.evaluation.experiment import load_source
from matinee.evaluation.protocols import get_protocol
from matinee.models import Content
from matinee.models.bayesian.gibbs import Features, gibbs
from matinee.models.bayesian.side_features import SideFeatures
from matinee.settings import Settings

PEER = """
import json, sys, time
import numpy as np, scipy.sparse as sp
from myfm import MyFMRegressor, RelationBlock

data = np.load(sys.argv[1])
rank, sweeps, kept = (int(value) for value in sys.argv[2:5])
blocks = {}
for part in ("train", "test"):
    blocks[part] = []
    for side in ("users", "movies"):
        x = data[side][:, 1:]  # myfm has a bias of its own
        table = sp.hstack([sp.identity(len(x)), x]).tocsr()
        blocks[part].append(RelationBlock(data[part + "_" + side], table))
groups = []
for side in ("users", "movies"):
    groups.append(len(data[side]))
    numbers = data[side + "_groups"][1:]
    groups += [int((numbers == number).sum()) for number in np.unique(numbers)]
model = MyFMRegressor(rank=rank, random_seed=0)
wall, cpu = time.perf_counter(), time.process_time()
model.fit(None, data["stars"], X_rel=blocks["train"], n_iter=sweeps, n_kept_samples=kept, group_shapes=groups)
spent = time.perf_counter() - wall, time.process_time() - cpu
np.save(sys.argv[5], model.predict(None, X_rel=blocks["test"]))
print(json.dumps(spent))
"""


Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


class Run(NamedTuple):
    """Latent dimensions, length of the chain, and how many of its last sweeps count."""

    rank: int
    sweeps: int
    kept: int


def ours(
    ratings: sp.csr_matrix, users: Features, movies: Features, test: Pairs, run: Run
) -> tuple[NDArray[np.float64], float, float]:
    """Predicted stars of the test pairs, and seconds on the wall and of the processors."""
    mean, total = float(ratings.data.mean()), np.zeros(len(test[0]))
    chain = gibbs(ratings, mean, users, movies, n_factors=run.rank, sweeps=2, noise_prior=8.0, seed=1)
    list(chain)  # compiles
    wall, cpu = time.perf_counter(), time.process_time()
    chain = gibbs(ratings, mean, users, movies, n_factors=run.rank, sweeps=run.sweeps, noise_prior=8.0, seed=0)
    samples = [sample for number, sample in enumerate(chain) if number >= run.sweeps - run.kept]
    spent = time.perf_counter() - wall, time.process_time() - cpu
    for sample in samples:
        left, right = sample.users[test[0]], sample.movies[test[1]]
        total += mean + left[:, 0] + right[:, 0] + (left[:, 1:] * right[:, 1:]).sum(axis=1)
    return total / len(samples), *spent


def theirs(
    peer: str, ratings: sp.csr_matrix, users: Features, movies: Features, test: Pairs, run: Run
) -> tuple[NDArray[np.float64], float, float]:
    """The same by myfm, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npy"
        np.savez(
            given,
            stars=ratings.data.astype(np.float64),
            users=users.matrix,
            movies=movies.matrix,
            users_groups=users.groups,
            movies_groups=movies.groups,
            train_users=np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr)),
            train_movies=ratings.indices.astype(np.int64),
            test_users=test[0],
            test_movies=test[1],
        )
        numbers = [str(value) for value in run]
        command = [peer, "-c", PEER, str(given), *numbers, str(made)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wall, cpu = json.loads(done.stdout.splitlines()[-1])
        return np.load(made), wall, cpu


def _constant(features: Features) -> Features:
    return Features(features.matrix[:, :1], features.groups[:1])


def environment(folder: Path) -> str:
    """A Python with myfm."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "myfm"], check=True)
    return str(python)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED), help="folder of the data sets")
    parser.add_argument("--peer", help="a Python with myfm; none: one is made")
    parser.add_argument("--kind", nargs="*", default=["ids", "features"], choices=["ids", "features"])
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--kept", type=int, default=160)
    parser.add_argument("--validation", action="store_true", help="cut the training part again")
    options = parser.parse_args()
    peer = options.peer or environment(Path(tempfile.gettempdir()) / "matinee-myfm")

    protocol = get_protocol("ml-100k-ratings")
    loaded = load_source(protocol, str(Path(options.data) / "ml-100k"), Settings(), None, validation=False).source
    dataset, split = protocol.data(loaded), next(iter(protocol.splits(loaded)))
    train, test = split.train, split.test
    if options.validation:
        kept_back = np.random.default_rng(7).random(len(train)) < 0.2
        train, test = train.select(~kept_back), train.select(kept_back)
    content = Content().fit(dataset.with_ratings(train)).item_vectors
    matrix = train.matrix()
    _, users, movies = SideFeatures.of(matrix, dataset.catalog.years, content)
    pairs = np.repeat(np.arange(test.n_users), np.diff(test.indptr)), test.indices.astype(np.int64)
    low, high = dataset.scale

    def rmse(predicted: NDArray[np.float64]) -> float:
        return float(np.sqrt(np.mean(np.square(np.clip(predicted, low, high) - test.values))))

    run = Run(options.rank, options.sweeps, options.kept)
    print(f"rank {run.rank}, {run.sweeps} sweeps of which {run.kept} are kept")
    print(f"{'features':10}{'sampler':10}{'RMSE':>8}{'wall s':>9}{'cpu s':>9}")
    for kind in options.kind:
        sides = (users, movies) if kind == "features" else (_constant(users), _constant(movies))
        spent = []
        for name, (predicted, *seconds) in (
            ("ours", ours(matrix, *sides, pairs, run)),
            ("myfm", theirs(peer, matrix, *sides, pairs, run)),
        ):
            print(f"{kind:10}{name:10}{rmse(predicted):8.4f}{seconds[0]:9.1f}{seconds[1]:9.1f}", flush=True)
            spent.append(seconds)
        wall, cpu = (spent[1][k] / spent[0][k] for k in (0, 1))
        print(f"{kind:10}myfm takes {wall:.1f} times as long, {cpu:.1f} times the processors' time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
