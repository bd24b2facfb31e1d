"""What a container starts, as processes: keys and a password are made, then demanded; health needs neither."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from matinee.access import check_start
from matinee.access.sign_in import check_app_start
from matinee.errors import InvalidInputError
from matinee.settings import Settings
from service_support import free_port
from small_folder import write_folder

DEPLOY = Path(__file__).parents[2] / "deploy"
SECRETS = ("matinee_api_key", "prometheus_key", "matinee_web_password", "matinee_web_secret")
pytestmark = pytest.mark.skipif(not shutil.which("sh"), reason="there is no shell")


@dataclass
class Container:
    """A folder in place of the volumes, and the environment of the image `all` over it."""

    folder: Path
    environment: dict[str, str]

    @property
    def keys(self) -> Path:
        return Path(self.environment["MATINEE_KEYS_FILE"]).parent

    def secret(self, name: str) -> str:
        return (self.keys / name).read_text(encoding="utf-8").strip()

    def run(self, *words: str) -> str:
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def url(self, variable: str) -> str:
        return f"http://127.0.0.1:{self.environment[variable]}"


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Container:
    folder = tmp_path_factory.mktemp("container")
    stage = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").partition("FROM runtime AS all\n")[2]
    volume = str(folder / "data")
    of_image = dict(re.findall(r"(MATINEE_(?:KEYS_FILE|SECRETS_DIR))=(\S+)", stage))
    assert len(of_image) == 2
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATINEE_")}
    return Container(
        folder,
        inherited
        | {name: value.replace("/var/lib/matinee", volume) for name, value in of_image.items()}
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "MATINEE_DATA_DIR": volume,
            "MATINEE_CACHE_DIR": str(folder / "cache"),
            "MATINEE_CONFIG": str(folder / "none.toml"),
            "MATINEE_DATA": str(write_folder(folder / "films")),
            "MATINEE_TEXT_ENCODER": "off",
            "MATINEE_IMAGE_ENCODER": "off",
            "MATINEE_OFFLINE": "true",
            "MATINEE_PORT": str(free_port()),
            "MATINEE_WEB_PORT": str(free_port()),
            "POSTERS": str(folder / "no-posters"),
        },
    )


@pytest.fixture(scope="module")
def running(container: Container) -> Iterator[subprocess.Popen[bytes]]:
    """What the container starts, but the vector service, at loopback."""
    stage = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").partition("FROM runtime AS all\n")[2]
    words = json.loads(re.findall(r"^CMD (\[.*\])$", stage, re.MULTILINE)[0])
    assert words[:2] == ["first-keys", "first-snapshot"]
    programs = container.folder / "programs"
    programs.mkdir()
    for name in words[:2]:
        shutil.copy(DEPLOY / f"{name}.sh", programs / name)
    container.environment["PATH"] = f"{programs}:{container.environment['PATH']}"
    words = [word for word in words if word != "vectors"]
    with (container.folder / "log").open("wb") as log:
        process = subprocess.Popen(words, env=container.environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_health(container, process)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_for_health(container: Container, process: subprocess.Popen[bytes]) -> None:
    """Until the image's own health check, which has no key, is content with all."""
    end = time.monotonic() + 120
    for port, path in (("MATINEE_PORT=8000", "/ready"), ("MATINEE_WEB_PORT=7860", "/health")):
        check = [sys.executable, str(DEPLOY / "healthcheck.py"), port, path]
        while subprocess.run(check, env=container.environment, capture_output=True, timeout=60).returncode:
            told = (container.folder / "log").read_text(errors="replace")
            assert process.poll() is None, told
            assert time.monotonic() < end, told
            time.sleep(0.2)


def test_nothing_starts_beyond_this_machine_before_there_are_keys(tmp_path: Path) -> None:
    settings = Settings(host="0.0.0.0", data_dir=tmp_path)
    with pytest.raises(InvalidInputError, match="there is no API key"):
        check_start(settings)
    with pytest.raises(InvalidInputError, match="nobody has to sign in"):
        check_app_start(settings, "The web app")


def test_the_core_answers_who_has_a_key(container: Container, running: subprocess.Popen[bytes]) -> None:
    with httpx.Client(base_url=container.url("MATINEE_PORT"), trust_env=False, timeout=90) as client:
        assert client.get("/v1/users/1/recommendations").status_code == 401
        assert client.get("/health").status_code == 200
        services = {"authorization": f"Bearer {container.secret('matinee_api_key')}"}
        assert client.get("/v1/users/1/recommendations", headers=services).status_code == 200
        assert client.put("/v1/users/a/ratings/1", json={"rating": 4}, headers=services).is_success
        assert client.delete("/v1/users/a", headers=services).status_code == 403
        prometheus = {"authorization": f"Bearer {container.secret('prometheus_key')}"}
        assert client.get("/metrics", headers=prometheus).status_code == 200
        assert client.put("/v1/users/a/ratings/1", json={"rating": 4}, headers=prometheus).status_code == 403
        made = container.run("matinee", "keys", "create", "operator", "--role", "admin").strip()
        end = time.monotonic() + 90
        while client.delete("/v1/users/a", headers={"x-api-key": made}).status_code == 401:
            assert time.monotonic() < end
        assert client.get("/v1/users/a/ratings", headers=services).json().get("items", []) == []


def test_visitors_sign_in_and_the_web_app_asks_with_its_key(
    container: Container, running: subprocess.Popen[bytes]
) -> None:
    browser = {"accept": "text/html"}
    with httpx.Client(base_url=container.url("MATINEE_WEB_PORT"), trust_env=False, timeout=90) as client:
        assert client.get("/media/posters/1").status_code == 401
        assert client.get("/", headers=browser).headers["location"].startswith("/sign-in")
        password = {"password": container.secret("matinee_web_password")}
        assert client.post("/sign-in", data=password, headers=browser).status_code == 303
        assert client.get("/media/posters/1").status_code == 200  # which the core is asked for


def test_secrets_are_their_owners_and_are_made_once(container: Container, running: subprocess.Popen[bytes]) -> None:
    before = {name: container.secret(name) for name in SECRETS}
    modes = {name: stat.S_IMODE((container.keys / name).stat().st_mode) for name in (*SECRETS, "keys.json")}
    assert modes.pop("prometheus_key") == 0o444
    assert set(modes.values()) == {0o600}
    (container.keys / "matinee_api_key").unlink()  # as after a kill in the middle, or to have another
    told = container.run("sh", str(DEPLOY / "first-keys.sh"), "echo", "goes on")
    assert told.endswith("goes on\n")
    assert not any(secret in told for secret in before.values())
    after = {name: container.secret(name) for name in SECRETS}
    assert {name for name in SECRETS if before[name] != after[name]} == {"matinee_api_key"}
    settings = json.loads(container.run("matinee", "settings", "--json"))["items"]
    sources = {item["name"]: item["source"] for item in settings}
    assert sources["api_key"] == str(container.keys / "matinee_api_key")


def test_it_would_start_at_all_addresses(
    container: Container, running: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MATINEE_DATA_DIR", "MATINEE_KEYS_FILE", "MATINEE_SECRETS_DIR"):
        monkeypatch.setenv(name, container.environment[name])
    settings = Settings(host="0.0.0.0")
    check_start(settings)
    check_app_start(settings, "The web app")
    assert settings.web_secret


def test_it_ends_cleanly(container: Container, running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
