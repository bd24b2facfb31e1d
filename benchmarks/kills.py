"""Kill -9 in the middle of writes of every kind: ratings, batches, marks, movies, posters, erasures, promotes,
migrations, trainings and imports; and while two clients write without a pause. A write with a key is sent again after
the kill.

    .venv/bin/python benchmarks/kills.py                       # 60 kills, about a minute
    .venv/bin/python benchmarks/kills.py --kills 1000
    .venv/bin/python benchmarks/kills.py --kinds ratings,streams --workers 2
    .venv/bin/python benchmarks/kills.py --kinds training,posters --kills 100 --seconds 500 --add figures.json

A layer under the process's files (`tests/fault_layer.c`; needs Linux and a C compiler) counts its calls: opens, writes,
fsyncs, renames. A kill is sent when the call has come that was drawn. It has hit a write in progress where such a call
was made for a request that was not answered, or by a migration or training that had not ended. Then a new process opens
the folder. Lost is what was acknowledged, in that round or before, and is not there, or is half there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from fault_layer import FaultLayer, missing  # noqa: E402
from fault_session import (  # noqa: E402
    Answer,
    Expectation,
    Key,
    Site,
    Stage,
    Step,
    Value,
    delete_movie,
    delete_poster,
    erase,
    mark,
    promote,
    put_movie,
    put_poster,
    rate,
    rate_many,
    rollback,
    unmark,
    unrate,
)
from fault_stage import stage_under_faults  # noqa: E402
from poster_support import picture  # noqa: E402

MOVIES = 40
LIMIT = 60.0
"""Seconds that a call may take to come."""
BEFORE = 4
"""Writes that are answered before the one that is killed, at most."""
IMPORTED = 5000
"""Lines of an import: three transactions."""
STREAMED = 400
"""Calls after which clients that write without a pause are cut off, at most."""
CHECKED = 30
"""Things written in earlier rounds that are looked at after each kill; at the end all are."""


@dataclass
class Figures:
    """What came of the kills of one kind."""

    kills: int = 0
    in_progress: int = 0
    acknowledged: int = 0
    kept_unanswered: int = 0
    lost: int = 0


def added(one: Figures, other: Figures) -> Figures:
    first, second = asdict(one), asdict(other)
    return Figures(**{name: first[name] + second[name] for name in first})


class Kills:
    """Kills of one folder's processes.

    Args:
        stage: the folder.
        layer: under its processes.
        workers: of the server.
    """

    def __init__(self, stage: Stage, layer: FaultLayer, chance: random.Random, workers: int = 1) -> None:
        self.stage, self.layer, self.chance = stage, layer, chance
        self._settings = stage.settings | {"workers": workers}
        self.faults: list[str] = []
        self._round = 0
        self._site: Site | None = None
        self._expected = stage.expectation()
        self._last_calls: dict[str, int] = {}

    # --- a server that lives from round to round ------------------------------------------------------------------
    def _server(self) -> Site:
        if self._site is None:
            self.stage.fresh()
            self._expected = self.stage.expectation()
            self._site = self._start()
        return self._site

    def _start(self) -> Site:
        self.layer.start(self.stage.home)
        site = Site(self.stage.nursery, self._settings)
        if not site.started():
            raise RuntimeError(f"no server starts: {self.stage.nursery.log.read_text()[-2000:]}")
        return site

    def close(self) -> None:
        """Look at all that was written, and end the server."""
        if self._site is not None:
            self.faults += self._expected.faults(self._site.found(list(self._expected.values)))
            self._site.kill()
            self._site = None

    def _wait_for(self, calls: int, done: Callable[[], bool]) -> None:
        """Until the layer has counted so many calls, or all is done. Does not sleep, so as to hit the call."""
        end = time.monotonic() + LIMIT
        while self.layer.calls < calls and not done() and time.monotonic() < end:
            pass

    def _calls_of(self, site: Site, step: Step) -> int:
        before = self.layer.calls
        if site.send(step).fine:
            self._expected.take(step, acknowledged=True)
        return max(self.layer.calls - before, 1)

    # --- kinds ----------------------------------------------------------------------------------------------------
    def request(self, kind: str) -> Figures:
        """Kill the server in a request of a kind."""
        site, figures = self._server(), Figures(kills=1)
        if kind not in self._last_calls:  # how many calls the longest of some such requests makes
            self._last_calls[kind] = max(self._calls_of(site, step) for _ in range(2) for step in self._steps(kind))
        steps = self._steps(kind)
        last = steps.pop()
        for step in steps:
            answer = site.send(step)
            if answer.fine:
                self._expected.take(step, acknowledged=True)
                figures.acknowledged += 1
            else:
                self.faults.append(f"{kind}: {step.method} {step.path}: {answer.status} {answer.body[:200]!r}")
        before = self.layer.calls
        at = before + self.chance.randint(1, self._last_calls[kind])
        answers: list[Answer] = []
        sender = threading.Thread(target=lambda: answers.append(site.send(last)))
        sender.start()
        self._wait_for(at, lambda: bool(answers))
        site.kill()
        sender.join()
        answered = answers[0].fine
        figures.in_progress += not answered and self.layer.calls > before
        figures.acknowledged += answered
        self._expected.take(last, acknowledged=answered)
        return self._looked_at(kind, figures, [*steps, last], [] if answered else [last])

    def streams(self) -> Figures:
        """Kill the server while two clients write without a pause: single ratings, and batches with keys."""
        site, figures = self._server(), Figures(kills=1)
        self._round += 1
        sent: list[tuple[Step, Answer]] = []

        def write(steps: Iterator[Step]) -> None:
            for step in steps:
                sent.append((step, site.send(step)))
                if not sent[-1][1].fine:
                    return

        user, whole = f"s{self._round}", {str(movie): 2.5 for movie in range(1, MOVIES + 1)}
        clients = [
            threading.Thread(target=write, args=(steps,))
            for steps in (
                (rate(f"{user}.{n // MOVIES}", str(n % MOVIES + 1), n % 10 / 2 + 0.5) for n in count()),
                (rate_many(f"{user}.many.{n}", whole, f"{user}.{n}") for n in count()),
            )
        ]
        at = self.layer.calls + self.chance.randint(1, STREAMED)
        for client in clients:
            client.start()
        self._wait_for(at, lambda: not all(client.is_alive() for client in clients))
        site.kill()
        for client in clients:
            client.join()
        unanswered = [step for step, answer in sent if not answer.fine]
        for step, answer in sent:
            self._expected.take(step, acknowledged=answer.fine)
            if answer.status >= 400:
                self.faults.append(f"streams: {step.method} {step.path}: {answer.status} {answer.body[:200]!r}")
        figures.in_progress += bool(unanswered)
        figures.acknowledged += len(sent) - len(unanswered)
        return self._looked_at("streams", figures, [step for step, _ in sent], unanswered)

    def _looked_at(self, kind: str, figures: Figures, sent: list[Step], unanswered: list[Step]) -> Figures:
        """Start a new server after a kill, and compare what it has with what was sent in this round, and before."""
        if kind == "imports":  # stored in several transactions: `_resumed` looks at how far it has come
            self._expected.groups.clear()
        self._site = site = self._start()
        keys = list(self._expected.values)
        recent = [key for step in sent for key in step.effects]
        found = site.found([*recent, *self.chance.sample(keys, min(len(keys), CHECKED))])
        lost = self._part(found, recent).faults(found)
        if kind == "imports":
            lost += self._resumed(site, sent[-1])
        for step in unanswered:
            figures.kept_unanswered += all(found.get(key) == value for key, value in step.effects.items())
            completed = kind == "imports"
            if "Idempotency-Key" in step.headers:
                lost += self._sent_again(site, step)
                completed = True
            for key in step.effects:  # what was found is certain from now on
                self._expected.values[key] = {step.effects[key] if completed else found.get(key)}
        self._expected.groups.clear()
        self.faults += [f"{kind}: {fault}" for fault in lost]
        figures.lost += len(lost)
        return figures

    def _sent_again(self, site: Site, step: Step) -> list[str]:
        """Send a write again with its key, twice."""
        answers = [site.send(step) for _ in range(2)]
        found = site.found(list(step.effects))
        if all(answer.fine for answer in answers) and found == step.effects:
            return []
        return [f"{step.path} was sent again: {[answer.status for answer in answers]}, and is not stored"]

    def _part(self, found: dict[Key, Value], more: list[Key]) -> Expectation:
        part = Expectation({})
        part.values = {key: self._expected.values[key] for key in {*found, *more} if key in self._expected.values}
        part.groups = [group for group in self._expected.groups if group.keys() <= part.values.keys()]
        return part

    def _steps(self, kind: str) -> list[Step]:
        """Some requests of a kind, the last of which is killed."""
        self._round += 1
        number, some = self._round, self.chance.randint(1, BEFORE + 1)
        user = f"u{number}"
        stars = [self.chance.randrange(1, 11) / 2 for _ in range(MOVIES + 1)]
        drawn = [str(movie) for movie in self.chance.sample(range(1, MOVIES + 1), some)]
        if kind == "ratings":
            return [rate(user, movie, stars[int(movie)]) for movie in drawn] + [unrate(user, drawn[0])] * (number % 2)
        if kind == "batches":
            whole = {str(movie): stars[movie] for movie in range(1, MOVIES + 1)}
            return [rate_many(f"{user}.{part}", whole, f"{user}.{part}") for part in range(some)]
        if kind == "marks":
            return [mark(user, "seen", movie) for movie in drawn] + [unmark(user, "seen", drawn[0])] * (number % 2)
        if kind == "erasures":
            return [rate_many(user, {movie: stars[int(movie)] for movie in drawn}, user), erase(user, drawn)]
        if kind == "movies":
            added = [put_movie(f"new-{number}.{part}", f"Title {part} of {number}") for part in range(some)]
            return (
                [*added, put_movie(f"new-{number}.0", "Another")]
                if number % 2
                else [*added, delete_movie(f"new-{number}.0")]
            )
        if kind == "posters":
            steps = []
            for movie in drawn:
                kinds = self.chance.choice(["JPEG", "PNG"])
                color = tuple(self.chance.randrange(256) for _ in range(3))
                steps.append(put_poster(movie, picture(kinds, color=color)))
            return [*steps, delete_poster(drawn[-1])] if number % 4 == 0 else steps
        if kind == "promotes":
            swap = [promote(self.stage.older), promote(self.stage.newer)]
            return [*swap, rollback(self.stage.older)] if number % 2 else [swap[1], swap[0]]
        assert kind == "imports", kind
        users = range(IMPORTED // MOVIES)
        rows = [(f"{user}.{part}", str(movie), stars[movie]) for part in users for movie in range(1, MOVIES + 1)]
        lines = [json.dumps({"user_id": one, "movie_id": movie, "rating": value}) for one, movie, value in rows]
        effects: dict[Key, Value] = {("rating", one, movie): value for one, movie, value in rows}
        headers = {"Content-Type": "application/x-ndjson"}
        return [Step("POST", f"/v1/imports?key={user}", effects, "\n".join(lines).encode(), headers)]

    def _resumed(self, site: Site, step: Step) -> list[str]:
        """Compare what an import has stored with what it tells, and go on with it."""
        told = site.get(step.path.replace("?key=", "/"))
        rows = json.loads(told.body)["rows"] if told.status == 200 else 0
        keys = list(step.effects)
        found = site.found(keys)
        faults = [
            f"line {line + 1} of an import is {found.get(key)!r}, though it tells of {rows} lines"
            for line, key in enumerate(keys)
            if found.get(key) != (step.effects[key] if line < rows else None)
        ][:3]
        rest = b"\n".join((step.body or b"").split(b"\n")[rows:])
        again = site.send(Step("POST", f"{step.path}&from={rows}", {}, rest, step.headers))
        found = site.found(keys)
        if not again.fine or any(found.get(key) != value for key, value in step.effects.items()):
            faults.append(f"an import is not resumed from line {rows}: {again.status} {again.body[:200]!r}")
        return faults

    def migration(self) -> Figures:
        """Kill a server while it migrates an old store, which its start does."""
        self.close()
        self.stage.fresh()
        if "migrations" not in self._last_calls:  # how many calls one makes
            self._start().kill()
            self._last_calls["migrations"] = self.layer.calls
            self.stage.fresh()
        figures, expected = Figures(kills=1), self.stage.expectation()
        self.layer.start(self.stage.home)
        at = self.chance.randint(1, self._last_calls["migrations"])
        site = Site(self.stage.nursery, self.stage.settings)
        self._wait_for(at, lambda: not site.alive())
        site.kill()
        figures.in_progress += 0 < self.layer.calls < self._last_calls["migrations"]
        self.layer.stop()
        return self._checked("migrations", figures, expected)

    def training(self) -> Figures:
        """Kill a training while it writes its snapshot or promotes it."""
        self.close()
        self.stage.fresh()
        figures, expected, answer = Figures(kills=1), self.stage.expectation(), self.stage.folder / "killed"
        answer.unlink(missing_ok=True)
        self.layer.start(self.stage.home)
        at = self.chance.randint(1, self._last_calls.get("training", 900))
        pid = self.stage.nursery.start(
            "train", settings=self.stage.settings, source=self.stage.source, answer=str(answer)
        )
        self._wait_for(at, answer.exists)
        self.stage.nursery.kill(pid)
        told = json.loads(answer.read_text() or "{}") if answer.exists() else {}
        figures.in_progress += not told and self.layer.calls > 0
        self._last_calls["training"] = max(self._last_calls.get("training", 0), self.layer.calls, 900)
        self.layer.stop()
        new = self.stage.newest()
        if "id" in told:
            expected.values["snapshot",] = {told["id"]}
            figures.acknowledged += 1
        elif new is not None:
            expected.values["snapshot",].add(new)
        return self._checked("training", figures, expected)

    def _checked(self, kind: str, figures: Figures, expected: Expectation) -> Figures:
        lost = self.stage.check(expected)
        self.faults += [f"{kind}: {fault}" for fault in lost]
        figures.lost += len(lost)
        return figures

    def kill(self, kind: str) -> Figures:
        """One kill of a kind."""
        whole = {"migrations": self.migration, "training": self.training, "streams": self.streams}
        return whole[kind]() if kind in whole else self.request(kind)


KINDS = (
    *("ratings", "batches", "streams", "marks", "movies", "posters", "erasures", "promotes", "imports"),
    *("migrations", "training"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of " + ", ".join(KINDS))
    parser.add_argument("--workers", type=int, default=1, help="processes of the server; all are killed at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--add", type=Path, help="a file of figures: these are added to it")
    options = parser.parse_args()
    if reason := missing():
        print(f"Not run: {reason}.")
        return 0
    end = time.monotonic() + options.seconds
    kinds = options.kinds.split(",")
    figures: dict[str, Figures] = {}
    with stage_under_faults() as (stage, layer):
        kills = Kills(stage, layer, random.Random(options.seed), options.workers)
        for place, kind in enumerate(kinds):
            for _ in range(options.kills // len(kinds) + (place < options.kills % len(kinds))):
                if time.monotonic() > end:
                    break
                figures[kind] = added(figures.get(kind, Figures()), kills.kill(kind))
        kills.close()
    faults = kills.faults
    if options.add is not None:
        earlier = json.loads(options.add.read_text()) if options.add.exists() else {}
        for kind, record in earlier.items():
            figures[kind] = added(figures.get(kind, Figures()), Figures(**record))
        options.add.write_text(json.dumps({kind: asdict(one) for kind, one in figures.items()}))
    whole = reduce(added, figures.values(), Figures())
    print(f"{'kind':12} {'kills':>6} {'in a write':>11} {'acknowledged':>13} {'stored unanswered':>18} {'lost':>5}")
    for kind, one in [*figures.items(), ("all", whole)]:
        row = f"{kind:12} {one.kills:6,} {one.in_progress:11,} {one.acknowledged:13,} "
        print(row + f"{one.kept_unanswered:18,} {one.lost:5,}")
    for fault in faults:
        print("  " + fault)
    return 1 if faults or whole.lost else 0


if __name__ == "__main__":
    sys.exit(main())
