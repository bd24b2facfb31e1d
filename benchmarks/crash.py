"""Kill -9 of a real server in the middle of a stream of rating writes, over and over.

`python benchmarks/crash.py` does it 50 times and prints a table; the tests do it a few times. Two clients write all
the time, one single ratings (PUT), one batches (POST with an idempotency key). After each kill the server starts
again on what it finds, and must answer: every acknowledged rating, every batch whole or absent, and a batch that was
sent again with its key exactly once.
"""

from __future__ import annotations

import argparse
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

FILMS = 40
BATCH = 5
LIMIT = 60.0
"""Seconds that anything may take before it counts as failed."""


@dataclass
class Round:
    """What the two clients of one round know: acknowledged writes in order, and one more that was under way."""

    number: int
    singles: int = 0
    batches: int = 0
    faults: list[str] = field(default_factory=list)

    def single(self, n: int) -> tuple[str, str, float]:
        return f"p{self.number}.{n // FILMS}", str(n % FILMS + 1), stars(n)

    def batch(self, n: int) -> list[dict[str, object]]:
        return [
            {"user_id": f"b{self.number}.{n}.{part}", "movie_id": str((n + part) % FILMS + 1), "rating": stars(n)}
            for part in range(BATCH)
        ]


@dataclass
class Totals:
    rounds: int = 0
    singles: int = 0
    batches: int = 0
    unanswered_stored: int = 0
    faults: list[str] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)


def stars(n: int) -> float:
    return (n % 9 + 2) / 2


def make_data(folder: Path) -> Path:
    """A small folder in the layout of MovieLens."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    films = "".join(f"{i},Film {i} ({1960 + i}),{'Comedy' if i % 2 else 'Drama'}\n" for i in range(1, FILMS + 1))
    rows = [
        f"{user},{film},{chance.randrange(1, 11) / 2},{10**9 + user}\n"
        for user in range(1, 31)
        for film in range(1, FILMS + 1)
        if chance.random() < 0.4
    ]
    (folder / "movies.csv").write_text("movieId,title,genres\n" + films)
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "".join(rows))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`matinee serve` in a process group of its own."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.workers = folder, workers
        self.port = free_port()
        self.environment = {
            **os.environ,
            "MATINEE_DATA_DIR": str(folder / "data"),
            "MATINEE_CACHE_DIR": str(folder / "cache"),
            "MATINEE_CONFIG": str(folder / "none.toml"),
            "MATINEE_OFFLINE": "true",
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "server.log"

    def train(self) -> None:
        data = str(make_data(self.folder / "films"))
        command = [sys.executable, "-m", "matinee", "train", "--data", data]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=LIMIT, check=False)
        if done.returncode:
            raise RuntimeError(f"training failed: {done.stderr}")

    def start(self) -> float:
        """Start and wait until it is ready; returns seconds."""
        began = time.monotonic()
        command = [sys.executable, "-m", "matinee", "serve", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", str(self.workers)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        while time.monotonic() - began < LIMIT:
            if self.process.poll() is not None:
                break
            with suppress(OSError, http.client.HTTPException):
                if self.call("GET", "/ready")[0] == 200:
                    return time.monotonic() - began
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the server did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        """SIGKILL, to all workers too."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(LIMIT)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)

    def call(self, method: str, path: str, body: object = None, key: str | None = None) -> tuple[int, bytes]:
        connection = self.connect()
        try:
            return send(connection, method, path, body, key)
        finally:
            connection.close()


def send(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None, key: str | None = None
) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, response.read()


def write_until_killed(server: Server, current: Round, kind: str, progress: threading.Semaphore) -> None:
    connection = server.connect()
    try:
        while True:
            if kind == "singles":
                user, film, rating = current.single(current.singles)
                status, body = send(connection, "PUT", f"/v1/users/{user}/ratings/{film}", {"rating": rating})
            else:
                batch = current.batch(current.batches)
                key = f"r{current.number}.{current.batches}"
                status, body = send(connection, "POST", "/v1/ratings", batch, key)
            if status not in (200, 201, 204):
                current.faults.append(f"{kind}: status {status}: {body[:300]!r}")
                return
            setattr(current, kind, getattr(current, kind) + 1)
            progress.release()
    except (OSError, http.client.HTTPException):
        pass  # killed
    finally:
        connection.close()
        progress.release()


