"""A scripted session of writes at a real server, and what must be there after a fault, a kill or a power cut.

The session writes ratings, marks, movies and posters, imports, promotes and rolls back, over a store of the oldest
schema, which the server migrates at its start. Each step says what it changes; what it has changed is certain once it
was answered, and old or new where it was not.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fault_nursery import Nursery, until
from matinee.snapshots import SnapshotRegistry
from matinee.stores.sqlite.migrations import APPLICATION_ID, MIGRATIONS
from poster_support import picture
from service_support import free_port
from small_folder import write_folder

DATASET = "tiny"
Key = tuple[str, ...]
"""("rating", user, movie), ("state", user, state, movie), ("movie", id), ("poster", id) or ("snapshot",)."""
Value = str | float | None
"""Stars, "set", a title, a digest of a picture, the id of a snapshot; None: there is none."""


@dataclass(frozen=True)
class Step:
    """One request, and what it makes of each thing that it changes."""

    method: str
    path: str
    effects: dict[Key, Value]
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def as_told(self, answer: Answer) -> Step:
        """The step with the snapshot that an answer names: where a promote failed, a rollback leads elsewhere."""
        if answer.fine and ("snapshot",) in self.effects:
            return replace(self, effects={("snapshot",): json.loads(answer.body)["snapshot"]})
        return self


def _json(method: str, path: str, body: object, effects: dict[Key, Value], **headers: str) -> Step:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Step(method, path, effects, json.dumps(body).encode(), {"Content-Type": "application/json"} | more)


def rate(user: str, movie: str, stars: float) -> Step:
    """One rating."""
    return _json("PUT", f"/v1/users/{user}/ratings/{movie}", {"rating": stars}, {("rating", user, movie): stars})


def rate_many(user: str, stars: dict[str, float], key: str) -> Step:
    """Several ratings of a user, all or none."""
    rows = [{"user_id": user, "movie_id": movie, "rating": value} for movie, value in stars.items()]
    effects: dict[Key, Value] = {("rating", user, movie): value for movie, value in stars.items()}
    return _json("POST", "/v1/ratings", rows, effects, Idempotency_Key=key)


def unrate(user: str, movie: str) -> Step:
    """A rating taken back."""
    return Step("DELETE", f"/v1/users/{user}/ratings/{movie}", {("rating", user, movie): None})


def mark(user: str, state: str, movie: str) -> Step:
    """A movie that the user has seen, or has on the watchlist."""
    return Step("PUT", f"/v1/users/{user}/states/{state}/{movie}", {("state", user, state, movie): "set"})


def unmark(user: str, state: str, movie: str) -> Step:
    """A mark taken back."""
    return Step("DELETE", f"/v1/users/{user}/states/{state}/{movie}", {("state", user, state, movie): None})


def put_movie(movie: str, title: str) -> Step:
    """A movie, added or replaced."""
    return _json("PUT", f"/v1/movies/{movie}", {"title": title, "genres": ["Drama"]}, {("movie", movie): title})


def delete_movie(movie: str) -> Step:
    """A movie, removed."""
    return Step("DELETE", f"/v1/movies/{movie}", {("movie", movie): None})


def put_poster(movie: str, data: bytes) -> Step:
    """A poster, added or replaced."""
    digest = hashlib.sha256(data).hexdigest()
    return Step("PUT", f"/v1/movies/{movie}/poster", {("poster", movie): digest}, data, {"Content-Type": "image/*"})


def delete_poster(movie: str) -> Step:
    """A poster, removed."""
    return Step("DELETE", f"/v1/movies/{movie}/poster", {("poster", movie): None})


def promote(snapshot: str) -> Step:
    """Another snapshot, served."""
    return Step("POST", f"/v1/snapshots/{snapshot}/promote", {("snapshot",): snapshot})


def rollback(to: str) -> Step:
    """The snapshot before, served."""
    return Step("POST", "/v1/snapshots/rollback", {("snapshot",): to})


def bring(user: str, movie: str, title: str, key: str) -> Step:
    """An import of a movie and its rating, in one transaction."""
    lines = [{"movie_id": movie, "title": title}, {"user_id": user, "movie_id": movie, "rating": 3.5}]
    effects: dict[Key, Value] = {("movie", movie): title, ("rating", user, movie): 3.5}
    body = "\n".join(map(json.dumps, lines)).encode()
    return Step("POST", f"/v1/imports?key={key}", effects, body, {"Content-Type": "application/x-ndjson"})


def erase(user: str, movies: Sequence[str]) -> Step:
    """A user, erased with the ratings of these movies."""
    return Step("DELETE", f"/v1/users/{user}", {("rating", user, movie): None for movie in movies})


def steps(older: str, newer: str) -> list[Step]:
    """The session, where `newer` is served at its start."""
    red, blue = picture("JPEG"), picture("PNG", color=(10, 20, 200))
    return [
        rate("ann", "1", 4.5),
        rate_many("bob", {"2": 3.0, "3": 2.5, "4": 5.0}, "k1"),
        put_movie("new-1", "First of its kind"),
        put_poster("1", red),
        rate("ann", "1", 2.0),
        put_poster("1", blue),
        put_poster("2", blue),
        promote(older),
        rate("ann", "4", 5.0),
        unrate("bob", "2"),
        put_movie("new-1", "First of its kind, again"),
        delete_poster("1"),
        erase("eve", ["1", "2"]),
        rollback(newer),
        put_movie("new-2", "Second of its kind"),
        delete_movie("new-1"),
        put_poster("3", red),
        bring("ian", "new-3", "Third of its kind", "i1"),
        rate("zoe", "3", 0.5),
        mark("zoe", "watchlist", "2"),
        mark("zoe", "seen", "1"),
        unmark("zoe", "watchlist", "2"),
    ]


# --- what is expected ---------------------------------------------------------------------------------------------
class Expectation:
    """What may be there: for each thing, all values that an honest service may have."""

    def __init__(self, values: dict[Key, Value]) -> None:
        self.values: dict[Key, set[Value]] = {key: {value} for key, value in values.items()}
        self.groups: list[dict[Key, Value]] = []
        self.acknowledged = 0

    def take(self, step: Step, *, acknowledged: bool) -> None:
        """A step was sent, and answered with success or not."""
        self.acknowledged += acknowledged
        for key, value in step.effects.items():
            self.values[key] = {value} if acknowledged else self.values.get(key, {None}) | {value}
        if len(step.effects) > 1 and not acknowledged:
            self.groups.append({key: value for key, value in step.effects.items() if len(self.values[key]) > 1})

    def faults(self, found: dict[Key, Value]) -> list[str]:
        """What is lost, or half there."""
        faults = [
            f"{' '.join(key)} is {found.get(key)!r}, not {' or '.join(sorted(map(repr, values)))}"
            for key, values in self.values.items()
            if found.get(key) not in values
        ]
        for group in self.groups:
            same = {found.get(key) == value for key, value in group.items() if len(self.values[key]) > 1}
            if len(same) > 1:
                faults.append(f"half of a write is there: {sorted(group)}")
        return faults


# --- a server -----------------------------------------------------------------------------------------------------
class Answer:
    """One answer: status (0: none came) and body."""

    def __init__(self, status: int, body: bytes = b"", kind: str = "") -> None:
        self.status, self.body, self.kind = status, body, kind

    @property
    def fine(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    def flaw(self, asked: str) -> str | None:
        """What is wrong with how an error is told; None if nothing is."""
        if self.status in (0,) or self.status < 400:
            return None
        if self.status == 500 or b"Traceback" in self.body or not self.kind.startswith("application/problem+json"):
            return f"{asked}: {self.status} {self.kind} {self.body[:300]!r}"
        return None if json.loads(self.body).get("detail") else f"{asked}: {self.status} says nothing"


class Site:
    """A server started by a nursery, at a free port."""

    def __init__(self, nursery: Nursery, settings: dict[str, Any]) -> None:
        self.nursery, self.port = nursery, free_port()
        self.pid = nursery.start("serve", settings=settings | {"port": self.port})

    def alive(self) -> bool:
        """Whether its process runs."""
        with suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        return False

    def send(self, step: Step) -> Answer:
        """Send a request; an answer with status 0 if none came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        with suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request(step.method, step.path, step.body, step.headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), response.getheader("Content-Type", ""))
        return Answer(0)

    def get(self, path: str) -> Answer:
        """A read."""
        return self.send(Step("GET", path, {}))

    def started(self, path: str = "/ready", seconds: float = 30.0) -> bool:
        """Wait until a path answers with 200; false if the process has ended."""
        return (
            bool(until(lambda: "yes" if self.get(path).status == 200 else not self.alive(), seconds)) and self.alive()
        )

    def kill(self) -> None:
        """End it without warning."""
        self.nursery.kill(self.pid)

    def found(self, keys: Sequence[Key]) -> dict[Key, Value]:
        """What is there of these things."""
        found: dict[Key, Value] = {}
        for user in {key[1] for key in keys if key[0] == "rating"}:
            for item in self._json(f"/v1/users/{user}/ratings").get("items", []):
                found["rating", user, item["movie_id"]] = item["rating"]
        for user in {key[1] for key in keys if key[0] == "state"}:
            for item in self._json(f"/v1/users/{user}/states?limit=10000").get("states", []):
                found["state", user, item["state"], item["movie_id"]] = "set"
        for key in keys:
            if key[0] == "movie":
                found[key] = self._json(f"/v1/movies/{key[1]}").get("title")
            elif key[0] == "poster":
                picture = self.get(f"/v1/movies/{key[1]}/poster?card=false")
                found[key] = hashlib.sha256(picture.body).hexdigest() if picture.status == 200 else None
            elif key[0] == "snapshot":
                found[key] = self._json("/v1/snapshots")["snapshot"]
        return found

    def _json(self, path: str) -> dict[str, Any]:
        answer = self.get(path)
        if answer.status == 404:
            return {}
        assert answer.status == 200, (path, answer.status, answer.body[:300])
        record: dict[str, Any] = json.loads(answer.body)
        return record


