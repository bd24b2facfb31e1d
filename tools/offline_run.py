"""Trains, serves every service and both apps offline under strace: who looks names up, and who writes elsewhere.

    .venv/bin/python tools/offline_run.py
    .venv/bin/python tools/offline_run.py --only core,web

Needs strace. Every process runs with MATINEE_OFFLINE=1, a home folder of its own and an empty working folder. Told are
connections and datagrams to other machines or to port 53, and files made, written, renamed or deleted outside of
MATINEE_DATA_DIR, MATINEE_CACHE_DIR and the temporary folder. Ends with status 1 where there is any.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from platformdirs import user_cache_path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from poster_support import picture  # noqa: E402
from small_folder import write_folder  # noqa: E402

CALLS = "network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink"
ASKED: dict[str, tuple[str, ...]] = {
    "core": ("/ready", "/v1/users/1/recommendations?explain=true", "/v1/search?q=a+funny+film", "/docs", "/v1/map"),
    "encoder": ("/ready",),
    "vectors": ("/health",),
    "recommender": ("/health",),
    "web": ("/", "/config", "/gradio_api/info"),
    "studio": ("/", "/_stcore/health"),
}
"""What is asked of each service, after its start."""
SETTINGS = {"core": "PORT", "encoder": "ENCODER_PORT", "vectors": "VECTORS_PORT", "recommender": "RECOMMENDER_PORT"}
SETTINGS |= {"web": "WEB_PORT", "studio": "STUDIO_PORT"}
WAIT = 180.0
"""Seconds until a service must answer; strace makes starts slow."""
TARGET = re.compile(
    r'sin6?_port=htons\((?P<port>\d+)\).*?(?:inet_addr\("(?P<v4>[^"]+)"\)|inet_pton\(AF_INET6, "(?P<v6>[^"]+)")'
)
PATHS = re.compile(r'(?:AT_FDCWD|\d+)?(?:<(?P<base>[^>]*)>, )?"(?P<name>(?:[^"\\]|\\.)*)"')
CHANGES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
SYSTEM = ("/dev/", "/proc/", "/sys/")
COMPILED = f"{ROOT / 'src' / 'matinee'}/"
"""Below it, in `__pycache__`, Python and Numba keep what they compiled."""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Run:
    """Commands under strace, in folders of their own.

    Args:
        folder: an empty folder.
        cache: weights and data fetched before.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        for name in ("home", "work", "temp", "data", "trace"):
            (folder / name).mkdir()
        self.allowed = (folder / "temp", folder / "data", cache)
        self.ports = {service: free_port() for service in SETTINGS}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MATINEE_", "XDG_"))}
        self.environment = kept | {
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "temp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MATINEE_OFFLINE": "1",
            "MATINEE_DATA_DIR": str(folder / "data"),
            "MATINEE_CACHE_DIR": str(cache),
            "MATINEE_CORE_URL": f"http://127.0.0.1:{self.ports['core']}",
            **{f"MATINEE_{name}": str(self.ports[service]) for service, name in SETTINGS.items()},
        }

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start `matinee WORDS` under strace."""
        command = ["strace", "-f", "-y", "-qq", "-s", "300", "-e", f"trace={CALLS}", "-e", "signal=none"]
        command += ["-o", str(self.folder / "trace" / name), sys.executable, "-m", "matinee", *words]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder / "work",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ask(self, service: str, process: subprocess.Popen[bytes]) -> list[str]:
        """Ask a service until it answers, then each path; what did not answer with 200."""
        first, *others = ASKED[service]
        end, base = time.monotonic() + WAIT, f"http://127.0.0.1:{self.ports[service]}"
        status = 0
        while time.monotonic() < end and process.poll() is None:
            status = _status(base + first)
            if status == 200:
                break
            time.sleep(0.2)
        answers = {first: status, **{path: _status(base + path) for path in others if status == 200}}
        if service == "core" and status == 200:
            for method, path, body, kind in [
                ("PUT", "/v1/users/ann/ratings/1", b'{"rating": 4}', "application/json"),
                ("PUT", "/v1/movies/new", b'{"title": "New", "overview": "A dog."}', "application/json"),
                ("PUT", "/v1/movies/1/poster", picture(), "image/jpeg"),
            ]:
                answers[path] = _status(base + path, method, body, kind)
        return [
            f"{service}{path} answered {got or 'nothing'}"
            for path, got in answers.items()
            if got not in (200, 201, 204)
        ]

    def findings(self, name: str) -> Counter[str]:
        """What a traced command did that it must not do."""
        found: Counter[str] = Counter()
        for path in self.folder.glob(f"trace/{name}*"):
            with path.open(errors="replace") as lines:
                for line in lines:
                    if text := self._finding(line):
                        found[text] += 1
        return found

    def _finding(self, line: str) -> str | None:
        call = line.split("(", 1)[0].split()[-1] if "(" in line else ""
        if call in ("connect", "sendto", "sendmsg", "sendmmsg"):
            target = TARGET.search(line)
            if target is None:
                return None
            host, port = target["v4"] or target["v6"], target["port"]
            away = not host.startswith("127.") and host not in ("::1", "0.0.0.0", "::")
            return f"{call} to {host} port {port}" if away or port == "53" else None
        opens = call in ("open", "openat")
        if " = -1 " in line or (opens and not CHANGES.search(line)):
            return None
        if not opens and call not in CALLS.split(","):
            return None
        for place in PATHS.finditer(line):
            path = os.path.normpath(os.path.join(place["base"] or self.folder / "work", place["name"]))  # noqa: PTH118
            if path.startswith(COMPILED) and "/__pycache__" in path:
                continue
            if not path.startswith(SYSTEM) and not any(Path(path).is_relative_to(folder) for folder in self.allowed):
                return f"{call} {path}"
        return None


def _status(address: str, method: str = "GET", body: bytes | None = None, kind: str = "") -> int:
    request = urllib.request.Request(address, body, {"Content-Type": kind} if body else {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def main() -> int:
    """Run all, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ASKED), help="services, of " + ", ".join(ASKED))
    parser.add_argument("--cache", type=Path, default=user_cache_path("matinee"), help="weights fetched before")
    parser.add_argument("--keep", type=Path, help="an empty folder for traces and logs, which stay")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("Not run: there is no strace.")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        run = Run(folder.resolve(), options.cache.resolve())
        data = write_folder(folder.resolve() / "data" / "tiny")
        total = tell("train", run, [f"train ended with {status}"] if (status := trained(run, data)) else [])
        services = [service for service in ASKED if service in options.only.split(",")]
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for service in services:
                words = (service,) if service in ("web", "studio") else ("serve", service)
                running[service] = run.start(service, *words)
            problems = {service: run.ask(service, process) for service, process in running.items()}
        finally:
            for process in running.values():
                os.killpg(process.pid, signal.SIGTERM)
            for process in running.values():
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        total += sum(tell(service, run, problems[service]) for service in services)
    print(f"look-ups, connections to other machines, files outside the folders, no answers: {total}")
    return 1 if total else 0


def trained(run: Run, data: Path) -> int:
    """Train; the exit status."""
    return run.start("train", "train", "--data", str(data)).wait()


def tell(name: str, run: Run, problems: list[str]) -> int:
    """Print what was found; how many."""
    found = run.findings(name)
    calls = sum(1 for path in run.folder.glob(f"trace/{name}*") for _ in path.open(errors="replace"))
    print(f"{name}: {calls:,} calls traced, {len(found)} kinds of findings", flush=True)
    for text, count in found.most_common(40):
        print(f"  {text} ({count}×)")
    for text in problems:
        print(f"  {text}")
    return sum(found.values()) + len(problems)


if __name__ == "__main__":
    sys.exit(main())
