"""The indices of the store: their mappings, how they are made, checked and brought to a newer schema.

Every index is reached by an alias, so that a new index can take its place at once. Its mapping says which part of the
store it is, and the version of its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from matinee.databases.elasticsearch import Cluster
from matinee.databases.elasticsearch_documents import Action, Document
from matinee.databases.elasticsearch_scan import scan
from matinee.errors import StoreError
from matinee.stores.elasticsearch.entries import users_of
from matinee.stores.elasticsearch.names import Names

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

SCHEMA = 3
"""Version of the indices that this code reads and writes."""


def _with_users(part: str, document: Document) -> dict[str, Any]:
    """Documents of the log name the users whose ratings they change."""
    source = document.source
    if part != "log" or source.get("kind") not in ("log", "part"):
        return source
    return source | {"user": users_of(source["entries"])}


MIGRATIONS: Mapping[int, Callable[[str, Document], dict[str, Any]]] = {1: _with_users}
"""Version → a function that makes a document of the next version: (part, document) → its source.

Version 3 has states of users, and changes no document: older code does not know their entries.
"""
OWNER = "matinee"
STATE = "state"
"""The document of the log that holds the newest commit."""
CREATING = 30.0
"""Seconds that making an index may take."""

STARTING = 5
"""Seconds that the shards of an index may take to start."""

_ID = {"type": "keyword", "ignore_above": 1024}
_NOT_SEARCHED = {"type": "object", "enabled": False}
_NUMBER = {"type": "long"}

PROPERTIES: dict[str, dict[str, dict[str, Any]]] = {
    # `kind`: state, log, part, key or shown; the other fields are those of the kinds that are searched for.
    "log": {
        "kind": {"type": "keyword"},
        "commit": _NUMBER,
        "seq": _NUMBER,
        "created": {"type": "double"},
        "user": {"type": "keyword"},
        "timestamp": _NUMBER,
        "order": _NUMBER,
        "entries": _NOT_SEARCHED,
        "body": _NOT_SEARCHED,
    },
    "users": {"user_id": _ID, "version": _NUMBER, "erased": _NUMBER, "ratings": _NOT_SEARCHED, "states": _NOT_SEARCHED},
    "movies": {
        "movie_id": _ID,
        "place": _NUMBER,
        "seq": _NUMBER,
        "title": {"type": "text"},
        "text": {"type": "text"},
        "body": _NOT_SEARCHED,
    },
    "vectors": {"movie_id": _ID, "seq": _NUMBER, "spaces": _NOT_SEARCHED},
}
"""Part of the store → fields of its documents."""
SETTINGS = {
    # A copy of every shard as soon as there are two nodes.
    "auto_expand_replicas": "0-1",
    # How long a deletion keeps a delayed write of an older version out.
    "gc_deletes": "1h",
    # Erased ratings leave the disk at the merge that an erasure asks for.
    "merge.policy.expunge_deletes_allowed": 0,
}


def prepare(cluster: Cluster, names: Names) -> None:
    """Make the indices that are missing; check those there are, and bring them to the newest schema.

    Raises:
        StoreError: an index is of a newer Matinee or of another program, has another mapping, or some are missing.
    """
    parts = {"log": names.log, "users": names.users, "movies": names.movies, "vectors": names.vectors}
    held = _held(cluster, names)
    for part, alias in parts.items():
        if alias in held:
            _check(cluster, part, alias, *held[alias])
    missing = [part for part, alias in parts.items() if alias not in held]
    if missing:
        _check_missing(cluster, names, missing)
        if "log" in missing:  # first, so that others without it are a sign that it was removed
            _create(cluster, "log", names.log)
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(lambda part: _create(cluster, part, parts[part]), (p for p in missing if p != "log")))


def _held(cluster: Cluster, names: Names) -> dict[str, tuple[str, dict[str, Any]]]:
    """Alias, or name, → index behind it and its mapping."""
    answer: Any = cluster.call(
        lambda client: client.indices.get(
            index=",".join(names.all()), ignore_unavailable=True, features=["aliases", "mappings"]
        )
    )
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for index, about in answer.items():
        for alias in (*about.get("aliases", {}), index):
            if alias in names.all():
                found[alias] = index, about.get("mappings", {})
    return found


def _check(cluster: Cluster, part: str, alias: str, index: str, mapping: Mapping[str, Any]) -> None:
    about = mapping.get("_meta", {})
    if about.get("owner") != OWNER or about.get("part") != part or index == alias:
        raise StoreError(
            f"The index {index!r} of {cluster.name} is not Matinee's, or not its index of {part}.",
            "Name other indices with MATINEE_USER_INDEX, MATINEE_MOVIE_INDEX and MATINEE_VECTOR_INDEX.",
        )
    schema = about.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise StoreError(
            f"The index {index!r} was written by a newer Matinee (schema {schema}, this one supports {SCHEMA}).",
            "Update Matinee, or name other indices.",
        )
    if schema < SCHEMA:
        _migrate(cluster, part, alias, index, schema)
        return
    for name, field in PROPERTIES[part].items():
        kind = mapping.get("properties", {}).get(name, {}).get("type", "object")
        if kind != field["type"]:
            raise StoreError(
                f"The index {index!r} has the field {name!r} as {kind}, not as {field['type']}.",
                "Somebody made or changed it outside of Matinee: restore it from a backup, or remove it.",
            )


def _check_missing(cluster: Cluster, names: Names, missing: list[str]) -> None:
    """Raise StoreError where some indices of a store that was in use are gone: the others alone are of no use."""
    if "log" in missing:
        lost = len(missing) < len(PROPERTIES)
    else:
        # Another process may be making them right now, and has written nothing yet.
        lost = bool(cluster.read([(names.log, STATE)], only="commit")[0].source.get("commit"))
    if lost:
        raise StoreError(
            f"Of the store at {cluster.name} these indices are missing: "
            f"{', '.join(getattr(names, part) for part in missing)}.",
            "Restore all indices of the store from one backup, or remove the others too to begin with an empty store.",
        )


def index_name(alias: str, schema: int) -> str:
    """The index behind an alias."""
    return f"{alias}-v{schema}"


def _create(cluster: Cluster, part: str, alias: str, *, aliased: bool = True) -> None:
    """Make an index, unless another process has just done so."""
    from elasticsearch import BadRequestError

    def request(client: Elasticsearch) -> None:
        try:
            client.indices.create(
                index=index_name(alias, SCHEMA),
                settings={"index": SETTINGS},
                mappings={
                    "dynamic": False,
                    "_meta": {"owner": OWNER, "part": part, "schema": SCHEMA},
                    "properties": PROPERTIES[part],
                },
                aliases={alias: {"is_write_index": True}} if aliased else {},
            )
        except BadRequestError as error:
            if error.error != "resource_already_exists_exception":
                raise

    cluster.call(request, timeout=CREATING)


def _migrate(cluster: Cluster, part: str, alias: str, index: str, schema: int) -> None:
    """Copy an index into one of the newest schema, and let the alias name that.

    Writes of processes with older code are refused meanwhile. An attempt that was interrupted is made again.
    """
    new = index_name(alias, SCHEMA)
    cluster.call(lambda client: client.indices.put_settings(index=index, settings={"index.blocks.write": True}))
    _create(cluster, part, alias, aliased=False)

    def changed(document: Document) -> dict[str, Any]:
        for version in range(schema, SCHEMA):
            step = MIGRATIONS.get(version)
            if step is not None:
                document = document._replace(source=step(part, document))
        return document.source

    cluster.write(
        (Action(new, document.id, document.version, changed(document)) for document in scan(cluster, index)),
        alias=False,
    )
    cluster.refresh(new)
    cluster.call(
        lambda client: client.indices.update_aliases(
            actions=[
                {"add": {"index": new, "alias": alias, "is_write_index": True}},
                {"remove_index": {"index": index}},
            ]
        ),
        timeout=CREATING,
    )


def wait_until_usable(cluster: Cluster, names: Names) -> None:
    """Until the shards of the indices have started, which takes a moment after a node has."""
    health: Any = cluster.call(
        lambda client: client.options(ignore_status=408).cluster.health(
            index=",".join(names.all()), wait_for_status="yellow", timeout=f"{STARTING}s"
        ),
        timeout=2 * STARTING,
    )
    if health.get("timed_out"):
        raise StoreError(
            f"{cluster.name} has not started all shards of the store's indices.",
            "Start its missing nodes; look at GET /_cluster/health.",
        )
