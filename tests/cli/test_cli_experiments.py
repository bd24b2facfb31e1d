"""Experiments on the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from matinee.settings import Settings
from matinee.stores import Exposure, MovieState, open_store

ARMS = ("--arm", "control:share=0.5", "--arm", "ease:share=0.5,model=ease,adventurous=0.9")


def test_an_experiment_from_its_start_to_its_end(home: Path, run: Any) -> None:
    assert "There is no experiment" in run("experiment", "list").err
    done = run("experiment", "start", "rows", *ARMS, "--exploration", "0.5")
    assert done.code == 0, done.err
    assert "runs" in run("experiment", "list").out
    settings, now = Settings(data_dir=home), int(time.time())
    store = open_store(settings, "small")
    drawn: dict[str, Any] = {"candidates": ("1", "2", "3", "4"), "sequence": store.seq()}
    for number in range(8):
        first, second = (("1", "2"), ("2", "1"))[number % 2]
        shown = Exposure(
            f"v{number}",
            now,
            "s",
            "ease",
            (first, second),
            "rows",
            "control" if number < 4 else "ease",
            (0.625, 2 / 3) if first == "1" else (0.125, 2 / 3),
            **drawn,
        )
        store.log_exposures([shown])
        if number >= 4:
            store.put_states([MovieState(f"v{number}", "2", "seen", now)])
    store.close()
    found = json.loads(run("experiment", "show", "rows", "--json").out)
    assert [(arm["users"], arm["outcome"]) for arm in found["arms"]] == [(4, 0), (4, 4)]
    assert found["differences"][0]["difference"] == 1.0
    shown_table = run("experiment", "show", "rows")
    assert "p, once" in shown_table.out
    logged = run("evaluate", "--logged", "rows", "--arm", "ease", "--json")
    assert logged.code == 0, logged.err
    answer = json.loads(logged.out)
    # The best is "1" at first, and what is left of "1" and "2" then: "2" after "1" (weight 1.5), "1" after "2".
    assert answer["places"] == 8
    assert answer["estimates"][0]["method"] == "ips"
    assert answer["estimates"][0]["value"] == pytest.approx(2 * 1.5 / 8)
    assert "given the places above it" in run("evaluate", "--logged", "rows", "-m", "popular").err
    assert run("experiment", "stop", "rows").code == 0
    assert "stopped" in run("experiment", "list").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("start", "rows", "--arm", "a:share=half"), "is no number"),
        (("start", "rows", "--arm", "a:share"), "is not NAME=VALUE"),
        (("start", "rows", "--arm", "a:share=0.5"), "sum to 1"),
        (("start", "rows", "--arm", "a:share=1,size=3"), "size"),
        (("start", "rows", "--arm", "a:share=1,model=nothing"), "nothing"),
        (("show", "rows"), "There is no experiment"),
        (("stop", "rows"), "There is no experiment"),
    ],
)
def test_what_cannot_be_done_is_told(home: Path, run: Any, arguments: tuple[str, ...], said: str) -> None:
    done = run("experiment", *arguments)
    assert done.code == 1
    assert said in done.err


def test_logged_takes_no_protocol(home: Path, run: Any) -> None:
    assert "takes no protocol" in run("evaluate", "likes", "--logged", "rows").err
    assert "No protocol" in run("evaluate").err
