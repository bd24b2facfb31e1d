"""The default search of a snapshot: titles with typos, nonsense, people, numerals, abbreviations, wishes; and its time.

    matinee train --data FOLDER          # ml-latest-small with overviews.csv beside its tables
    python benchmarks/search_wishes.py   # --test: the test half of the queries as well

Queries are in `tests/wish_queries.py`. Thresholds were chosen on seeds 1 to 8. Nonsense is random letters, keyboard
mash, words with their letters shuffled, and other scripts, of seven characters and more: shorter ones cannot be told
from titles with two typos, which are found instead. Times are those of the process's CPU.
"""

from __future__ import annotations

import argparse
import random
import statistics
import string
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from matinee.engine import Engine
from matinee.errors import MatineeError
from meaning_queries import DEVELOPMENT, with_typos
from wish_queries import TEST, TUNING, Queries

SEED, FIRST, SHORTEST = 20, 5, 7
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SCRIPTS = (
    "абвгдежзиклмнопрстуфхцчшщыэюя",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "あいうえおかきくけこさしすせそ",
)
WORDS = (
    "window garden orange planet silver thunder kitchen monkey bottle ladder pencil travel winter summer market bridge "
    "shadow candle rocket mirror forest dinner castle letter spring wallet engine pirate animal doctor camera"
)


def nonsense(rng: random.Random) -> str:
    """A text that means nothing."""
    kind = rng.randrange(4)
    if kind == 0:
        words = [
            "".join(rng.choices(string.ascii_lowercase, k=rng.randint(4, 10))) for _ in range(rng.choice((1, 1, 2)))
        ]
    elif kind == 1:
        words = ["".join(rng.choices(rng.choice(KEYBOARD), k=rng.randint(5, 12)))]
    elif kind == 2:
        words = ["".join(rng.sample(word, len(word))) for word in rng.sample(WORDS.split(), rng.choice((1, 2, 3)))]
    else:
        words = ["".join(rng.choices(rng.choice(SCRIPTS), k=rng.randint(3, 9))) for _ in range(rng.choice((1, 2)))]
    text = " ".join(words)
    return text if len(text) >= SHORTEST else nonsense(rng)


def share_found(engine: Engine, queries: Queries) -> float:
    """Share of queries with one of the wanted films among the first ones; prints the others."""
    catalog = engine.request_view().catalog
    found = 0
    for text, titles in queries:
        wanted = set()
        for title in titles:
            try:
                wanted.add(catalog.resolve(title))
            except MatineeError:
                continue  # one of several, which these data lack
        hits = [hit.row for hit in engine.search(text, n=FIRST)]
        found += bool(wanted & set(hits))
        if not wanted & set(hits):
            print(f"  not found: {text} ({', '.join(catalog.titles(hits))})")
    return found / len(queries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", action="store_true", help="also the test queries: to report, not to choose by")
    options = parser.parse_args()
    engine = Engine()
    engine.search("warm up")
    names = engine.request_view().catalog.column("title")
    rng = random.Random(SEED)
    typed = [(row, with_typos(names[row], rng)) for row in rng.sample(range(len(names)), min(500, len(names)))]
    spent, hits = [], 0
    for row, text in typed:
        start = time.process_time()
        answer = engine.search(text, n=FIRST)
        spent.append(1e3 * (time.process_time() - start))
        hits += row in [hit.row for hit in answer]
    print(f"titles with two typos, in the first {FIRST}: {hits / len(typed):.3f}")
    asked = [nonsense(rng) for _ in range(300)]
    print(f"nonsense that finds nothing: {np.mean([not engine.search(text) for text in asked]):.3f}")
    for name, queries in (("tuning", TUNING), ("test", TEST))[: 1 + options.test]:
        print(f"people, numerals, abbreviations, wishes, {name} half: {share_found(engine, queries):.3f}")
    print(f"CPU ms, typos: median {statistics.median(spent):.1f}, p95 {np.percentile(spent, 95):.1f}")
    spent = []
    for _, text in DEVELOPMENT:
        start = time.process_time()
        engine.search(text)
        spent.append(1e3 * (time.process_time() - start))
    print(f"CPU ms, plots: median {statistics.median(spent):.1f}, p95 {np.percentile(spent, 95):.1f}")
    engine.close()


if __name__ == "__main__":
    main()
