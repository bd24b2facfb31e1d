"""A small folder in the layout of MovieLens, made up by a seeded generator: 60 users with two tastes, 40 films."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

COMEDIES = """Toy Story (1995)|Groundhog Day (1993)|Clerks (1994)|Airplane! (1980)|Big (1988)|Ghostbusters (1984)
Home Alone (1990)|Babe (1995)|Shrek (2001)|Monsters, Inc. (2001)|Amelie (2001)|Chicken Run (2000)|Tootsie (1982)
Annie Hall (1977)|Some Like It Hot (1959)|Sabrina (1954)|Sabrina (1995)|General, The (1926)|Sting, The (1973)
Toy Story 2 (1999)"""
DRAMAS = """Star Wars (1977)|Alien (1979)|Blade Runner (1982)|Heat (1995)|Matrix, The (1999)|Se7en (1995)|Fargo (1996)
Psycho (1960)|Jaws (1975)|Gladiator (2000)|Vertigo (1958)|Casablanca (1942)|Godfather, The (1972)|Chinatown (1974)
M (1931)|Ran (1985)|Memento (2000)|Goodfellas (1990)|Rocky (1976)|300 (2007)"""


def titles(text: str) -> list[str]:
    return text.replace("\n", "|").split("|")


def write_folder(folder: Path, seed: int = 0, n_users: int = 60) -> Path:
    """Write movies.csv, ratings.csv, tags.csv and links.csv; odd users like comedies, even ones dramas."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    comedies, dramas = titles(COMEDIES), titles(DRAMAS)
    films = [pair for both in zip(comedies, dramas, strict=True) for pair in both]  # 1 Toy Story, 2 Star Wars, …
    with (folder / "movies.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["movieId", "title", "genres"])
        writer.writerows(
            [i + 1, title, "Drama|Thriller" if i % 2 else "Comedy|Romance"] for i, title in enumerate(films)
        )
    with (folder / "links.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["movieId", "imdbId", "tmdbId"])
        writer.writerows([i + 1, f"{9_000_001 + i:07d}", 900_001 + i] for i in range(len(films)))
    with (folder / "tags.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["userId", "movieId", "tag", "timestamp"])
        writer.writerows([1, i + 1, "tense" if i % 2 else "funny", 1_000_000_000] for i in range(len(films)))
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["userId", "movieId", "rating", "timestamp"])
        for user in range(1, n_users + 1):
            for i in range(len(films)):
                same = (user + 1) % 2 == i % 2
                if rng.random() < (0.5 if same else 0.15):
                    stars = float(np.clip(round(2 * rng.normal(4.0 if same else 2.5, 0.8)) / 2, 0.5, 5.0))
                    writer.writerow([user, i + 1, stars, 1_000_000_000 + int(rng.integers(0, 10_000_000))])
    return folder
