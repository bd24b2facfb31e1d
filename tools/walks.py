"""How much code a reader follows: functions, files and moves between files on some paths through the package.

    python tools/walks.py [--src PATH] [--json FILE]
    python tools/walks.py --compare before.json after.json

Each walk runs warm-up requests first, then once under a profile function, in this process, on MovieLens 100K. Of a
checkout it needs only `matinee.cli.main`, `matinee.api.create_app`, `Settings` and `/v1`, so that it measures older and
newer ones alike. Only code in files of `matinee` counts:

functions     distinct functions called; a comprehension belongs to the function around it
calls         calls of them; resuming a generator or coroutine is not a call
files         files that contain these functions
moves         calls from another file of `matinee`, and returns to one; third-party code in between is skipped
crossings     distinct pairs of caller and callee in different files: moves without repetitions
returns       distinct `return` statements executed
views         reads of the pointer of the current snapshot: taking the current view begins with one
store checks  checks of the identity of the store's file
knows         calls of `ImplicitALS.knows`

Results are deterministic: the process is limited to one processor, so that thread pools have one thread.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import csv
import dis
import gc
import io
import json
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sized
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MATINEE_TEST_DATA", ROOT.parent / "shared" / "data"))
N_POSTERS = 60
POINTER, STORE = "pointer.json", ".sqlite3"  # ends of paths: which snapshot is current, the store
FIGURES = ("functions", "calls", "files", "moves", "crossings", "returns", "views", "store checks", "knows")
INLINE = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}  # Python 3.12 has no frames for most of them
CO_OPTIMIZED = 1  # flag of the code of functions, which bodies of modules and classes lack

Figures = dict[str, dict[str, int]]


@dataclass
class Walk:
    """Counts of one walk; a place is (file, function or line)."""

    functions: dict[tuple[str, str], None] = field(default_factory=dict)
    crossings: set[tuple[str, str, str, str]] = field(default_factory=set)
    returns: set[tuple[str, int]] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, int]:
        """By `FIGURES`."""
        places: dict[str, Sized] = {"functions": self.functions, "files": {file for file, _ in self.functions}}
        places |= {"crossings": self.crossings, "returns": self.returns}
        return {name: len(places[name]) if name in places else self.counts[name] for name in FIGURES}


class Code(NamedTuple):
    """A function's code: file within the package, name, and the offsets where it starts and where it returns."""

    file: str
    name: str
    inline: bool
    starts: frozenset[int]
    ends: frozenset[int]


class Recorder:
    """A profile function of this thread and those that begin later; `package` is the folder of `matinee`."""

    def __init__(self, package: Path) -> None:
        self._prefix = f"{package}{os.sep}"
        self._codes: dict[CodeType, Code | None] = {}
        self._returns: dict[str, dict[int, int]] = {}
        self._last = ""
        self._walk: Walk | None = None
        self._stat: Any = os.stat
        os.stat = self._watched_stat
        threading.setprofile(self._event)
        sys.setprofile(self._event)

    @contextmanager
    def recording(self) -> Iterator[Walk]:
        """Record everything inside the block."""
        gc.collect()
        gc.disable()  # destructors would run at arbitrary points
        self._walk, self._last = Walk(), ""
        try:
            yield self._walk
        finally:
            self._walk = None
            gc.enable()

    def _watched_stat(self, path: Any, *args: Any, **options: Any) -> Any:
        if self._walk is not None:
            name = str(path)
            self._walk.counts["views"] += name.endswith(POINTER)
            self._walk.counts["store checks"] += name.endswith(STORE)
        return self._stat(path, *args, **options)

    def _code(self, code: CodeType) -> Code | None:
        """None: not of the package, or the body of a module or class."""
        if code not in self._codes:
            known = None
            if code.co_filename.startswith(self._prefix) and code.co_flags & CO_OPTIMIZED:
                steps, name = list(dis.get_instructions(code)), code.co_qualname
                while name.rpartition(".")[2] in INLINE:
                    name = name.rpartition(".")[0].removesuffix(".<locals>")
                known = Code(
                    code.co_filename.removeprefix(self._prefix).replace(os.sep, "/"),
                    name,
                    code.co_name in INLINE,
                    frozenset(step.offset for step in steps if step.opname == "RESUME" and not (step.arg or 0) & 3),
                    frozenset(step.offset for step in steps if step.opname in {"RETURN_VALUE", "RETURN_CONST"}),
                )
            self._codes[code] = known
        return self._codes[code]

    def _event(self, frame: FrameType, event: str, _: object) -> None:
        walk, code = self._walk, self._code(frame.f_code)
        if walk is None or code is None or event not in {"call", "return"}:
            return
        # Resumed or suspended generators, and functions left by an exception, are at other offsets.
        if frame.f_lasti not in (code.starts if event == "call" else code.ends):
            return
        caller = self._caller(frame.f_back)
        walk.counts["moves"] += code.file != (caller.file if caller else self._last or code.file)
        if caller is None:
            self._last = code.file
        elif caller.file != code.file:
            walk.crossings.add((caller.file, caller.name, code.file, code.name))
        if event == "call" and not code.inline:
            walk.functions[code.file, code.name] = None
            walk.counts["calls"] += 1
            walk.counts["knows"] += code.name == "ImplicitALS.knows"
        elif not code.inline and (line := self._return_line(frame)):
            walk.returns.add((code.file, line))

    def _caller(self, frame: FrameType | None) -> Code | None:
        while frame is not None and self._code(frame.f_code) is None:
            frame = frame.f_back
        return None if frame is None else self._code(frame.f_code)

    def _return_line(self, frame: FrameType) -> int:
        """First line of the `return` statement that a frame is in; 0: it ends without one."""
        path = frame.f_code.co_filename
        if path not in self._returns:
            tree = ast.parse(Path(path).read_text(encoding="utf-8"))
            found = [node for node in ast.walk(tree) if isinstance(node, ast.Return)]
            self._returns[path] = {
                line: node.lineno for node in found for line in range(node.lineno, (node.end_lineno or 0) + 1)
            }
        return self._returns[path].get(frame.f_lineno, 0)


