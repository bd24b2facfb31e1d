"""Peers beside ours on the same splits, by the same measure, on the same machine, in one run.

    python benchmarks/compare_peers.py                                # also: make compare-peers
    python benchmarks/compare_peers.py --tasks stars --folds 5        # Surprise's five folds of MovieLens 100K
    python benchmarks/compare_peers.py --data ../shared/data/ml-latest-small --peers implicit rectools
    python benchmarks/compare_peers.py --show                         # the table of the last run

"stars" predicts the test ratings of the published split of the data (`ml-100k-ratings` and the like). "lists" ranks
every film for each user, seen ones removed: ratings of four stars and more that all count the same, 80:20 at random
within each user (`implicit`).

Each peer has an environment of its own in `--environments`, made once from `requirements/peers-NAME.txt`, which pins
all packages. One that cannot be installed is named with the reason, and the others go on. `run_NAME.py` of
`benchmarks/peers` runs there: it gets the training ratings and the questions as NumPy files and writes predictions or
scores, which are measured here. Peers never see a test rating's stars. Each model is fitted in a process of its own,
with one thread and `--limit` seconds of CPU time.

Peers have the settings of their libraries (what was set besides is in the drivers), ours have theirs, chosen on
validation data. Our models may read titles, genres and years of films too; of the peers, the second of myfm's reads
genres. ± is half of the 95 % interval over users; p is from Wilcoxon's signed-rank test against the best of ours, with
Holm's correction.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.data.ratings import NO_TIME
from matinee.data.readers import read_source
from matinee.data.sources import get_dataset_files
from matinee.evaluation import PROTOCOLS, Protocol, Split, metrics
from matinee.evaluation.bootstrap import resample
from matinee.evaluation.comparison import compare, lower_is_better
from matinee.evaluation.environment import Environment
from matinee.evaluation.figures import Sums, UserFigures, aligned
from matinee.evaluation.measure import genre_vectors, rank_users, users_to_test
from matinee.evaluation.protocols import EvaluationSource
from matinee.models import Query
from matinee.settings import Settings
from peers.exchange import Part
from zoo import put_into

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
DRIVERS = Path(__file__).with_name("peers")
PEERS = ("surprise", "myfm", "lenskit", "implicit", "rectools", "cornac")
OURS = "matinee"
TASKS = {"stars": ("rmse", "mae"), "lists": ("ndcg@10", "recall@20")}
"""Task → its figures, the first of which orders the table."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
INSTALL_SECONDS, LIST_SECONDS = 1800, 300


@dataclass
class Entry:
    """One model on all splits so far."""

    package: str
    figures: list[UserFigures] = field(default_factory=list)
    costs: list[dict[str, float]] = field(default_factory=list)


class Given:
    """Scores that were made elsewhere, asked for by user."""

    def __init__(self, scores: np.ndarray, ids: Sequence[str]) -> None:
        self.scores, self.rows = scores, {user: row for row, user in enumerate(ids)}

    def score(self, queries: Sequence[Query]) -> np.ndarray:
        return self.scores[[self.rows[str(query.user_id)] for query in queries]]


class AbsentError(Exception):
    """A peer that cannot be asked, and why."""


def environment(name: str, folder: Path) -> Path:
    """The Python of a peer's environment, made where it is not there or is of other pins.

    Raises:
        AbsentError: it cannot be made.
    """
    pins, home = ROOT / "requirements" / f"peers-{name}.txt", folder / name
    python, stamp = home / "bin" / "python", home / "installed"
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"Installing {name} …", file=sys.stderr, flush=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "-r", str(pins)]
    for words in ([sys.executable, "-m", "venv", "--clear", str(home)], pip):
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise AbsentError(f"it was not installed within {INSTALL_SECONDS:,} s") from None
        if done.returncode:
            raise AbsentError(f"it cannot be installed: {last_line(done.stderr)}")
    stamp.write_text(wanted)
    return python


