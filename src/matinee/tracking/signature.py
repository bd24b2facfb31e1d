"""What goes into a recommender and what comes out, in the form of MLflow's model signatures."""

from __future__ import annotations

import json
from typing import Any


def model_signature(n_films: int, scale: tuple[float, float]) -> dict[str, str]:
    """The signature: a history of movies and stars goes in, a score of each movie of the catalog comes out.

    The values are texts of JSON, as in a file `MLmodel`.
    """
    low, high = scale
    inputs = [
        {"type": "string", "name": "movie_id", "required": True},
        {"type": "float", "name": "rating", "required": True},
        {"type": "long", "name": "timestamp", "required": False},
    ]
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, n_films]}, "name": "scores"}]
    params = [
        {"name": "lowest_stars", "type": "double", "default": low, "shape": None},
        {"name": "highest_stars", "type": "double", "default": high, "shape": None},
    ]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": json.dumps(params)}


def mlmodel(run_id: str, snapshot_id: str, signature: dict[str, str], created: str, config: dict[str, Any]) -> str:
    """The file `MLmodel` of a snapshot, as JSON, which is YAML.

    Its only flavor is `matinee`: it is served by `matinee serve`, not loaded by MLflow, which would take a pickle.
    """
    body = {
        "artifact_path": "snapshot",
        "run_id": run_id,
        "utc_time_created": created,
        "flavors": {"matinee": {"snapshot": snapshot_id, **config}},
        "signature": signature,
    }
    return json.dumps(body, indent=1)
