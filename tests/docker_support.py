"""A Docker engine for tests: one that answers, or dockerd started by hand; and the images that the deploy folder names.

Where no registry can be reached, images of Debian's packages stand in for the official ones, under their names: what
runs in them is the same program in another version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from debian_support import mirror, unpacked

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "docker"
"""Layers, kept from run to run; not in git."""
WANTED = "MATINEE_TEST_DOCKER"
BASE, BUILD_BASE = "python:3.13-slim-trixie", "python:3.13-trixie"
SUITE = "trixie"
"""Of Debian: has Python 3.13, and the plug-ins of the docker command."""
ROLES = ("core", "recommender", "encoder", "vectors", "web", "studio", "train", "all")
STEP = 540.0
"""Seconds that one command may take."""
CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")

STAND_INS = {
    BUILD_BASE: f"""
        FROM {BASE}
        RUN apt-get update && apt-get install -y --no-install-recommends g++ python3-dev""",
    "nginx:1.28": f"""
        FROM {BASE}
        RUN apt-get update && apt-get install -y --no-install-recommends nginx curl \\
            && groupadd --gid 101 nginx2 && useradd --uid 101 --gid 101 nginx2
        STOPSIGNAL SIGQUIT
        CMD ["nginx", "-g", "daemon off;"]""",
    "prom/prometheus:v3.5.0": f"""
        FROM {BASE}
        RUN apt-get update && apt-get install -y --no-install-recommends prometheus wget \\
            && install -d -o nobody -g nogroup /prometheus
        USER nobody
        ENTRYPOINT ["/usr/bin/prometheus"]""",
    "ghcr.io/mlflow/mlflow:v3.4.0": f"""
        FROM {BUILD_BASE}
        RUN python3 -m venv /opt/mlflow
        RUN --mount=type=cache,target=/var/cache/pip \\
            --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/run/secrets/ca.pem \\
            PIP_CACHE_DIR=/var/cache/pip /opt/mlflow/bin/pip install --quiet 'mlflow>=3.4,<4'
        ENV PATH=/opt/mlflow/bin:$PATH""",
    "docker.elastic.co/elasticsearch/elasticsearch:9.1.4": f"""
        FROM {BASE}
        RUN apt-get update && apt-get install -y --no-install-recommends openjdk-21-jre-headless curl tini \\
            && ln -s /usr/bin/tini /bin/tini 2>/dev/null || true
        RUN useradd --uid 1000 --home-dir /usr/share/elasticsearch elasticsearch
        COPY --chown=1000:1000 elasticsearch /usr/share/elasticsearch
        COPY --chmod=755 docker-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
        RUN install -d -o 1000 -g 1000 /usr/share/elasticsearch/data /usr/share/elasticsearch/logs
        ENV ES_JAVA_HOME=/usr/lib/jvm/java-21-openjdk-amd64
        USER 1000""",
}
"""Dockerfiles of what stands in for an official image. Elasticsearch is the zip that its own tests start nodes of."""
ENTRYPOINT = """#!/bin/bash
# As the official one: the password of the user elastic, and settings from variables with a dot in their names.
set -eu
cd /usr/share/elasticsearch
[ -f config/elasticsearch.keystore ] || bin/elasticsearch-keystore create --silent
printf %s "$ELASTIC_PASSWORD" | bin/elasticsearch-keystore add --stdin --force --silent bootstrap.password
mapfile -t options < <(env | grep -E '^[a-z_]+(\\.[a-z_]+)+=' | sed 's/^/-E/')
exec bin/elasticsearch -E network.host=0.0.0.0 "${options[@]}"
"""


@dataclass
class Docker:
    """A command line that reaches an engine.

    Attributes:
        environment: what the docker command needs to find the engine and its plug-ins.
        standing_in: official names under which a stand-in was made.
    """

    environment: dict[str, str]
    folder: Path
    standing_in: list[str] = field(default_factory=list)

    def __call__(self, *words: object, limit: float = STEP, check: bool = True, stdin: str | None = None) -> str:
        """What `docker …` prints; a failure shows it all."""
        command = [docker_command(), *map(str, words)]
        done = subprocess.run(
            command, env=self.environment, text=True, input=stdin, capture_output=True, timeout=limit, cwd=ROOT
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + ("" if check else done.stderr)

    def logs(self, container: str) -> str:
        """What a container has printed, both streams in order."""
        words = [docker_command(), "logs", container]
        return subprocess.run(
            words, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
        ).stdout

    def has(self, image: str) -> bool:
        """Whether the engine has an image."""
        return "Error" not in self("image", "inspect", "--format", "{{.Id}}", image, check=False)

    def megabytes(self, image: str) -> float:
        """The size of an image in 10⁶ bytes."""
        return int(self("image", "inspect", "--format", "{{.Size}}", image)) / 1e6

    def secrets(self) -> list[str]:
        """Options of a build that let it use this machine's package index; nothing of them stays in the image."""
        certificate = next((os.environ[name] for name in CERTIFICATES if os.environ.get(name)), None)
        if certificate is None:
            return []
        (self.folder / "pip.conf").write_text("[global]\ncert = /run/secrets/ca.pem\n", encoding="utf-8")
        return ["--secret", f"id=pip,src={self.folder / 'pip.conf'}", "--secret", f"id=ca,src={certificate}"]

    def build(self, role: str) -> str:
        """Build the image of a role, and give its name."""
        name = f"matinee-{role}"
        self("buildx", "build", "-f", "deploy/Dockerfile", "--target", role, "-t", name, *self.secrets(), ".")
        return name

    def official(self, image: str) -> None:
        """Have an image of another project: pulled, or what stands in for it."""
        if self.has(image):
            return
        if "Error" not in self("pull", "--quiet", image, check=False, limit=120):
            return
        if image == BASE:
            self._debootstrap()
        elif image in STAND_INS:
            self._stand_in(image)
        else:
            pytest.skip(f"no registry is reachable, and nothing stands in for {image}")
        self.standing_in.append(image)

    def _debootstrap(self) -> None:
        program = shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None or os.getuid():
            pytest.skip(f"no registry is reachable, and {BASE} needs debootstrap as root (apt-get install debootstrap)")
        tree = self.folder / "base"
        packages = "--include=ca-certificates,python3,python3-venv,netbase,tzdata"
        try:
            subprocess.run(
                [program, "--variant=minbase", packages, SUITE, tree, mirror()],
                check=True,
                capture_output=True,
                timeout=STEP,
            )
            # As in Debian's own images.
            for name in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
                shutil.rmtree(tree / name, ignore_errors=True)
                (tree / name).mkdir(parents=True, exist_ok=True)
            for name in ("python", "python3"):
                (tree / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
            with subprocess.Popen(["tar", "-C", tree, "--exclude=./dev", "-c", "."], stdout=subprocess.PIPE) as tar:
                path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
                subprocess.run(
                    [docker_command(), "import", "-c", path, "-", BASE],
                    env=self.environment,
                    stdin=tar.stdout,
                    check=True,
                    capture_output=True,
                    timeout=STEP,
                )
        finally:
            shutil.rmtree(tree, ignore_errors=True)

    def _stand_in(self, image: str) -> None:
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        try:
            if "elasticsearch" in image:
                shutil.copytree(elasticsearch_folder(self.folder, image.rpartition(":")[2]), context / "elasticsearch")
                (context / "docker-entrypoint.sh").write_text(ENTRYPOINT, encoding="utf-8")
            (context / "Dockerfile").write_text(
                "\n".join(line.strip() for line in STAND_INS[image].strip().splitlines()) + "\n", encoding="utf-8"
            )
            for needed in (BASE, BUILD_BASE):
                if f"FROM {needed}\n" in STAND_INS[image]:
                    self.official(needed)
            self("buildx", "build", "-t", image, *self.secrets(), context)
        finally:
            shutil.rmtree(context, ignore_errors=True)


def elasticsearch_folder(folder: Path, version: str) -> Path:
    """Elasticsearch's server from Maven Central, unpacked: the zip that its own tests start nodes of.

    Raises:
        pytest.skip.Exception: there is no Maven, or it cannot fetch the zip.
    """
    home = CACHE / f"elasticsearch-{version}"
    if home.is_dir():
        return home
    if not shutil.which("mvn"):
        pytest.skip("no registry is reachable, and there is no Maven to fetch Elasticsearch with")
    artifact = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{version}:zip"
    copied = subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"],
        capture_output=True,
        text=True,
        timeout=STEP,
    )
    if copied.returncode:
        pytest.skip(f"Maven cannot fetch Elasticsearch: {copied.stdout.strip()[-300:]}")
    shutil.unpack_archive(folder / f"elasticsearch-{version}.zip", CACHE)
    for program in (home / "bin").iterdir():
        program.chmod(0o755)
    return home


