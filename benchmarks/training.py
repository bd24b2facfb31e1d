"""EASE on MovieLens 1M: time to fit against the bare BLAS calls it cannot avoid, and memory against the estimate.

The bare calls are the fastest honest ones known here, on arrays that are ready beforehand: `ssyrk` on the
dense float32 users × films matrix (one triangle of XᵀX), λ on the diagonal, `spotrf` and `spotri` (one triangle
of the inverse) in place. The fit starts from the data set as it is loaded and ends with weights ready to serve:
it also chooses the films, makes the users dense, mirrors the triangle, and divides by the diagonal.
Both run in turns in this process, BLAS with all its threads; the medians are compared.

    python benchmarks/training.py [--data FOLDER] [--repeats N]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.linalg import blas, lapack

from matinee.data.catalog import Catalog
from matinee.data.dataset import CleaningReport, Dataset
from matinee.data.ratings import Ratings
from matinee.models import Ease

LAMBDA = 400.0
TARGET = 1.25


def load(folder: Path) -> Dataset:
    """Ratings and film ids; titles do not matter here."""
    ratings = pl.read_parquet(folder / "ratings.parquet").select(
        pl.col("userId").cast(pl.String).alias("user_id"),
        pl.col("movieId").cast(pl.String).alias("movie_id"),
        pl.col("rating").cast(pl.Float32),
    )
    ids = ratings["movie_id"].unique().sort()
    catalog = Catalog(pl.DataFrame({"movie_id": ids, "title": ids}))
    return Dataset(
        "ml-1m", catalog, Ratings.from_frame(ratings, catalog), CleaningReport(source=str(folder)), (1.0, 5.0)
    )


def bare(dense: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Seconds of the Gram matrix and of the inversion, and the inverse (lower triangle)."""
    start = time.perf_counter()
    gram = blas.ssyrk(1.0, dense.T, lower=1)
    middle = time.perf_counter()
    np.einsum("ii->i", gram)[:] += LAMBDA
    factor, _ = lapack.spotrf(gram, lower=1, clean=0, overwrite_a=1)
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    return middle - start, time.perf_counter() - middle, inverse


def high_water() -> int:
    """Most bytes of this process ever in memory (Linux: since the last reset)."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_memory(folder: Path) -> None:
    """Peak growth of the resident memory during one fit, in a fresh process, against the estimate."""
    data = load(folder)
    small = np.eye(256, dtype=np.float32, order="F")
    blas.ssyrk(1.0, small)  # BLAS allocates its own buffers at the first call; they are not the model's
    _ = data.ratings.counts
    model = Ease(regularization=LAMBDA)
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")  # the high-water mark starts again from here
    before = high_water()
    model.fit(data)
    need, used = model.memory_needed(data), high_water() - before
    print(
        f"peak memory        {used / 2**20:8.0f} MiB   memory_needed {need / 2**20:.0f} MiB ({used / need:.2f} of it)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parents[2] / "shared" / "data" / "ml-1m"
    parser.add_argument("--data", type=Path, default=default, help="folder of ratings.parquet")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--memory-only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not (options.data / "ratings.parquet").exists():
        sys.exit(f"There is no ratings.parquet in {options.data}. Name the folder with --data.")
    if options.memory_only:
        measure_memory(options.data)
        return
    data = load(options.data)
    dense = data.ratings.matrix(binary=True).toarray()
    bare(dense)
    Ease(regularization=LAMBDA).fit(data)
    fits: list[float] = []
    grams: list[float] = []
    inversions: list[float] = []
    for _ in range(options.repeats):
        gram, inversion, inverse = bare(dense)
        grams.append(gram)
        inversions.append(inversion)
        start = time.perf_counter()
        model = Ease(regularization=LAMBDA).fit(data)
        fits.append(time.perf_counter() - start)
    weights = model.state()["weights"]
    reference = -np.tril(inverse, -1) / np.diag(inverse)
    error = float(np.abs(np.tril(weights, -1) - reference).max())
    both = [gram + inversion for gram, inversion in zip(grams, inversions, strict=True)]
    ratios = [fit / base for fit, base in zip(fits, both, strict=True)]
    ratio = statistics.median(fits) / statistics.median(both)
    print(f"{data.name}: {dense.shape[0]} users, {dense.shape[1]} films, {len(data.ratings)} ratings")
    print(f"seconds, median of {options.repeats} runs")
    print(f"ssyrk              {statistics.median(grams):8.3f}")
    print(f"spotrf + spotri    {statistics.median(inversions):8.3f}")
    print(f"bare BLAS          {statistics.median(both):8.3f}")
    print(f"EASE fit           {statistics.median(fits):8.3f}   weights differ from the bare result by {error:.1e}")
    print(f"ratio              {ratio:8.3f}   target ≤ {TARGET} (single runs {min(ratios):.2f}–{max(ratios):.2f})")
    sys.stdout.flush()
    subprocess.run([sys.executable, __file__, "--data", str(options.data), "--memory-only"], check=True)


if __name__ == "__main__":
    main()
