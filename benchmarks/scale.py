"""Growth: synthetic ratings of any size, and time and memory of each step of training on them.

`write` makes a data set in the layout of ml-25m (see `expansion`); `train` trains all default models on one with
`matinee.train`, in a process of its own, and prints seconds and highest resident memory of every step; `growth` does
both for several sizes and prints the exponents of their growth, for docs/sizing.md; `kills` ends trainings by kill -9
at random, each of which goes on where the one before was ended, and compares the models with those of one that was left
alone. Vectors of texts are left out
(`text_encoder` off): they depend on the films' texts alone, and are kept from one training to the next.

    python benchmarks/scale.py write FOLDER --ratings 25e6 --movies 60000 [--form parquet]
    python benchmarks/scale.py train FOLDER [--address-space GIB] [--no-measure] [--home HOME]
    python benchmarks/scale.py growth 1e6 5e6 25e6 --movies 60000
    python benchmarks/scale.py kills FOLDER [--kills 20]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random

from expansion import Expansion, Seeds

SEEDS = Path(__file__).parents[2] / "shared" / "data" / "ml-1m"
INTERVAL = 0.02


def resident() -> int:
    """Bytes of this process in memory now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Steps:
    """A progress callback that notes when each step begins, while a thread watches the memory.

    Processor seconds, of all threads, say more than those of the clock where other programs run as well.
    """

    def __init__(self) -> None:
        self.now = "start"
        self.seconds: dict[str, float] = {}
        self.processor: dict[str, float] = {}
        self.peak: dict[str, int] = {}
        self._begun = time.perf_counter(), time.process_time()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()

    def __call__(self, what: str, share: float) -> None:
        del share
        what = what.partition(" (up to")[0]
        if what != self.now:
            self._close()
            self.now = what

    def _close(self) -> None:
        now = time.perf_counter(), time.process_time()
        for noted, end, begun in zip((self.seconds, self.processor), now, self._begun, strict=True):
            noted[self.now] = noted.get(self.now, 0.0) + end - begun
        print(
            f"{self.now:42} {self.seconds[self.now]:9.1f} {self.processor[self.now]:9.1f}", file=sys.stderr, flush=True
        )
        self._begun = now

    def _sample(self) -> None:
        while not self._over.wait(INTERVAL):
            name = self.now
            self.peak[name] = max(self.peak.get(name, 0), resident())

    def end(self) -> dict[str, tuple[float, float, int]]:
        """Step → seconds by the clock and of processors, and highest bytes in memory during it."""
        self._close()
        self._over.set()
        self._watch.join()
        return {name: (self.seconds[name], self.processor[name], self.peak.get(name, 0)) for name in self.seconds}


def train_here(folder: Path, home: Path, measure: bool, keep_all: bool) -> None:
    """Train in this process and print a JSON object of the steps."""
    from matinee.settings import Settings
    from matinee.snapshots import SnapshotRegistry
    from matinee.training import checkpoints
    from matinee.training.pipeline import train

    if keep_all:
        checkpoints.MIN_SECONDS = 0.0
    settings = Settings(data_dir=home, cache_dir=home / "cache", offline=True, text_encoder="off", image_encoder="off")
    steps = Steps()
    snapshot = train(settings, str(folder), measure=measure, progress=steps)
    manifest = SnapshotRegistry(settings.snapshots_dir).show(snapshot)
    result = {
        "ratings": manifest.n_ratings,
        "movies": manifest.n_items,
        "users": manifest.n_users,
        "steps": steps.end(),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
        "skipped": manifest.settings.get("skipped", {}),
        "metrics": manifest.metrics,
        "models": {name: entry.sha256 for name, entry in manifest.files.items() if name.startswith("models/")},
    }
    print(json.dumps(result))


