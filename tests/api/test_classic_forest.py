"""The classic routes set to the random forest: training adds the model, the routes answer with it."""

from __future__ import annotations

from pathlib import Path

from api_support import Client
from matinee.api.app import create_app
from matinee.settings import Settings
from matinee.training.pipeline import train
from small_folder import write_folder


def test_training_adds_the_forest_and_the_classic_routes_answer_with_it(tmp_path: Path) -> None:
    settings = Settings(
        data=str(write_folder(tmp_path / "films")),
        data_dir=tmp_path / "home",
        classic_model="forest",
        min_ratings=1,
        text_encoder="off",
        image_encoder="off",
    )
    train(settings, measure=False)
    app = create_app(settings)
    try:
        with Client(app) as client:
            user = client.get("/v1/users").json()["items"][0]["user_id"]
            found = client.get(f"/recommendations/{user}").json()["items"]
            forest = client.get(f"/v1/users/{user}/recommendations?model=forest").json()
            assert [item["id"] for item in found] == [item["movie_id"] for item in forest["items"]]
            assert forest["model"] == "forest"
            assert len(found) == 10
    finally:
        app.service.close_engine()  # type: ignore[attr-defined]
