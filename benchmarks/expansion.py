"""Synthetic ratings of any size: a seeded stochastic Kronecker expansion of a small real matrix, in bounded memory.

After Belletti et al. 2019, "Scalable Realistic Recommendation Datasets through Fractal Expansions": the users ×
movies matrix R becomes a matrix of blocks, each a random part of R, and block (i, j) gets a share K_ij of its
ratings. Here the rows of K sum to 1, so that a user keeps about the number of ratings of the one that it is made of,
and its columns fall as (j + 1)⁻² times a random factor, so that the popularity of the movies keeps its long tail and
gets a longer one. Users of the blocks after the first are mixed of two real users each, or else all would be copies.
Stars are those given, half of a star less three times out of ten (the steps of ml-25m). Times are made up: users
begin on days between 1996 and 2019 and rate in sittings. No rating of it is anybody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

FALL = 2.0
"""Power with which the share of the j-th block of movies falls."""
NOISE = 0.5
"""Deviation of the logarithm of a block's share."""
MIXED = 0.4
"""Share of the ratings of a mixed user that come from the second of the two real ones."""
ID_STEP = 4000
"""Movie m of block j is called m + j · this: the ids of ml-1m end at 3952."""
FIRST, LAST = 820_454_400, 1_574_000_000
SITTING, BETWEEN_RATINGS, BETWEEN_SITTINGS = 40, 20, 6 * 86_400

README = """SYNTHETIC DATA, made by Matinee's benchmarks/scale.py. No rating in it is anybody's.

{ratings:,} ratings of {movies:,} films by {users:,} users: a stochastic Kronecker expansion of ml-1m
(seed {seed}), in the layout of ml-25m. Good for times and memory, and for no statement about taste.
"""


