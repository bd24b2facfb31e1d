"""The studio as tests drive it: odd films for its core, and what a page shows."""

from __future__ import annotations

import csv
import re
from html import unescape
from pathlib import Path

from streamlit.testing.v1 import AppTest

import matinee.studio
from apps_support import N_PICTURES, environment_of
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train
from small_folder import write_folder
from tiny_models import image_model, picture

APP = Path(matinee.studio.__file__).with_name("app.py")
SECONDS = 60
HOSTILE = "<script>alert(1)</script> $x^2$ :red[a] **b** `c` [d](http://e) :smile:"
ODD_FILMS = [
    ("101", "Twins (1988)", "Comedy"),
    ("102", "Twins (1988)", "Drama"),
    ("103", f"{HOSTILE} (1999)", "<x>Odd</x>"),
    ("104", "Nameless", "(no genres listed)"),
    ("105", "L" * 10_000, "Drama"),
]
"""Nobody has rated these."""


def train_odd(home: Path) -> dict[str, str]:
    """Train on the small folder with the odd films, some posters and metrics; the environment of a core over it."""
    folder = write_folder(home / "small")
    with (folder / "movies.csv").open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(ODD_FILMS)
    settings = Settings(
        data_dir=home / "data",
        cache_dir=home / "cache",
        data=str(folder),
        offline=True,
        text_encoder="off",
        image_encoder=str(image_model(home / "image.onnx")),
    )
    shelf = PosterStore.of(settings, "small")
    for number in range(1, N_PICTURES + 1):
        shelf.put(str(number), picture(number, sides=(160, 240)))
    train(settings)
    return environment_of(settings, home)


def open_app(**query: str | list[str]) -> AppTest:
    """The app as somebody sees it who opens this address."""
    app = AppTest.from_file(str(APP), default_timeout=SECONDS)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def titles_of(app: AppTest) -> list[str]:
    """The numbered lines of a list of films, as text."""
    body = "".join(part.proto.body for part in app.get("html"))
    return [unescape(line) for line in re.findall(r"<strong>(.*?)</strong>", body)]


def texts_of(app: AppTest) -> str:
    """All texts that the page shows, as they are in Markdown or HTML."""
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info, app.error, app.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)
