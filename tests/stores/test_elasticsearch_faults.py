"""Elasticsearch that is away, slow, read-only or killed, and what else answers in its place."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import httpx
import pytest

from elasticsearch_support import AbsentError, ElasticsearchFactory, Node, new_store, running_nodes, skip
from matinee.data.dataset import Dataset
from matinee.errors import ReadOnlyError, StoreError
from matinee.settings import Settings
from matinee.stores import Rating, Store, open_store
from matinee.training.pipeline import train_dataset
from relay_support import relayed
from service_support import Process, free_port, ready
from store_support import all_ratings

SECONDS = 120.0
N_WRITES = int(os.environ.get("MATINEE_TEST_WRITES", "600"))
"""Writes around a kill, a multiple of 10."""


def one(user: str = "u", movie: str = "1", rating: float | None = 4.0) -> Rating:
    return Rating(user, movie, rating, 1)


def until(call: Callable[[], object], seconds: float = SECONDS) -> object:
    """Call again and again until it raises no StoreError and gives something that is true."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := call():
                return found
        except StoreError:
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def away() -> Iterator[Node]:
    """A node that nobody has started yet."""
    try:
        node = Node()
    except AbsentError as error:
        skip(error)
        raise
    yield node
    node.remove()


@pytest.fixture
def node(away: Node) -> Node:
    """A node that a test may kill, and starts again."""
    if away.process is None or away.process.poll() is not None:
        away.start()
        away.wait()
    return away


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[ElasticsearchFactory]:
    """A store in the server of all tests, which must not be harmed."""
    factory = new_store(tmp_path)
    yield factory
    factory.remove()


def writing(store: Store, worker: int, count: int, acknowledged: list[Rating]) -> threading.Thread:
    """A thread that writes ratings, each until it is acknowledged."""

    def write() -> None:
        for n in range(count):
            rating = one(f"user {worker}", f"film {n}", 1.0 + n % 5)
            until(lambda rating=rating: store.put_ratings([rating]))  # type: ignore[misc]
            acknowledged.append(rating)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("trained")
    train_dataset(Settings(data_dir=home), dataset)
    return home


@pytest.fixture
def settings(trained: Path, tmp_path: Path) -> Settings:
    return Settings(data_dir=Path(shutil.copytree(trained, tmp_path / "served")), store_timeout=10)