@dataclass(frozen=True)
class Seeds:
    """The real ratings and movies that are expanded.

    Attributes:
        indptr: (n_users + 1,), ratings of user u are `indptr[u]:indptr[u + 1]`.
        movies: (n_ratings,), places in `titles`.
        stars: (n_ratings,), 1 to 5.
        ids: (n_movies,), numbers below `ID_STEP`.
        titles: "Toy Story (1995)", (n_movies,).
        genres: "Animation|Comedy", (n_movies,).
    """

    indptr: NDArray[np.int64]
    movies: NDArray[np.int32]
    stars: NDArray[np.float32]
    ids: NDArray[np.int64]
    titles: list[str]
    genres: list[str]

    @classmethod
    def read(cls, folder: Path) -> Seeds:
        """Read ml-1m: `ratings.parquet` (userId, movieId, rating) and `movies.dat`."""
        ratings = pl.read_parquet(folder / "ratings.parquet").sort("userId", "movieId")
        lines = (folder / "movies.dat").read_text(encoding="latin-1").splitlines()
        named = {int(number): (title, genres) for number, title, genres in (line.split("::") for line in lines)}
        ids = ratings["movieId"].unique().sort().to_numpy().astype(np.int64)
        sizes = ratings.group_by("userId", maintain_order=True).len()["len"].to_numpy()
        return cls(
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.searchsorted(ids, ratings["movieId"].to_numpy()).astype(np.int32),
            ratings["rating"].to_numpy().astype(np.float32),
            ids,
            [named[number][0] for number in ids.tolist()],
            [named[number][1] for number in ids.tolist()],
        )

    @property
    def n_users(self) -> int:
        """Number of real users."""
        return len(self.indptr) - 1

    def users(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the ratings of some users, one user after another, and the place of each one's user in `rows`."""
        sizes = np.diff(self.indptr)[rows]
        owners = np.repeat(np.arange(len(rows)), sizes)
        starts = self.indptr[rows] - (np.cumsum(sizes) - sizes)
        return np.arange(len(owners)) + np.repeat(starts, sizes), owners


@dataclass(frozen=True)
class Expansion:
    """What is made of the seeds: about so many ratings of so many movies.

    Attributes:
        n_ratings: reached within some percent.
        n_movies: ids that the table of movies has; few of the rarest have no rating.
        seed: the same seed gives the same files.
    """

    seeds: Seeds
    n_ratings: int
    n_movies: int
    seed: int = 0

    def parts(self) -> Iterator[pl.DataFrame]:
        """`userId`, `movieId`, `rating`, `timestamp` by user, then movie; a part has a million rows."""
        n_real, n_items = self.seeds.n_users, len(self.seeds.ids)
        n_blocks = -(-self.n_movies // n_items)
        whole, rest = divmod(self.n_ratings / len(self.seeds.movies), 1)
        for block in range(int(whole) + (rest > 0)):
            random = np.random.default_rng([self.seed, block])
            rows = np.arange(n_real)
            if block == int(whole):
                rows = np.sort(random.permutation(n_real)[: max(round(rest * n_real), 1)])
            entries, owners = self.seeds.users(rows)
            if block:
                entries, owners = self._mixed(rows, entries, owners, random)
            share = (np.arange(n_blocks) + 1.0) ** -FALL * np.exp(random.normal(0, NOISE, n_blocks))
            column = np.searchsorted(np.cumsum(share / share.sum())[:-1], random.random(len(entries)), side="right")
            item = column * n_items + self.seeds.movies[entries]
            item %= self.n_movies  # the last block is not whole: what is beyond falls on the first
            pair, first = np.unique(owners * self.n_movies + item, return_index=True)
            owners, item = np.divmod(pair, self.n_movies)
            stars = self.seeds.stars[entries[first]]
            stars = stars - np.where(random.random(len(stars)) < 0.3, np.float32(0.5), np.float32(0))
            yield pl.DataFrame(
                {
                    "userId": (block * n_real + rows[owners] + 1).astype(np.int32),
                    "movieId": self._ids(item),
                    "rating": stars.astype(np.float32),
                    "timestamp": _times(owners, random),
                }
            )

    def _mixed(
        self,
        rows: NDArray[np.int64],
        entries: NDArray[np.int64],
        owners: NDArray[np.int64],
        random: np.random.Generator,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ratings of users each made of two: most of their own and some of another's."""
        others, theirs = self.seeds.users(random.permutation(self.seeds.n_users)[: len(rows)])
        own, other = random.random(len(entries)) >= MIXED, random.random(len(others)) < MIXED
        return np.concatenate([entries[own], others[other]]), np.concatenate([owners[own], theirs[other]])

    def _ids(self, item: NDArray[np.int64]) -> NDArray[np.int32]:
        block, place = np.divmod(item, len(self.seeds.ids))
        ids: NDArray[np.int32] = (self.seeds.ids[place] + block * ID_STEP).astype(np.int32)
        return ids

    def movies(self) -> pl.DataFrame:
        """`movieId`, `title`, `genres`: those of block j are called "Toy Story, part 3 (1995)"."""
        item = np.arange(self.n_movies)
        titles, genres = self.seeds.titles, self.seeds.genres
        n_items = len(titles)
        names = [
            titles[i % n_items]
            if i < n_items
            else f"{titles[i % n_items][:-7]}, part {i // n_items + 1}{titles[i % n_items][-7:]}"
            for i in range(self.n_movies)
        ]
        return pl.DataFrame({"movieId": self._ids(item), "title": names, "genres": [genres[i % n_items] for i in item]})

    def write(self, folder: Path, form: Literal["csv", "parquet"] = "csv") -> int:
        """Write ratings, movies and links in the layout of ml-25m, and a README that calls them synthetic.

        Returns:
            The number of ratings.
        """
        folder.mkdir(parents=True, exist_ok=True)
        total = users = 0
        table = folder / "ratings.csv"
        with table.open("wb") as file:
            for number, part in enumerate(self.parts()):
                part.write_csv(file, include_header=number == 0, float_precision=1)
                total, users = total + part.height, users + part["userId"].n_unique()
        if form == "parquet":
            pl.scan_csv(table).sink_parquet(table.with_suffix(".parquet"))
            table.unlink()
        movies = self.movies()
        # Ids that IMDb and TMDB do not give: nothing is to be joined to them.
        links = movies.select("movieId", imdbId=90_000_000 + pl.col("movieId"), tmdbId=90_000_000 + pl.col("movieId"))
        for name, frame in (("movies", movies), ("links", links)):
            if form == "csv":
                frame.write_csv(folder / f"{name}.csv")
            else:
                frame.write_parquet(folder / f"{name}.parquet")
        text = README.format(ratings=total, movies=self.n_movies, users=users, seed=self.seed)
        (folder / "README.txt").write_text(text, encoding="utf-8")
        return total


def _times(owners: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Seconds since 1970 of ratings that are given user by user: in sittings, in random order within a user."""
    n = len(owners)
    first = np.flatnonzero(np.diff(owners, prepend=-1))
    sizes = np.diff(np.append(first, n))
    order = np.lexsort((random.random(n), owners))
    place = np.arange(n) - np.repeat(first, sizes)
    begun = np.repeat(random.integers(FIRST, LAST, len(first)), sizes)
    elapsed = place * BETWEEN_RATINGS + place // SITTING * BETWEEN_SITTINGS + random.integers(0, BETWEEN_RATINGS, n)
    times = np.empty(n, dtype=np.int64)
    times[order] = begun + elapsed
    return times
