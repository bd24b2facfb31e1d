"""SIGKILL in the middle of a stream of writes: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import sys
from pathlib import Path

import pytest

from store_support import SqliteFactory, all_ratings, batch_of, write_until_killed


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("rounds", [5, pytest.param(20, marks=pytest.mark.extended)])
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path, rounds: int) -> None:
    factory = SqliteFactory(tmp_path / "store.sqlite3")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["matinee.stores"])  # so that a round costs no import
    chance = random.Random(20)
    acknowledged = {}
    for round_ in range(rounds):
        label = f"round {round_}"
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=write_until_killed, args=(factory, label, there), daemon=True)
        process.start()
        there.close()
        last = -1
        for _ in range(chance.randrange(1, 30)):
            assert here.poll(60), "the writer says nothing"
            last = here.recv()
        process.kill()
        process.join(90)
        assert process.exitcode == -9
        try:
            while here.poll(0):  # acknowledged before the kill, read after
                last = here.recv()
        except EOFError:
            pass
        here.close()
        process.close()
        acknowledged[label] = last

        store = factory()
        held = all_ratings(store)
        changes = store.changes(0)
        assert changes.seq == store.seq() == len(held) == len(changes.ratings)
        for label, last in acknowledged.items():
            kept = len([pair for pair in held if pair[0] == f"{label}-0"])
            assert kept in (last + 1, last + 2), "acknowledged ones, and at most the one under way"
            for n in range(kept):
                for rating in batch_of(label, n):
                    assert held[rating.user_id, rating.movie_id] == rating
            assert sum(pair[0].startswith(f"{label}-") for pair in held) == sum(
                len(batch_of(label, n)) for n in range(kept)
            )
        store.close()
        connection = sqlite3.connect(factory.path)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
