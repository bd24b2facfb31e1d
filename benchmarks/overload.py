"""Ten times as many heavy requests as one worker can answer: what plain lists, the others and the processors do.

    python benchmarks/overload.py [--data FOLDER] [--seconds 30] [--times 10]

Heavy is `?n=1000&explain=true&diversity=0.5`. The peak is what two connections get in a closed loop. Then heavy
requests are sent at ten times that rate, each on a connection of its own; beside them one plain list every 20 ms, of
other users, uncached, on its own connection, from another address (127.0.0.2). All heavy clients leave at the end at
the same moment; the processor time of the server is read until it is idle.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from serving import SHARED, Server, matinee, prepare

HEAVY = "/v1/users/{}/recommendations?n=1000&explain=true&diversity=0.5"
PLAIN = "/v1/users/{}/recommendations?n=20"
IDLE = 0.05
"""Share of a processor below which the server is idle."""


async def get(port: int, path: str, address: str = "127.0.0.1") -> tuple[int, float]:
    """Status (0: none) and seconds, connecting included."""
    start = time.perf_counter()
    writer = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        answer = await reader.read(64)
        while await reader.read(1 << 16):
            pass
        return int(answer.split()[1]), time.perf_counter() - start
    except (OSError, IndexError, ValueError):
        return 0, time.perf_counter() - start
    finally:
        if writer is not None:
            writer.close()


def processor_seconds(pid: int) -> float:
    """Processor time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return 1000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


async def peak_rate(port: int, users: list[str], seconds: float, connections: int = 2) -> float:
    """Heavy requests answered a second in a closed loop.

    Two connections: one is worked on while the other one waits. More would be refused at times, and what it takes to
    refuse them and to ask again would be missing in the peak.
    """
    end, done = time.perf_counter() + seconds, 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end:
            status, _ = await get(port, HEAVY.format(random.choice(users)))
            done += status == 200

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    return done / (time.perf_counter() - start)


async def plain_lists(port: int, users: list[str], seconds: float) -> list[tuple[int, float]]:
    found, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        found.append(await get(port, PLAIN.format(random.choice(users)), "127.0.0.2"))
        await asyncio.sleep(0.02)
    return found


async def measure(server: Server, users: list[str], options: argparse.Namespace) -> None:
    port, pid = server.port, server.process.pid
    await peak_rate(port, users, 3)
    peak = await peak_rate(port, users, options.seconds / 3)
    alone = [seconds for _, seconds in await plain_lists(port, users, 3)]
    tasks: set[asyncio.Task[tuple[int, float]]] = set()
    answers: list[tuple[int, float]] = []
    beside = asyncio.ensure_future(plain_lists(port, users, options.seconds))
    start, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - start) < options.seconds:
        while sent < now * peak * options.times:
            sent += 1
            task = asyncio.ensure_future(get(port, HEAVY.format(random.choice(users))))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda done: None if done.cancelled() else answers.append(done.result()))
        await asyncio.sleep(0.002)
    open_at_end = len(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    left, idle = time.perf_counter(), float("nan")
    while time.perf_counter() - left < 60:
        before = processor_seconds(pid)
        await asyncio.sleep(0.25)
        if (processor_seconds(pid) - before) / 0.25 < IDLE:
            idle = time.perf_counter() - left - 0.25
            break
    lists = await beside
    statuses = Counter(status for status, _ in answers)
    seconds = [took for _, took in lists]
    print(f"peak of heavy requests            {peak:8.1f} a second")
    print(f"sent                              {sent:8d} in {options.seconds:g} s ({options.times:g} × the peak)")
    print(
        f"answered 200 / 503 / not at all   {statuses[200]} / {statuses[503]} / {statuses[0]}, others "
        f"{sum(statuses.values()) - statuses[200] - statuses[503] - statuses[0]}; {open_at_end} open at the end"
    )
    print(
        f"slowest answer, p99               {percentile([s for _, s in answers], 1):8.0f} ms, "
        f"{percentile([s for _, s in answers], 0.99):.0f} ms"
    )
    print(f"goodput                           {statuses[200] / options.seconds / peak:8.0%} of the peak")
    print(f"plain lists, alone p50 / p99      {percentile(alone, 0.5):.1f} / {percentile(alone, 0.99):.1f} ms")
    print(
        f"plain lists, beside p50 / p99     {percentile(seconds, 0.5):.1f} / {percentile(seconds, 0.99):.1f} ms, "
        f"{sum(status == 200 for status, _ in lists)} of {len(lists)} answered 200"
    )
    print(f"idle after the clients have left  {idle:8.2f} s")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def users_of(home: Path) -> list[str]:
    from matinee.engine import Engine
    from matinee.settings import Settings

    engine = Engine.open(Settings(data_dir=home))
    users = sorted({user for user, _, _, _ in engine.export_ratings()})
    engine.close()
    return users


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED / "ml-latest-small"))
    parser.add_argument("--home", type=Path, help="data folder with a trained snapshot; default: one is trained")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--times", type=float, default=10.0, help="how many times the peak is sent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as folder:
        home = options.home or Path(folder) / "data"
        users = users_of(home) if options.home else prepare(home, options.data)
        with matinee(home, 0) as server:
            asyncio.run(measure(server, users, options))


if __name__ == "__main__":
    main()
