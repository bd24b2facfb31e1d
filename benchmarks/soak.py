"""A soak: reads, writes, posters and promotes for some minutes, and a kill every minute; what grows, and what is lost.

    .venv/bin/python benchmarks/soak.py --minutes 10
    .venv/bin/python benchmarks/soak.py --minutes 2 --kill-every 0     # memory alone
    .venv/bin/python benchmarks/soak.py --data-dir FOLDER              # with a snapshot that is trained already

Two workers of the core service. Clients ask for lists with and without reasons, searches, movies, similar ones, posters
and the map; others write ratings, movies and pictures; every few seconds another snapshot is promoted. Every minute one
worker is killed, or all of them with the process that watches over them, which is then started again. Every two seconds
each worker's private memory, open files and threads are read.

At the end all acknowledged ratings, movies and posters are read back. The slope is that of a worker's private memory
over its second half of life, where a worker lives long enough (one that is not killed, with --kill-every 0).
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from poster_support import picture  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "ml-latest-small"
MIB = 1 << 20
WARM_UP = 0.4
"""Share of a worker's life that does not count in the slope of its memory."""
WORDS = (
    "love",
    "war",
    "space",
    "robot",
    "funny",
    "dark",
    "family",
    "crime",
    "heist",
    "music",
    "school",
    "ghost",
    "train",
)
LIMIT = 60.0


