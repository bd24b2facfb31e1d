"""What three readers get while two clients add a user with one rating and erase the user again, over and over.

    python benchmarks/erasures.py [--data FOLDER | --home FOLDER] [--seconds 10]

Prints the lists that the readers got and their times, alone and beside the erasures, by one server.
"""

from __future__ import annotations

import argparse
import http.client
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from overload import percentile, users_of
from serving import SHARED, matinee, prepare

READERS, ERASERS = 3, 2
RATING = '{"rating": 4}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED / "ml-latest-small"))
    parser.add_argument("--home", type=Path, help="data folder with a trained snapshot; default: one is trained")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as folder:
        home = options.home or Path(folder) / "data"
        users = users_of(home) if options.home else prepare(home, options.data)
        with matinee(home, 32 << 20) as server:
            round_of(server.port, users, options.seconds, 0)  # so that most answers are in the cache
            alone, _ = round_of(server.port, users, options.seconds, 0)
            beside, erased = round_of(server.port, users, options.seconds, ERASERS)
    for name, times in (("alone", alone), ("beside", beside)):
        print(
            f"{name:7} {len(times):6} lists in {options.seconds:g} s, p50 {percentile(times, 0.5):.1f} ms,"
            f" p99 {percentile(times, 0.99):.1f} ms"
        )
    print(f"{len(beside) / len(alone):.2f} of the lists beside {dict(erased)}")


def round_of(port: int, users: list[str], seconds: float, erasers: int) -> tuple[list[float], Counter[str]]:
    """Seconds of each list read, and how often which status answered a client that erases."""
    times: list[float] = []
    statuses: Counter[str] = Counter()
    end = time.perf_counter() + seconds

    def request(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None) -> int:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def read() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while (start := time.perf_counter()) < end:
            request(connection, "GET", f"/v1/users/{random.choice(users)}/recommendations?n=10")
            times.append(time.perf_counter() - start)

    def erase(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        user = f"/v1/users/eraser-{number}"
        while time.perf_counter() < end:
            put = request(connection, "PUT", f"{user}/ratings/1", RATING)
            statuses[f"PUT {put}"] += 1
            statuses[f"DELETE {request(connection, 'DELETE', user)}"] += 1

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    threads += [threading.Thread(target=erase, args=(number,)) for number in range(erasers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, statuses


if __name__ == "__main__":
    main()
