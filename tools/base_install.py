"""`pip install matinee` into an empty environment serves a snapshot: build the wheel, install it, ask, and weigh it.

    .venv/bin/python tools/base_install.py             # of this tree; needs the package index
    .venv/bin/python tools/base_install.py --keep DIR  # leaves the environment there

Prints one line a step and the size of what was installed; ends with status 1 where something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from small_folder import write_folder  # noqa: E402

IMPORTS = (3, "import time; a = time.perf_counter(); import matinee; print(time.perf_counter() - a)")
WAIT = 120.0
"""Seconds that a server may take to be ready."""


def run(*command: object, env: dict[str, str] | None = None, cwd: Path | None = None, check: bool = True) -> str:
    """What a command prints, stderr included."""
    done = subprocess.run(
        [str(part) for part in command], env=env, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if check and done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def megabytes(folder: Path) -> float:
    """Size of all files of a folder, in 2²⁰ bytes, each rounded up to blocks of 4 kB as `du` does."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file()) / 2**20


def ask(url: str) -> tuple[int, Any]:
    """Status and body (JSON, or bytes) of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            status, kind, body = answer.status, answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as error:
        status, kind, body = error.code, error.headers["content-type"], error.read()
    return status, json.loads(body) if "json" in kind else body


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def say(passed: bool, what: str) -> bool:
    """Print one line of the report."""
    print(f"{'ok    ' if passed else 'FAILED'}  {what}", flush=True)
    return passed


def serves(matinee: Path, environment: dict[str, str], log: Path) -> bool:
    """Start `matinee serve` over what `environment` names, and ask it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as out:
        server = subprocess.Popen([matinee, "serve", "--port", str(port)], env=environment, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + WAIT
            while True:
                if server.poll() is not None or time.monotonic() > deadline:
                    return say(False, f"matinee serve does not start:\n{log.read_text()}")
                try:
                    if ask(f"{url}/ready")[0] == 200:
                        break
                except OSError:
                    time.sleep(0.1)
            path = f"{url}/v1/users/42/recommendations?n=5"
            passed = True
            for explained in (False, True):
                status, body = ask(f"{path}&explain={str(explained).lower()}")
                good = status == 200 and len(body["items"]) == 5
                good = good and (not explained or any(item["reason"] for item in body["items"]))
                passed &= say(good, f"recommendations {'with' if explained else 'without'} reasons: {status}")
            for what, wanted in {
                "/v1/search?q=toy+story": 200,
                "/v1/movies/1/similar": 200,
                '/v1/movies?filter=genre="Comedy"': 200,
                "/v1/statistics": 200,
                "/docs": 200,
                "/v1/movies/1/poster": 503,
            }.items():
                status, body = ask(url + what.replace('"', "%22"))
                detail = f", {body['detail']}" if status == 503 else ""
                passed &= say(status == wanted and (not detail or "pip install" in detail), f"{what}: {status}{detail}")
            return passed
        finally:
            server.terminate()
            server.wait(30)


def check(folder: Path, most: float) -> bool:
    """Every step; True where all passed."""
    made, wheel = folder / "env", folder / "wheel"
    venv.create(made, with_pip=True)
    scripts = made / ("Scripts" if os.name == "nt" else "bin")
    python, matinee = scripts / "python", scripts / "matinee"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    before = megabytes(packages)
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--no-input")
    run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", wheel, ROOT)
    run(*pip, "install", "--quiet", "--require-hashes", "-r", ROOT / "requirements" / "base.txt")
    run(*pip, "install", "--quiet", *wheel.glob("*.whl"))  # asks for nothing more, or the pins are wrong
    passed = say("No broken requirements" in run(*pip, "check", check=False), "pip check")
    size = megabytes(packages) - before
    passed &= say(size <= most, f"{size:.0f} MB installed, at most {most:.0f} (and pip itself: {before:.0f})")

    # A snapshot, made here with all extras and copied over.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MATINEE_", "PYTHON"))}
    clean |= {"MATINEE_CACHE_DIR": str(folder / "cache"), "MATINEE_OFFLINE": "1"}
    write_folder(folder / "films")
    train = ["train", "--data", folder / "films", "--no-measure"]
    full = clean | {"MATINEE_DATA_DIR": str(folder / "made"), "PYTHONPATH": str(ROOT / "src")}
    run(sys.executable, "-m", "matinee", *train, env=full)
    base = clean | {"MATINEE_DATA_DIR": str(folder / "served")}
    shutil.copytree(folder / "made" / "snapshots", folder / "served" / "snapshots")

    seconds = min(float(run(python, "-c", IMPORTS[1], env=clean, cwd=folder)) for _ in range(IMPORTS[0]))
    passed &= say(seconds < 0.3, f"import matinee: {seconds * 1000:.0f} ms")
    told = run(matinee, "recommend", "--user", "42", "--explain", "-n", "3", env=base)
    passed &= say("because" in told, "matinee recommend")
    passed &= serves(matinee, base, folder / "serve.log")

    # What the base cannot do is a sentence that names the extra.
    trained = run(matinee, *train, env=clean | {"MATINEE_DATA_DIR": str(folder / "own")}, check=False)
    line = next((line for line in trained.splitlines() if "pip install" in line), trained)
    passed &= say("Traceback" not in trained and "matinee[" in trained, f"matinee train: {line.strip()}")
    (folder / "posters").mkdir()
    (folder / "posters" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    for extra, command in {
        "web": ["web"],
        "studio": ["studio"],
        "encoders": ["posters", "add", folder / "posters"],
    }.items():
        told = run(matinee, *command, env=base, check=False)
        named = re.search(rf"pip install ['\"]matinee\[{extra}\]", told)
        passed &= say("Traceback" not in told and named is not None, f"matinee {command[0]}: {' '.join(told.split())}")
    return passed


def main() -> None:
    """Read the arguments, check, and end with the status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new folder, and leave it")
    parser.add_argument("--most", type=float, default=300, metavar="MB", help="largest size of the packages")
    given = parser.parse_args()
    if given.keep:
        given.keep.mkdir(parents=True)
        sys.exit(not check(given.keep.resolve(), given.most))
    with tempfile.TemporaryDirectory() as folder:
        passed = check(Path(folder), given.most)
    sys.exit(not passed)


if __name__ == "__main__":
    main()
