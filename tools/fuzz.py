"""Fuzzes a service or an app as it runs: no 5xx, no silence, no traceback in its log, whatever is sent.

    .venv/bin/python tools/fuzz.py --app core --requests 100000 --seconds 500 --tally FILE

Requests to core, vectors, encoder and recommender are made by schemathesis from the service's own OpenAPI document,
each followed by changed ones (`--mutants`): hostile values, ids that exist, wrong types, framing, encodings, methods.
The web app and the studio are asked by hand-made generators, changed likewise. What is asked is a process of its own on
127.0.0.1 over a small data set, over sockets, by one client. `--keys` demands API keys and sends right and wrong ones.

A 503 with `Retry-After` is load shedding, and no fault. Each kind of fault is printed with a command that sends the
first such request again. `--tally FILE` adds to the counts of earlier runs until `--requests` are reached.
Ends with status 1 where there is a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "fuzz")]
from app_requests import StudioRequests, WebRequests  # noqa: E402
from mutants import mutant  # noqa: E402
from wire import Answer, Request, Wire  # noqa: E402

from apps_support import N_PICTURES, Service, serving  # noqa: E402
from matinee.access import KeyFile, new_key  # noqa: E402
from matinee.api.serve import as_environment  # noqa: E402
from matinee.posters.store import PosterStore  # noqa: E402
from matinee.settings import Settings  # noqa: E402
from matinee.training.pipeline import train  # noqa: E402
from small_folder import write_folder  # noqa: E402
from tiny_models import image_model, picture, text_folder  # noqa: E402

SERVICES = ("core", "vectors", "encoder", "recommender")
APPS = ("web", "studio")
KNOWN = [b"1", b"2", b"3", b"40", b"41", b"u1", b"ann", b"content", b"poster", b"blend"]
PASSWORD = "a long password of the fuzzer"
SLOW = 5.0
"""Seconds after which an answer is told of."""
TRACEBACK = "Traceback (most recent call last)"


class Asked(NamedTuple):
    """A request, and who made it: "schema", "mutant" or "hand"."""

    request: Request
    maker: str


def settings_of(folder: Path, *, keys: bool) -> Settings:
    """A trained small data set with posters, small encoders and small limits."""
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        data=str(write_folder(folder / "small")),
        offline=True,
        text_encoder=str(text_folder(folder / "words")),
        image_encoder=str(image_model(folder / "image.onnx")),
        poster_meaning=False,
        max_body=300_000,
        recommender_max_body=300_000,
        max_pixels=1_000_000,
        auth="on" if keys else "off",
    )
    shelf = PosterStore.of(settings, "small")
    for number in range(1, N_PICTURES + 1):
        shelf.put(str(number), picture(number, sides=(160, 240)))
    train(settings, measure=False)
    return settings


def made_keys(settings: Settings) -> list[bytes]:
    """Headers' values of an administrator, a reader, one user, and nobody."""
    texts = []
    for name, role, user in [("all", "admin", None), ("look", "read", None), ("one", "write", "1")]:
        key, text = new_key(name, role, user=user)  # type: ignore[arg-type]
        KeyFile(settings.keys_path).add(key)
        texts.append(f"Bearer {text}".encode())
    return [*[texts[0]] * 6, *texts, b"Bearer matinee_" + b"0" * 12 + b"_" + b"0" * 64]


def signed_in(url: str) -> str:
    """The cookie of a session."""
    form = urlencode({"password": PASSWORD, "next": "/health"}).encode()
    jar = HTTPCookieProcessor()
    build_opener(jar).open(f"{url}/sign-in", form, timeout=30).close()
    return "; ".join(f"{one.name}={one.value}" for one in jar.cookiejar)


def asked_of(url: str, rng: random.Random, mutants: int, hand: Any) -> Iterator[Asked]:
    """Requests without end."""
    if hand is None:
        from schema_requests import cases

        for request in cases(url, rng):
            yield Asked(request, "schema")
            for _ in range(mutants):
                yield Asked(mutant(request, rng, KNOWN), "mutant")
    for request in hand or ():
        changed = rng.random() < 0.4
        yield Asked(mutant(request, rng), "mutant") if changed else Asked(request, "hand")


