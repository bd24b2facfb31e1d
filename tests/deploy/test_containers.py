"""The images as they are built, started alone, and started together by compose. `make containers` runs all of this."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file

from docker_support import BASE, BUILD_BASE, ROLES, Docker, engine
from service_support import free_port
from small_folder import write_folder
from tiny_models import image_model, picture, text_folder

pytestmark = pytest.mark.docker
ROOT = Path(__file__).parents[2]
MOST = {"core": 400, "web": 500}
"""Megabytes that an image may have."""
PORTS = (
    *("MATINEE_PORT", "MATINEE_PORT_2", "MATINEE_WEB_PORT", "MATINEE_VECTORS_PORT", "MATINEE_STUDIO_PORT"),
    *("MATINEE_HTTP_PORT", "MATINEE_HTTPS_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT", "MLFLOW_PORT"),
)
READ_ONLY = ("--read-only", "--tmpfs", "/tmp")
READY = 500
"""Seconds that all services together may take until they are healthy."""


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    with engine(tmp_path_factory.mktemp("docker")) as docker:
        docker.official(BASE)
        docker.official(BUILD_BASE)
        yield docker


@pytest.fixture(scope="module")
def images(docker: Docker) -> dict[str, str]:
    """The image of each role, built from this tree."""
    return {role: docker.build(role) for role in ROLES}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of the compose files: a few films, eight posters, and small models, which need no network."""
    folder = tmp_path_factory.mktemp("material")
    write_folder(folder / "films" / "small")
    image_model(folder / "films" / "image.onnx")
    text_folder(folder / "films" / "text")
    (folder / "posters").mkdir()
    for number in range(1, 9):
        (folder / "posters" / f"{number}.jpg").write_bytes(picture(number, sides=(160, 240)))
    for path in (*folder.parents[:2], *[folder, *folder.rglob("*")]):  # for the containers' user
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return {
        "MATINEE_DATA": "/data/small",
        "MATINEE_DATA_FOLDER": str(folder / "films"),
        "MATINEE_POSTERS": str(folder / "posters"),
        "MATINEE_TEXT_ENCODER": "/data/text",
        "MATINEE_IMAGE_ENCODER": "/data/image.onnx",
        "MATINEE_OFFLINE": "true",
    }


@dataclass(frozen=True)
class Visitor:
    """Somebody with a key and a password: those that the containers have made."""

    key: str = ""
    password: str = ""

    def send(self, method: str, url: str, **more: Any) -> httpx.Response:
        headers = {"x-api-key": self.key} if self.key else {}
        answer = httpx.request(method, url, headers=headers, timeout=90, trust_env=False, **more)
        assert answer.is_success, answer.text
        return answer

    def get(self, url: str, **query: Any) -> Any:
        answer = self.send("GET", url, params=query)
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    def signed_in(self, url: str) -> dict[str, str]:
        """The header of a visitor of the web app at this address."""
        if not self.password:
            return {}
        form = {"password": self.password}
        answer = httpx.post(f"{url}/sign-in", data=form, headers={"accept": "text/html"}, timeout=90, trust_env=False)
        return {"cookie": "; ".join(f"{name}={value}" for name, value in answer.cookies.items())}

    def page(self, url: str) -> str:
        """The web app's page."""
        answer = httpx.get(f"{url}/", headers=self.signed_in(url), timeout=90, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.text

    def matched(self, url: str, poster: Path) -> list[str]:
        """Films that the web app finds by a poster, which is uploaded as a browser does."""
        options = {"trust_env": False}
        client = Client(url, verbose=False, download_files=False, headers=self.signed_in(url), httpx_kwargs=options)
        try:
            found, _ = client.predict(handle_file(str(poster)), 4, api_name="/match")
        finally:
            client.close()
        return [item["movie_id"] for item in found["items"]]

    def picks(self, url: str, user: str) -> list[str]:
        return [item["movie_id"] for item in self.get(f"{url}/recommendations", user_id=user)["items"]]

    def rate(self, url: str, user: str, films: list[str]) -> None:
        body = {user: {"movie_id": films, "ratings": [5.0] * len(films)}}
        self.send("POST", f"{url}/update_ratings", json=body)


class Compose:
    """A compose file as a project of its own, on free ports."""

    def __init__(self, docker: Docker, file: str, material: dict[str, str], *words: str) -> None:
        self.ports = {name: free_port() for name in PORTS}
        given = material | {name: str(port) for name, port in self.ports.items()}
        self.docker = Docker(docker.environment | given, docker.folder)
        self.words = ("compose", "-p", f"matinee-test-{self.ports['MATINEE_PORT']}", "-f", f"deploy/{file}", *words)
        self.posters = Path(material["MATINEE_POSTERS"])

    def __call__(self, *words: str, check: bool = True) -> str:
        return self.docker(*self.words, *words, check=check)

    def up(self, *services: str) -> None:
        """Start, and wait until all are healthy."""
        words = ("up", "--detach", "--no-build", "--wait", "--wait-timeout", str(READY), *services)
        try:
            self(*words)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self('logs', '--tail', '30', check=False)}") from None

    def states(self) -> dict[str, str]:
        """`healthy`, `running` or `exited 0` by service."""
        rows = [json.loads(line) for line in self("ps", "--all", "--format", "json").splitlines()]
        return {
            row["Service"]: row["Health"]
            or (row["State"] + (f" {row['ExitCode']}" if row["State"] == "exited" else ""))
            for row in rows
        }

    def visitor(self, service: str, folder: str = "/run/keys") -> Visitor:
        """Who has the secrets that the containers have made."""
        names = ("matinee_api_key", "matinee_web_password")
        return Visitor(*(self("exec", "-T", service, "cat", f"{folder}/{name}").strip() for name in names))

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"


