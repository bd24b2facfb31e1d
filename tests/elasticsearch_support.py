"""Elasticsearch for tests: the server of MATINEE_TEST_ELASTICSEARCH_URL, or nodes on loopback from Maven Central.

The distribution is the one that Elasticsearch tests itself with: the server without optional modules (no scripts, no
`_reindex`) and without a Java of its own. It needs Maven and a Java of at least 21, and refuses to run as root: for
root it runs as the user `nobody`.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from platformdirs import user_cache_path

from matinee._util.atomic_files import locked
from matinee.errors import MatineeError
from matinee.indexes.base import Items, Vectors
from matinee.indexes.elasticsearch import ElasticsearchIndex, Variant
from matinee.settings import Settings
from matinee.stores import Store, open_store
from matinee.stores.elasticsearch import Names
from service_support import free_port

VERSION = "9.1.4"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
JAVA = 21
"""Oldest Java that the server runs on."""
HEAP = "384m"
START = 180.0
"""Seconds that a node may take to start on a loaded machine."""
ADDRESS = "MATINEE_TEST_ELASTICSEARCH_URL"
RUN_ADDRESS = "MATINEE_TEST_RUN_ELASTICSEARCH_URL"
"""Address of a node that was started for all processes of this test run, and may not be ready yet."""


class AbsentError(MatineeError):
    """There is no Elasticsearch, and none can be started."""


def java_home() -> Path:
    """A Java that the server runs on.

    Raises:
        AbsentError: there is none.
    """
    named = [Path(os.environ[name]) for name in ("ES_JAVA_HOME", "JAVA_HOME") if os.environ.get(name)]
    on_path = shutil.which("java")
    places = [*named, *sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)]
    if on_path:
        places.append(Path(on_path).resolve().parent.parent)
    for place in places:
        release = place / "release"
        if (place / "bin/java").exists() and release.exists():
            version = re.search(r'JAVA_VERSION="(\d+)', release.read_text())
            if version and int(version[1]) >= JAVA:
                return place
    raise AbsentError(f"there is no Java {JAVA} or newer (set ES_JAVA_HOME)")


def distribution() -> Path:
    """The unpacked server, fetched once for all checkouts and readable by everybody.

    Raises:
        AbsentError: it cannot be fetched.
    """
    folder = _unpacked()
    with locked(
        folder.with_suffix(".lock"), 300, AbsentError("another process is fetching Elasticsearch for too long")
    ):
        if not folder.exists():
            fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
            with zipfile.ZipFile(_archive()) as archive:
                archive.extractall(fresh)
            (unpacked,) = fresh.iterdir()
            fresh.chmod(0o755)
            for program in (unpacked / "bin").iterdir():
                program.chmod(0o755)
            fresh.rename(folder)
    (server,) = folder.iterdir()
    return server


def _unpacked() -> Path:
    return Path(tempfile.gettempdir()) / f"matinee-elasticsearch-{VERSION}-{os.getuid()}"


def _archive() -> Path:
    cache = user_cache_path("matinee") / "elasticsearch"
    archive = cache / f"elasticsearch-{VERSION}.zip"
    if not archive.exists():
        maven = shutil.which("mvn")
        if maven is None:
            raise AbsentError("there is no Maven to fetch it with (install mvn)")
        with tempfile.TemporaryDirectory(prefix="matinee-") as fetched:
            words = [maven, "-q", "-B", COPY, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={fetched}"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=fetched, check=False)
            found = list(Path(fetched).glob("*.zip"))
            if not found:
                raise AbsentError(f"Maven cannot fetch it: {(done.stdout + done.stderr)[-300:]}")
            cache.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found[0], archive.with_suffix(".part"))
            archive.with_suffix(".part").rename(archive)
    return archive


def provide() -> str | None:
    """Fetch the server, unless one is named; why that cannot be done, None where it is done."""
    try:
        if not os.environ.get(ADDRESS):
            java_home()
            distribution()
    except AbsentError as error:
        return f"No Elasticsearch: {error}"
    return None


class Node:
    """One node, which can be killed and started again over the same data.

    Args:
        seeds: transport ports of all nodes of its cluster; empty: it is alone.
        heap: memory of its Java.
        quick: starts sooner, and is slower later.
    """

    def __init__(
        self,
        name: str = "node",
        transport: int = 0,
        seeds: Sequence[int] = (),
        *,
        heap: str = HEAP,
        quick: bool = True,
    ) -> None:
        self._options = f"-Xms{heap} -Xmx{heap} -XX:-AlwaysPreTouch" + " -XX:TieredStopAtLevel=1" * quick
        self._home, self._java = distribution(), java_home()
        self.port = free_port()
        self.name, self.transport = name, transport or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="matinee-node-", dir=_fast_folder()))
        shutil.copytree(self._home / "config", self.folder / "config")
        (self.folder / "tmp").mkdir()
        lines = [
            f"node.name: {name}",
            f"cluster.name: {'matinee' if not seeds else f'matinee-{seeds[0]}'}",
            "network.host: 127.0.0.1",
            f"http.port: {self.port}",
            f"transport.port: {self.transport}",
            f"path.data: {self.folder / 'data'}",
            f"path.logs: {self.folder / 'logs'}",
            "xpack.security.enabled: false",
            "cluster.routing.allocation.disk.threshold_enabled: false",
        ]
        if seeds:
            hosts = ", ".join(f'"127.0.0.1:{port}"' for port in seeds)
            names = ", ".join(f'"node-{number}"' for number in range(len(seeds)))
            lines += [f"discovery.seed_hosts: [{hosts}]", f"cluster.initial_master_nodes: [{names}]"]
        else:
            lines.append("discovery.type: single-node")
        (self.folder / "config/elasticsearch.yml").write_text("\n".join(lines) + "\n")
        self._user: int | None = None
        self._group: int | None = None
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user, self._group = nobody.pw_uid, nobody.pw_gid
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self._user, self._group)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and do not wait."""
        (self.folder / "config/elasticsearch.keystore.tmp").unlink(missing_ok=True)
        with (self.folder / "out.log").open("ab") as out:
            self.process = subprocess.Popen(
                [str(self._home / "bin/elasticsearch")],
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "ES_JAVA_HOME": str(self._java),
                    "ES_PATH_CONF": str(self.folder / "config"),
                    "ES_JAVA_OPTS": self._options,
                    # With the node's folder, because a node that is killed does not delete it.
                    "ES_TMPDIR": str(self.folder / "tmp"),
                    "LIBFFI_TMPDIR": str(self.folder / "tmp"),
                    "TMPDIR": str(self.folder / "tmp"),
                },
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._user,
                group=self._group,
                extra_groups=None if self._user is None else [],
                preexec_fn=die_with_parent,
            )

    def wait(self, nodes: int = 1) -> None:
        """Until it answers and sees so many nodes."""
        end = time.monotonic() + START
        while time.monotonic() < end:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AbsentError(f"the node ended: {self.told()}")
            if _answers(self.url, nodes):
                return
            time.sleep(0.2)
        raise AbsentError(f"the node did not start: {self.told()}")

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """Send a signal to the server: without warning, no process of it is left."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, sig)
        if sig == signal.SIGKILL:
            self.process.wait(90)

    def remove(self) -> None:
        """End it and delete its data."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def told(self) -> str:
        """The end of its log."""
        log = self.folder / "out.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def _answers(url: str, nodes: int = 1) -> bool:
    """Whether a server is ready and sees so many nodes."""
    with suppress(httpx.TransportError):
        answer = httpx.get(f"{url}/_cluster/health", timeout=10, trust_env=False)
        return answer.status_code == 200 and int(answer.json()["number_of_nodes"]) >= nodes
    return False


