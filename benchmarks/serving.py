"""Requests a second of `GET /v1/users/{id}/recommendations?n=20`, beside a bare Starlette route, in one run.

    python benchmarks/serving.py [--data FOLDER] [--seconds 4] [--rounds 3] [--connections 32]

Both servers are one uvicorn worker with the same event loop and HTTP parser, and send the same bytes for each user.
"ready" is Matinee with its ready answers (the second request of a user on), "computed" is Matinee with them turned
off: every list is scored, ranked and rendered. The load client is this file's own (raw sockets with keep-alive on
uvloop); its share of a processor is printed, for where it is near 1 the client is what is measured. Latencies are
from an open loop at half of the rate measured before, counted from the time at which a request was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import uvloop

PATH = "/v1/users/{}/recommendations?n=20"
SHARED = Path(os.environ.get("MATINEE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


class Connection(asyncio.Protocol):
    """One keep-alive connection: sends a request, reads the answer by its Content-Length, tells its owner."""

    def __init__(self, load: Load) -> None:
        self.load, self.buffer, self.missing, self.due = load, b"", 0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.load.idle.append(self)

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.missing:
            self.missing -= len(data)
        else:
            self.buffer += data
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            if not self.buffer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"not answered: {self.buffer[:300]!r}")
            start = self.buffer.index(b"content-length: ") + 16
            length = int(self.buffer[start : self.buffer.index(b"\r", start)])
            self.missing = length + head + 4 - len(self.buffer)
            self.buffer = b""
        if self.missing == 0:
            self.load.answered(self)


class Load:
    """A bounded number of connections that ask for users in turn, as fast as answered or at a given rate."""

    def __init__(self, port: int, users: list[str], connections: int) -> None:
        lines = (f"GET {PATH.format(user)} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() for user in users)
        self.port, self.requests, self.connections = port, list(lines), connections
        self.idle: deque[Connection] = deque()
        self.waiting: deque[float] = deque()
        self.next = self.count = 0
        self.latencies: list[float] = []
        self.closed_loop = self.stopped = False

    def ask(self, connection: Connection, due: float) -> None:
        self.next = (self.next + 1) % len(self.requests)
        connection.send(self.requests[self.next], due)

    def answered(self, connection: Connection) -> None:
        now = time.perf_counter()
        self.count += 1
        self.latencies.append(now - connection.due)
        if self.stopped:
            self.idle.append(connection)
        elif self.closed_loop:
            self.ask(connection, now)
        elif self.waiting:
            self.ask(connection, self.waiting.popleft())
        else:
            self.idle.append(connection)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self.connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)

    async def fastest(self, seconds: float) -> float:
        """Requests a second with every connection always busy."""
        self.closed_loop, self.stopped, self.count = True, False, 0
        start = time.perf_counter()
        for connection in [self.idle.popleft() for _ in range(self.connections)]:
            self.ask(connection, time.perf_counter())
        await asyncio.sleep(seconds)
        rate = self.count / (time.perf_counter() - start)
        await self.drain()
        return rate

    async def paced(self, rate: float, seconds: float) -> list[float]:
        """Latencies, in seconds, of requests that are due `rate` times a second whatever the server does."""
        self.closed_loop, self.stopped, self.latencies = False, False, []
        start, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - start) < seconds:
            while sent < now * rate:
                due = start + sent / rate
                sent += 1
                if self.idle:
                    self.ask(self.idle.popleft(), due)
                else:
                    self.waiting.append(due)
            await asyncio.sleep(0.0005)
        while self.waiting:
            await asyncio.sleep(0.001)
        await self.drain()
        return sorted(self.latencies)

    async def drain(self) -> None:
        self.stopped = True
        for _ in range(10_000):
            if len(self.idle) == self.connections:
                return
            await asyncio.sleep(0.001)
        raise SystemExit("the server stopped answering")


# --- the two servers --------------------------------------------------------------------------------------------
def run_bare(port: int, bodies: Path) -> None:
    """A Starlette route that looks its bytes up and returns them, and nothing else."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    answers = {user: body.encode() for user, body in json.loads(bodies.read_text()).items()}

    async def recommend(request: Request) -> Response:
        return Response(answers[request.path_params["user_id"]], media_type="application/json")

    app = Starlette(routes=[Route("/v1/users/{user_id}/recommendations", recommend)])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=75,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Server:
    """A server process, ended when the block ends."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str]) -> None:
        self.port = port
        self.process = subprocess.Popen([sys.executable, *command], env=os.environ | environment)

    def __enter__(self) -> Server:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.__exit__()
        raise SystemExit("a server did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def resident(self) -> float:
        """Resident memory, MB (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), float("nan"))