class Service:
    """`matinee serve` with workers, in a process group of its own."""

    def __init__(self, data_dir: Path, workers: int, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._log, self._workers = log, workers
        self._environment = os.environ | {"MATINEE_DATA_DIR": str(data_dir), "MATINEE_OFFLINE": "1"}

    def start(self) -> None:
        command = [sys.executable, "-m", "matinee", "serve", "--port", str(self.port), "--workers", str(self._workers)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            with suppress(OSError, http.client.HTTPException):
                if self.send("GET", "/ready")[0] == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the service does not start: {self._log.read_text()[-2000:]}")

    def send(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)) as connection:
            connection.request(method, path, body, {"Content-Type": kind} if body else {})
            response = connection.getresponse()
            return response.status, response.read()

    def workers(self) -> list[int]:
        """Process ids of the workers: the children of a child where they are forked, else children."""
        children = [pid for pid in _children(self.process.pid) if b"resource_tracker" not in _read(pid, "cmdline")]
        return [pid for child in children for pid in _children(child) or [child]]

    def kill_all(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(LIMIT)


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read(pid, f"task/{pid}/children").split()]


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def usage(pid: int) -> tuple[float, int, int] | None:
    """Private memory (MiB), open files and threads of a process; None if it has ended.

    Pages of mapped files do not count, which the system takes back when it needs them.
    """
    private = 0
    for line in _read(pid, "smaps_rollup").splitlines():
        if line.startswith(b"Private_Dirty"):
            private += int(line.split()[1])
    with suppress(OSError):
        return private / 1024, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    return None


class Load:
    """Clients of all kinds, and what they were told.

    Attributes:
        statuses: how often each kind of request got each status; 0: no answer.
        kept: what was acknowledged, by the path that shows it.
    """

    def __init__(self, service: Service, seed: int) -> None:
        self.service, self._seed = service, seed
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.errors: list[str] = []
        self.kept: dict[str, object] = {}
        self.unsure: set[str] = set()
        self.stopped = threading.Event()
        self.killing = threading.Event()
        users = json.loads(service.send("GET", "/v1/users?limit=500")[1])["items"]
        self._users = [urllib.parse.quote(user["user_id"], safe="") for user in users]
        movies = json.loads(service.send("GET", "/v1/movies?limit=1000")[1])["items"]
        self._movies = [urllib.parse.quote(movie["movie_id"], safe="") for movie in movies]
        listed = json.loads(service.send("GET", "/v1/snapshots")[1])
        self._snapshots = [one["id"] for one in listed["items"]]

    def ask(self, kind: str, method: str, path: str, body: bytes | None = None, media: str = "application/json") -> int:
        """Send a request; its status, which is counted."""
        try:
            status, answer = self.service.send(method, path, body, media)
        except (OSError, http.client.HTTPException):
            status, answer = 0, b""
            time.sleep(0.2)  # there is no server at the moment
        self.statuses[kind, status] += 1
        if status >= 500 and status != 503:
            self.errors.append(f"{method} {path}: {status} {answer[:200]!r}")
        return status

    def read(self, chance: random.Random) -> None:
        """One read."""
        user, movie = chance.choice(self._users), chance.choice(self._movies)
        words = urllib.parse.quote(" ".join(chance.sample(WORDS, 2)))
        kind, path = chance.choice(
            [
                ("list", f"/v1/users/{user}/recommendations?n=10"),
                ("list, reasons", f"/v1/users/{user}/recommendations?n=20&explain=true"),
                ("list of 1000", f"/v1/users/{user}/recommendations?n=1000&explain=true&diversity=0.3"),
                (
                    "filtered list",
                    f"/v1/users/{user}/recommendations?n=100&filter=year%3E{chance.randrange(1930, 2010)}",
                ),
                ("explanation", f"/v1/users/{user}/explanations/{movie}"),
                ("page", f"/v1/movies?limit=500&offset={chance.randrange(500)}"),
                ("statistics", f"/v1/statistics?filter=year%3E{chance.randrange(1930, 2010)}"),
                ("search", f"/v1/search?q={words}"),
                ("movie", f"/v1/movies/{movie}"),
                ("similar", f"/v1/movies/{movie}/similar?n=50"),
                ("poster", f"/v1/movies/{movie}/poster?size=small"),
                ("history", f"/v1/users/{user}/ratings"),
                ("map", "/v1/map"),
            ]
        )
        self.ask(kind, "GET", path)

    def write(self, chance: random.Random, client: int, number: int) -> None:
        """One write, of what no other client writes."""
        movie, what = self._movies[number % 200], chance.random()
        if what < 0.7:
            user, stars = f"soak{client}.{number // 200}", chance.randrange(1, 11) / 2
            shown, value = f"/v1/users/{user}/ratings {movie}", stars
            status = self.ask(
                "rate", "PUT", f"/v1/users/{user}/ratings/{movie}", json.dumps({"rating": stars}).encode()
            )
        elif what < 0.9:
            new = f"soak{client}.{number % 50}"
            shown, value = f"/v1/movies/{new}", f"Soak {client} {number}"
            status = self.ask("put movie", "PUT", shown, json.dumps({"title": value, "genres": ["Drama"]}).encode())
        else:
            own = self._movies[client * 50 + number % 50]
            data = picture("JPEG", (60, 90), tuple(chance.randrange(256) for _ in range(3)))
            shown, value = f"/v1/movies/{own}/poster", hashlib.sha256(data).hexdigest()
            status = self.ask("put poster", "PUT", shown, data, "image/jpeg")
        if 200 <= status < 300:
            self.kept[shown] = value
            self.unsure.discard(shown)
        else:
            self.unsure.add(shown)

    def run(self, readers: int, writers: int, pause: float) -> list[threading.Thread]:
        """Start all clients."""

        def reading(client: int) -> None:
            chance = random.Random(self._seed * 1000 + client)
            while not self.stopped.wait(pause):
                self.read(chance)

        def writing(client: int) -> None:
            chance, number = random.Random(self._seed * 1000 + 500 + client), 0
            while not self.stopped.wait(pause):
                self.write(chance, client, number)
                number += 1

        def promoting() -> None:
            number = 0
            while not self.stopped.wait(7.0) and len(self._snapshots) > 1:
                self.ask("promote", "POST", f"/v1/snapshots/{self._snapshots[number % 2]}/promote")
                number += 1

        threads = [threading.Thread(target=reading, args=(client,), daemon=True) for client in range(readers)]
        threads += [threading.Thread(target=writing, args=(client,), daemon=True) for client in range(writers)]
        threads.append(threading.Thread(target=promoting, daemon=True))
        for thread in threads:
            thread.start()
        return threads

    def lost(self) -> list[str]:
        """Acknowledged writes that are not there."""
        lost, histories = [], {}
        for shown, value in self.kept.items():
            if shown in self.unsure:
                continue
            path, _, movie = shown.partition(" ")
            if movie:
                if path not in histories:
                    items = json.loads(self.service.send("GET", path)[1]).get("items", [])
                    histories[path] = {item["movie_id"]: item["rating"] for item in items}
                found: object = histories[path].get(urllib.parse.unquote(movie))
            else:
                body = self.service.send("GET", path + ("?card=false" if path.endswith("/poster") else ""))[1]
                found = hashlib.sha256(body).hexdigest() if path.endswith("/poster") else json.loads(body).get("title")
            if found != value:
                lost.append(f"{shown} is {found!r}, not {value!r}")
        return lost


def slope(samples: list[tuple[float, float]]) -> float:
    """Growth by least squares over the time, as a share of the mean."""
    n = len(samples)
    mean_time, mean = sum(t for t, _ in samples) / n, sum(v for _, v in samples) / n
    above = sum((t - mean_time) * (v - mean) for t, v in samples)
    below = sum((t - mean_time) ** 2 for t, _ in samples)
    return above / below * (samples[-1][0] - samples[0][0]) / mean if below and mean else 0.0


def prepare(folder: Path, data: str) -> None:
    """Train two snapshots."""
    environment = os.environ | {"MATINEE_DATA_DIR": str(folder), "MATINEE_OFFLINE": "1"}
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "matinee", "train", "--data", data], env=environment, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--kill-every", type=float, default=60.0, help="seconds between kills; 0: none")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--readers", type=int, default=6)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.01, help="seconds between two requests of a client")
    parser.add_argument("--data", default=str(DATA))
    parser.add_argument("--data-dir", type=Path, help="a data folder with snapshots; default: two are trained")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data_dir = options.data_dir or Path(name) / "data"
        if options.data_dir is None:
            prepare(data_dir, options.data)
        service = Service(data_dir, options.workers, Path(name) / "log")
        service.start()
        try:
            return soak(service, options)
        finally:
            service.kill_all()