def trained(folder: Path, gib: float, measure: bool, kept: Path | None = None) -> dict:
    """The result of `train_here` in a process of its own that may address so much memory; `kept`: what it trains in."""
    limit = int(gib * 2**30)
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, __file__, "here", str(folder), "--home", str(kept or home)]
        done = subprocess.run(
            command if measure else [*command, "--no-measure"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
    if done.returncode:
        sys.exit(f"The training of {folder} failed with {done.returncode}.")
    return json.loads(done.stdout.splitlines()[-1])


def killed(folder: Path, kills: int, seed: int) -> None:
    """End trainings at random moments, and compare the result of each that came to its end with the first's."""

    def start(home: Path) -> subprocess.Popen:
        command = [sys.executable, __file__, "here", str(folder), "--home", str(home), "--keep-all"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    random, done, finished, different = Random(seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as root:
        begun = time.perf_counter()
        whole = json.loads(start(Path(root) / "whole").communicate()[0].splitlines()[-1])
        seconds = time.perf_counter() - begun
        while done < kills or not finished:
            training = start(Path(root) / "killed")
            try:
                out = training.communicate(timeout=random.uniform(0, seconds) if done < kills else None)[0]
            except subprocess.TimeoutExpired:
                training.kill()
                training.communicate()
                done += 1
                print(f"kill {done} after {time.perf_counter() - begun:.0f} s in all", file=sys.stderr, flush=True)
                continue
            if training.returncode:
                sys.exit(f"A training that goes on failed with {training.returncode}.")
            finished += 1
            result = json.loads(out.splitlines()[-1])
            different += (result["models"], result["metrics"]) != (whole["models"], whole["metrics"])
    print(f"{done} trainings of {seconds:.0f} s killed; {finished} came to their end, {different} with another result")


def show(result: dict) -> None:
    """Print the steps of one training."""
    print(f"{result['ratings']:,} ratings of {result['movies']:,} films by {result['users']:,} users")
    print(f"{'step':42} {'seconds':>9} {'processor':>9} {'peak MiB':>9}")
    steps = {
        **result["steps"],
        "all": [*map(sum, list(zip(*result["steps"].values(), strict=True))[:2]), result["peak"]],
    }
    for name, (seconds, processor, peak) in steps.items():
        print(f"{name:42} {seconds:9.1f} {processor:9.1f} {peak / 2**20:9,.0f}")
    for name, why in result["skipped"].items():
        print(f"left out: {name}. {why}")
    sys.stdout.flush()


def show_growth(results: list[dict]) -> None:
    """Print processor seconds by step and size, and exponents in ratings between the smallest and the largest size."""
    names = dict.fromkeys(name for result in results for name in result["steps"])
    print("| step | " + " | ".join(f"{result['ratings'] / 1e6:.1f}M" for result in results) + " | exponent |")
    print("|---|" + "--:|" * (len(results) + 1))
    growth = math.log(results[-1]["ratings"] / results[0]["ratings"])
    rows = [(name, [result["steps"].get(name, (0, math.nan, 0))[1] for result in results]) for name in names]
    rows.append(("all", [sum(processor for _, processor, _ in result["steps"].values()) for result in results]))
    rows.append(("all, by the clock", [sum(step[0] for step in result["steps"].values()) for result in results]))
    rows.append(("peak memory, MiB", [result["peak"] / 2**20 for result in results]))
    for name, values in rows:
        known = not any(math.isnan(value) for value in values) and values[0] > 0
        exponent = f"{math.log(values[-1] / values[0]) / growth:.2f}" if known and growth else ""
        print(f"| {name} | " + " | ".join(f"{value:,.1f}" for value in values) + f" | {exponent} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest="task")
    write = tasks.add_parser("write", help="make a data set")
    write.add_argument("folder", type=Path)
    write.add_argument("--ratings", type=float, default=1e6)
    write.add_argument("--form", choices=("csv", "parquet"), default="csv")
    train = tasks.add_parser("train", help="train on one")
    train.add_argument("--home", type=Path, help="folder that keeps the snapshot, for scale_serving.py")
    here = tasks.add_parser("here")
    here.add_argument("--home", type=Path, required=True)
    here.add_argument("--keep-all", action="store_true")
    kills = tasks.add_parser("kills", help="end trainings at random")
    kills.add_argument("--kills", type=int, default=20)
    kills.add_argument("--seed", type=int, default=0)
    for task in (train, here, kills):
        task.add_argument("folder", type=Path)
    growth = tasks.add_parser("growth", help="both, for several sizes")
    growth.add_argument("ratings", type=float, nargs="+")
    for task in (write, growth):
        task.add_argument("--movies", type=int, default=60_000)
        task.add_argument("--seed", type=int, default=0)
        task.add_argument("--seeds", type=Path, default=SEEDS, help="folder of ml-1m")
    for task in (train, growth, here):
        task.add_argument("--no-measure", action="store_true", help="fit once")
        task.add_argument("--address-space", type=float, default=14.0, help="GiB that the training may address")
    options = parser.parse_args(sys.argv[1:] or ["growth", "1e6", "2e6", "--no-measure"])
    if options.task == "here":
        train_here(options.folder, options.home, not options.no_measure, options.keep_all)
    elif options.task == "write":
        start = time.perf_counter()
        expansion = Expansion(Seeds.read(options.seeds), round(options.ratings), options.movies, options.seed)
        total = expansion.write(options.folder, options.form)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{total:,} synthetic ratings in {time.perf_counter() - start:.1f} s, peak memory {peak:,.0f} MiB")
    elif options.task == "kills":
        killed(options.folder, options.kills, options.seed)
    elif options.task == "train":
        show(trained(options.folder, options.address_space, not options.no_measure, options.home))
    else:
        results = []
        for ratings in options.ratings:
            with tempfile.TemporaryDirectory() as root:
                folder = Path(root) / "data"  # the steps' names have it
                Expansion(Seeds.read(options.seeds), round(ratings), options.movies, options.seed).write(folder)
                results.append(trained(folder, options.address_space, not options.no_measure))
            show(results[-1])
        show_growth(results)


if __name__ == "__main__":
    main()
