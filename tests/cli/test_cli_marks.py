"""Marks of films, lists for several people and claims from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def first_ids(run: Any, user: str, *words: str) -> list[str]:
    return [item["movie_id"] for item in json.loads(run("recommend", "-u", user, "--json", *words).out)["items"]]


def test_a_film_is_marked_listed_and_unmarked(run: Any, home: Path) -> None:
    del home
    first, second, *_ = before = first_ids(run, "1")
    assert run("seen", "1", f"id:{first}").out.startswith("Seen by user 1: ")
    assert run("not-interested", "1", f"id:{second}").code == 0
    assert not {first, second} & set(first_ids(run, "1"))
    assert run("watchlist", "1", f"id:{before[2]}").code == 0
    listed = json.loads(run("watchlist", "1", "--json").out)
    assert (listed["total"], listed["states"][0]["movie_id"]) == (1, before[2])
    assert first in run("seen", "1").out
    remarks = run("history", "1").err
    assert "marked not-interested" in remarks
    assert json.loads(run("history", "1", "--json").out)["states"] == {"seen": 1, "not_interested": 1, "watchlist": 1}
    assert run("seen", "1", f"id:{first}", "--undo").out.startswith("No longer seen by user 1: ")
    assert run("not-interested", "1", f"id:{second}", "--undo", "--json").code == 0
    assert first_ids(run, "1") == before
    assert run("seen", "1", "--undo").code == 2
    assert "1 marks" in run("erase", "1", "--yes").out


def test_somebody_who_only_marks_has_a_history(run: Any, home: Path) -> None:
    del home
    assert run("history", "fresh").code == 1
    first = first_ids(run, "1")[0]
    run("seen", "fresh", f"id:{first}")
    assert run("history", "fresh").code == 0
    assert first not in first_ids(run, "fresh")


def test_a_list_for_two(run: Any, home: Path) -> None:
    del home
    answer = json.loads(run("recommend", "-u", "1", "--with", "2", "--method", "least_misery", "-n", "3", "--json").out)
    assert [one["user_id"] for one in answer["items"][0]["members"]] == ["1", "2"]
    shown = run("recommend", "-u", "1", "--with", "nobody")
    assert "Nothing is known about nobody." in shown.err
    assert "%" in shown.out
    assert run("recommend", "--with", "2").code == 2
    assert run("recommend", "-u", "1", "--with", "2", "--explain").code == 2


def test_a_guest_is_claimed(run: Any, home: Path) -> None:
    del home
    first = first_ids(run, "1")[0]
    run("rate", "guest-12345678", f"id:{first}", "4")
    run("rate", "ann", f"id:{first}", "5")
    said = run("claim", "ann", "guest-12345678")
    assert "0 ratings and 0 marks of guest-12345678; 1 that" in said.out
    assert run("history", "guest-12345678").code == 1
    assert run("claim", "ann", "1").code == 1
