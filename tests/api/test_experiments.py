"""Experiments over real sockets, on simulated users whose behavior, and so the truth, is known."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from matinee.api import create_app
from matinee.api.exposure_log import ExposureLog
from matinee.engine import Engine
from matinee.engine.logged_policies import evaluate_logged
from matinee.errors import ConflictError, InvalidInputError, NotFoundError, StoreError
from matinee.experiments import assign
from matinee.experiments.definition import FILE, ExperimentFile, Plan, plan_of
from matinee.settings import Settings
from matinee.stores import Exposure, SqliteStore
from socket_support import on_a_socket

USERS = [f"u{number}" for number in range(60)]


@dataclass
class Shop:
    """A core on a socket, and what was asked of it."""

    http: httpx.Client
    folder: Path
    lists: int = 0
    taken: Counter[str] = field(default_factory=Counter)

    def start(self, name: str, arms: list[dict[str, Any]], **options: Any) -> None:
        """Start an experiment, and wait until it is served."""
        plan = {"name": name, "arms": arms, **options}
        answer = self.http.post("/v1/experiments", json=plan)
        assert answer.status_code == 201, answer.text
        self._until(lambda: self.list_of("u0").get("experiment") == name)

    def list_of(self, user: str, **query: Any) -> dict[str, Any]:
        answer = self.http.get(f"/v1/users/{user}/recommendations", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        self.lists += "experiment" in found
        return found

    def take(self, user: str, movie_id: str, arm: str = "") -> None:
        answer = self.http.put(f"/v1/users/{user}/states/watchlist/{movie_id}")
        assert answer.is_success, answer.text
        self.taken[arm] += 1

    def logged(self) -> int:
        found = re.search(r'matinee_exposures_total\{outcome="written"\} (\S+)', self.http.get("/metrics").text)
        return int(float(found[1])) if found else 0

    def result(self, name: str) -> dict[str, Any]:
        """The results, once every list has been logged."""
        self._until(lambda: self.logged() == self.lists)
        answer = self.http.get(f"/v1/experiments/{name}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @staticmethod
    def _until(holds: Callable[[], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture
def shop(data_dir: Path) -> Iterator[Shop]:
    settings = Settings(data_dir=data_dir, text_encoder="off", image_encoder="off")
    with on_a_socket(create_app(settings)) as url, httpx.Client(base_url=url, trust_env=False) as http:
        yield Shop(http, data_dir)


HALVES = [{"name": "control", "share": 0.5}, {"name": "ease", "share": 0.5, "model": "ease"}]


def test_an_experiment_divides_users_and_counts_what_they_take(shop: Shop) -> None:
    before = shop.list_of("u0", n=5)
    assert "experiment" not in before
    assert "matinee-exposures" not in {thread.name for thread in threading.enumerate()}
    shop.start("rows", HALVES)
    for number, user in enumerate(USERS):
        shown = shop.list_of(user, n=5)  # u0's was in the response cache
        arm = ("control", "ease")[assign("rows", user, (0.5, 0.5))]
        assert (shown["experiment"], shown["arm"]) == ("rows", arm)
        assert shown["model"] == {"control": "blend", "ease": "ease"}[arm]
        assert shop.list_of(user, n=5) == shown  # of the response cache, and logged again
        if arm == "ease" or number % 3 == 0:
            for item in shown["items"][: 2 if arm == "ease" else 1]:
                shop.take(user, item["movie_id"], arm)
    shop.take("u1", "m39" if "m39" not in str(shop.list_of("u1", n=5)) else "m38")  # on no list: no outcome
    result = shop.result("rows")
    assert result["experiment"]["stopped"] is None
    users = Counter(("control", "ease")[assign("rows", user, (0.5, 0.5))] for user in USERS)
    for arm in result["arms"]:
        assert arm["users"] == users[arm["arm"]]
        assert arm["outcome"] == shop.taken[arm["arm"]]
    assert sum(arm["lists"] for arm in result["arms"]) == shop.lists
    (difference,) = result["differences"]
    control = shop.taken["control"] / users["control"]
    assert difference["difference"] == pytest.approx(2.0 - control)
    assert difference["low"] < 2.0 - control < difference["high"]
    assert difference["p_fixed"] < 1e-6
    assert result["p_shares"] > 0.001
    assert result["interleaving"] == []


def test_a_request_that_names_its_model_and_one_after_the_end_are_in_no_arm(shop: Shop) -> None:
    shop.start("rows", HALVES)
    assert "experiment" not in shop.list_of("u1", model="blend")
    shop.list_of("u1")
    assert shop.http.post("/v1/experiments", json={"name": "other", "arms": HALVES}).status_code == 409
    assert shop.http.post("/v1/experiments/rows/stop").json()["stopped"]
    assert shop.http.post("/v1/experiments/rows/stop").status_code == 409
    shop._until(lambda: "experiment" not in shop.list_of("u1"))
    (item,) = shop.http.get("/v1/experiments").json()["items"]
    assert item["name"] == "rows"
    assert shop.http.post("/v1/experiments", json={"name": "rows", "arms": HALVES}).status_code == 409
    unknown = [{"name": "a", "share": 1.0, "model": "nothing"}]
    assert shop.http.post("/v1/experiments", json={"name": "x", "arms": unknown}).status_code == 404
    assert shop.http.get("/v1/experiments/nothing").status_code == 404


def test_a_forced_arm_is_shown_and_not_logged(shop: Shop) -> None:
    shop.start("rows", HALVES)
    path = "/v1/experiments/rows/arms/{}/lists/u1"
    models = [shop.http.get(path.format(arm), params={"n": 3}).json()["model"] for arm in ("control", "ease")]
    assert models == ["blend", "ease"]
    assert shop.http.get(path.format("nothing")).status_code == 404
    assert sum(arm["lists"] for arm in shop.result("rows")["arms"]) == shop.lists


def test_interleaving_prefers_the_model_whose_films_are_taken(shop: Shop) -> None:
    shop.start("mix", [{"name": "mixed", "share": 1.0, "model": "popular", "against": "ease"}])
    preferred = 0
    for user in USERS:
        of_popular = {item["movie_id"] for item in shop.list_of(user, n=10, model="popular")["items"]}
        shown = [item["movie_id"] for item in shop.list_of(user, n=10)["items"]]
        assert len(set(shown)) == len(shown) == 10
        only_ease = [movie_id for movie_id in shown if movie_id not in of_popular]
        if only_ease:
            preferred += 1
            shop.take(user, only_ease[0])
    (wins,) = shop.result("mix")["interleaving"]
    assert (wins["first"], wins["second"]) == ("popular", "ease")
    assert (wins["first_wins"], wins["second_wins"]) == (0, preferred)
    assert preferred > 20
    assert wins["p"] < 0.001


def test_what_another_policy_would_have_earned_is_estimated_from_logged_places(shop: Shop) -> None:
    """Users take the films of even numbers, so what a policy would earn at each place is known."""
    shop.start("draw", [{"name": "all", "share": 1.0, "model": "ease"}], exploration=0.5)
    for user in USERS:
        for _ in range(3):
            assert shop.list_of(user, n=5)["arm"] == "all"
        even = [{"movie_id": f"m{number}", "state": "watchlist"} for number in range(0, 40, 2)]
        assert shop.http.post(f"/v1/users/{user}/states", json={"states": even}).is_success
    assert shop.result("draw")["arms"][0]["lists"] == shop.lists
    with Engine.open(Settings(data_dir=shop.folder)) as engine:
        view = engine.request_view()
        experiment = ExperimentFile(shop.folder).get("draw")
        shown_lists = list(view.runtime.store.exposures_of("draw", 0))
        found = evaluate_logged(view, experiment, "all")
        with pytest.raises(NotFoundError):
            evaluate_logged(view, experiment, "nothing")
    places = truth = earned = 0
    for shown in shown_lists:
        left = list(shown.candidates)
        for movie_id, propensity in zip(shown.movie_ids, shown.propensities, strict=True):
            assert propensity == pytest.approx(0.5 / len(left) + 0.5 * (movie_id == left[0]))
            places += 1
            earned += int(movie_id[1:]) % 2 == 0
            truth += int(left[0][1:]) % 2 == 0
            left.remove(movie_id)
    assert (found.places, found.lists) == (places, shop.lists)
    assert found.logged == pytest.approx(earned / places)
    assert [one.method for one in found.estimates] == ["ips", "snips", "dr"]
    for one in found.estimates:
        spread = (one.high - one.low) / 2 / 1.96
        assert 0 < spread < 0.1
        assert abs(one.value - truth / places) < 5 * spread, one
    answer = shop.http.get("/v1/experiments/draw/logged", params={"arm": "all", "model": "popular"}).json()
    assert answer["model"] == "popular"
    assert all(0 < one["effective_size"] < places for one in answer["estimates"])
    itself = shop.http.get("/v1/experiments/draw/logged", params={"arm": "all", "exploration": 0.5}).json()
    for one in itself["estimates"][:2]:  # the policy that was logged earns what was logged
        assert one["value"] == pytest.approx(found.logged)


def test_an_erased_user_leaves_no_list_even_if_it_waits_to_be_written(shop: Shop) -> None:
    shop.start("rows", HALVES)
    shop.take("u7", "m1")
    shop.list_of("u7")
    assert shop.http.delete("/v1/users/u7").is_success
    shop.result("rows")
    with Engine.open(Settings(data_dir=shop.folder)) as engine:
        assert engine.request_view().runtime.store.exposures("u7") == []
    arm = shop.list_of("u8")["arm"]
    shop.result("rows")
    (held,) = shop.http.get("/v1/users/u8").json()["exposures"]
    assert (held["experiment"], held["arm"]) == ("rows", arm)


def test_lists_that_wait_are_written_when_the_service_stops(data_dir: Path) -> None:
    ExperimentFile(data_dir).start(Plan.model_validate({"name": "rows", "arms": HALVES}))
    settings = Settings(data_dir=data_dir, text_encoder="off", image_encoder="off")
    with on_a_socket(create_app(settings)) as url, httpx.Client(base_url=url, trust_env=False) as http:
        for user in USERS[:5]:
            assert http.get(f"/v1/users/{user}/recommendations").json()["experiment"] == "rows"
    with Engine.open(settings) as engine:
        logged = engine.request_view().runtime.store.exposures_of("rows", 0)
        assert sorted(shown.user_id for shown in logged) == sorted(USERS[:5])


def test_a_log_that_is_full_or_cannot_be_written_drops_and_says_so(tmp_path: Path) -> None:
    told = Counter[str]()
    shown = Exposure("u", int(time.time()), "s", "m", ("1",), "rows", "a")
    entered, release = threading.Event(), threading.Event()
    store = SqliteStore(tmp_path / "store.sqlite3")

    def slow() -> SqliteStore:
        entered.set()
        assert release.wait(90)
        return store

    log = ExposureLog(slow, lambda outcome, n: told.update({outcome: n}), limit=5)
    log.put(shown)
    assert entered.wait(90)
    for _ in range(8):
        log.put(shown)
    assert told == {"dropped": 3}
    release.set()
    log.close()
    assert told == {"dropped": 3, "written": 6}
    assert len(store.exposures("u")) == 6
    store.close()
    log.put(shown)
    log.close()
    assert told == {"dropped": 4, "written": 6}


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    for wrong, said in (
        ({"name": "a b", "arms": [{"name": "a", "share": 1.0}]}, "name"),
        ({"name": "a", "arms": [{"name": "a", "share": 0.6}, {"name": "b", "share": 0.6}]}, "sum to 1"),
        ({"name": "a", "arms": [{"name": "a", "share": 0.5}, {"name": "a", "share": 0.5}]}, "different names"),
        ({"name": "a", "arms": []}, "arms"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            plan_of(wrong)
    file = ExperimentFile(tmp_path)
    assert file.running() is None
    plan = Plan.model_validate({"name": "rows", "arms": HALVES})
    assert file.start(plan).stopped is None
    running = ExperimentFile(tmp_path).running()
    assert running is not None
    assert running.name == "rows"
    with pytest.raises(ConflictError, match="matinee experiment stop rows"):
        file.start(plan.model_copy(update={"name": "more"}))
    (tmp_path / FILE).rename(tmp_path / "aside")
    (tmp_path / FILE).write_text("{}", encoding="utf-8")
    assert file.running() is None
    with pytest.raises(StoreError, match="damaged"):
        ExperimentFile(tmp_path).all()
    (tmp_path / "aside").replace(tmp_path / FILE)
    assert file.running() == running
