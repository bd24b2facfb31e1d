"""Accuracy against published tables, on exactly their protocols.

    python benchmarks/accuracy.py                                      # MovieLens 100K, top-n
    python benchmarks/accuracy.py ml-1m-topn --data ../shared/data/ml-1m --model ease --model blend
    python benchmarks/accuracy.py ml-100k-topn --validation            # for choosing settings; test stays untouched

Prints a Markdown table: our models measured now, then the published figures; and how the best of both compare.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from matinee.evaluation import PROTOCOLS, EvaluationReport, evaluate
from matinee.settings import Settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RANKED = ("popular", "itemknn", "ease", "edlae", "ials", "content", "blend")


def verdict(report: EvaluationReport) -> str:
    """One line for each metric that others have published: the best of ours, the best of theirs."""
    lines = []
    for metric in dict.fromkeys(name for peer in report.peers for name in peer.metrics):
        best = min if metric in ("rmse", "mae") else max
        ours = [(entry.metrics[metric], entry.name) for entry in report.results if metric in entry.metrics]
        theirs = [(peer.metrics[metric], peer.name) for peer in report.peers if metric in peer.metrics]
        if ours:
            (mine, model), (published, peer) = best(ours), best(theirs)
            lines.append(
                f"{metric}: {model} {mine:.4f}, best published {peer} {published:.4f}, ratio {mine / published:.3f}"
            )
    return "\n".join(lines)


def show(what: str, _share: float) -> None:
    """What is being done, on one line that is written over."""
    print(f"\r{what:<60}\r", end="", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", nargs="?", default="ml-100k-topn", choices=list(PROTOCOLS))
    parser.add_argument("--data", type=Path, help="folder with the data; default: the measuring data, else fetched")
    parser.add_argument("--model", action="append", help="a model (again for more)")
    parser.add_argument("--validation", action="store_true", help="ask the validation part instead of test")
    options = parser.parse_args()
    protocol = PROTOCOLS[options.protocol]
    data = options.data
    if data is None and protocol.dataset is not None and (SHARED / protocol.dataset).exists():
        data = SHARED / protocol.dataset
    models = options.model or (RANKED if "ranking" in protocol.tasks else None)
    report = evaluate(
        options.protocol,
        models,
        data=data,
        settings=Settings(),
        validation=options.validation,
        progress=show if sys.stderr.isatty() else None,
    )
    if sys.stderr.isatty():
        show("", 1.0)
    print(report.to_markdown())
    if report.peers:
        print(verdict(report))


if __name__ == "__main__":
    main()