def last_line(text: str) -> str:
    """What went wrong: the last line that says so, or else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.lower().startswith("error")), lines[-1] if lines else "")


def run_driver(name: str, python: Path, words: Sequence[str], *, cpu: int, nice: int = 0) -> str:
    """What a driver prints.

    Raises:
        AbsentError: it failed, or took more CPU time than allowed.
    """

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
        os.nice(nice)

    done = subprocess.run(
        [str(python), str(DRIVERS / f"run_{name}.py"), *words],
        capture_output=True,
        text=True,
        env=os.environ | dict.fromkeys(THREADS, "1"),
        preexec_fn=bound,
        check=False,
    )
    if done.returncode < 0:
        raise AbsentError(f"more than {cpu:,} s of CPU time")
    if done.returncode:
        raise AbsentError(last_line(done.stderr))
    return done.stdout


def protocol_of(task: str, dataset: Dataset) -> Protocol:
    """Published splits of stars where there are some; those in folds before others."""
    if task == "lists":
        return PROTOCOLS["implicit"]
    names = (f"{dataset.name}-folds", f"{dataset.name}-ratings", "holdout")
    return next(PROTOCOLS[name] for name in names if name in PROTOCOLS)


def exported(task: str, split: Split, known: Dataset, origin: Sequence[str]) -> Part:
    """The part of a split that drivers may see."""
    train, test = split.train, split.test
    owners = np.repeat(np.arange(train.n_users), np.diff(train.indptr))
    asked = np.repeat(np.arange(test.n_users), np.diff(test.indptr)) if task == "stars" else users_to_test(split)
    genres = genre_vectors(known.catalog).toarray() > 0
    return Part(
        users=owners,
        items=train.indices.astype(np.int64),
        stars=train.values,
        times=np.where(train.times == NO_TIME, -1, train.times),
        asked_users=asked,
        asked_items=test.indices.astype(np.int64) if task == "stars" else np.zeros(0, dtype=np.int64),
        asked_times=np.where(test.times == NO_TIME, -1, test.times) if task == "stars" else np.zeros(0, dtype=np.int64),
        shape=np.array([train.n_users, train.n_items]),
        scale=np.array(known.scale),
        genres=genres,
        origin=np.array(origin),
    )


def measured(task: str, answers: np.ndarray, split: Split, known: Dataset, part: Part) -> UserFigures:
    """The figures of one split, by user."""
    users = users_to_test(split)
    if task == "lists":
        given = Given(answers, [str(split.history.user_ids[user]) for user in part.asked_users.tolist()])
        ranked = rank_users(given, split, known.catalog, k=20)
        hits, n_relevant = metrics.hits_of(ranked.lists, ranked.relevant.matrix(binary=True)[users])
        of_ten = metrics.ndcg(hits[:, :10], n_relevant)
        return UserFigures(users, {"ndcg@10": Sums.mean(of_ten), "recall@20": ranked.figures.sums["recall@20"]})
    mean = float(np.mean(split.train.values, dtype=np.float64))
    predicted = np.clip(np.where(np.isnan(answers), mean, answers), *known.scale)
    errors = np.abs(predicted.astype(np.float64) - split.test.values)
    places = np.searchsorted(users, part.asked_users)
    squared = Sums.by_owner(places, len(users), errors**2, root=True)
    return UserFigures(users, {"rmse": squared, "mae": Sums.by_owner(places, len(users), errors)})


def run_task(
    task: str, dataset: Dataset, place: str, drivers: Mapping[str, tuple[Path, dict[str, Any]]], options: Any
) -> dict[str, Any]:
    """Every model that can do a task, on its splits."""
    protocol = protocol_of(task, dataset)
    rows = read_source(Path(place)).ratings if protocol.needs_file(dataset.name) else None
    source = EvaluationSource(dataset, rows)
    known, entries, failed = protocol.data(source), {}, {}
    names = [(peer, model) for peer, (_, listed) in drivers.items() for model in listed["models"].get(task, ())]
    names = [name for name in names if options.models is None or name[1] in options.models]
    splits = []
    for number, split in enumerate(islice(protocol.splits(source), options.folds)):
        splits.append(split.name)
        part = exported(task, split, known, (place, protocol.name, str(number)))
        with tempfile.TemporaryDirectory() as folder:
            given, wanted = Path(folder) / "part.npz", Path(folder) / "answers.npz"
            part.save(given)
            for peer, model in names:
                row = f"{peer} {model}"
                if row in failed:
                    continue
                print(f"{task}, {split.name}: {row} …", end=" ", file=sys.stderr, flush=True)
                try:
                    words = [task, model, str(given), str(wanted)]
                    run_driver(peer, drivers[peer][0], words, cpu=options.limit, nice=options.nice)
                except AbsentError as error:
                    failed[row] = str(error)
                    entries.pop(row, None)
                    print(error, file=sys.stderr, flush=True)
                    continue
                with np.load(wanted, allow_pickle=False) as written:
                    costs = {name: float(written[name]) for name in written.files if name != "answers"}
                    figures = measured(task, written["answers"], split, known, part)
                wanted.unlink()
                package = f"{peer} {drivers[peer][1]['version']}"
                entry = entries.setdefault(row, Entry(package))
                entry.figures.append(figures)
                entry.costs.append(costs)
                values = ", ".join(f"{name} {sums.value:.4f}" for name, sums in figures.sums.items())
                print(f"{values}; fit {costs['fit_cpu_s']:.1f} s of CPU", file=sys.stderr, flush=True)
    return {
        "protocol": protocol.name,
        "description": protocol.description,
        "splits": splits,
        "models": summarized(task, entries),
        "failed": failed,
    }


def summarized(task: str, entries: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """Means over the splits, with intervals and tests against the best of ours; the best first."""
    first, names = TASKS[task][0], list(TASKS[task])
    splits = {row: aligned(entry.figures) for row, entry in entries.items()}
    resampled = {row: resample(own, names) for row, own in splits.items()}
    sign = 1.0 if lower_is_better(first) else -1.0
    order = sorted(entries, key=lambda row: sign * resampled[row].estimates[0])
    if not order:
        return []
    ours = [row for row in order if row.startswith(f"{OURS} ")]
    reference = ours[0] if ours else order[0]
    tests = compare(reference, names, splits, resampled)
    found = []
    for row in order:
        costs = {name: float(np.mean([cost[name] for cost in entries[row].costs])) for name in entries[row].costs[0]}
        found.append(
            {
                "package": entries[row].package,
                "model": row.partition(" ")[2],
                "metrics": dict(zip(names, resampled[row].estimates.tolist(), strict=True)),
                "intervals": {name: resampled[row].interval(name) for name in names},
                "p": {name: test.p_holm for name, test in tests.get(row, {}).items()},
                **costs,
            }
        )
    return found


def table(task: str, result: Mapping[str, Any]) -> str:
    """Markdown."""
    names = TASKS[task]
    lines = ["| model | package | " + " | ".join(names) + " | p | fit, CPU s | answers, CPU s |"]
    lines.append("|---|---|" + "---:|" * (len(names) + 3))
    for row in result["models"]:
        cells = []
        for name in names:
            low, high = row["intervals"][name] or (float("nan"), float("nan"))
            cells.append(f"{row['metrics'][name]:.4f} ±{(high - low) / 2:.4f}")
        p = row["p"].get(names[0])
        cells.append("" if p is None else "<.001" if p < 0.001 else f"{p:.3f}")
        cells += [f"{row['fit_cpu_s']:.1f}", f"{row['ask_cpu_s']:.1f}"]
        lines.append(f"| {row['model']} | {row['package']} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, *(f"\nNot measured: {row} ({reason})" for row, reason in result["failed"].items())])


def text_of(report: Mapping[str, Any]) -> str:
    """Both tables, in Markdown."""
    parts = [f"Without {name}: {reason}" for name, reason in report["absent"].items()]
    for task, result in report["tasks"].items():
        splits = ", ".join(result["splits"])
        parts += [f"{task.capitalize()}, {report['data']}, `{result['protocol']}` ({splits}):", table(task, result)]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-100k", help="name or folder")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--folds", type=int, default=1, help="splits of each protocol, from the first")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--models", nargs="+", help="names, ours and theirs; default: all")
    parser.add_argument("--limit", type=int, default=900, help="CPU seconds of one model on one split")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv-peers")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "peers.json")
    parser.add_argument("--page", type=Path, help="page to put the tables into, between its peers marks")
    parser.add_argument("--show", action="store_true", help="the table of --out, without measuring")
    options = parser.parse_args()
    if options.show:
        tell(json.loads(options.out.read_text()), options.page)
        return
    shared = SHARED / options.data
    place = str(shared) if shared.is_dir() else options.data
    dataset = load_dataset(place)
    if not Path(place).is_dir():
        place = str(get_dataset_files(place, Settings(), None))
    drivers: dict[str, tuple[Path, dict[str, Any]]] = {}
    absent: dict[str, str] = {}
    for name in (OURS, *options.peers):
        try:
            python = Path(sys.executable) if name == OURS else environment(name, options.environments.resolve())
            listed = json.loads(run_driver(name, python, ["--list"], cpu=LIST_SECONDS).splitlines()[-1])
        except AbsentError as error:
            absent[name] = str(error)
            print(f"Without {name}: {error}", file=sys.stderr, flush=True)
        else:
            drivers[name] = (python, listed)
    report: dict[str, Any] = {
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": Environment.here().model_dump(mode="json"),
        "absent": absent,
        "tasks": {},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for task in options.tasks:
        report["tasks"][task] = run_task(task, dataset, place, drivers, options)
        options.out.write_text(json.dumps(report, indent=1))
    tell(report, options.page)


def tell(report: Mapping[str, Any], page: Path | None) -> None:
    print(text_of(report))
    if page is not None:
        put_into(page, "peers", text_of(report))


if __name__ == "__main__":
    main()