def rated(url: str) -> str:
    """Rate two films through one core; gives what it answers."""
    body = [{"user_id": "newcomer", "movie_id": movie, "rating": 5.0} for movie in ("m1", "m3")]
    answer = httpx.post(f"{url}/v1/ratings", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.text


def recommended(url: str) -> list[str]:
    answer = httpx.get(f"{url}/v1/users/newcomer/recommendations?n=5", timeout=60)
    assert answer.status_code == 200, answer.text
    return [item["movie_id"] for item in answer.json()["items"]]


# --- one node, which is not started at first ------------------------------------------------------------------
@pytest.mark.extended
def test_a_core_starts_without_its_store_says_why_and_recovers_by_itself(
    away: Node, settings: Settings, tmp_path: Path
) -> None:
    if away.process is not None:
        away.kill()
    port = free_port()
    assert port != away.port
    core = Process("core", settings.model_copy(update={"store_url": away.url}), tmp_path / "core.log")
    try:

        def refused() -> bool:
            try:
                answer = httpx.get(f"{core.url}/ready", timeout=60)
            except httpx.TransportError:
                assert core.process.poll() is None, core.log.read_text()
                return False
            return answer.status_code == 503 and "cannot be reached" in answer.json()["detail"]

        until(refused)
        assert httpx.get(f"{core.url}/health", timeout=60).status_code == 200
        away.start()
        away.wait()
        core.wait(SECONDS)
        rated(core.url)
        away.kill()
        until(refused)
        assert httpx.get(f"{core.url}/v1/users/newcomer/recommendations", timeout=60).status_code == 503
        away.start()
        away.wait()
        core.wait(SECONDS)
        assert not {"m1", "m3"} & set(recommended(core.url))
    finally:
        core.end()


@pytest.mark.extended
def test_kill_9_of_the_node_amid_writes_loses_nothing_acknowledged(node: Node) -> None:
    factory = ElasticsearchFactory(node.url, "killed", timeout=10)
    store, other = factory(), factory()
    acknowledged: list[Rating] = []
    threads = [writing((store, other)[worker % 2], worker, N_WRITES // 10, acknowledged) for worker in range(10)]
    until(lambda: len(acknowledged) >= N_WRITES // 4)
    node.kill()
    with pytest.raises(StoreError, match="cannot be reached"):
        store.seq()
    before = list(acknowledged)
    node.start()
    node.wait()
    for thread in threads:
        thread.join(300)
    assert N_WRITES // 4 <= len(before) < len(acknowledged) == N_WRITES
    assert all_ratings(store) == {(r.user_id, r.movie_id): r for r in acknowledged}
    changes = other.changes(0)
    assert [change.seq for change in changes.ratings] == list(range(1, store.seq() + 1)), "no number is lost or double"
    assert len(changes.ratings) >= N_WRITES
    for opened in (store, other):
        opened.close()


def waited_for(factory: ElasticsearchFactory, hang: Callable[[], object], go_on: Callable[[], object]) -> None:
    """Every call to a server that hangs ends after the time of the settings, and all is well when it goes on."""
    store = cast(Store, until(factory))
    until(lambda: store.put_ratings([one()]))
    hang()
    try:
        for call in (store.seq, store.ping, factory, lambda: store.put_ratings([one("u", "2")])):
            with pytest.raises(StoreError, match=r"does not answer within 1 s.*MATINEE_STORE_TIMEOUT"):
                call()
    finally:
        go_on()
    until(lambda: store.put_ratings([one("u", "3")]))
    until(lambda: {"1", "3"} <= set(store.user("u").ratings))
    store.close()


@pytest.mark.extended
def test_a_node_that_is_stopped_is_waited_for_as_long_as_the_settings_say(node: Node) -> None:
    factory = ElasticsearchFactory(node.url, "hangs", timeout=1.0)
    waited_for(factory, lambda: node.kill(signal.SIGSTOP), lambda: node.kill(signal.SIGCONT))


def test_a_server_that_hangs_is_waited_for_as_long_as_the_settings_say(shared: ElasticsearchFactory) -> None:
    with relayed(shared.url) as relay:
        waited_for(ElasticsearchFactory(relay.url, shared.dataset, timeout=1.0), relay.hang, relay.go_on)


@pytest.mark.parametrize("part", ["log", "users"])
def test_a_read_only_index_is_read_and_written_again_without_the_block(shared: ElasticsearchFactory, part: str) -> None:
    def block(**blocks: bool | None) -> None:
        body = {f"index.blocks.{name}": value for name, value in blocks.items()}
        alias = getattr(shared.names, part)
        httpx.put(f"{shared.url}/{alias}/_settings", json=body, timeout=60, trust_env=False).raise_for_status()

    store = shared()
    store.put_ratings([one()])
    block(write=True)
    with pytest.raises(ReadOnlyError, match=r"read-only.*index.blocks.write"):
        store.put_ratings([one("u", "2")])
    until(store.write_problem)
    assert "1" in store.user("u").ratings
    again = shared()
    assert again.user("u") == store.user("u")
    assert again.seq() == store.seq() == 1
    assert list(all_ratings(again)) == [("u", "1")]
    assert len(again.changes(0).ratings) == 1
    again.close()
    block(write=None, read_only_allow_delete=True)
    with pytest.raises(StoreError, match=r"read-only, because its disk is nearly full"):
        store.put_ratings([one("u", "3")])
    until(lambda: "disk is nearly full" in str(store.write_problem()))
    block(read_only_allow_delete=None)
    until(lambda: store.write_problem() is None)
    store.put_ratings([one("u", "4")])
    assert {"1", "4"} <= set(store.user("u").ratings)
    store.close()


class Impostor(BaseHTTPRequestHandler):
    """A server that is not Elasticsearch, or does not let this user in."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        if self.status != 200:
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"error": {"type": "security_exception", "reason": "missing rights"}}')

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (200, "is another program"),
        (401, "refuses the user name or the password.*MATINEE_STORE_PASSWORD"),
        (403, "does not allow this user.*missing rights"),
        (503, "is not ready: missing rights"),
    ],
)
def test_what_another_server_answers_is_a_sentence(status: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Impostor, "status", status)
    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(StoreError, match=message):
            open_store(Settings(store_url=f"http://127.0.0.1:{server.server_port}", store_timeout=0.5), "x")
        server.shutdown()


def test_a_server_without_tls_is_a_sentence() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(StoreError, match=r"does not speak TLS.*SSL_CERT_FILE"):
            open_store(Settings(store_url=f"https://127.0.0.1:{server.server_port}", store_timeout=5), "x")
        server.shutdown()


@pytest.mark.parametrize("url", ["http://", "http://:9200", "http:///x", "https://,"])
def test_what_is_no_address_is_a_sentence(url: str) -> None:
    with pytest.raises(StoreError, match="does not name Elasticsearch"):
        open_store(Settings(store_url=url), "x")


# --- three nodes ------------------------------------------------------------------------------------------------
@pytest.mark.extended
def test_one_of_three_nodes_is_killed_and_reads_and_writes_go_on() -> None:
    with running_nodes(3) as nodes:
        factory = ElasticsearchFactory(",".join(node.url for node in nodes), "three", timeout=30)
        store = factory()
        store.put_ratings([one()])
        healthy = f"{nodes[0].url}/_cluster/health?wait_for_status=green&timeout=60s"
        assert httpx.get(healthy, timeout=90, trust_env=False).json()["status"] == "green"
        master = httpx.get(f"{nodes[0].url}/_cluster/state/master_node,nodes", timeout=60, trust_env=False).json()
        name = master["nodes"][master["master_node"]]["name"]
        acknowledged: list[Rating] = []
        threads = [writing(store, worker, 100, acknowledged) for worker in range(3)]
        until(lambda: len(acknowledged) >= 50)
        (gone,) = (node for node in nodes if node.name == name)
        gone.kill()
        for thread in threads:
            thread.join(240)
        assert len(acknowledged) == 300
        assert all_ratings(store) == {(r.user_id, r.movie_id): r for r in [one(), *acknowledged]}
        another = factory()
        assert another.seq() == store.seq()
        another.close()
        store.close()


# --- two cores ------------------------------------------------------------------------------------------------
@pytest.mark.extended
def test_two_cores_over_one_elasticsearch_see_each_others_ratings(
    settings: Settings, shared: ElasticsearchFactory, tmp_path: Path
) -> None:
    with_store = settings.model_copy(update={"store_url": shared.url, "user_index": shared.dataset})
    with (
        ready(Process("core", with_store, tmp_path / "one.log")) as one_core,
        ready(Process("core", with_store, tmp_path / "other.log")) as other,
    ):
        for url in (one_core.url, other.url):
            assert httpx.get(f"{url}/v1/users/newcomer/ratings", timeout=60).status_code == 404
        before = recommended(other.url)
        rated(one_core.url)
        after = recommended(other.url)
        assert after != before
        assert not {"m1", "m3"} & set(after)
        for n in range(10):
            writer, reader = (one_core, other) if n % 2 else (other, one_core)
            body = [{"user_id": "newcomer", "movie_id": f"m{n + 10}", "rating": 1.0}]
            assert httpx.post(f"{writer.url}/v1/ratings", json=body, timeout=60).status_code == 200
            held = httpx.get(f"{reader.url}/v1/users/newcomer/ratings", timeout=60).json()["items"]
            assert f"m{n + 10}" in {item["movie_id"] for item in held}
            assert f"m{n + 10}" not in recommended(reader.url)