@contextmanager
def project(compose: Compose) -> Iterator[Compose]:
    """The project; all of it is gone afterwards."""
    try:
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "30", check=False)


def test_images_are_slim_and_run_without_root(
    docker: Docker, images: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {role: docker.megabytes(image) for role, image in images.items()}
    with capsys.disabled():
        base = f"{BASE} {docker.megabytes(BASE):.0f} MB"
        print(f"\n{base}; " + ", ".join(f"{role} {size:.0f} MB" for role, size in sizes.items()))
    assert {role: sizes[role] for role in MOST if sizes[role] > MOST[role]} == {}
    for image in images.values():
        assert docker("image", "inspect", "--format", "{{.Config.User}}", image).strip() == "10001:10001"
        left = docker("run", "--rm", image, "sh", "-c", "find /etc/pip.conf /run/secrets -type f -size +0 2>&- || :")
        assert left == "", "something of the build's secrets is left"


def test_dockerfiles_of_earlier_names_are_thin(docker: Docker, images: dict[str, str]) -> None:
    for name, parent in {"gradio": "all", "annoy": "vectors"}.items():
        words = ("--build-arg", f"MATINEE={images[parent]}", "-t", f"matinee-test-{name}", "deploy")
        docker("buildx", "build", "-f", f"deploy/Dockerfile-{name}", *words)
        assert docker.megabytes(f"matinee-test-{name}") == pytest.approx(docker.megabytes(images[parent]))


def test_smallest_size(docker: Docker, images: dict[str, str], material: dict[str, str]) -> None:
    with project(Compose(docker, "compose.yaml", material, "--profile", "min")) as compose:
        compose.up()
        ended = {"keys": "exited 0", "train": "exited 0"}
        assert compose.states() == ended | {"core": "healthy", "gradio-app": "healthy"}
        core, visitor = compose.url("MATINEE_PORT"), compose.visitor("core")
        assert httpx.get(f"{core}/features", params={"user_id": "min"}, trust_env=False, timeout=90).status_code == 401
        visitor.send("PUT", f"{core}/v1/users/min/ratings/1", json={"rating": 5})
        compose("down")
        compose.up()
        assert visitor.get(f"{core}/features", user_id="min")["features"] == [{"histories": ["1"]}]
        assert "Matinee" in visitor.page(compose.url("MATINEE_WEB_PORT"))


def test_posters_size_asks_the_vector_and_encoder_services(
    docker: Docker, images: dict[str, str], material: dict[str, str]
) -> None:
    with project(Compose(docker, "compose.yaml", material, "--profile", "posters")) as compose:
        compose.up()
        assert set(compose.states().values()) == {"healthy", "exited 0"}
        visitor = compose.visitor("core-posters")
        found = visitor.matched(compose.url("MATINEE_WEB_PORT"), compose.posters / "5.jpg")
        assert (found[0], len(found)) == ("5", 4)
        assert 'route="/search",status="200"' in visitor.get(compose.url("MATINEE_VECTORS_PORT") + "/metrics")


def test_poster_app_in_two_containers(docker: Docker, images: dict[str, str], material: dict[str, str]) -> None:
    with project(Compose(docker, "compose.posters.yaml", material)) as compose:
        compose.up()
        assert compose.states() == {"keys": "exited 0", "gradio-app": "healthy", "annoy-db": "healthy"}
        visitor = compose.visitor("gradio-app", "/var/lib/matinee/keys")
        assert visitor.matched(compose.url("MATINEE_WEB_PORT"), compose.posters / "3.jpg")[0] == "3"
        index = compose.url("MATINEE_VECTORS_PORT")
        assert 'route="/search",status="200"' in visitor.get(f"{index}/metrics")
        vector = visitor.send("POST", f"{index}/vectors", json={"items": [2]}).json()["vectors"][0]
        nearest = visitor.send("POST", f"{index}/reco", json={"vector": vector, "k": 3}).json()
        assert (nearest[0], len(nearest)) == (2, 3)


@contextmanager
def single(docker: Docker, image: str, material: dict[str, str], *options: str) -> Iterator[tuple[str, int]]:
    """A container of everything, healthy: its name and the port of its web app."""
    port = free_port()
    variables = [word for name, value in material.items() for word in ("-e", f"{name}={value}")]
    name = f"matinee-test-{port}"
    docker(
        *("run", "--detach", "--name", name, "-p", f"127.0.0.1:{port}:7860", *options),
        *("-v", f"{material['MATINEE_DATA_FOLDER']}:/data:ro", "-v", f"{material['MATINEE_POSTERS']}:/posters:ro"),
        *(*variables, image),
    )
    try:
        wait_for(docker, name, "healthy")
        yield name, port
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def state(docker: Docker, name: str) -> str:
    """Health of a container that runs; else what else it does."""
    form = "{{if .State.Running}}{{.State.Health.Status}}{{else}}{{.State.Status}} {{.State.ExitCode}}{{end}}"
    return docker("inspect", "--format", form, name).strip()


def wait_for(docker: Docker, name: str, wanted: str) -> None:
    """Wait until a container is in a state; one that has ended does not get healthy any more."""
    end = time.monotonic() + READY
    while (found := state(docker, name)) != wanted:
        assert time.monotonic() < end, docker.logs(name)
        assert not found.startswith("exited"), f"{found}\n{docker.logs(name)}"
        time.sleep(0.5)


def test_single_container_stops_cleanly(docker: Docker, images: dict[str, str], material: dict[str, str]) -> None:
    with single(docker, images["all"], material, *READ_ONLY) as (name, port):
        password = docker("exec", name, "cat", "/var/lib/matinee/keys/matinee_web_password").strip()
        visitor = Visitor(password=password)
        assert visitor.matched(f"http://127.0.0.1:{port}", Path(material["MATINEE_POSTERS"]) / "7.jpg")[0] == "7"
        docker("stop", "--time", "40", name)
        assert state(docker, name) == "exited 0"
        assert docker.logs(name).rstrip().endswith("Stopped.")
        docker("start", name)  # the snapshot is there: it does not train again
        wait_for(docker, name, "healthy")
        assert "There is a snapshot already" in docker.logs(name)


def test_single_container_ends_where_a_service_dies(
    docker: Docker, images: dict[str, str], material: dict[str, str]
) -> None:
    kill = (
        "import os, signal, pathlib\n"
        "for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        "    words = path.read_bytes().split(b'\\0')\n"
        "    if b'serve' in words and b'core' in words: os.kill(int(path.parent.name), signal.SIGKILL)\n"
    )
    with single(docker, images["all"], material, *READ_ONLY) as (name, _):
        docker("exec", name, "python3", "-c", kill)
        wait_for(docker, name, "exited 1")
        assert "core has ended" in docker.logs(name)


def test_space_is_built_and_answers_at_7860(
    docker: Docker, images: dict[str, str], material: dict[str, str], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, ROOT / "deploy" / "space" / "assemble.py", tmp_path / "space"], check=True)
    docker("buildx", "build", "-t", "matinee-test-space", *docker.secrets(), tmp_path / "space")
    assert docker("image", "inspect", "--format", "{{.Config.User}}", "matinee-test-space").strip() == "1000"
    with single(docker, "matinee-test-space", material) as (_, port):
        assert "Matinee" in Visitor().page(f"http://127.0.0.1:{port}")


