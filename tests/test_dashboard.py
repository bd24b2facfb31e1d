"""Dashboard, alert rules and scrape configuration of deploy/: every series that they name is one that services give."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from service_support import Process
from support import random_dataset
from tiny_models import text_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX")

DEPLOY = Path(__file__).parents[1] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "matinee.json"
WORDS = {
    *("sum", "max", "rate", "increase", "topk", "histogram_quantile", "absent"),  # functions
    *("by", "or"),  # and what stands between them
}


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[tuple[str, frozenset[str]]]]:
    """(name, label names) of every series of a core and an encoder after some traffic."""
    folder = tmp_path_factory.mktemp("dashboard")
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        text_encoder=str(text_folder(folder / "words")),
        image_encoder="off",
    )
    train_dataset(settings, random_dataset())
    with ExitStack() as stack:
        encoder = Process("encoder", settings, folder / "encoder.log")
        stack.callback(encoder.end)
        core = Process("core", settings.model_copy(update={"encoder_url": encoder.url}), folder / "core.log")
        stack.callback(core.end)
        encoder.wait()
        core.wait()
        with httpx.Client(base_url=core.url, timeout=90) as client:
            for _ in range(2):
                client.get("/v1/users/u1/recommendations")
            client.get("/v1/search", params={"q": "a storm at sea", "by": "meaning"})
            client.put("/v1/users/u1/ratings/m1", json={"rating": 4})
        found = set()
        for service in (core, encoder):
            for line in httpx.get(service.url + "/metrics", timeout=90).text.splitlines():
                if not line.startswith("#"):
                    name, _, labels = line.rpartition(" ")[0].partition("{")
                    found.add((name, frozenset(re.findall(r'(\w+)="', labels))))
        yield found


def names_in(expression: str) -> tuple[set[str], set[str]]:
    """Names of series and of labels in a PromQL expression of the kinds used here."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"\"", bare))
    labels |= {name for group in re.findall(r"\bby\s*\(([^)]*)\)", bare) for name in re.findall(r"\w+", group)}
    bare = re.sub(r"\bby\s*\([^)]*\)|\{[^}]*\}|\[[^\]]*\]", " ", bare)
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*", bare)) - WORDS, labels


def check(expression: str, series: set[tuple[str, frozenset[str]]]) -> None:
    names, labels = names_in(expression)
    assert names, expression
    known = {name for name, _ in series} | {"up"}  # which Prometheus makes
    assert names <= known, (expression, names - known)
    has = {label for name, own in series if name in names for label in own} | {"job", "instance"}
    assert labels <= has, (expression, labels - has)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def test_every_panel_asks_for_series_that_there_are(series: set[tuple[str, frozenset[str]]]) -> None:
    for panel in panels():
        for target in panel["targets"]:
            check(target["expr"], series)
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    assert ("matinee_stage_seconds_bucket", frozenset({"stage", "le"})) in series
    for name in ("stage_seconds", "snapshot_age_seconds", "model_age_seconds", "embedding_backlog"):
        assert f"matinee_{name}" in shown


def test_every_alert_asks_for_series_that_there_are(series: set[tuple[str, frozenset[str]]]) -> None:
    rules = [rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
    for rule in rules:
        check(rule["expr"], series)
        assert {"summary", "description"} == set(rule["annotations"])
    assert {"MatineeCoreDown", "MatineeEmbeddingBacklog", "MatineeSlow", "MatineeSnapshotOld"} <= {
        rule["alert"] for rule in rules
    }


def test_a_name_that_no_service_gives_is_found(series: set[tuple[str, frozenset[str]]]) -> None:
    for wrong in (
        'rate(matinee_request_total{job="x"}[5m])',
        "sum by (color) (matinee_requests_total)",
        'matinee_embedding_backlog{space="text"}',
    ):
        with pytest.raises(AssertionError):
            check(wrong, series)


def test_the_dashboard_can_be_loaded() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert (dashboard["uid"], dashboard["title"]) == ("matinee", "Matinee")
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(dashboard)))
    assert used - variables <= {"__rate_interval", "__range", "__all"}


def test_the_files_know_of_each_other() -> None:
    scrape = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert scrape["rule_files"] == ["alerts.yml"]
    jobs = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in scrape["scrape_configs"]}
    ports = {name: Settings.model_fields[setting].default for name, setting in PORTS.items()}
    assert jobs == {f"matinee-{name}": port for name, port in ports.items()}
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    current = json.loads(DASHBOARD.read_text())["templating"]["list"][0]["current"]
    assert (source["uid"], source["isDefault"]) == (current["value"], True)


PORTS = {"core": "port", "recommender": "recommender_port", "encoder": "encoder_port", "vectors": "vectors_port"}


def test_prometheus_takes_rules_and_configuration() -> None:
    promtool = shutil.which("promtool") or os.environ.get("MATINEE_TEST_PROMTOOL")
    if not promtool:
        pytest.skip("promtool is not installed (Debian's package prometheus has it; or set MATINEE_TEST_PROMTOOL)")
    for words in (["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]):
        done = subprocess.run([promtool, *words], cwd=DEPLOY, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