def command(*words: str) -> None:
    """Run one command of the command line in this process."""
    from matinee.cli import main

    told = io.StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        code = main(words)
    if code:
        raise SystemExit(f"matinee {' '.join(words)} ended with {code}\n{told.getvalue()}")


def prepare(folder: Path, data: Path) -> None:
    """Settings of this process (scratch folders, a small encoder), a trained snapshot, and posters."""
    sys.path.insert(0, str(ROOT / "tests"))
    from tiny_models import image_model

    folders = {"DATA_DIR": folder / "data", "CACHE_DIR": folder / "cache", "CONFIG": folder / "none.toml"}
    small = {"IMAGE_ENCODER": image_model(folder / "image.onnx"), "TEXT_ENCODER": "off", "OFFLINE": "1"}
    os.environ.update({f"MATINEE_{name}": str(value) for name, value in (folders | small).items()})
    with (data / "ml-100k" / "links.csv").open(encoding="utf-8", newline="") as file:
        pictures = {row["movie_id"]: data / "posters" / f"{row['imdb_id']}.jpg" for row in csv.DictReader(file)}
    (folder / "posters").mkdir()
    for movie_id in [movie_id for movie_id, picture in pictures.items() if picture.exists()][:N_POSTERS]:
        shutil.copyfile(pictures[movie_id], folder / "posters" / f"{movie_id}.jpg")
    command("train", "--data", str(data / "ml-100k"))
    command("posters", "add", str(folder / "posters"), "--by", "movie")
    command("train", "--data", str(data / "ml-100k"))  # with a poster index; all modules are imported


async def serve(picture: bytes, record: Recorder) -> dict[str, Walk]:
    """The walks through the core service."""
    import httpx

    from matinee.api import create_app
    from matinee.settings import Settings

    transport = httpx.ASGITransport(create_app(Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

        async def ask(method: str, path: str, **options: Any) -> None:
            answer = await client.request(method, path, **options)
            if answer.is_error:
                raise SystemExit(f"{method} {path} was answered with {answer.status_code}: {answer.text}")

        async def plain(user: int) -> None:
            await ask("GET", f"/v1/users/{user}/recommendations")

        async def filtered(user: int) -> None:
            wanted = f'year >= {1900 + user} and not genre = "Horror"'
            await ask("GET", f"/v1/users/{user}/recommendations", params={"explain": "true", "filter": wanted})

        async def rated(user: int) -> None:
            await ask("PUT", f"/v1/users/{user}/ratings/50", json={"rating": 4})
            await plain(user)

        async def upload(user: int) -> None:
            del user
            await ask("POST", "/v1/posters/search", files={"image": ("poster.jpg", picture, "image/jpeg")})

        ways = {"GET recommendations": plain, "GET with reasons and filter": filtered}
        ways |= {"PUT rating, then GET": rated, "poster search by upload": upload}
        walks = {}
        for number, (name, way) in enumerate(ways.items()):
            first = 10 + 10 * number
            for user in range(first, first + 9):
                await way(user)
            if way is rated:
                await plain(first + 9)  # cached, and outdated by the rating
            with record.recording() as walks[name]:
                await way(first + 9)
        return walks


def measure(source: Path, data: Path) -> dict[str, Walk]:
    """The walks through the package of a checkout."""
    sys.path.insert(0, str(source))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import matinee

    package = Path(matinee.__file__).resolve().parent
    if package.parent != source:
        sys.exit(f"{package} was imported, not what is in {source}.")
    with tempfile.TemporaryDirectory(prefix="matinee-walks-") as scratch:
        prepare(Path(scratch), data)
        picture = min(Path(scratch, "posters").iterdir()).read_bytes()
        record = Recorder(package)
        walks = asyncio.run(serve(picture, record))
        with record.recording() as walks["train --data"]:
            command("train", "--data", str(data / "ml-100k"))
    return walks


def table(now: Figures, before: Figures | None = None) -> str:
    """A Markdown table, one row per walk; with `before`, also the change in percent."""

    def cell(walk: str, name: str) -> str:
        value, old = now[walk][name], before and before[walk][name]
        if old is None:
            return f"{value:,}"
        change = f"{(value - old) / old:+.0%}".replace("-", "−") if old else "·"
        return f"{old:,} → {value:,} ({change})"

    rows = [[walk, *(cell(walk, name) for name in FIGURES)] for walk in now if before is None or walk in before]
    head = [["walk", *FIGURES], ["---", *("---:" for _ in FIGURES)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in (*head, *rows))


def main() -> None:
    """Measure, or compare what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--src", type=Path, default=ROOT / "src", help="folder that holds the package")
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds ml-100k and posters")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the functions of each walk")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="files of --json")
    given = parser.parse_args()
    if given.compare:
        both = [json.loads(path.read_text(encoding="utf-8")) for path in reversed(given.compare)]
        print(table(*({walk: entry["figures"] for walk, entry in part.items()} for part in both)))
        return
    walks = measure(given.src.resolve(), given.data.resolve())
    if given.json:
        whole = {k: {"figures": w.figures(), "functions": [*map(" ".join, w.functions)]} for k, w in walks.items()}
        given.json.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    print(table({name: walk.figures() for name, walk in walks.items()}))


if __name__ == "__main__":
    main()