def _fast_folder() -> str | None:
    """A folder in memory where there is much of it: making indices writes to the disk and waits, again and again."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 8 << 30:
        return str(memory)
    return None


def die_with_parent() -> None:
    """A test run that is killed leaves no process behind (Linux): a launcher ends, and its server with it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@contextmanager
def running_nodes(count: int = 1) -> Iterator[list[Node]]:
    """Nodes of one cluster, all of which answer; skips where they cannot be started."""
    nodes: list[Node] = []
    try:
        try:
            ports = [free_port() for _ in range(count)]
            for number, port in enumerate(ports):
                nodes.append(Node(f"node-{number}", port, ports if count > 1 else ()))
                nodes[-1].start()
            for node in nodes:
                node.wait(count)
        except AbsentError as error:
            skip(error)
        yield nodes
    finally:
        for node in nodes:
            node.remove()


def skip(error: AbsentError) -> None:
    pytest.skip(f"no Elasticsearch ({ADDRESS} is not set): {error}")


_shared: list[str | AbsentError] = []


def begin_shared() -> None:
    """Start a node for all processes that this one will start, and do not wait.

    Not where a server is named, or where the server is not here yet: the first test that needs one fetches it.

    Raises:
        AbsentError: it cannot be started.
    """
    if not os.environ.get(ADDRESS) and _unpacked().exists():
        node = Node()
        atexit.register(node.remove)
        node.start()
        os.environ[RUN_ADDRESS] = node.url


