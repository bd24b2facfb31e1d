"""The MLflow store that the settings name: a server, or an SQLite file in the data folder (the extra `tracking`)."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matinee._util.extras import need
from matinee._util.secrets import without_password
from matinee.errors import TrackingError
from matinee.settings import Settings

_DEFAULTS = {
    # MLflow reports its use to its makers unless it is told not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # What a command prints is its result, also for programs.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Seven attempts with pauses take minutes where a server is away.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_REFUSED = re.compile(r"[^A-Za-z0-9_.\-/ ]")
FINGERPRINT, SNAPSHOT, RUN = "matinee.fingerprint", "matinee.snapshot", "matinee.run"
"""Tags of runs and of versions of the registered model."""
DIGEST = 32
"""Characters of a fingerprint that MLflow's data sets have; the whole one is a tag."""


def store_url(settings: Settings) -> str:
    """Where runs are logged: the setting `tracking_url`, or the SQLite file of the data folder."""
    return settings.tracking_url or f"sqlite:///{settings.data_dir.absolute() / 'mlflow' / 'mlflow.db'}"


def connect(settings: Settings) -> Any:
    """MLflow's client. User, password and token are those of MLflow's own variables (`MLFLOW_TRACKING_USERNAME` …).

    Raises:
        MissingExtraError: MLflow is not installed.
        TrackingError: the store cannot be opened.
    """
    need("mlflow", "Tracking by MLflow", "tracking")
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # Of a new SQLite file each step of its making is logged.
    for noisy in ("alembic", "mlflow.store.db.utils", "mlflow.tracking"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    url = store_url(settings)
    if url.startswith("sqlite:///"):
        need("sqlalchemy", "A local store of MLflow", "tracking")
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    with failures(url):
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=url, registry_uri=url)


@contextmanager
def failures(url: str) -> Iterator[None]:
    """Errors of MLflow and of the connection as sentences.

    Raises:
        TrackingError: what happened.
    """
    try:
        yield
    except (TrackingError, KeyboardInterrupt):
        raise
    except Exception as error:
        from mlflow.exceptions import MlflowException

        if not isinstance(error, MlflowException | OSError | ValueError):
            raise
        first = without_password((str(error).splitlines() or [""])[0])[:300]
        raise TrackingError(
            f"MLflow at {without_password(url)} failed: {first}", "Check MATINEE_TRACKING_URL, and that it is running."
        ) from error


def experiment(client: Any, settings: Settings, name: str) -> str:
    """Id of an experiment, made where there is none; artifacts of a local store lie beside its file."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    place = None
    if not settings.tracking_url:
        place = (settings.data_dir.absolute() / "mlflow" / "artifacts").as_uri()
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(name, artifact_location=place))
    except MlflowException:  # another process was faster
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def metric_name(name: str) -> str:
    """A figure's name as MLflow allows it: "ndcg_at_10/3" of "ndcg@10/3".

    >>> metric_name("ndcg@10 (age: 18–24)")
    'ndcg_at_10 _age_ 18_24_'
    """
    return _REFUSED.sub("_", name.replace("@", "_at_"))


def log_metrics(client: Any, run_id: str, metrics: dict[str, float | None], step: int = 0) -> None:
    """Log finite figures in one request each 500."""
    from mlflow.entities import Metric
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    entries = [Metric(metric_name(name), value, now, step) for name, value in metrics.items() if value is not None]
    for start in range(0, len(entries), 500):
        client.log_batch(run_id, metrics=entries[start : start + 500])


def log_params(client: Any, run_id: str, params: dict[str, Any]) -> None:
    """Log settings; None is left out, and texts are cut to what MLflow keeps."""
    from mlflow.entities import Param

    entries = [Param(_REFUSED.sub("_", name), str(value)[:6000]) for name, value in params.items() if value is not None]
    for start in range(0, len(entries), 100):
        client.log_batch(run_id, params=entries[start : start + 100])


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings within settings, with dots: {"weights.ease": 0.5}."""
    result: dict[str, Any] = {}
    for name, value in config.items():
        result |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return result


def log_dataset(client: Any, run_id: str, name: str, fingerprint: str, source: str | None, profile: str) -> None:
    """Log the data set of a run: name, fingerprint, and how much there is of everything.

    Args:
        profile: JSON.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    place = source or "in memory"
    dataset = Dataset(
        name=name, digest=fingerprint[:DIGEST], source_type="matinee", source=place, schema=_SCHEMA, profile=profile
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "evaluation")])])


_SCHEMA = (
    '{"mlflow_colspec": [{"type": "string", "name": "user_id", "required": true}, '
    '{"type": "string", "name": "movie_id", "required": true}, {"type": "float", "name": "rating", "required": true}, '
    '{"type": "long", "name": "timestamp", "required": false}]}'
)
"""Columns of ratings, in the form of MLflow's tabular data sets."""