def docker_command() -> str:
    """The docker command, wherever it is.

    Raises:
        pytest.skip.Exception: there is none.
    """
    return str(unpacked("docker-cli", "usr/bin/docker", SUITE))


def plugins(folder: Path) -> dict[str, str]:
    """An environment in which `docker compose` and `docker buildx` work: the machine's own plug-ins, or Debian's.

    Raises:
        pytest.skip.Exception: they cannot be had.
    """
    (folder / "cli-plugins").mkdir(parents=True, exist_ok=True)
    own = {**os.environ}
    for name in ("compose", "buildx"):
        there = subprocess.run([docker_command(), name, "version"], env=own, capture_output=True).returncode == 0
        link = folder / "cli-plugins" / f"docker-{name}"
        if not there and not link.is_symlink():
            link.symlink_to(unpacked(f"docker-{name}", f"usr/libexec/docker/cli-plugins/docker-{name}", SUITE))
    if any((folder / "cli-plugins").iterdir()):
        own["DOCKER_CONFIG"] = str(folder)
    return own


def answers(environment: dict[str, str]) -> bool:
    """Whether an engine answers."""
    words = [docker_command(), "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(words, env=environment, capture_output=True, timeout=30).returncode == 0


@contextmanager
def engine(folder: Path) -> Iterator[Docker]:
    """An engine that answers, or one that is started by hand and ended behind.

    Raises:
        pytest.skip.Exception: there is none, and none can be started; the message says why.
    """
    if os.environ.get(WANTED) != "1" and not shutil.which("docker"):
        pytest.skip(f"there is no docker command; {WANTED}=1 (make containers) fetches one and starts an engine")
    environment = plugins(CACHE / "config")
    if answers(environment):
        yield Docker(environment, folder)
        return
    if os.environ.get(WANTED) != "1":
        pytest.skip(f"no Docker engine answers; {WANTED}=1 (make containers) starts one")
    program = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no Docker engine answers and there is no dockerd (apt-get install docker.io debootstrap)")
    if os.getuid():
        pytest.skip("no Docker engine answers, and only root can start one by hand")
    with _started(program, folder, environment) as docker:
        yield docker


@contextmanager
def _started(program: str, folder: Path, environment: dict[str, str]) -> Iterator[Docker]:
    host = f"unix://{folder / 'docker.sock'}"
    log = folder / "dockerd.log"
    words: Sequence[object] = (
        *(program, "--data-root", CACHE / "data", "--exec-root", folder / "exec"),
        *("--pidfile", folder / "docker.pid", "--host", host),
    )
    with log.open("wb") as out:
        process = subprocess.Popen(list(map(str, words)), stdout=out, stderr=out, start_new_session=True)
    environment = environment | {"DOCKER_HOST": host}
    try:
        end = time.monotonic() + 60
        while not answers(environment):
            if process.poll() is not None or time.monotonic() > end:
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                pytest.skip(f"dockerd does not start: {lines[-1] if lines else 'it prints nothing'}")
            time.sleep(0.2)
        yield Docker(environment, folder)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)
