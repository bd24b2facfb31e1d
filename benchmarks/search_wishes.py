"""The default search of a snapshot: titles with two typos, nonsense, people, numerals, short forms, wishes.

    matinee train --data FOLDER                   # ml-latest-small with overviews.csv beside its tables
    python benchmarks/search_wishes.py --test     # without --test: the half of the queries that choices are made on
    python benchmarks/search_wishes.py --seeds 1 2 3 4 5 6 7 8     # what thresholds were chosen on

Queries are in `tests/wish_queries.py`. Nonsense is random letters, keyboard mash, words with their letters shuffled,
and other scripts, of three characters and more. Short ones ("oltv") may be a title with two typos ("Bolt"): both
kinds are shown. Times are those of the process's CPU.
"""

from __future__ import annotations

import argparse
import random
import statistics
import string
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from matinee.engine import Engine
from matinee.errors import MatineeError
from meaning_queries import DEVELOPMENT, with_typos
from wish_queries import TEST, TUNING, Queries

SEED, FIRST, SHORT = 20, 5, 6
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
    return " ".join(words)


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


def cpu_ms(engine: Engine, texts: Sequence[str]) -> tuple[list[list[int]], str]:
    """Rows found for each text, and how long it took."""
    spent, found = [], []
    for text in texts:
        start = time.process_time()
        found.append([hit.row for hit in engine.search(text, n=FIRST)])
        spent.append(1e3 * (time.process_time() - start))
    return found, f"median {statistics.median(spent):.1f}, p95 {np.percentile(spent, 95):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", action="store_true", help="also the test queries: to report, not to choose by")
    parser.add_argument("--seeds", type=int, nargs="+", default=[SEED], help="of the titles, typos and nonsense")
    options = parser.parse_args()
    engine = Engine.open()
    engine.search("warm up")
    names = engine.request_view().catalog.column("title")
    typed: list[tuple[int, str]] = []
    asked: list[str] = []
    for seed in options.seeds:
        rng = random.Random(seed)
        typed += [(row, with_typos(names[row], rng)) for row in rng.sample(range(len(names)), min(500, len(names)))]
        asked += [nonsense(rng) for _ in range(300)]
    found, typos_cost = cpu_ms(engine, [text for _, text in typed])
    hits = [row in rows for (row, _), rows in zip(typed, found, strict=True)]
    print(f"{len(typed)} titles with two typos, in the first {FIRST}: {np.mean(hits):.3f}")
    found, nonsense_cost = cpu_ms(engine, asked)
    for kind, lengths in (
        ("", range(1000)),
        (f", of those of {SHORT} letters or fewer", range(SHORT + 1)),
        (", of longer ones", range(SHORT + 1, 1000)),
    ):
        empty = [not rows for text, rows in zip(asked, found, strict=True) if len(text) in lengths]
        print(f"nonsense that finds nothing{kind}: {np.mean(empty):.3f} of {len(empty)}")
    shares = []
    for name, queries in (("tuning", TUNING), ("test", TEST))[: 1 + options.test]:
        shares.append((share_found(engine, queries), len(queries)))
        print(f"people, numerals, abbreviations, wishes, {name} half: {shares[-1][0]:.3f}")
    if options.test:
        total = sum(count for _, count in shares)
        print(f"  all {total}: {sum(share * count for share, count in shares) / total:.3f}")
    typing = [names[row][:length] for row, _ in typed[:100] for length in range(1, min(len(names[row]), 25), 3)]
    print(f"CPU ms, typos: {typos_cost}; nonsense: {nonsense_cost}", end="; ")
    print(f"as one types: {cpu_ms(engine, typing)[1]}; plots: {cpu_ms(engine, [text for _, text in DEVELOPMENT])[1]}")
    engine.close()


if __name__ == "__main__":
    main()
