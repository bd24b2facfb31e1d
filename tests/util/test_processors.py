"""Affinity and cgroup quotas."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from matinee._util.processors import processor_count


@pytest.fixture(autouse=True)
def _affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("outer", "inner", "count"),
    [
        ("max 100000", "max 100000", 8),
        ("max 100000", "200000 100000", 2),
        ("300000 100000", "max 100000", 3),
        ("300000 100000", "150000 100000", 2),
        ("max 100000", "1000 100000", 1),
        ("max 100000", "9900000 100000", 8),
        ("max 100000", "nonsense", 8),
    ],
)
def test_version_2(tmp_path: Path, outer: str, inner: str, count: int) -> None:
    own = write(tmp_path / "own", "0::/pod/app\n")
    write(tmp_path / "groups/pod/cpu.max", outer)
    write(tmp_path / "groups/pod/app/cpu.max", inner)
    assert processor_count(tmp_path / "groups", own) == count


def test_version_2_inside_a_container(tmp_path: Path) -> None:
    """The path is one of the host; what is mounted is the container's own cgroup."""
    own = write(tmp_path / "own", "0::/system.slice/docker-1.scope\n")
    write(tmp_path / "groups/cpu.max", "150000 100000")
    assert processor_count(tmp_path / "groups", own) == 2


@pytest.mark.parametrize(("quota", "count"), [("-1", 8), ("250000", 3), ("0", 8)])
def test_version_1(tmp_path: Path, quota: str, count: int) -> None:
    own = write(tmp_path / "own", "9:name=systemd:/\n4:cpu,cpuacct:/app\n3:cpuset:/\n")
    write(tmp_path / "groups/cpu/app/cpu.cfs_quota_us", quota)
    write(tmp_path / "groups/cpu/app/cpu.cfs_period_us", "100000")
    assert processor_count(tmp_path / "groups", own) == count


def test_without_cgroups(tmp_path: Path) -> None:
    assert processor_count(tmp_path, tmp_path / "none") == 8


def test_without_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processor_count(tmp_path, tmp_path / "none") == 1


def test_here() -> None:
    assert 1 <= processor_count() <= 8
