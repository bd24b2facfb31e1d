"""Small tastes: whether a list shows what somebody loves, for 24 written profiles.

    python benchmarks/tastes.py                       # ml-latest-small with overviews; trains once, then remembers
    python benchmarks/tastes.py -v                    # with the ten films of each
    python benchmarks/tastes.py --tuning              # other profiles: those on which settings were chosen
    python benchmarks/tastes.py --strength 0 --adventurous 0.5 --model itemknn

Each profile is a few films with stars, and a trait that the catalogue's data can tell (genre, country, language, years,
director, tag or keyword). A list passes where at least half of its ten films have the trait; where two tastes are
given, three of each; where a taste and a hate are given, at most one film may have what is hated. A film whose data
lack the field counts as one without the trait. No setting was chosen on the 24 profiles: calibration was chosen on
those of `--tuning` and on the `likes` of every fifth user.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coldstart import SHARED, source
from matinee.data.load import load_dataset
from matinee.engine import Engine, Request
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from taste_profiles import PROFILES, TUNING, Profile

N = 10
HALF, EACH, AT_MOST = 5, 3, 1
"""Films of ten that must show the taste, each of two tastes, and that may show what is hated."""


def rows_of(columns: dict[str, list[Any]], titles: Sequence[str]) -> list[int]:
    """Rows of films by title (the part in brackets may be left out) and year."""
    found = []
    for text in titles:
        title, year = text[:-7], int(text[-5:-1])
        rows = [
            row
            for row, (name, when) in enumerate(zip(columns["title"], columns["year"], strict=True))
            if when == year and (name == title or name.startswith(f"{title} ("))
        ]
        if len(rows) != 1:
            raise SystemExit(f"{text}: {len(rows)} films of the catalogue are called so.")
        found += rows
    return found


def judged(profile: Profile, films: Sequence[dict[str, Any]]) -> tuple[bool, str]:
    """Whether a list passes, and what it shows in words."""
    shown = sum(profile.trait.of(film) for film in films)
    if profile.other is not None:
        second = sum(profile.other.of(film) for film in films)
        return min(shown, second) >= EACH, f"{shown} and {second} of {len(films)}"
    if profile.hate is not None:
        bad = sum(profile.hate.of(film) for film in films)
        return shown >= HALF and bad <= AT_MOST, f"{shown} of {len(films)}, {bad} hated"
    return shown >= HALF, f"{shown} of {len(films)}"


def open_engine(folder: Path, settings: Settings) -> Engine:
    """An engine on the data set, trained where the data folder has no snapshot yet."""
    if not any(settings.snapshots_dir.glob("*/manifest.json")):
        with source(folder) as beside:
            dataset = load_dataset(str(beside), settings)
        train_dataset(settings, dataset)
    return Engine.open(settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "ml-latest-small", help="folder with the data")
    parser.add_argument("--data-dir", type=Path, help="where the trained snapshot lies (default: a temporary folder)")
    parser.add_argument("--model", help="the model asked (default: the snapshot's)")
    parser.add_argument("--adventurous", type=float, help="0..1 (default: that of the settings)")
    parser.add_argument("--strength", type=float, help="of calibration, 0..1 (default: that of the settings)")
    parser.add_argument("--tuning", action="store_true", help="the profiles on which settings were chosen")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the films")
    options = parser.parse_args()
    place = options.data_dir or Path(tempfile.gettempdir()) / f"matinee-tastes-{os.getuid()}"
    given = {} if options.strength is None else {"calibration": options.strength}
    settings = Settings(data_dir=place, **given)
    started = time.perf_counter()
    profiles = TUNING if options.tuning else PROFILES
    passed = 0
    with open_engine(options.data, settings) as engine:
        catalog = engine.request_view().catalog
        columns = {name: catalog.column(name) for name in catalog.frame.columns}
        print("| profile | shown | |\n|---|---|---|")
        for profile in profiles:
            stars = dict.fromkeys(rows_of(columns, profile.loved), 5.0)
            stars |= dict.fromkeys(rows_of(columns, profile.hated), 0.5)
            history = {columns["movie_id"][row]: value for row, value in stars.items()}
            request = Request(n=N, model=options.model, adventurous=options.adventurous)
            answer = engine.recommend_for(history, request)
            films = [{name: columns[name][item.row] for name in columns} for item in answer.items]
            right, told = judged(profile, films)
            passed += right
            print(f"| {profile.name} | {told} | {'pass' if right else 'FAIL'} |")
            if options.verbose:
                for film in films:
                    mark = "+" if profile.trait.of(film) or (profile.other and profile.other.of(film)) else " "
                    mark = "-" if profile.hate is not None and profile.hate.of(film) else mark
                    print(f"    {mark} {film['title']} ({film['year']})")
    print(f"\n{passed} of {len(profiles)} pass ({time.perf_counter() - started:.0f} s)")


if __name__ == "__main__":
    main()
