"""Search for stored movies by title and text, done by Elasticsearch."""

from __future__ import annotations

from typing import Any

from matinee.databases.elasticsearch import Cluster

MAX_QUERY = 500
"""Longest search text that is looked at, in characters."""
MAX_FOUND = 10_000
"""Most movies in one answer, the largest that Elasticsearch gives."""
TITLE, PREFIX, TEXT = 4.0, 3.0, 1.0
"""Weights of words of the title, of its beginning or that of its last word, and of words of the other texts."""


def search_movies(cluster: Cluster, index: str, text: str, n: int) -> list[str]:
    """Ids of the movies whose title or text has words of a query, best first; one or two letters may be wrong.

    Args:
        index: the movies' alias; it is refreshed, so that every movie written before is found.
        n: number of movies.
    """
    text = text[:MAX_QUERY].encode(errors="ignore").decode()
    if n < 1 or not text.strip():
        return []
    cluster.refresh(index)
    ways: list[dict[str, Any]] = [
        {"match": {"title": {"query": text, "fuzziness": "AUTO", "boost": TITLE}}},
        {"match_bool_prefix": {"title": {"query": text, "boost": PREFIX}}},
        {"match": {"text": {"query": text, "fuzziness": "AUTO", "boost": TEXT}}},
    ]
    hits = cluster.search(
        index,
        query={"bool": {"should": ways, "minimum_should_match": 1}},
        sort=["_score", {"place": "asc"}],
        source_includes=["movie_id"],
        size=min(n, MAX_FOUND),
    )
    return [hit["_source"]["movie_id"] for hit in hits]
