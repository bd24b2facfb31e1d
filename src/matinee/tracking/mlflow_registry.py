"""Snapshots as versions of a registered model of MLflow: an alias (`production`) says which one to serve."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from matinee.errors import SnapshotError, TrackingError
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.snapshots.manifest import MANIFEST, SNAPSHOT_ID, Manifest, read_manifest
from matinee.snapshots.snapshot import folder_of, problems_of
from matinee.snapshots.write import TEMPORARY
from matinee.tracking.mlflow_store import (
    FINGERPRINT,
    SNAPSHOT,
    connect,
    experiment,
    failures,
    flat,
    log_dataset,
    log_metrics,
    log_params,
    store_url,
)
from matinee.tracking.signature import mlmodel, model_signature

EXPERIMENT = "matinee: snapshots"
_FILES = "matinee.files"
"""Tag of versions whose artifacts have all files of the snapshot."""


def register_snapshot(settings: Settings, snapshot_id: str, *, alias: str | None = None, upload: bool = False) -> str:
    """Make a snapshot a version of the registered model `settings.registry_model`, and return the version's number.

    A snapshot that is a version already stays that one, and gets the alias.

    Args:
        alias: name that points to this version from now on.
        upload: log all files of the snapshot, so that other machines can fetch them; without it, its manifest.

    Raises:
        SnapshotError: no such snapshot, or it is damaged.
        MissingExtraError: MLflow is not installed.
        TrackingError: MLflow does not answer, or refuses.
    """
    folder = folder_of(settings.snapshots_dir, snapshot_id)
    manifest = read_manifest(folder)
    client = connect(settings)
    with failures(store_url(settings)):
        version = _version_of(client, settings, snapshot_id)
        if version is None or (upload and version.tags.get(_FILES) != "all"):
            problems = problems_of(folder, manifest) if upload else []
            if problems:
                raise SnapshotError(f"Snapshot {snapshot_id} is damaged: {problems[0]}.", "Register another one.")
            version = _register(client, settings, folder, manifest, upload)
        if alias is not None:
            client.set_registered_model_alias(settings.registry_model, alias, version.version)
        return str(version.version)


def _version_of(client: Any, settings: Settings, snapshot_id: str) -> Any | None:
    """The newest version that is this snapshot; None: there is none."""
    found = client.search_model_versions(f"name = '{_quoted(settings.registry_model)}'")
    own = [version for version in found if version.tags.get(SNAPSHOT) == snapshot_id]
    return max(own, key=lambda version: int(version.version)) if own else None


def _quoted(name: str) -> str:
    return name.replace("'", "''")


def _register(client: Any, settings: Settings, folder: Path, manifest: Manifest, upload: bool) -> Any:
    from mlflow.exceptions import MlflowException

    place = experiment(client, settings, EXPERIMENT)
    tags = {SNAPSHOT: manifest.id, FINGERPRINT: manifest.fingerprint}
    run_id = str(client.create_run(place, tags=tags, run_name=manifest.id).info.run_id)
    try:
        _log_snapshot(client, run_id, folder, manifest, upload)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")
    try:
        client.create_registered_model(settings.registry_model, description="Snapshots of Matinee.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{client.get_run(run_id).info.artifact_uri}/snapshot"
    return client.create_model_version(
        settings.registry_model,
        source,
        run_id=run_id,
        tags=tags | {_FILES: "all" if upload else "manifest"},
        description=f"{manifest.dataset}: {manifest.n_ratings:,} ratings, {manifest.created:%Y-%m-%d %H:%M} UTC",
    )


def _log_snapshot(client: Any, run_id: str, folder: Path, manifest: Manifest, upload: bool) -> None:
    params = {"dataset": manifest.dataset, "seed": manifest.seed, "default_model": manifest.default_model}
    params |= {"models": ", ".join(manifest.models)} | flat(manifest.settings, "settings.")
    params |= {f"version.{name}": version for name, version in manifest.versions.items()}
    log_params(client, run_id, params)
    figures = flat({name: dict(values) for name, values in manifest.metrics.items()})
    log_metrics(client, run_id, figures | {"bytes": float(manifest.bytes)})
    profile = {"users": manifest.n_users, "films": manifest.n_items, "ratings": manifest.n_ratings}
    log_dataset(client, run_id, manifest.dataset, manifest.fingerprint, None, json.dumps(profile))
    signature = model_signature(manifest.n_items, manifest.scale)
    config = {"default_model": manifest.default_model, "format": manifest.format}
    created = f"{manifest.created:%Y-%m-%d %H:%M:%S.%f}"
    client.log_text(run_id, mlmodel(run_id, manifest.id, signature, created, config), "snapshot/MLmodel")
    names = [MANIFEST, *(manifest.files if upload else ())]
    for name in names:
        inner = Path(name).parent.as_posix()
        client.log_artifact(run_id, str(folder / name), "snapshot" if inner == "." else f"snapshot/{inner}")


def snapshot_of_alias(settings: Settings, alias: str) -> str:
    """The snapshot that an alias of the registered model points to; fetched where this machine lacks it.

    Raises:
        TrackingError: no such alias, or the snapshot is neither here nor in the registry.
        SnapshotError: what was fetched is damaged.
    """
    client = connect(settings)
    name = settings.registry_model
    with failures(store_url(settings)):
        from mlflow.exceptions import MlflowException

        try:
            version = client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise TrackingError(
                f"The registered model {name!r} has no alias {alias!r}.",
                f"Set it in MLflow, or with `matinee snapshots register ID --alias {alias}`.",
            ) from error
        snapshot_id = str(version.tags.get(SNAPSHOT, ""))
        if not SNAPSHOT_ID.fullmatch(snapshot_id):
            raise TrackingError(
                f"Version {version.version} of {name!r} is no snapshot of Matinee.",
                f"Point the alias {alias!r} to another version.",
            )
        if snapshot_id in SnapshotRegistry(settings.snapshots_dir).ids():
            return snapshot_id
        if version.tags.get(_FILES) != "all":
            raise TrackingError(
                f"Snapshot {snapshot_id} is not on this machine, and the registry has its manifest only.",
                f"Where it is: `matinee snapshots register {snapshot_id} --upload`.",
            )
        _fetch(client, settings.snapshots_dir, snapshot_id, version.run_id)
    return snapshot_id


def _fetch(client: Any, root: Path, snapshot_id: str, run_id: str) -> None:
    """Download a snapshot, check every file against its hash, and move it into place."""
    root.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=root))
    try:
        client.download_artifacts(run_id, "snapshot", str(hidden))
        folder = (hidden / "snapshot").rename(hidden / snapshot_id)
        (folder / "MLmodel").unlink(missing_ok=True)
        problems = problems_of(folder, read_manifest(folder))
        if problems:
            raise SnapshotError(f"What was fetched of {snapshot_id} is damaged: {problems[0]}.", "Upload it again.")
        folder.rename(root / snapshot_id)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