def soak(service: Service, options: argparse.Namespace) -> int:
    load, chance = Load(service, options.seed), random.Random(options.seed)
    samples: dict[int, list[tuple[float, float, int, int]]] = {}
    threads = load.run(options.readers, options.writers, options.pause)
    began = time.monotonic()
    end, kill_at, kills = began + options.minutes * 60, began + (options.kill_every or 1e9), Counter[str]()
    while time.monotonic() < end:
        time.sleep(2.0)
        for pid in service.workers():
            if (now := usage(pid)) is not None:
                samples.setdefault(pid, []).append((time.monotonic() - began, *now))
        if time.monotonic() > kill_at:
            kill_at += options.kill_every
            if sum(kills.values()) % 2 and (workers := service.workers()):
                kills["one worker"] += 1
                os.kill(chance.choice(workers), signal.SIGKILL)
            else:
                kills["all"] += 1
                service.kill_all()
                service.start()
    load.stopped.set()
    for thread in threads:
        thread.join(LIMIT)
    lost = load.lost()
    report(load, samples, kills, lost)
    return 1 if lost or load.errors else 0


def report(
    load: Load, samples: dict[int, list[tuple[float, float, int, int]]], kills: Counter[str], lost: list[str]
) -> None:
    counts: Counter[int] = Counter()
    for (_, status), count in load.statuses.items():
        counts[status] += count
    by_kind = Counter(kind for kind, _ in load.statuses.elements())
    print(f"requests          {sum(counts.values()):,}: " + ", ".join(f"{k} {n:,}" for k, n in by_kind.most_common()))
    print("statuses          " + ", ".join(f"{status or 'none'} {n:,}" for status, n in sorted(counts.items())))
    print(f"kills             {dict(kills)}")
    print(f"acknowledged      {len(load.kept):,} things, {len(lost)} lost")
    print(f"5xx but 503       {len(load.errors)}")
    for pid, rows in samples.items():
        late = rows[int(len(rows) * WARM_UP) :]
        grown = f"{slope([(t, mib) for t, mib, _, _ in late]):+.1%}" if len(late) > 20 else "too short"
        print(
            f"worker {pid:<10} {rows[-1][0] - rows[0][0]:5.0f} s, private {rows[0][1]:.0f} to {rows[-1][1]:.0f} MiB "
            f"(highest {max(row[1] for row in rows):.0f}), slope after warm-up {grown}, "
            f"files {late[0][2]} to {rows[-1][2]}, threads {late[0][3]} to {rows[-1][3]}"
        )
    for line in [*lost[:20], *load.errors[:20]]:
        print("  " + line)


if __name__ == "__main__":
    sys.exit(main())
