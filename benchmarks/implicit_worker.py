"""Fits the package `implicit` in an environment of its own; started by `ials_peer.py`, which tells it what to do.

    python benchmarks/implicit_worker.py FOLDER

FOLDER holds `train.npz` (SciPy's sparse users × films) and `settings.json`. Factors of both sides are written there;
one line of JSON with the seconds of each fit is printed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits


def main(folder: Path) -> None:
    settings = json.loads((folder / "settings.json").read_text())
    train = sp.load_npz(folder / "train.npz").tocsr()
    wall, processor = [], []
    with threadpool_limits(1, user_api="blas"):
        for _ in range(settings["repeats"]):
            model = AlternatingLeastSquares(
                factors=settings["factors"],
                regularization=settings["regularization"],
                alpha=1.0,
                iterations=settings["sweeps"],
                use_cg=settings["use_cg"],
                num_threads=settings["threads"],
                random_state=0,
            )
            start, used = time.perf_counter(), time.process_time()
            model.fit(train * settings["confidence"], show_progress=False)
            wall.append(time.perf_counter() - start)
            processor.append(time.process_time() - used)
        again = model.user_factors
        if settings.get("again", True):
            again = model.recalculate_user(np.arange(train.shape[0]), train * settings["confidence"])
    np.savez(folder / "factors.npz", users=model.user_factors, again=again, movies=model.item_factors)
    print(json.dumps({"wall": wall, "processor": processor}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
