"""Runs and snapshots in a real MLflow server, over sockets; and in a local SQLite file, which a server then shows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlflow_support import Command, Server, matinee, metrics_of, need_mlflow, params_of, serving, tags_of
from service_support import free_port
from small_folder import write_folder

EXPERIMENT = "matinee: holdout on small"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    need_mlflow()
    place = tmp_path_factory.mktemp("mlflow")
    with serving(f"sqlite:///{place / 'server.db'}", place) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def evaluated(folder: Path, home: Path, server: Server) -> dict[str, Any]:
    done = matinee(
        "evaluate", "holdout", "-d", str(folder), "-m", "ease", "-m", "stars", "--track", "--json",
        home=home, tracking_url=server.url,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "Logged to MLflow" in done.err
    assert "alembic" not in done.err
    return dict(done.json)


@pytest.fixture(scope="module")
def snapshots(folder: Path, home: Path, server: Server) -> tuple[str, str]:
    """Two snapshots, the first registered by training itself."""
    ids = []
    for tracking in ("1", "0"):
        done = matinee(
            "train", "--no-measure", "--json", home=home, tracking_url=server.url, data=str(folder), tracking=tracking
        )
        assert done.code == 0, done.err
        assert ("Registered with MLflow as version 1" in done.err) == (tracking == "1")
        ids.append(done.json["snapshot"])
    return ids[0], ids[1]


def test_a_run_is_logged_whole(evaluated: dict[str, Any], folder: Path, home: Path, server: Server) -> None:
    everything = server.runs(EXPERIMENT)
    parents = [run for run in everything if "mlflow.parentRunId" not in tags_of(run)]
    assert len(parents) == 1
    assert len(everything) == 3
    run = parents[0]
    run_id = run["info"]["run_id"]
    assert run["info"]["status"] == "FINISHED"
    assert tags_of(run)["matinee.run"] == evaluated["run"]
    assert tags_of(run)["matinee.fingerprint"] == evaluated["fingerprint"]
    params = params_of(run)
    assert (params["protocol"], params["data"], params["seed"]) == ("holdout", str(folder), "0")
    assert params["version.numpy"] == evaluated["versions"]["numpy"]
    data = run["inputs"]["dataset_inputs"][0]["dataset"]
    assert (data["name"], data["digest"]) == ("small", evaluated["fingerprint"][:32])
    assert json.loads(data["profile"])["ratings"] == evaluated["ratings"]
    for path in ("report.html", "run.json", "values.npz"):
        assert server.artifact(run_id, path) == (home / "runs" / evaluated["run"] / path).read_bytes()
    assert server.artifact(run_id, "charts/cost.svg").startswith(b"<svg")
    signature = json.loads(server.artifact(run_id, "signature.json"))
    assert [entry["name"] for entry in json.loads(signature["inputs"])] == ["movie_id", "rating", "timestamp"]


def test_every_model_has_a_run_with_all_its_figures(evaluated: dict[str, Any], server: Server) -> None:
    runs = {tags_of(run)["matinee.model"]: run for run in server.runs(EXPERIMENT, "tags.`matinee.model` != ''")}
    assert runs.keys() == {"ease", "stars"}
    for result in evaluated["results"]:
        metrics, params = metrics_of(runs[result["name"]]), params_of(runs[result["name"]])
        for name, value in result["metrics"].items():
            assert metrics[name.replace("@", "_at_")] == pytest.approx(value)
        for name, (low, high) in result["intervals"].items():
            key = name.replace("@", "_at_")
            assert (metrics[f"{key}.low"], metrics[f"{key}.high"]) == pytest.approx((low, high))
        assert params["kind"] == result["kind"]
        for name, value in result["config"].items():
            if value is not None:
                assert params[f"config.{name}"] == str(value)
        group = result["groups"][0]
        key = f"{group['metric']}/{group['dimension']}/{group['group']}".replace("@", "_at_")
        assert metrics[key] == pytest.approx(group["value"])
    compared = next(result for result in evaluated["results"] if result["comparisons"])
    p = metrics_of(runs[compared["name"]])["ndcg_at_10.p_holm"]
    assert p == pytest.approx(compared["comparisons"]["ndcg@10"]["p_holm"])


def test_a_run_is_logged_once(evaluated: dict[str, Any], home: Path, server: Server) -> None:
    before = len(server.runs(EXPERIMENT))
    done = matinee("runs", "track", evaluated["run"], home=home, tracking_url=server.url)
    assert done.code == 0, done.err
    parent = next(run for run in server.runs(EXPERIMENT) if "mlflow.parentRunId" not in tags_of(run))
    assert parent["info"]["run_id"] in done.out
    assert len(server.runs(EXPERIMENT)) == before


def test_a_search_is_logged_with_its_trials(folder: Path, home: Path, server: Server) -> None:
    done = matinee(
        "tune", "ease", "-d", str(folder), "-n", "3", "--sampler", "random", "--track", "--json",
        home=home, tracking_url=server.url,
    )  # fmt: skip
    assert done.code == 0, done.err
    runs = server.runs("matinee: likes on small (validation)")
    parent = next(run for run in runs if "mlflow.parentRunId" not in tags_of(run))
    assert params_of(parent)["search.sampler"] == "random"
    run_id = parent["info"]["run_id"]
    history = server.get("metrics/get-history", run_id=run_id, metric_key="trial")["metrics"]
    expected = [trial["value"] for trial in done.json["trials"]]
    assert [entry["value"] for entry in history] == pytest.approx(expected)


# --- the registry ---------------------------------------------------------------------------------------------------
def register(home: Path, server: Server, *words: str) -> Command:
    return matinee("snapshots", "register", *words, home=home, tracking_url=server.url)


def promote(home: Path, server: Server, alias: str, **settings: str) -> Command:
    return matinee("snapshots", "promote", "--from-registry", alias, home=home, tracking_url=server.url, **settings)


def current(home: Path) -> str:
    return str(json.loads((home / "snapshots" / "pointer.json").read_text(encoding="utf-8"))["current"])


def test_an_alias_says_what_is_served(snapshots: tuple[str, str], home: Path, server: Server) -> None:
    first, second = snapshots
    assert current(home) == second
    done = register(home, server, first, "--alias", "production")
    assert done.code == 0, done.err
    assert f"Snapshot {first} is version 1 of matinee, production." in done.out
    assert promote(home, server, "production").code == 0
    assert current(home) == first
    assert "version 2" in register(home, server, second).out
    # As a person does it in MLflow's own pages:
    server.post("registered-models/alias", {"name": "matinee", "alias": "production", "version": "2"})
    done = promote(home, server, "production")
    assert done.code == 0, done.err
    assert current(home) == second
    version = server.get("registered-models/alias", name="matinee", alias="production")["model_version"]
    tags = {entry["key"]: entry["value"] for entry in version["tags"]}
    assert tags["matinee.snapshot"] == second
    manifest = json.loads((home / "snapshots" / second / "manifest.json").read_text(encoding="utf-8"))
    assert tags["matinee.fingerprint"] == manifest["fingerprint"]
    run = server.get("runs/get", run_id=version["run_id"])["run"]
    assert params_of(run)["default_model"] == manifest["default_model"]
    mlmodel = json.loads(server.artifact(version["run_id"], "snapshot/MLmodel"))
    assert mlmodel["flavors"]["matinee"]["snapshot"] == second
    assert "scores" in mlmodel["signature"]["outputs"]


def test_another_machine_fetches_what_it_lacks(
    snapshots: tuple[str, str], home: Path, server: Server, tmp_path: Path
) -> None:
    first, _ = snapshots
    other = tmp_path / "other"
    register(home, server, first, "--alias", "staging")
    done = promote(other, server, "staging")
    assert done.code == 1
    assert "has its manifest only" in done.err
    assert f"matinee snapshots register {first} --upload" in done.err
    assert register(home, server, first, "--alias", "staging", "--upload").code == 0
    done = promote(other, server, "staging")
    assert done.code == 0, done.err
    assert current(other) == first
    whole, fetched = (sorted(p.relative_to(h) for p in (h / "snapshots" / first).rglob("*")) for h in (home, other))
    assert whole == fetched
    assert matinee("snapshots", "verify", first, home=other).code == 0
    assert [path.name for path in (other / "snapshots").iterdir() if path.name.startswith(".")] == []


def test_what_was_changed_on_the_way_is_refused(
    snapshots: tuple[str, str], home: Path, server: Server, tmp_path: Path
) -> None:
    _, second = snapshots
    assert register(home, server, second, "--alias", "canary", "--upload").code == 0
    version = server.get("registered-models/alias", name="matinee", alias="canary")["model_version"]
    run_folder = next(server.artifacts.rglob(version["run_id"]))
    stored = next(run_folder.rglob("catalog.safetensors"))
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    other = tmp_path / "other"
    done = promote(other, server, "canary")
    assert done.code == 1
    assert "damaged" in done.err
    assert list((other / "snapshots").iterdir()) == []


def test_aliases_that_lead_nowhere(
    evaluated: dict[str, Any], snapshots: tuple[str, str], home: Path, server: Server
) -> None:
    done = promote(home, server, "nothing")
    assert done.code == 1
    assert "has no alias 'nothing'" in done.err
    done = promote(home, server, "production", registry_model="other")
    assert done.code == 1
    assert "'other' has no alias" in done.err
    server.post("registered-models/create", {"name": "foreign"})
    run = server.post("runs/create", {"experiment_id": server.experiment(EXPERIMENT), "start_time": 0})["run"]["info"]
    source = {"source": f"{run['artifact_uri']}/x", "run_id": run["run_id"]}
    server.post("model-versions/create", {"name": "foreign", **source})
    server.post("registered-models/alias", {"name": "foreign", "alias": "production", "version": "1"})
    done = promote(home, server, "production", registry_model="foreign")
    assert done.code == 1
    assert "is no snapshot of Matinee" in done.err
    done = register(home, server, "20200101T000000Z-00000000")
    assert done.code == 1
    assert "There is no snapshot" in done.err


# --- without a server -----------------------------------------------------------------------------------------------
def test_a_local_store_is_a_file_that_a_server_shows(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = matinee(
        "evaluate", "holdout", "-d", str(folder), "-m", "popular", "--json", home=home, tracking="1"
    )  # fmt: skip
    assert done.code == 0, done.err
    database = home / "mlflow" / "mlflow.db"
    assert database.exists()
    with serving(f"sqlite:///{database}", tmp_path) as server:
        run = next(r for r in server.runs(EXPERIMENT) if "mlflow.parentRunId" not in tags_of(r))
        assert tags_of(run)["matinee.run"] == done.json["run"]
        assert server.artifact(run["info"]["run_id"], "report.html").startswith(b"<!doctype html>")


def test_a_server_that_is_away(folder: Path, tmp_path: Path) -> None:
    need_mlflow()
    home = tmp_path / "home"
    done = matinee(
        "evaluate", "holdout", "-d", str(folder), "-m", "popular", "--track", "--json",
        home=home, tracking_url=f"http://ann:secret@127.0.0.1:{free_port()}",
    )  # fmt: skip
    assert done.code == 1
    assert "MLflow at http://ann:********@127.0.0.1" in done.err
    assert "secret" not in done.err
    assert "Traceback" not in done.err
    assert len(list((home / "runs").iterdir())) == 1  # the run itself is kept
    shutil.rmtree(home)