def held(server: Server, user: str) -> dict[str, float]:
    status, body = server.call("GET", f"/v1/users/{user}/ratings")
    if status == 404:
        return {}
    if status != 200:
        raise RuntimeError(f"status {status}: {body[:300]!r}")
    return {item["movie_id"]: item["rating"] for item in json.loads(body)["items"]}


def check(server: Server, current: Round, totals: Totals) -> None:
    """Compare what the server holds with what the clients of a round know."""
    for block in range(current.singles // FILMS + 1):
        found = held(server, f"p{current.number}.{block}")
        for n in range(block * FILMS, (block + 1) * FILMS):
            _, film, rating = current.single(n)
            if n < current.singles and found.get(film) != rating:
                totals.faults.append(f"round {current.number}: acknowledged single {n} is {found.get(film)}")
            elif n == current.singles:
                totals.unanswered_stored += film in found
                if found.get(film, rating) != rating:
                    totals.faults.append(f"round {current.number}: unanswered single {n} is {found.get(film)}")
            elif n > current.singles and film in found:
                totals.faults.append(f"round {current.number}: single {n} was never sent")
    for n in range(current.batches + 1):
        batch = current.batch(n)
        right = [held(server, str(one["user_id"])) == {one["movie_id"]: one["rating"]} for one in batch]
        if (n < current.batches and not all(right)) or len(set(right)) > 1:
            totals.faults.append(f"round {current.number}: batch {n} (of {current.batches}) is stored as {right}")
        if n == current.batches:
            totals.unanswered_stored += all(right)
            for _ in range(2):
                status, body = server.call("POST", "/v1/ratings", batch, f"r{current.number}.{n}")
                if status != 200:
                    totals.faults.append(f"round {current.number}: sending batch {n} again: {status} {body[:200]!r}")
            if not all(held(server, str(one["user_id"])) for one in batch):
                totals.faults.append(f"round {current.number}: batch {n} sent again is not stored")


def run(rounds: int, folder: Path, *, seed: int = 0, workers: int = 1, most: int = 60) -> Totals:
    """Kill the server `rounds` times.

    Args:
        folder: an empty folder for data and log.
        most: each round is killed after 1..most acknowledged writes.
    """
    chance, totals, server = random.Random(seed), Totals(), Server(folder, workers)
    server.train()
    try:
        totals.start_seconds.append(server.start())
        for number in range(rounds):
            current, progress = Round(number), threading.Semaphore(0)
            clients = [
                threading.Thread(target=write_until_killed, args=(server, current, kind, progress), daemon=True)
                for kind in ("singles", "batches")
            ]
            for client in clients:
                client.start()
            for _ in range(chance.randrange(1, most + 1)):
                if not progress.acquire(timeout=LIMIT):
                    totals.faults.append(f"round {number}: the server does not answer")
                    break
            time.sleep(chance.random() * 0.003)  # at any point of a write, not just behind an answer
            server.kill()
            for client in clients:
                client.join(LIMIT)
            totals.start_seconds.append(server.start())
            totals.faults += current.faults
            check(server, current, totals)
            totals.rounds += 1
            totals.singles += current.singles
            totals.batches += current.batches
    finally:
        server.kill()
    return totals


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        totals = run(options.rounds, Path(folder), seed=options.seed, workers=options.workers)
    print(f"kills                         {totals.rounds}")
    print(f"ratings acknowledged          {totals.singles + totals.batches * BATCH:,}")
    print(f"  single                      {totals.singles:,}")
    print(f"  in batches of {BATCH}             {totals.batches:,} batches")
    print(f"stored though not answered    {totals.unanswered_stored} writes, all of them whole")
    print(f"start to ready, mean          {sum(totals.start_seconds) / len(totals.start_seconds):.2f} s")
    print(f"lost, half-written or doubled {len(totals.faults)}")
    for fault in totals.faults:
        print("  " + fault)
    return 1 if totals.faults else 0


if __name__ == "__main__":
    sys.exit(main())
