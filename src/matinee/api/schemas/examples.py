"""Examples of request bodies and answers, for the OpenAPI document; written as JSON, as clients see them."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from pydantic import ConfigDict, with_config

T = TypeVar("T")

MOVIE = """{
  "movie_id": "900001", "title": "The Lighthouse Keeper", "year": 2019, "genres": ["Drama", "Mystery"],
  "tags": ["sea", "slow burn"], "directors": ["A. Director"],
  "overview": "Two keepers, one lamp, and a winter that does not end.", "imdb_id": "tt0000001"
}"""
ITEM = """ "movie_id": "318", "title": "The Shawshank Redemption", "year": 1994, "genres": ["Crime", "Drama"],
  "score": 0.873, "rank": 1"""
SNAPSHOT = '"snapshot": "20260101T120000Z-0123abcd"'


def example(*documents: str) -> dict[str, Any]:
    """The `json_schema_extra` of a class with these examples (JSON texts)."""
    return {"examples": [orjson.loads(document) for document in documents]}


def with_example(cls: type[T], document: str) -> type[T]:
    """A type of the engine, a dataclass or a typed dictionary, given an example (JSON text) in the OpenAPI document."""
    return with_config(ConfigDict(json_schema_extra=example(document)))(cls)
