"""Every model on three data sets: accuracy with intervals, CPU seconds to fit, bytes to keep, time of an answer.

    python benchmarks/zoo.py                                  # what is not measured yet; prints the table
    python benchmarks/zoo.py --models ease slim --again       # these anew
    python benchmarks/zoo.py --data ../shared/data/ml-100k    # one data set
    python benchmarks/zoo.py --readme README.md               # the table into a page, between its zoo marks
    python benchmarks/zoo.py --show --readme README.md        # from stored figures alone

Protocol `holdout`: 80:20 at random within each user, all films ranked. Each model is fitted in a process of its own
with one thread; its figures are stored in `--out` as they come, so that a run may be stopped and go on. Stored figures
are measured anew where the data or a setting of the model has changed. A model that needs more than `--limit` CPU
seconds for fitting and answering is given up, and the table says so.

nDCG@10 counts the test films that the user liked (`--relevant all`: every test film, liked or not). ± is half of the
95 % interval over users. Fitting is measured in CPU seconds, which other work on the machine hardly changes, compiling
by Numba left out; that of a blend contains its parts, and so do its bytes. An answer is the best ten films for one
user in milliseconds, the best of five tries, the median of 60 users.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from matinee._util.atomic_files import replacing
from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset
from matinee.errors import MatineeError
from matinee.evaluation import PROTOCOLS, metrics
from matinee.evaluation.bootstrap import resample
from matinee.evaluation.figures import Sums, UserFigures
from matinee.evaluation.measure import fit_models, predict_stars, rank_users, users_to_test
from matinee.evaluation.protocols import EvaluationSource, Split
from matinee.evaluation.relevance import liked
from matinee.models import MODELS, Model, Query, default_lineup

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
NAMES = ("ml-100k", "ml-latest-small", "ml-1m")
K, ANSWERS, TRIES, ANSWER_SECONDS = 10, 60, 5, 30.0
RENAMED = {"stars": "stars-als"}
"""Kinds whose name the line-up gives to a model of another kind."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")

Records = dict[str, dict[str, dict[str, Any]]]
"""Data set → model → what was measured, or `skipped` with the reason."""


def lineup(dataset: Dataset) -> dict[str, Model[Any]]:
    """The default line-up, then each registered kind that is not in it, with its usual settings."""
    models = default_lineup(dataset)
    kinds = {model.name for model in models.values()}
    return models | {RENAMED.get(kind, kind): made() for kind, made in MODELS.items() if kind not in kinds}


def described(model: Model[Any]) -> dict[str, Any]:
    return {"kind": model.name, "config": model.config.model_dump(mode="json")}


def place_of(name_or_folder: str) -> str:
    """The folder of the measuring data, where it is there; else as given, e.g. a name that is fetched."""
    shared = SHARED / name_or_folder
    return str(shared) if name_or_folder in NAMES and shared.exists() else name_or_folder


def split_of(dataset: Dataset) -> tuple[Dataset, Split]:
    """What models may know of the films, with the training ratings; and the split."""
    protocol, source = PROTOCOLS["holdout"], EvaluationSource(dataset)
    split = next(iter(protocol.splits(source)))
    return protocol.data(source).with_ratings(split.train), split