# --- folders ------------------------------------------------------------------------------------------------------
def old_store(path: Path) -> None:
    """A store of the oldest schema, with two ratings of "eve" and one of "old"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        rows = [("eve", "1", 4.0), ("eve", "2", 1.0), ("old", "1", 3.5)]
        for seq, (user, movie, stars) in enumerate(rows, 1):
            connection.execute("INSERT INTO ratings VALUES (?, ?, ?, 0, ?)", (user, movie, stars, seq))
            connection.execute("INSERT OR REPLACE INTO users VALUES (?, ?, NULL)", (user, seq))
            connection.execute("INSERT INTO log VALUES (?, ?, ?, 0, NULL, ?, 0)", (seq, user, movie, stars))
        connection.execute("UPDATE state SET seq = ?", (len(rows),))


class Stage:
    """A folder with two snapshots and an old store, made once and copied for each run.

    Args:
        folder: an empty folder.
        nursery: what trains and serves.
    """

    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self.folder, self.nursery = folder, nursery
        self.source = str(write_folder(folder / DATASET))
        self.home, self._template = folder / "home", folder / "template"
        self.home.mkdir()
        self.settings = settings_of(self.home, self.source)
        self.older, self.newer = self._trained(), self._trained()
        old_store(self.home / "data" / "stores" / f"{DATASET}.sqlite3")
        self.home.rename(self._template)

    def _trained(self) -> str:
        answer = self.folder / "answer"
        status = self.nursery.run("train", settings=self.settings, source=self.source, answer=str(answer))
        assert status == 0, self.nursery.log.read_text()
        return str(json.loads(answer.read_text())["id"])

    def fresh(self) -> None:
        """Put the folder back into its first state."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self._template, self.home)

    def expectation(self) -> Expectation:
        """What is there at first."""
        stars = {("eve", "1"): 4.0, ("eve", "2"): 1.0, ("old", "1"): 3.5}
        values: dict[Key, Value] = {("rating", *pair): value for pair, value in stars.items()}
        return Expectation(values | {("snapshot",): self.newer})

    def newest(self) -> str | None:
        """Id of a snapshot that was not there at first."""
        ids = set(SnapshotRegistry(self.home / "data" / "snapshots").ids()) - {self.older, self.newer}
        return max(ids, default=None)

    def leftovers(self) -> list[str]:
        """Temporary files and folders in the folder of snapshots."""
        return [path.name for path in (self.home / "data" / "snapshots").glob(".*")]

    def steps(self) -> list[Step]:
        """The session."""
        return steps(self.older, self.newer)

    def check(self, expected: Expectation, settings: dict[str, Any] | None = None) -> list[str]:
        """Start a new server over what is there; what is lost, half there, or not served."""
        settings = settings or self.settings
        before = self.nursery.log.stat().st_size
        site = Site(self.nursery, settings)
        try:
            if not site.started():
                return ["no server starts: " + self.nursery.log.read_bytes()[before:].decode()[-600:]]
            faults = expected.faults(site.found(list(expected.values)))
            listed = site.get("/v1/users/1/recommendations?n=3")
            if listed.status != 200 or not json.loads(listed.body)["items"]:
                faults.append(f"no list: {listed.status} {listed.body[:200]!r}")
            ready = json.loads(site.get("/ready").body)
            faults += [f"a warning: {text}" for text in ready["warnings"]]
            if not site.send(rate("afterwards", "1", 1.0)).fine:
                faults.append("no write is possible any more")
        finally:
            site.kill()
        registry = SnapshotRegistry(Path(settings["data_dir"]) / "snapshots")
        return faults + registry.verify(registry.current() or "")

    def play(self, visit: Callable[[Step, Answer], None]) -> list[str]:
        """Serve, send all steps and kill the server. Returns what was badly told."""
        site, flaws = Site(self.nursery, self.settings), []
        try:
            if not site.started("/health"):
                return []
            for step in self.steps():
                answer = site.send(step)
                visit(step.as_told(answer), answer)
                flaws += [flaw] if (flaw := answer.flaw(f"{step.method} {step.path}")) else []
            if not site.alive():
                flaws.append("the server has ended")
        finally:
            site.kill()
        return flaws


