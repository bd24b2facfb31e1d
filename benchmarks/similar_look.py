"""Similar by look: what each weight of content costs in look, and gains in films of the same kind.

For movies with a poster, the six most similar as `engine.similar_look` ranks them, for weights from 0 (posters alone):
the mean cosine of their posters, relative to weight 0 (look kept); the Jaccard index of genres with the movie; the
cosine of tastes (an SVD of the ratings, which neither posters nor genres know). Rule, stated before the test set is
looked at: the largest weight that keeps .8 of the look on the validation movies. Test movies are others.

    python benchmarks/similar_look.py [--data FOLDER] [--posters 6847] [--movies 500]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from matinee.data.load import load_dataset
from matinee.encoders.image import POSTER_DIM, POSTER_POWER, encode_all, load_image_encoder
from matinee.encoders.projection import Projection, unit
from matinee.engine.posters import SAME
from matinee.engine.similar_look import CONTENT_WEIGHT, DEPTH, fused_likeness
from matinee.models import Content
from matinee.settings import Settings
from matinee.training.vector_spaces import model_spaces
from posters import poster_table

WEIGHTS = np.arange(0, 0.91, 0.1)
KEPT, TOP = 0.8, 6


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--posters", type=int, default=6847)
    parser.add_argument("--movies", type=int, default=500, help="movies of each set")
    parser.add_argument("--vectors", type=Path, help="raw vectors of the posters, kept from run to run (.npy)")
    options = parser.parse_args()
    folder = options.data / "posters"
    rows = poster_table(folder)
    if not rows:
        return 0
    dataset = load_dataset(str(options.data / "ml-latest-small"), Settings())
    spaces = model_spaces(dataset, {"content": Content().fit(dataset)})
    # The same order as benchmarks/relettered_posters.py, whose vectors serve here as well.
    known = {movie_id: row for row, movie_id in enumerate(dataset.catalog.column("movie_id"))}
    order = [int(i) for i in np.random.default_rng(1).permutation(len(rows)) if rows[i]["movie_id"] in known]
    order = order[: options.posters]
    if options.vectors and options.vectors.is_file():
        raw = np.load(options.vectors)
        order = order[: len(raw)]
    else:
        raw, _ = encode_all(load_image_encoder(Settings()), [folder / f"{rows[i]['imdb_id']}.jpg" for i in order])
        if options.vectors:
            np.save(options.vectors, raw)
    looks = Projection.fit(raw, POSTER_DIM, POSTER_POWER).apply(unit(raw.astype(np.float16)))
    movies = np.array([known[rows[i]["movie_id"]] for i in order])
    parts = {}
    for name in ("content", "taste"):
        vectors = spaces[name].movies
        dense = np.zeros((len(dataset.catalog), vectors.vectors.shape[1]), dtype=np.float32)
        dense[vectors.rows] = vectors.vectors
        parts[name] = unit(dense[movies])
    genres = [set(dataset.catalog.column("genres")[row]) for row in movies]
    print(f"{len(movies)} posters, {options.movies} movies a set, top {TOP}, of the service: {CONTENT_WEIGHT}")
    for number, what in enumerate(("validation", "test")):
        queries = range(number * options.movies, min((number + 1) * options.movies, len(movies)))
        table_of = np.zeros((len(WEIGHTS), 3))
        for query in queries:
            cosines = looks @ looks[query]
            cosines[(cosines >= SAME) | (np.arange(len(movies)) == query)] = -1
            near = np.argsort(-cosines, kind="stable")[:DEPTH]
            content, taste = (parts[name][near] @ parts[name][query] for name in ("content", "taste"))
            alike = np.array([len(genres[i] & genres[query]) / max(len(genres[i] | genres[query]), 1) for i in near])
            for place, weight in enumerate(WEIGHTS):
                top = np.argsort(-fused_likeness(cosines[near], content, weight), kind="stable")[:TOP]
                table_of[place] += [cosines[near][top].mean(), alike[top].mean(), taste[top].mean()]
        table_of /= len(queries)
        kept = table_of[:, 0] / table_of[0, 0]
        print(f"\n{what}, n = {len(queries)}\n  weight  look kept  genres  taste")
        for weight, share, (_, genre, taste_of) in zip(WEIGHTS, kept, table_of, strict=True):
            print(f"  {weight:6.1f} {share:10.3f} {genre:7.3f} {taste_of:6.3f}")
        if what == "validation":
            print(f"  chosen: {WEIGHTS[kept >= KEPT].max():.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