def matinee(data_dir: Path, answer_cache: int, workers: int = 1) -> Server:
    port = free_port()
    environment = {
        "MATINEE_DATA_DIR": str(data_dir),
        "MATINEE_PORT": str(port),
        "MATINEE_ANSWER_CACHE": str(answer_cache),
        "MATINEE_WORKERS": str(workers),
    }
    code = "from matinee.api import serve; serve()"
    return Server(["-c", code], port, environment)


def fetch(port: int, path: str) -> str:
    import httpx

    answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=30)
    answer.raise_for_status()
    return answer.text


# --- the measurement --------------------------------------------------------------------------------------------
def prepare(data_dir: Path, data: str) -> list[str]:
    """Train a snapshot and return the users."""
    from matinee.settings import Settings
    from matinee.training.pipeline import train

    settings = Settings(data_dir=data_dir)
    train(settings, source=data)
    from matinee.engine import Engine

    engine = Engine.open(settings)
    users = sorted({user for user, _, _, _ in engine.export_ratings()})
    engine.close()
    return users


async def measure(servers: dict[str, Server], users: list[str], options: argparse.Namespace) -> None:
    loads = {name: Load(server.port, users, options.connections) for name, server in servers.items()}
    rates: dict[str, list[float]] = {name: [] for name in servers}
    for name, load in loads.items():
        await load.open()
        await load.fastest(1 if name == "bare" else max(1.0, options.seconds / 2))  # warm up
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(options.rounds):  # in turn, so that a disturbance hits all
        for name, load in loads.items():
            rates[name].append(await load.fastest(options.seconds))
    busy = (time.process_time() - cpu) / (time.perf_counter() - start)
    bare = statistics.median(rates["bare"])
    print(
        f"\n{'server':<10}{'req/s':>10}{'ratio':>8}{'at rate':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'RSS MB':>9}"
    )
    for name, load in loads.items():
        rate = statistics.median(rates[name])
        found = await load.paced(rate / 2, options.seconds)
        p50, p99 = (1000 * found[int(len(found) * share)] for share in (0.5, 0.99))
        print(
            f"{name:<10}{rate:>10,.0f}{rate / bare:>8.2f}{rate / 2:>10,.0f}{p50:>9.2f}{p99:>9.2f}"
            f"{1000 * found[-1]:>9.2f}{servers[name].resident():>9.0f}"
        )
    print(
        f"\n{len(users)} users in turn, {options.connections} connections, median of {options.rounds} × "
        f"{options.seconds:g} s; own client on uvloop, {busy:.0%} of a processor; load average "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED / "ml-latest-small"))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--bare", nargs=2, metavar=("PORT", "BODIES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        return run_bare(int(options.bare[0]), Path(options.bare[1]))
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as folder:
        users = prepare(Path(folder) / "data", options.data)
        bodies = Path(folder) / "bodies.json"
        with matinee(Path(folder) / "data", 32 << 20) as ready, matinee(Path(folder) / "data", 0) as computed:
            bodies.write_text(json.dumps({user: fetch(ready.port, PATH.format(user)) for user in users}))
            port = free_port()
            with Server([__file__, "--bare", str(port), str(bodies)], port, {}) as bare:
                servers = {"bare": bare, "ready": ready, "computed": computed}
                uvloop.run(measure(servers, users, options))
    return None


if __name__ == "__main__":
    main()