def missing() -> list[str]:
    """What the full size needs and this version does not have."""
    needed = {
        "an Elasticsearch store": "matinee.stores.elasticsearch",
        "a recommender service": "matinee.api.recommender",
    }
    return [what for what, module in needed.items() if importlib.util.find_spec(module) is None]


def test_full_size(
    docker: Docker, images: dict[str, str], material: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """All healthy; a poster through nginx and the web app; a rating counts in the other core; nothing is lost."""
    if absent := missing():
        pytest.skip(f"this version has no {' and no '.join(absent)}")
    with project(Compose(docker, "compose.yaml", material, "--profile", "full")) as compose:
        services, left_out = startable(docker, compose)
        compose.up(*services)
        states = compose.states()
        with capsys.disabled():
            print(f"\n{states}\nstand-ins: {docker.standing_in}; not started: {left_out or 'none'}")
        assert (states.pop("keys"), states.pop("train")) == ("exited 0", "exited 0")
        assert set(states) >= {
            *(
                "core-1",
                "core-2",
                "recommender",
                "encoder",
                "annoy-db",
                "gradio-app",
                "studio",
                "elasticsearch",
                "nginx",
            ),
        }
        assert set(states.values()) == {"healthy"}
        front, first, second = (compose.url(name) for name in ("MATINEE_HTTP_PORT", "MATINEE_PORT", "MATINEE_PORT_2"))

        visitor = compose.visitor("core-1")
        assert visitor.matched(front, compose.posters / "6.jpg")[0] == "6"
        assert httpx.get(f"{front}/studio/_stcore/health", trust_env=False, timeout=90).text == "ok"
        before = visitor.picks(second, "walker")
        liked, more = before[:2], before[2]
        visitor.rate(first, "walker", liked)
        assert not set(liked) & set(visitor.picks(second, "walker"))
        visitor.rate(second, "walker", [more])
        assert not {*liked, more} & set(visitor.picks(first, "walker"))
        assert not {*liked, more} & set(visitor.picks(front, "walker"))
        film = {"title": "A Night at the Walk (2026)", "genres": "Comedy", "tags": "walk"}
        visitor.send("POST", f"{front}/update_movie", json={"9001": film})
        assert visitor.get(f"{second}/v1/movies/9001")["title"] == "A Night at the Walk"

        compose("down")
        compose.up(*services)
        for url in (first, second):
            assert set(visitor.get(f"{url}/features", user_id="walker")["features"][0]["histories"]) == {*liked, more}
            assert visitor.get(f"{url}/v1/movies/9001")["title"] == "A Night at the Walk"
        assert visitor.matched(front, compose.posters / "6.jpg")[0] == "6"

        compose("stop", "core-1")  # nginx asks the other one
        for _ in range(5):
            assert not {*liked, more} & set(visitor.picks(front, "walker"))


def startable(docker: Docker, compose: Compose) -> tuple[list[str], list[str]]:
    """Services of the full size that nothing else starts, and those whose images cannot be had here."""
    configuration = json.loads(compose("config", "--format", "json"))["services"]
    started, left_out = [], []
    for name, service in configuration.items():
        files = [Path(volume["source"]) for volume in service.get("volumes", ()) if volume["type"] == "bind"]
        try:
            if "build" not in service:
                docker.official(service["image"])
            assert all(file.exists() for file in files), "its files are missing"
            started.append(name)
        except (pytest.skip.Exception, AssertionError) as error:
            left_out.append(f"{name} ({error})")
    assert {"nginx", "elasticsearch", "mlflow"} <= set(started), left_out
    return started, left_out