class Tally:
    """Counts, added to those of earlier runs.

    Args:
        path: a JSON file; None: none is kept.
    """

    def __init__(self, app: str, path: Path | None) -> None:
        self.app, self._path = app, path
        mine = self._read().get(app, {})
        self.by: Counter[str] = Counter(mine.get("by", {}))
        self.faults: dict[str, dict[str, Any]] = mine.get("faults", {})
        self.seeds: list[int] = mine.get("seeds", [])

    def _read(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(self._path.read_text()) if self._path and self._path.exists() else {}
        return kept

    def save(self) -> None:
        """Write the file."""
        if self._path:
            mine = {"by": dict(self.by), "faults": self.faults, "seeds": self.seeds}
            self._path.write_text(json.dumps(self._read() | {self.app: mine}, indent=1))

    def fault(self, what: str, told: str) -> bool:
        """Count a fault; whether it is the first of its kind."""
        known = self.faults.setdefault(what, {"count": 0, "first": told})
        known["count"] += 1
        return bool(known["count"] == 1)

    def count(self, asked: Asked, answer: Answer, seconds: float, address: tuple[str, int]) -> None:
        """Count an answer, and tell of a new kind of fault."""
        request, status = asked.request, answer.status
        self.by["requests"] += 1
        self.by[asked.maker] += 1
        if not request.whole and status <= 0:
            self.by["not whole, no answer"] += 1
            return
        self.by[f"{status // 100}xx" if status > 0 else "no answer"] += 1
        self.by["503 with Retry-After"] += answer.shed
        if status <= 0:
            what = "no answer in time" if status else "closed without an answer"
        elif status >= 500 and not answer.shed:
            what = str(status)
        elif seconds > SLOW:
            what = f"slow ({SLOW:.0f} s)"
        else:
            return
        told = f"{request.curl(address)}\n    {answer.body[:300]!r}"
        if self.fault(f"{what}: {request.operation}", told):
            print(f"FAULT {what}: {request.operation}\n    {told}", flush=True)

    def told(self) -> str:
        """All counts, in a line."""
        return ", ".join(f"{self.by[name]:,} {name}" for name in sorted(self.by, key=self.by.__getitem__, reverse=True))


def tracebacks(service: Service, tally: Tally) -> None:
    """Failures that the log tells of: by their last line."""
    lines = service.log.read_text(encoding="utf-8", errors="replace").splitlines()
    for place, line in enumerate(lines):
        if TRACEBACK in line:
            indent = line.index(TRACEBACK)
            end = next(
                (
                    at
                    for at in range(place + 1, len(lines))
                    if not lines[at][indent:].startswith((" ", "+", "|")) and lines[at].strip()
                ),
                place,
            )
            if tally.fault(f"traceback: {lines[end][:120]}", "\n".join(lines[max(place - 2, 0) : end + 1])):
                print("FAULT in the log\n    " + "\n    ".join(lines[max(place - 2, 0) : end + 1]), flush=True)


def main() -> int:
    """Run one slice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--app", choices=[*SERVICES, *APPS], required=True)
    parser.add_argument("--requests", type=int, default=100_000, help="in all, with those of the tally")
    parser.add_argument("--seconds", type=float, default=500, help="of this run, at most")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument("--mutants", type=int, default=1, help="changed requests after each of schemathesis")
    parser.add_argument("--keys", action="store_true", help="demand API keys")
    parser.add_argument("--password", action="store_true", help="of the web app: visitors must sign in")
    parser.add_argument("--tally", type=Path, help="a JSON file that counts are added to")
    options = parser.parse_args()
    os.nice(10)
    number = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    tally, rng = Tally(options.app, options.tally), random.Random(number)
    if tally.by["requests"] >= options.requests:
        print(f"{options.app}: {tally.told()}: done before")
        return 1 if tally.faults else 0
    tally.seeds.append(number)
    print(f"{options.app}: seed {number}", flush=True)
    with tempfile.TemporaryDirectory(prefix="matinee-fuzz-") as name, ExitStack() as running:
        folder = Path(name)
        settings = settings_of(folder, keys=options.keys)
        keys = made_keys(settings) if options.keys else []
        environment = as_environment(settings) | {"MATINEE_CONFIG": str(folder / "none.toml"), "OMP_NUM_THREADS": "1"}
        if keys:
            environment["MATINEE_API_KEY"] = keys[0].decode().removeprefix("Bearer ")
        if options.app in APPS:
            core = running.enter_context(serving(["serve", "core"], "/health", folder, environment))
            environment |= {"MATINEE_CORE_URL": core.url, "MATINEE_UPLOADS_LIMIT": str(1 << 40)}
            if options.password:
                environment["MATINEE_WEB_PASSWORD"] = PASSWORD
            ready = "/health" if options.app == "web" else "/_stcore/health"
            service = running.enter_context(serving([options.app], ready, folder, environment))
        else:
            service = running.enter_context(serving(["serve", options.app], "/health", folder, environment))
        cookie = signed_in(service.url) if options.password and options.app == "web" else ""
        hand = None
        if options.app in APPS:
            hand = (WebRequests if options.app == "web" else StudioRequests)(service.url, rng, cookie)
        address, start = ("127.0.0.1", service.port), time.monotonic()
        wire, next_save = Wire(address), start + 15
        process = psutil.Process(service.process.pid) if service.process else None
        for asked in asked_of(service.url, rng, options.mutants, hand):
            if keys and rng.random() < 0.95:
                asked = Asked(asked.request.having((b"authorization", rng.choice(keys))), asked.maker)
            if cookie and rng.random() < 0.9:
                asked = Asked(asked.request.having((b"cookie", cookie.encode())), asked.maker)
            before = time.monotonic()
            answer = wire.ask(asked.request)
            after = time.monotonic()
            tally.count(asked, answer, after - before, address)
            if hand is not None:
                hand.hear(asked.request, answer)
            if after > next_save:
                next_save = after + 15
                tally.save()
                tracebacks_seen = service.log.stat().st_size
                resident = process.memory_info().rss >> 20 if process else 0
                print(
                    f"{after - start:.0f} s: {tally.told()}; {resident} MB, log {tracebacks_seen:,} bytes", flush=True
                )
            if not service.up:
                tally.fault("the process has ended", service.told())
                break
            if after - start > options.seconds or tally.by["requests"] >= options.requests:
                break
        wire.close()
        tracebacks(service, tally)
        tally.save()
    print(f"{options.app}: {tally.told()}")
    for what, one in tally.faults.items():
        print(f"{one['count']:,}x {what}\n    {one['first']}")
    print(f"{options.app}: {len(tally.faults)} kinds of faults")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
