"""The store on Elasticsearch (extra `elasticsearch`)."""

from __future__ import annotations

from matinee.databases.elasticsearch import Cluster
from matinee.settings import Settings
from matinee.stores.elasticsearch.names import Names
from matinee.stores.elasticsearch.store import ElasticsearchStore

__all__ = ["ElasticsearchStore", "Names", "open_elasticsearch_store"]


def open_elasticsearch_store(settings: Settings, dataset: str) -> ElasticsearchStore:
    """Open the store of one data set in the indices that the settings name.

    Raises:
        StoreError: it cannot be opened.
        MissingExtraError: the official client is not installed.
    """
    return ElasticsearchStore(Cluster.of(settings), Names.of(settings, dataset))