def cpu_seconds() -> float:
    """Of this process, all threads, and its finished children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def warm_up(name: str, part: Dataset) -> None:
    """Have Numba compile what the model needs, on the ratings of a few users."""
    ratings = part.ratings
    few = np.repeat(np.arange(ratings.n_users), np.diff(ratings.indptr)) < 60
    small = part.with_ratings(ratings.select(few))
    with suppress(Exception):  # what is wrong, fitting all of it says
        fit_models(lineup(small), [name], small)


def measure(name: str, place: str) -> dict[str, Any]:
    """One model on one data set."""
    part, split = split_of(load_dataset(place))
    models = lineup(part)
    record = {**described(models[name]), "created": datetime.now(UTC).isoformat(timespec="seconds")}
    if reason := models[name].unsuited(part):
        return record | {"skipped": reason}
    if "neural" not in type(models[name]).__module__:
        warm_up(name, part)
    wall, cpu = time.perf_counter(), cpu_seconds()
    fitted = fit_models(models, [name], part)
    record |= {"fit_cpu_s": cpu_seconds() - cpu, "fit_wall_s": time.perf_counter() - wall}
    if name not in fitted:
        return record | {"skipped": "this data has no model that it is made of"}
    model = fitted[name].model
    arrays = [array for entry in fitted.values() for array in entry.model.state().values()]
    record |= {"bytes": sum(array.nbytes for array in arrays), "answer_ms": answer_time(model, split)}
    ranked = rank_users(model, split, part.catalog, k=K)
    likes = split.test.select(liked(split.history, split.test, part.scale))
    of_likes = metrics.ndcg(*metrics.hits_of(ranked.lists, likes.matrix(binary=True)[ranked.figures.users]))
    sums = {f"ndcg@{K}": ranked.figures.sums[f"ndcg@{K}"], f"ndcg@{K} likes": Sums.mean(of_likes)}
    if model.predicts_stars:
        predicted = predict_stars(model, split, part.scale)
        sums |= {metric: predicted.figures.sums[metric] for metric in ("rmse", "mae")}
    resampled = resample([UserFigures(ranked.figures.users, sums)], list(sums))
    return record | {
        "metrics": {metric: total.value for metric, total in sums.items()},
        "intervals": {metric: resampled.interval(metric) for metric in sums},
    }


def answer_time(model: Model[Any], split: Split) -> float:
    """Milliseconds of the best ten films for one user: the median over users of the best of some tries.

    CPU clocks are too coarse for one answer; of several tries one is not disturbed by other work.
    """
    best: list[float] = []
    begun = time.perf_counter()
    for user in users_to_test(split, ANSWERS):
        took = []
        for _ in range(TRIES):
            query = Query.of(split.history, int(user))  # a fresh one: queries keep what was derived of them
            start = time.perf_counter()
            model.top(query, K)
            took.append(time.perf_counter() - start)
        best.append(1000 * min(took))
        if time.perf_counter() - begun > ANSWER_SECONDS:
            break
    return statistics.median(best)


def measured_apart(name: str, place: str, limit: int) -> dict[str, Any]:
    """`measure` in a process of its own, with one thread and bounded CPU time."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))

    words = [sys.executable, str(Path(__file__)), "--one", name, "--data", place]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | dict.fromkeys(THREADS, "1") | {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
        preexec_fn=bound,
    )
    try:
        out, errors = process.communicate()
    finally:
        process.kill()
    if process.returncode < 0:
        return {"skipped": f"more than {limit:,} s of CPU time"}
    if process.returncode:
        return {"skipped": errors.strip().splitlines()[-1] if errors.strip() else f"exit code {process.returncode}"}
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def measure_all(arguments: argparse.Namespace, records: Records, keep: Callable[[], None]) -> None:
    for place in map(place_of, arguments.data):
        dataset = load_dataset(place)
        part, _ = split_of(dataset)
        models = lineup(part)
        stored = records.setdefault(dataset.name, {})
        names = [name for name in models if arguments.models is None or name in arguments.models]
        for name in names:
            known, now = stored.get(name, {}), described(models[name]) | {"fingerprint": dataset.fingerprint}
            same = json.loads(json.dumps(now)) == {key: known.get(key) for key in now}
            if known and same and not arguments.again:
                continue
            print(f"{dataset.name}: {name} …", end=" ", file=sys.stderr, flush=True)
            stored[name] = measured_apart(name, place, arguments.limit) | now
            keep()
            print(said(stored[name]), file=sys.stderr, flush=True)


