"""Addresses in messages and listings hold no password."""

from __future__ import annotations

import pytest

from matinee._util.secrets import without_password


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", ""),
        ("postgresql://host/films", "postgresql://host/films"),
        ("postgresql://ann@host/films", "postgresql://ann@host/films"),
        ("postgresql://ann:secret@host:5432/films", "postgresql://ann:********@host:5432/films"),
        ("postgresql://:secret@host", "postgresql://:********@host"),
        ("postgresql://ann:se/cr@e:t?#@host/films", "postgresql://ann:********@host/films"),
        ("postgresql:///films?user=ann&password=a%20b&port=1", "postgresql:///films?user=ann&password=********&port=1"),
        ("http://a:1@x:9200,http://b:2,3@y:9200", "http://a:********@x:9200,http://b:********@y:9200"),
        ("http://host:9200/path", "http://host:9200/path"),
        ("host:9200", "host:9200"),
    ],
)
def test_passwords_become_asterisks(given: str, shown: str) -> None:
    assert without_password(given) == shown