def settings_of(home: Path, source: str) -> dict[str, Any]:
    """Settings of services that keep all below a folder, and need no encoder."""
    folders = {"data_dir": str(home / "data"), "cache_dir": str(home / "cache"), "data": source}
    return folders | {"text_encoder": "off", "image_encoder": "off", "offline": True, "busy_timeout": 1.0}


# --- training -----------------------------------------------------------------------------------------------------
class Trainer:
    """A process that trains whenever it is told to. Models are fitted once; all else is read and written each time."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._answer = stage, stage.folder / "trained"
        self._gates = [stage.folder / name for name in ("gate-in", "gate-out")]
        for gate in self._gates:
            os.mkfifo(gate)
        self._start()

    def _start(self) -> None:
        stage = self._stage
        arguments = {"settings": stage.settings, "source": stage.source, "answer": str(self._answer)}
        self._pid = stage.nursery.start("train_often", **arguments, gates=[str(gate) for gate in self._gates])
        self._requests, self._answers = self._gates[0].open("w"), self._gates[1].open()

    def train(self) -> dict[str, str] | None:
        """Train and promote: the "id", the "error" that was told, or None for a traceback."""
        self._answer.unlink(missing_ok=True)
        self._requests.write("go\n")
        self._requests.flush()
        if self._answers.readline():
            answer: dict[str, str] = json.loads(self._answer.read_text())
            return answer
        self.close()
        self._start()
        return None

    def close(self) -> None:
        """End it."""
        self._requests.close()
        self._answers.close()
        self._stage.nursery.kill(self._pid)