def said(record: Mapping[str, Any]) -> str:
    if "skipped" in record:
        return f"skipped: {record['skipped']}"
    found = ", ".join(f"{metric} {value:.4f}" for metric, value in record["metrics"].items())
    return f"{found}; fit {record['fit_cpu_s']:.1f} s of CPU ({record['fit_wall_s']:.1f} s)"


def figure(record: Mapping[str, Any], metric: str) -> str:
    if metric not in record.get("metrics", {}):
        return ""
    low, high = record["intervals"][metric] or (float("nan"), float("nan"))
    return f"{record['metrics'][metric]:.3f} ±{(high - low) / 2:.3f}".replace("0.", ".")


def table(records: Records, relevant: str) -> str:
    """Markdown, the best lists of the last small data set first."""
    listed = f"ndcg@{K} likes" if relevant == "likes" else f"ndcg@{K}"
    data = [name for name in (*NAMES, *records) if name in records]
    data = list(dict.fromkeys(data))
    by = next((name for name in ("ml-latest-small", *data) if name in records), "")
    names = list(dict.fromkeys(name for entries in records.values() for name in entries))

    def key(name: str) -> float:
        found = [records[place].get(name, {}).get("metrics", {}).get(listed, -1.0) for place in (by, *data)]
        return -next((value for value in found if value >= 0), -1.0)

    def costs(name: str, field: str, unit: float, digits: int) -> str:
        return " / ".join(
            f"{records[place][name][field] / unit:,.{digits}f}" if field in records[place].get(name, {}) else "–"
            for place in data
        )

    head = ["model", *(f"nDCG@{K} {place}" for place in data), *(f"RMSE {place}" for place in data)]
    head += ["fit, CPU s", "MB", "answer, ms"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    skipped: dict[str, list[str]] = {}
    for name in sorted(names, key=key):
        own = {place: records[place].get(name, {}) for place in data}
        for place, record in own.items():
            if "skipped" in record:
                skipped.setdefault(record["skipped"], []).append(f"{name} on {place}")
        if not any("metrics" in record for record in own.values()):
            continue
        kind = next(record["kind"] for record in own.values() if record)
        cells = [f"`{name}`" if kind == name else f"`{name}` ({kind})"]
        cells += [figure(own[place], metric) or "–" for metric in (listed, "rmse") for place in data]
        cells += [costs(name, "fit_cpu_s", 1, 1), costs(name, "bytes", 1e6, 1), costs(name, "answer_ms", 1, 2)]
        lines.append("| " + " | ".join(cells) + " |")
    if skipped:
        lines += ["", "Not measured: " + "; ".join(f"{', '.join(who)} ({why})" for why, who in skipped.items()) + "."]
    return "\n".join(lines)


def put_into(page: Path, mark: str, text: str) -> None:
    """Put a text between the lines `<!-- MARK -->` and `<!-- /MARK -->` of a page."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{page} has no lines {begin} and {end}. Put them where the table belongs.")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(NAMES), help="names or folders of data sets")
    parser.add_argument("--models", nargs="+", help="names; default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "zoo.json", help="where figures are stored")
    parser.add_argument("--limit", type=int, default=900, help="CPU seconds of one model on one data set")
    parser.add_argument("--again", action="store_true", help="measure anew what is stored")
    parser.add_argument("--relevant", choices=["likes", "all"], default="likes")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    parser.add_argument("--readme", type=Path, help="page to put the table into")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        try:
            result = measure(arguments.one, arguments.data[0])
        except MatineeError as error:
            result = {"skipped": str(error)}
        print(json.dumps(result))
        return
    records: Records = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}

    def keep() -> None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(arguments.out) as path:
            path.write_text(json.dumps(records, indent=1))

    if not arguments.show:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the process of the model ends too
        measure_all(arguments, records, keep)
    text = table(records, arguments.relevant)
    print(text)
    if arguments.readme is not None:
        put_into(arguments.readme, "zoo", text)


if __name__ == "__main__":
    main()