def _of_this_run() -> str | None:
    """The node of this test run, once it is ready; None where there is none, or it does not start."""
    if url := os.environ.get(RUN_ADDRESS):
        end = time.monotonic() + START
        while time.monotonic() < end:
            if _answers(url):
                return url
            time.sleep(0.2)
    return None


def elasticsearch_url() -> str:
    """Address of a server for the tests of this process, started at first use; skips where there is none."""
    given = os.environ.get(ADDRESS)
    if given:
        return given
    if not _shared:
        try:
            _shared.append(_of_this_run() or _started())
        except AbsentError as error:
            _shared.append(error)
    (url_or_reason,) = _shared
    if isinstance(url_or_reason, AbsentError):
        skip(url_or_reason)
        raise AssertionError
    return url_or_reason


def _started() -> str:
    """A node of this process.

    Raises:
        AbsentError: it cannot be started.
    """
    node = Node()
    atexit.register(node.remove)
    node.start()
    node.wait()
    return node.url


@dataclass(frozen=True)
class ElasticsearchFactory:
    """Opens one and the same store again and again, in any process.

    Args:
        timeout: a slow machine is no fault here.
    """

    url: str
    dataset: str
    timeout: float = 30.0

    @property
    def settings(self) -> Settings:
        return Settings(store_url=self.url, store_timeout=self.timeout)

    @property
    def names(self) -> Names:
        return Names.of(self.settings, self.dataset)

    def __call__(self) -> Store:
        return open_store(self.settings, self.dataset)

    def remove(self) -> None:
        """Delete its indices."""
        remove_indices(self.url, self.names)


def remove_indices(url: str, names: Names) -> None:
    """Delete the indices of a store."""
    for alias in names.all():
        held = httpx.get(f"{url}/_alias/{alias}", timeout=60, trust_env=False)
        for index in held.json() if held.status_code == 200 else ():
            httpx.delete(f"{url}/{index}", timeout=60, trust_env=False)


def new_store(folder: Path) -> ElasticsearchFactory:
    """A store of its own in the shared server."""
    return ElasticsearchFactory(elasticsearch_url(), f"{folder.name[:40].lower()}-{uuid.uuid4().hex[:12]}")


def knn(variant: Variant) -> Callable[[Items, Vectors], AbstractContextManager[ElasticsearchIndex]]:
    """Makes vector indexes in the shared server."""

    @contextmanager
    def make(items: Items, vectors: Vectors) -> Iterator[ElasticsearchIndex]:
        settings = Settings(store_url=elasticsearch_url(), store_timeout=30)
        index = ElasticsearchIndex(settings, uuid.uuid4().hex, items, vectors, variant=variant)
        try:
            yield index
        finally:
            index.drop()
            index.close()

    return make
