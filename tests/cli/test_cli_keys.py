"""The commands of API keys, and that no service starts open by mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matinee.access import KeyFile
from matinee.access.keys import parsed


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder in force that does not exist yet."""
    monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_key_is_made_listed_and_revoked(empty: Path, run: Any) -> None:
    assert "There is no key" in run("keys", "list").err
    made = run("keys", "create", "web app", "--role", "write", "--user", "42", "--expires", "90d", "--rate", "60")
    assert made.code == 0, made.err
    shown = parsed(made.out.strip())
    assert shown is not None
    assert "this once" in made.err
    assert "demand keys" in made.err
    second = run("keys", "create", "monitor", "--role", "read", "--json")
    assert parsed(json.loads(second.out)["key"])
    assert "demand keys" not in second.err

    listed = run("keys", "list")
    for part in (shown.id, "web app", "write", "42", "until", "60", "monitor"):
        assert part in listed.out
    assert shown.secret not in listed.out
    items = json.loads(run("keys", "list", "--json").out)["items"]
    assert [(item["name"], item["role"], item["user"], item["rate"]) for item in items] == [
        ("web app", "write", "42", 60),
        ("monitor", "read", None, None),
    ]
    assert "sha256" not in str(items)

    assert f"Revoked {shown.id} (web app)" in run("keys", "revoke", shown.id).out
    assert run("keys", "revoke", shown.id).code == 1
    assert "revoked" in run("keys", "list").out
    whole = json.loads(second.out)["key"]
    assert run("keys", "revoke", whole).code == 0, "a whole key names itself"
    acts = [json.loads(line) for line in (empty / "audit.jsonl").read_text().splitlines()]
    assert [(act["act"], act["name"]) for act in acts] == [
        ("key created", "web app"),
        ("key created", "monitor"),
        ("key revoked", "web app"),
        ("key revoked", "monitor"),
    ]
    assert acts[0]["user"] == "42"
    assert not any(secret in str(acts) for secret in (shown.secret, whole))


def test_another_file_by_setting(empty: Path, run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MATINEE_KEYS_FILE", str(tmp_path / "secrets" / "keys"))
    assert run("keys", "create", "app", "--role", "admin").code == 0
    assert len(KeyFile(tmp_path / "secrets" / "keys").keys()) == 1
    assert not (empty / "keys.json").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", " ", "--role", "read"), "name"),
        (("create", "a\nb", "--role", "read"), "name"),
        (("create", "a", "--role", "read", "--user", "a\nb"), "not an id"),
        (("create", "a", "--role", "admin", "--user", "42"), "cannot have the role admin"),
        (("create", "a", "--role", "read", "--expires", "soon"), "12h, 90d"),
        (("create", "a", "--role", "read", "--expires", "0d"), "12h, 90d"),
        (("create", "a", "--role", "read", "--expires", "999999y"), "100y at most"),
        (("revoke", "nothing"), "no key of the id"),
    ],
)
def test_errors_say_what_to_do(empty: Path, run: Any, words: tuple[str, ...], told: str) -> None:
    done = run("keys", *words)
    assert done.code == 1
    assert told in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [("create", "a"), ("create", "a", "--role", "root"), ("create", "--role", "read")])
def test_a_role_and_a_name_must_be_given(empty: Path, run: Any, words: tuple[str, ...]) -> None:
    assert run("keys", *words).code == 2


@pytest.mark.parametrize("words", [("serve",), ("serve", "encoder"), ("up", "core"), ("demo",)])
def test_nothing_starts_open_to_others_without_a_key(empty: Path, run: Any, words: tuple[str, ...]) -> None:
    done = run(*words, "--host", "0.0.0.0")
    assert done.code == 1
    told = " ".join(done.err.split())
    assert "matinee keys create" in told
    assert "--insecure" in told


def test_with_a_key_or_insecure_the_address_is_looked_at(empty: Path, run: Any) -> None:
    """The next check is that of the address: these are none of this machine's."""
    for options in (("--insecure",), ()):
        if not options:
            run("keys", "create", "app", "--role", "read")
        done = run("serve", "--host", "192.0.2.1", *options)
        assert done.code == 1
        assert "Cannot listen on 192.0.2.1" in done.err


def test_the_key_is_not_shown_with_the_settings(empty: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_API_KEY", "matinee_secret")
    assert "matinee_secret" not in run("settings").out
    assert "matinee_secret" not in run("settings", "--json").out
